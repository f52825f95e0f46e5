"""The AsyncAPI document: valid by its specification, and true of what is sent."""

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from convstore.directory.scopes import TAGS
from convstore.http.asyncapi import make_document
from convstore.http.routes import API
from convstore.log import codec
from convstore.stream.telling import data_of

HERE = Path(__file__).parent
# schemas/3.0.0-without-$id.json of the npm package @asyncapi/specs 6.11.1 (Apache-2.0).
SPECIFICATION = HERE / "asyncapi-3.0.0.json.gz"
SAMPLES = HERE.parent / "domain" / "samples" / "schema-1.jsonl"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(json.dumps(make_document("https://messages.example.org:8443", "/demo")))


def test_it_is_valid(document: dict[str, Any]) -> None:
    schema = json.loads(gzip.decompress(SPECIFICATION.read_bytes()))

    assert [] == [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)]
    # The validator looks at something.
    assert list(jsonschema.Draft7Validator(schema).iter_errors(document | {"channels": {"a": 1}}))


def test_every_type_of_event_is_in_it(document: dict[str, Any]) -> None:
    assert {*TAGS, "inbox-changed", "end", "webhook-test"} == document["components"]["messages"].keys()
    for name, more in (("events", {"end"}), ("pages", set()), ("subscription", set()), ("webhook", {"webhook-test"})):
        assert {*TAGS, *more} == document["channels"][name]["messages"].keys()


def test_its_channels_are_served(document: dict[str, Any]) -> None:
    served = {f"/{route.path}" for route in API}

    assert {channel["address"] for channel in document["channels"].values()} - {None} <= served
    assert ("messages.example.org:8443", "/demo/api", "https") == tuple(
        document["servers"]["convstore"][name] for name in ("host", "pathname", "protocol")
    )


@pytest.mark.parametrize("texts", [True, False])
def test_kept_samples_of_all_events_are_as_described(document: dict[str, Any], *, texts: bool) -> None:
    seen = set()
    for line in SAMPLES.read_text().splitlines():
        data = json.loads(data_of(codec.CODEC.decode(line), texts=texts))
        payload = document["components"]["messages"][data["type"]]["payload"]["allOf"][1]["properties"]["data"]
        schema = payload | {"components": document["components"]}
        assert [] == [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(data)]
        seen.add(data["type"])
    assert set(TAGS) == seen
