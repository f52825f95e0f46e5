"""Hooks of Schemathesis: what chance alone does not find, what is seen of answers, and a closed form of the document.

Every other call is one that can succeed: with the ids of what there is (``CONVSTORE_KNOWN``, a JSON file), by a
superuser in one format and the other, and by an ordinary person. What such a call takes away is made for it just
before. The calls between are what chance has made of the document, as either person.

Each answer leaves a line in the file that ``seen`` names; one in XML is checked against the document here.

The document leaves objects open for what later releases add. Here they are closed: what is not described is a defect.
"""

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
import schemathesis
from requests.auth import _basic_auth_str
from schemathesis.generation.meta import TestPhase
from xml_instance import Misread, XmlReader

KNOWN = json.loads(Path(os.environ["CONVSTORE_KNOWN"]).read_text())

# What is sent to the server is described by these; members of no use are taken, and mean nothing.
_SENT = {"MessageBody", "SystemMessageBody", "Reference", "Credentials", "WantedToken", "TokenAttribute"}

_document: dict[str, Any] = {}
_calls: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
_limits: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
_names = itertools.count()
_ALL_OF, _THEN_EVERY = 12, 13
_ADMIN, _MOBILE = (_basic_auth_str(username, "district") for username in ("admin", "mobile"))
# Of the calls that can succeed, in turn; in what format, and who.
_TURNS = (("application/json", _ADMIN), ("application/xml", _ADMIN), ("*/*", _MOBILE))


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Close the objects that answers consist of."""
    for name, schema in raw_schema["components"]["schemas"].items():
        if name not in _SENT:
            _close(schema)
    for item in raw_schema["paths"].values():
        for operation in item.values():
            _close(operation["responses"])
    _document.update(raw_schema)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave some out where there are hundreds of cases at the limits of what an operation is described to take."""
    if case.meta is None or case.meta.phase.name is not TestPhase.COVERAGE or KNOWN["thorough"]:
        return True
    number = next(_limits[case.operation.label])
    return number < _ALL_OF or number % _THEN_EVERY == 0


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Let every other call of an operation be one that can succeed."""
    number = next(_calls[case.operation.label])
    turn, by_chance = divmod(number, 2)
    format_, who = _TURNS[turn % len(_TURNS)]
    takes = {each.name for each in case.operation.query}
    if by_chance:
        case.headers.setdefault("Accept", format_)
        case.headers["Authorization"] = (_ADMIN, _MOBILE)[turn % 2]
        if "closeAfter" in takes and isinstance(case.query.get("closeAfter", 0), int):
            # What would be a stream for minutes is one that ends when there is no more.
            case.query["closeAfter"] = 0
        return
    case.headers = {"Accept": format_, "Authorization": who}
    if "Idempotency-Key" in {each.name for each in case.operation.headers} and turn % 2:
        case.headers["Idempotency-Key"] = f'"{case.operation.label} {number}"'
    case.path_parameters = {**case.path_parameters, **_path(case, turn)}
    case.query = {name: value for name, value in KNOWN["query"].items() if name in takes} | (
        {"after": KNOWN["query"]["since"]} if "after" in takes and "events" in case.operation.path else {}
    )
    if "mc" in takes:
        case.query["mc"] = [_started()]
    if case.operation.body:
        case.body = _body(case, number)


@schemathesis.check
def is_seen(context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Note what was answered, and hold what is XML to the document."""
    media_type = response.headers.get("content-type", [""])[0].partition(";")[0]
    with Path(KNOWN["seen"]).open("a") as file:
        file.write(json.dumps([case.operation.label, response.status_code, media_type]) + "\n")
    answers = _document["paths"][case.operation.path][case.operation.method]["responses"]
    described = answers.get(str(response.status_code), {})
    if "$ref" in described:
        described = _document["components"]["responses"][described["$ref"].rpartition("/")[2]]
    content = described.get("content", {})
    if media_type == "application/xml" and media_type in content:
        try:
            XmlReader(_document["components"]["schemas"]).check(response.content, content[media_type]["schema"])
        except Misread as misread:
            raise AssertionError(f"{misread}: {response.content.decode()[:2000]}") from None


def _body(case: schemathesis.Case, number: int) -> Any:
    """Give a body that can be meant."""
    path = case.operation.path
    if path == "/api/subscriptions":
        return _named_anew()
    known = KNOWN["bodies"].get(f"{case.method} {path}")
    if known is not None:
        return known
    if path.endswith(("/acknowledge", "/reject")):
        return _with_an_event(case.path_parameters["name"], path)
    by_type = {"multipart/form-data": {"file": f"A file, the {number}th".encode()}, "text/plain": "As it stands."}
    if case.media_type in by_type:
        return by_type[case.media_type]
    if isinstance(case.body, list):
        return KNOWN["conversations"]
    external = {"externalId": f"{path} {number}"} if path.endswith(("/system", "/validation")) else {}
    return {**external, "subject": "From Schemathesis", "text": "Hello", "users": [{"id": KNOWN["users"][0]}]}


def _named_anew() -> dict[str, str]:
    """Have no subscription of a name, whoever made it, so that each format sees it made."""
    gone = requests.delete(f"{KNOWN['api']}/subscriptions/another", auth=("admin", "district"), timeout=30)
    assert gone.ok or gone.status_code == HTTPStatus.NOT_FOUND, gone.text
    return {"name": "another"}


def _with_an_event(name: str, path: str) -> Any:
    """Have a consumer of a subscription read, so that there is something to acknowledge or to reject."""
    events = _asked("POST", f"subscriptions/{name}/events", json={"consumer": "one", "limit": 1}).json()["events"]
    acks = [event["ack"] for event in events]
    if path.endswith("/acknowledge"):
        return {"consumer": "one", "acks": acks}
    return {"consumer": "one", "ack": acks[0], "reason": "not understood"}


def _path(case: schemathesis.Case, turn: int) -> dict[str, str]:
    """Give known ids for the path; new ones of what a call takes away."""
    if "messageUid" in case.path_parameters:
        return dict(KNOWN["download"])
    return {name: _PLACEHOLDERS[name](case, turn) for name in case.path_parameters}


def _conversation(case: schemathesis.Case, turn: int) -> str:
    taken_away = case.method == "DELETE" and not case.operation.path.endswith("/assign")
    return _started() if taken_away else _known("conversations", turn)


def _person_or_property(case: schemathesis.Case, turn: int) -> str:
    return _known("users" if case.method == "DELETE" else "properties", turn)


def _name(case: schemathesis.Case, turn: int) -> str:
    path = case.operation.path
    if "schemas" in path:
        return _known("schemas", turn)
    if case.method == "DELETE" or path.endswith(("/webhook", "/acknowledge", "/reject")):
        return _subscribed(pushed="webhook" in path and case.method != "PUT")
    return str(KNOWN["subscription"])


def _token(case: schemathesis.Case, _: int) -> str:
    if case.method != "DELETE":
        return str(KNOWN["token"])
    return str(_asked("POST", "apiToken", json={"name": "soon gone"}).json()["response"]["uid"])


def _file(case: schemathesis.Case, turn: int) -> str:
    return _known("page" if case.operation.path.startswith("/page") else "docs", turn)


def _id(case: schemathesis.Case, turn: int) -> str:
    word = case.operation.path.removeprefix("/api/").partition("/")[0]
    return _known({"userLookup": "users", "fileResources": "files"}.get(word, word), turn)


def _key(case: schemathesis.Case, turn: int) -> str:
    return _known("systemSettings" if "systemSettings" in case.operation.path else "userSettings", turn)


_PLACEHOLDERS: dict[str, Callable[[schemathesis.Case, int], str]] = {
    "uid": _conversation,
    "userUid": _person_or_property,
    "name": _name,
    "tokenUid": _token,
    "token": lambda *_: str(KNOWN["unsubscribe"]),
    "authority": lambda *_: "ALL",
    "file": _file,
    "id": _id,
    "key": _key,
}


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response) -> None:
    """Give the tickets back to those who get them, for the operations that come after."""
    if case.method == "DELETE" and case.operation.path.endswith("/feedbackRecipients") and response.status_code < 400:
        body = KNOWN["bodies"]["POST /api/configuration/feedbackRecipients"]
        _asked("POST", "configuration/feedbackRecipients", data=body, headers={"Content-Type": "text/plain"})


def _known(kind: str, turn: int) -> str:
    found: list[str] = KNOWN[kind]
    return found[turn % len(found)]


def _started() -> str:
    document = {"subject": "To be taken away", "text": "Hello", "users": [{"id": user} for user in KNOWN["users"]]}
    return _asked("POST", "messageConversations", json=document).headers["Location"].rpartition("/")[2]


def _subscribed(*, pushed: bool) -> str:
    name = f"for-schemathesis-{next(_names)}"
    _asked("POST", "subscriptions", json={"name": name, "after": "start"})
    if pushed:
        _asked("PUT", f"subscriptions/{name}/webhook", json={"url": KNOWN["receiver"]})
    return name


def _asked(method: str, path: str, **options: Any) -> requests.Response:
    answer = requests.request(method, f"{KNOWN['api']}/{path}", auth=("admin", "district"), timeout=30, **options)
    assert answer.ok, answer.text
    return answer


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for each in schema:
            _close(each)
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for each in schema.values():
            _close(each)
