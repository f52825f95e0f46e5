"""Compressed answers: to whom, of what, and that nothing else about them changes."""

import gzip
from typing import NamedTuple

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import make_mocked_request
from people import MC, MOBILE, PASSWORD, Client
from test_attachments_download import sent

from convstore.http.compression import LEAST, gzipped, to_be_compressed
from convstore.http.negotiation import best_coding

EVERYTHING = f"{MC}?fields=:all,messages[:all],userMessages[:all]"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("br;q=0, *", "gzip"),
        ("*", "br"),
        ("*;q=0, gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, br;q=nonsense", "gzip"),
        ("identity, gzip;q=0.9", None),
        ("identity;q=0.5, gzip;q=0.9", "gzip"),
        ("gzip;q=0, br;q=0", None),
        ("deflate", None),
        ("identity", None),
        ("", None),
    ],
)
def test_the_client_says_which_coding_it_wants_most(accepted: str, coding: str | None) -> None:
    assert coding == best_coding(accepted, ("br", "gzip"))


def test_the_length_tells_little() -> None:
    body = b"the same answer " * 100

    made = [gzipped(body) for _ in range(64)]

    assert {body} == {gzip.decompress(each) for each in made}
    assert len({len(each) for each in made}) > 10


class Sent(NamedTuple):
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


async def ask(client: Client, path: str, accepted: str, method: str = "GET", **more: str) -> Sent:
    """Ask as no client library does: what comes is not decompressed."""
    headers = {
        "Host": "localhost",
        "Authorization": encode_basic_auth("mobile", PASSWORD),
        "Accept-Encoding": accepted,
        "Connection": "close",
    } | {name.replace("_", "-"): value for name, value in more.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head, _, body = (await client.raw(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())).partition(b"\r\n\r\n")
    first, *others = head.decode().split("\r\n")
    return Sent(int(first.split()[1]), dict(line.split(": ", 1) for line in others), body)


async def test_what_is_compressed_is_the_same_answer(client: Client) -> None:
    for _ in range(5):
        await client.as_admin.send(MOBILE, text="The fridge in the store room is too warm. " * 5)
    for path in (EVERYTHING, EVERYTHING.replace("?", ".xml?")):
        plain, packed = await ask(client, path, "identity"), await ask(client, path, "gzip")

        assert (200, 200) == (plain.status, packed.status)
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body) / 3
        assert "gzip" == packed.headers["Content-Encoding"]
        assert "Content-Encoding" not in plain.headers
        assert str(len(packed.body)) == packed.headers["Content-Length"]
        for name in ("ETag", "Vary", "Content-Type", "Convstore-Cursor", "Cache-Control"):
            assert plain.headers[name] == packed.headers[name], name
        for answer in (plain, packed):
            again = await ask(client, path, "gzip", if_none_match=answer.headers["ETag"])
            assert (304, b"", plain.headers["ETag"]) == (again.status, again.body, again.headers["ETag"])


async def test_head_says_what_get_would(client: Client) -> None:
    await client.as_admin.send(MOBILE, text="a" * LEAST)

    head = await ask(client, EVERYTHING, "gzip", "HEAD")

    assert (200, b"", "gzip") == (head.status, head.body, head.headers["Content-Encoding"])
    assert 0 < int(head.headers["Content-Length"]) < LEAST


async def test_a_long_answer_is_compressed_beside_those_of_others(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE, text="It is long. " * 10_000)

    answer = await ask(client, f"{MC}/{uid}?fields=messages[text]", "gzip")

    assert b"It is long. " * 10_000 in gzip.decompress(answer.body)


@pytest.mark.parametrize("path", ["/api/ping", f"{MC}/counts", "/api/docs/favicon-32x32.png", "/api/openapi.json"])
async def test_only_what_is_long_and_text_is(client: Client, path: str) -> None:
    answer = await ask(client, path, "gzip")

    assert (path == "/api/openapi.json") is (answer.headers.get("Content-Encoding") == "gzip")


async def test_files_of_messages_are_given_as_they_are(client: Client) -> None:
    path = await sent(client, b"text " * 1_000, content_type=b"text/plain")

    assert b"text " * 1_000 == (await ask(client, path, "gzip")).body
    assert (206, b"text text ") == (await ask(client, path, "gzip", range="bytes=0-9"))[::2]


@pytest.mark.parametrize("kept", ["private, no-cache", "no-store"])
def test_what_nobody_may_keep_is_not_compressed(kept: str) -> None:
    request = make_mocked_request("POST", "/api/apiToken", headers={"Accept-Encoding": "gzip"})
    answer = web.Response(body=b"a" * LEAST, headers={"Cache-Control": kept, "Content-Type": "application/json"})

    assert (kept != "no-store") is to_be_compressed(answer, request)


async def test_answers_with_secrets_are_to_be_kept_by_nobody(client: Client) -> None:
    token = await client.as_mobile.post("/api/apiToken", json={"name": "for a script"})

    assert (201, "no-store") == (token.status, token.headers["Cache-Control"])
