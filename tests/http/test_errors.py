"""Every error under /api is a WebMessage in the client's format (contract section 7)."""

import asyncio
from typing import Any

import asyncpg
import pytest
import structlog
from lxml import etree
from people import MC, MOBILE, Client, MakeClient

from convstore import errors
from convstore.errors import ConvstoreError
from convstore.http.errors import STATUSES, Problem
from convstore.http.nodes import web_message
from convstore.log.store import Store

# Those that no client ever meets: errors.py says where each ends.
INSIDE = {
    errors.ConversationExists,
    errors.SnapshotUnreadable,
    errors.LogCorrupt,
    errors.DirectoryRefused,
    errors.ConfigError,
    # Of commands at the terminal.
    errors.ArchiveDamaged,
    errors.DeliveryFailed,
    errors.ImportRefused,
    errors.TestFailed,
}


def _leaves(kind: type[ConvstoreError]) -> set[type[ConvstoreError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return set().union(*map(_leaves, children)) if children else {kind}


def test_every_error_of_the_tree_has_a_status_or_stays_inside() -> None:
    told = {leaf for leaf in _leaves(ConvstoreError) if any(kind in STATUSES for kind in leaf.__mro__)}

    assert told == _leaves(ConvstoreError) - INSIDE


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (200, "OK"),
        (201, "Created"),
        (202, "Accepted"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (406, "Not Acceptable"),
        (409, "Conflict"),
        (413, "Payload Too Large"),
        (415, "Unsupported Media Type"),
        (422, "Unprocessable Entity"),
        (500, "Internal Server Error"),
        (503, "Service Unavailable"),
    ],
)
def test_a_status_has_its_phrase_whichever_python_it_is(status: int, phrase: str) -> None:
    message = web_message(status)

    assert (message.http_status, message.http_status_code) == (phrase, status)
    assert message.status == ("OK" if status < 400 else "ERROR")


async def test_members_come_in_order_and_absent_ones_not_at_all(client: Client) -> None:
    answer = await client.as_admin.post(MC, json={"subject": "a"})

    assert answer.body == (
        b'{"httpStatus":"Conflict","httpStatusCode":409,"status":"ERROR",'
        b'"message":"No recipients selected.","errorCode":"E1004"}'
    )


async def test_in_xml_all_but_the_message_are_attributes(client: Client) -> None:
    answer = await client.as_admin.post(MC, json={"subject": "a"}, headers={"Accept": "text/xml"})

    assert answer.headers["Content-Type"] == "application/xml; charset=UTF-8"
    assert etree.tostring(answer.xml, method="c14n") == (
        b'<webMessage xmlns="http://dhis2.org/schema/dxf/2.0" errorCode="E1004" httpStatus="Conflict"'
        b' httpStatusCode="409" status="ERROR"><message>No recipients selected.</message></webMessage>'
    )


async def test_what_a_client_sent_comes_back_escaped(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.delete(f"{MC}/{uid}/%3Cb%20c=%22&%0B.xml")

    assert answer.message == (404, 'No user with uid: <b c="&\ufffd')


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", f"{MC}/ZjHHSjyyeJ2", "DELETE, GET, HEAD, POST"),
        ("PATCH", f"{MC}/ZjHHSjyyeJ2", "DELETE, GET, HEAD, POST"),
        ("PUT", MC, "DELETE, GET, HEAD, POST"),
        ("GET", f"{MC}/read", "POST"),
        ("POST", "/api/resources", "GET, HEAD"),
        ("OPTIONS", "/api/ping", "GET, HEAD"),
    ],
)
async def test_a_method_that_a_path_does_not_have(client: Client, method: str, path: str, allowed: str) -> None:
    answer = await client.as_admin(method, path)
    in_xml = await client.as_admin(method, path, headers={"Accept": "application/xml"})

    assert answer.message == in_xml.message == (405, f"Request method '{method}' is not supported")
    assert answer.headers["Allow"] == in_xml.headers["Allow"] == allowed
    assert "errorCode" not in answer.json


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api/nothing.xml",
        "/api/19/messageConversations",
        "/api/messageConversations/a/b/c",
        "/api/ping.json",
        f"{MC}/gist",
        "/nothing",
    ],
)
async def test_a_path_that_leads_nowhere(client: Client, path: str) -> None:
    assert (await client.as_admin.post(path)).message == (404, "There is nothing at this path")


async def test_whoever_accepts_neither_format_is_told_so_in_json_and_nothing_happens(client: Client) -> None:
    answer = await client.as_admin.post(
        MC, json={"subject": "a", "users": [{"id": MOBILE}]}, headers={"Accept": "text/csv"}
    )

    assert answer.message == (406, "Only application/json and application/xml can be given")
    assert await client.events() == 0


async def test_errors_are_not_to_be_cached(client: Client) -> None:
    answer = await client.as_admin.get("/api/nothing")

    assert answer.headers["Cache-Control"] == "no-cache, private"


@pytest.mark.parametrize("busy", [errors.Busy(), errors.Busy("Full.", retry_after=3), errors.NotReady()])
async def test_whoever_comes_at_a_bad_moment_is_told_when_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, busy: ConvstoreError
) -> None:
    uid = await client.as_admin.send(MOBILE)
    _fail(monkeypatch, busy)

    answer = await client.as_mobile.reply(uid)

    assert answer.message == (503, str(busy))
    assert answer.headers["Retry-After"] == str(getattr(busy, "retry_after", 1))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        asyncpg.CannotConnectNowError("x"),
        asyncpg.AdminShutdownError("x"),
        asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
    ],
)
async def test_a_database_that_is_away_is_no_fault_of_the_request(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    uid = await client.as_admin.send(MOBILE)
    _fail(monkeypatch, error)

    answer = await client.as_mobile.reply(uid)

    assert answer.message == (503, "The database cannot be reached; try again in a moment.")
    assert answer.headers["Retry-After"] == "1"


async def test_a_read_that_takes_too_long_is_told_to_ask_for_less(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = await client.as_admin.send(MOBILE)
    _fail(monkeypatch, asyncpg.QueryCanceledError("canceling statement due to statement timeout"))

    answer = await client.as_mobile.reply(uid)

    assert answer.message == (503, "The answer takes too long: ask for less, or again later.")


async def test_what_nobody_expected_is_logged_without_texts_and_the_server_goes_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = await client.as_admin.send(MOBILE)
    with monkeypatch.context() as broken, structlog.testing.capture_logs() as lines:
        _fail(broken, RuntimeError("the secret text"))
        answer = await client.as_mobile.post(
            f"{MC}/{uid}", data="another secret", headers={"X-Request-ID": "r-1", "Accept": "application/xml"}
        )

    assert answer.message == (500, "Something went wrong on the server; its log has it under r-1.")
    (failed,) = [line for line in lines if line["event"] == "request.failed"]
    assert (failed["request_id"], failed["error"]) == ("r-1", "RuntimeError")
    assert any("test_errors.py" in frame for frame in failed["frames"])
    assert "secret" not in repr(lines)
    assert (await client.as_mobile.reply(uid)).status == 200


async def test_each_request_leaves_one_line_without_what_people_wrote(client: Client) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = await client.as_mobile.post(
            f"{MC}/feedback?subject=secret", data="secret", headers={"X-Request-ID": "abc-1"}
        )
        await client.as_nobody.get("/api/secret")

    first, second = [line for line in lines if line["event"] == "request.served"]
    assert isinstance(first.pop("took_ms"), float)
    assert first == {
        "event": "request.served",
        "log_level": "info",
        "request_id": "abc-1",
        "method": "POST",
        "route": "messageConversations/feedback",
        "status": 201,
        "user": MOBILE,
        "by": "password",
    }
    assert (second["route"], second["status"], second["user"], second["by"]) == (None, 401, None, None)
    assert "secret" not in repr(lines)
    assert answer.headers["X-Request-ID"] == "abc-1"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "é", '"'])
async def test_a_request_id_that_is_not_sane_is_replaced(client: Client, sent: str) -> None:
    answer = await client.as_admin.get("/api/ping", headers={"X-Request-ID": sent})

    assert answer.headers["X-Request-ID"] != sent
    assert len(answer.headers["X-Request-ID"]) == 16


async def test_answers_do_not_tell_what_the_server_is_made_of(client: Client) -> None:
    assert (await client.as_admin.get("/api/ping")).headers["Server"] == "convstore"


async def test_a_client_that_goes_away_harms_nobody(make_client: MakeClient) -> None:
    client = await make_client()
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"POST /api/messageConversations HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await client.as_admin.get("/api/ping")).status == 200


def test_a_problem_is_told_in_its_own_words() -> None:
    assert str(Problem(404, "No user with uid: x")) == "No user with uid: x"


def _fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let everything that is submitted to the log fail like this."""

    async def submit(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(Store, "submit", submit)
