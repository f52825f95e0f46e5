"""Hooks of Schemathesis: what chance alone does not find, the ids of what there is, and a closed form of the document.

Every other call is made with ids of the demo's people, groups and conversations, and with files and tokens that were
made for the run (``CONVSTORE_KNOWN``, a JSON file). What a call takes away is made for it just before.

The document leaves objects open for what later releases add. Here they are closed: what is not described is a defect.
"""

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import schemathesis

KNOWN = json.loads(Path(os.environ["CONVSTORE_KNOWN"]).read_text())

# What is sent to the server is described by these; members of no use are taken, and mean nothing.
_SENT = {"MessageBody", "SystemMessageBody", "Reference", "Credentials", "WantedToken", "TokenAttribute"}

_calls: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
_formats = itertools.cycle(("application/json", "application/xml", "*/*"))


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Close the objects that answers consist of."""
    for name, schema in raw_schema["components"]["schemas"].items():
        if name not in _SENT:
            _close(schema)
    for item in raw_schema["paths"].values():
        for operation in item.values():
            _close(operation["responses"])


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Let every other call of an operation meet something that exists."""
    number = next(_calls[case.operation.label])
    case.headers.setdefault("Accept", next(_formats))
    takes = {each.name for each in case.operation.query}
    if "closeAfter" in takes and isinstance(case.query.get("closeAfter", 0), int):
        # What would be a stream for minutes is one that ends when there is no more.
        case.query["closeAfter"] = 0
    if number % 2 == 0:
        return
    if "Idempotency-Key" in case.headers:
        # One that was not used before, or none.
        del case.headers["Idempotency-Key"]
        if number % 4 == 1:
            case.headers["Idempotency-Key"] = f'"{case.operation.label} {number} {KNOWN["login"][0]}"'
    _fill(case.path_parameters, case, number)
    # A file goes with one message only.
    case.query.pop("attachments", None)
    for name, kind in _QUERY.items():
        if name in case.query and isinstance(case.query[name], str | list):
            value = _known(kind, number)
            case.query[name] = [value] if isinstance(case.query[name], list) else value
    case.body = _body(case, number)


def _body(case: schemathesis.Case, number: int) -> Any:
    """Give a body that can be meant: of what chance has made, as much as there is no harm in."""
    path = case.operation.path
    if case.operation.method == "post" and (known := KNOWN["bodies"].get(path)) is not None:
        return known
    if case.media_type == _UPLOAD:
        return {"file": f"A file, the {number}th".encode()}
    if isinstance(case.body, list):
        return [_known("conversations", number), *map(str, case.body[:2])]
    if isinstance(case.body, dict) and "messageConversations" in path:
        kept = {name: value for name, value in case.body.items() if name in ("priority", "forced", "externalId")}
        users = [{"id": KNOWN["users"][0]}]
        return {**kept, "subject": "From Schemathesis", "text": "Hello", "users": users}
    return case.body


_UPLOAD = "multipart/form-data"
_QUERY = {"mc": "conversations", "user": "users", "userUid": "users", "userId": "users"}


def _fill(parameters: dict[str, Any], case: schemathesis.Case, number: int) -> None:
    """Put known ids into the path."""
    path = case.operation.path
    if "messageUid" in parameters:
        parameters.update(KNOWN["download"])
    elif "uid" in parameters:
        taken_away = case.method == "DELETE" and not path.endswith("/assign")
        parameters["uid"] = _started() if taken_away else _known("conversations", number)
        if "userUid" in parameters:
            parameters["userUid"] = _known("users" if case.method == "DELETE" else "properties", number)
    for name, kind in (("tokenUid", "tokens"), ("authority", "authorities"), ("name", "schemas"), ("file", "assets")):
        if name in parameters:
            parameters[name] = _known(kind, number)
    if "id" in parameters:
        word = path.removeprefix("/api/").partition("/")[0]
        parameters["id"] = _known({"userLookup": "users", "fileResources": "files"}.get(word, word), number)
    if "key" in parameters:
        parameters["key"] = _known("systemSettings" if "systemSettings" in path else "userSettings", number)


def _known(kind: str, number: int) -> str:
    found: list[str] = KNOWN[kind]
    return found[number // 2 % len(found)]


def _started() -> str:
    document = {"subject": "To be taken away", "text": "Hello", "users": [{"id": user} for user in KNOWN["users"]]}
    answer = requests.post(
        f"{KNOWN['api']}/messageConversations", json=document, auth=tuple(KNOWN["login"]), timeout=30
    )
    assert 201 == answer.status_code, answer.text
    return answer.headers["Location"].rpartition("/")[2]


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for each in schema:
            _close(each)
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for each in schema.values():
            _close(each)
