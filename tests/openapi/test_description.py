"""The document against the router: nothing missing, nothing invented; and against the specification."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from openapi_spec_validator import OpenAPIV31SpecValidator

import convstore.http
from convstore.http.keys import TAKES
from convstore.http.openapi import words
from convstore.http.openapi.document import make_document
from convstore.http.params import first
from convstore.http.query.parameters import read_query
from convstore.http.routes import API, OUTSIDE

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def served(prefix: str) -> set[tuple[str, str]]:
    return {
        *((route.method, f"{prefix}/{route.path}" if route.path else prefix) for route in API),
        *((route.method, f"/{route.path}") for route in OUTSIDE),
    }


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return make_document(API, OUTSIDE)


def test_every_route_is_described() -> None:
    assert [] == [f"{route.method} {route.path}" for route in (*API, *OUTSIDE) if route.describes is None]


def test_the_document_has_what_is_served_and_nothing_else(document: dict[str, Any]) -> None:
    assert served("/api") == set(operations(document))


def test_below_a_version_it_has_the_paths_of_that_version() -> None:
    assert served("/api/42") == set(operations(make_document(API, OUTSIDE, version=42)))


def test_it_is_what_openapi_says_a_document_is(document: dict[str, Any]) -> None:
    assert [] == [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]


def test_every_operation_asks_for_credentials_unless_its_route_is_public(document: dict[str, Any]) -> None:
    public = {f"/api/{route.path}" for route in API if route.public} | {f"/{route.path}" for route in OUTSIDE}

    assert public == {path for (_, path), said in operations(document).items() if said.get("security") == []}
    assert [{"basic": []}, {"apiToken": []}, {"session": []}] == document["security"]


def test_what_is_said_can_be_read_as_it_stands(document: dict[str, Any]) -> None:
    """Summaries are short, and begin and end alike; descriptions are sentences; nothing is named by our own papers."""
    wrong = []
    for (method, path), operation in operations(document).items():
        summary = operation["summary"]
        if not re.fullmatch(r"[A-Z].{2,90}[^.]", summary):
            wrong.append(f"{method} {path}: {summary}")
        texts = [operation.get("description"), *(each["description"] for each in operation["parameters"])]
        texts += [each["description"] for each in operation["responses"].values() if "$ref" not in each]
        texts += [each["description"] for each in document["components"]["responses"].values()]
        wrong += [f"{method} {path}: {text}" for text in texts if text is not None and not text.endswith((".", "`."))]

    assert [] == wrong
    assert not re.search(r"contract section|design section|row \d", json.dumps(document))


def test_what_may_come_compressed_says_so_in_one_place(document: dict[str, Any]) -> None:
    def compressed(method: str, path: str, status: str = "200") -> set[str]:
        headers = operations(document)[(method, path)]["responses"][status]["headers"]
        found = {name: each.get("$ref") for name, each in headers.items() if name in ("Content-Encoding", "Vary")}
        assert {f"#/components/headers/{name}" for name in found} == set(found.values())
        return set(found)

    both = {"Content-Encoding", "Vary"}
    assert both == set(document["components"]["headers"])
    assert both == compressed("GET", "/api/messageConversations")
    assert both == compressed("GET", "/api/messageConversations/events.ndjson")
    assert both == set(document["components"]["responses"]["BadRequest"]["headers"]) & both
    assert not compressed("GET", "/api/messageConversations", "304")
    assert not compressed("POST", "/api/apiToken", "201")
    assert not compressed("POST", "/api/subscriptions/{name}/webhook/secrets")
    assert not compressed("GET", "/api/messageConversations/events/stream")


def test_a_parameter_that_is_not_described_cannot_be_read() -> None:
    request = make_mocked_request("GET", "/api/messageConversations?fields=id&secret=1")
    request[TAKES] = next(route.takes for route in API if route.path == "messageConversations")

    assert "id" == first(request, "fields")
    with pytest.raises(LookupError, match="secret"):
        first(request, "secret")


def test_parameters_are_read_where_that_is_seen_to() -> None:
    """In one place, and in that of lists, which links keep as it was sent; a login reads its form so."""
    root = Path(convstore.http.__path__[0])
    found = {
        file.name
        for file in root.rglob("*.py")
        if re.search(r"request\.query\b|rel_url\.query\b|parse_qs|url\.query\b", file.read_text())
    }

    assert {"params.py", "reading.py", "login.py"} == found


def test_the_query_language_of_lists_is_described_as_it_is_read() -> None:
    read = defaultdict[str, list[str]](list)

    class Given(dict[str, list[str]]):
        def get(self, name: str, default: Any = None) -> Any:
            return read[name] or default

    read_query(Given())

    described = {each.name for each in (*words.OF_LISTS, words.QUERY_STRING, words.QUERY_OPERATOR)}
    assert described == set(read) | {"wrapper"}
    for route in API:
        if "filter" in route.takes:
            assert {each.name for each in words.OF_LISTS} <= route.takes, route.path
