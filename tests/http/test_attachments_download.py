"""Download of files: who gets one, whole or in part, and how (contract section 3.12, row 20 of section 1.5)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from people import CLERK, MC, NO_CONVERSATION, Caller, Client
from test_attachments import FILES, PNG, uploaded

from convstore.http.downloads import Unsatisfiable, disposition, parse_range


async def last_message(caller: Caller, uid: str) -> str:
    """Give the uid of a conversation's last message."""
    found: str = (await caller.get(f"{MC}/{uid}?fields=messages[id]")).json["messages"][-1]["id"]
    return found


async def sent(client: Client, content: bytes = PNG, **parts: Any) -> str:
    """Let mobile send a file to clerk, and give the path where it is downloaded."""
    file = await uploaded(client.as_mobile, content, **parts)
    uid = await client.as_mobile.send(CLERK, attachments=[file["id"]])
    return f"{MC}/{uid}/{await last_message(client.as_mobile, uid)}/attachments/{file['id']}"


async def test_a_file_comes_back_as_it_was(client: Client) -> None:
    content = bytes(range(256)) * 4_000
    path = await sent(client, content)

    for caller in (client.as_mobile, client.as_clerk, client.as_admin):
        answer = await caller.get(path)

        assert (200, content) == (answer.status, answer.body)
    assert {
        "Content-Type": "image/png",
        "Content-Length": str(len(content)),
        "Content-Disposition": "attachment; filename=\"a.png\"; filename*=UTF-8''a.png",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
    }.items() <= dict(answer.headers).items()
    versioned = await client.as_clerk.get(path.replace("/api/", "/api/42/"), headers={"Accept": "text/html,*/*;q=0.1"})
    assert content == versioned.body


async def test_asked_about_a_file_the_server_says_the_same_without_it(client: Client) -> None:
    path = await sent(client)

    got, head = await client.as_clerk.get(path), await client.as_clerk("HEAD", path)

    same = ("ETag", "Content-Length", "Content-Type", "Content-Disposition", "Accept-Ranges")
    assert (200, b"") == (head.status, head.body)
    assert [got.headers[name] for name in same] == [head.headers[name] for name in same]


async def test_a_file_that_the_reader_has_is_not_sent_again(client: Client) -> None:
    path = await sent(client)
    tag = (await client.as_clerk.get(path)).headers["ETag"]

    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await client.as_clerk.get(path, headers={"If-None-Match": asked})
        assert (304, b"", tag) == (answer.status, answer.body, answer.headers["ETag"])
    assert 200 == (await client.as_clerk.get(path, headers={"If-None-Match": '"other"'})).status


async def test_a_part_of_a_file(client: Client) -> None:
    path = await sent(client, b"0123456789")
    tag = (await client.as_clerk.get(path)).headers["ETag"]

    async def part(**headers: str) -> tuple[int, str | None, bytes]:
        answer = await client.as_clerk.get(path, headers={name.replace("_", "-"): headers[name] for name in headers})
        return answer.status, answer.headers.get("Content-Range"), answer.body

    assert (206, "bytes 2-4/10", b"234") == await part(Range="bytes=2-4")
    assert (206, "bytes 7-9/10", b"789") == await part(Range="bytes=7-")
    assert (206, "bytes 7-9/10", b"789") == await part(Range="bytes=-3")
    assert (206, "bytes 0-9/10", b"0123456789") == await part(Range="bytes=0-999")
    assert (416, "bytes */10", b"") == await part(Range="bytes=10-")
    assert (206, "bytes 2-4/10", b"234") == await part(Range="bytes=2-4", If_Range=tag)
    whole = (200, None, b"0123456789")
    assert whole == await part(Range="bytes=2-4", If_Range='"other"')
    for ignored in ("bytes=0-1,3-4", "lines=1-2", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=1-2 x"):
        assert whole == await part(Range=ignored), ignored
    assert "10" == (await client.as_clerk("HEAD", path, headers={"Range": "bytes=2-4"})).headers["Content-Length"]


def test_ranges_at_the_edges() -> None:
    assert (0, 10) == parse_range("bytes=-10", 10) == parse_range("bytes=-11", 10) == parse_range("Bytes = 0-", 10)
    assert (9, 10) == parse_range("bytes=9-9", 10)
    assert None is parse_range(f"bytes=0-{'9' * 19}", 10)
    for nothing in ("bytes=-0", "bytes=10-10", "bytes=10-"):
        with pytest.raises(Unsatisfiable):
            parse_range(nothing, 10)


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("a b.txt", "a b.txt", "a%20b.txt"),
        ("été.pdf", "_t_.pdf", "%C3%A9t%C3%A9.pdf"),
        ('a";x="b', "a_;x=_b", "a%22%3Bx%3D%22b"),
        ("50%.txt", "50_.txt", "50%25.txt"),
        ("it's.txt", "it's.txt", "it%27s.txt"),
        ("a\r\nSet-Cookie: b", "a__Set-Cookie: b", "a%0D%0ASet-Cookie%3A%20b"),
        ("a\\b", "a_b", "a%5Cb"),
    ],
)
def test_a_name_cannot_leave_its_header(name: str, plain: str, full: str) -> None:
    assert f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}" == disposition(name)


async def test_a_page_that_somebody_attached_is_no_page_of_ours(client: Client) -> None:
    page = b"<script>alert(1)</script>"
    path = await sent(
        client, page, disposition=b'form-data; name="file"; filename="a.html"', content_type=b"text/html; charset=utf-8"
    )

    answer = await client.as_clerk.get(path)

    assert ("text/html; charset=utf-8", "nosniff") == (
        answer.headers["Content-Type"],
        answer.headers["X-Content-Type-Options"],
    )
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")


async def test_what_cannot_be_had_is_refused_in_order(client: Client) -> None:
    path = await sent(client)
    _, _, _, uid, message, _, file = path.split("/")
    other = await client.as_mobile.send(CLERK, attachments=[(await uploaded(client.as_mobile))["id"]])
    other_message = await last_message(client.as_mobile, other)

    async def refused(caller: Caller, *parts: str) -> tuple[int, str, str | None]:
        answer = await caller.get(f"{MC}/{parts[0]}/{parts[1]}/attachments/{parts[2]}")
        return *answer.message, answer.json.get("errorCode")

    clerk, support = client.as_clerk, client.as_support
    for unknown in (NO_CONVERSATION, "xyz", "0abcdefghij"):
        expected = (404, f"No message conversation with uid '{unknown}'", None)
        assert expected == await refused(clerk, unknown, "abc", "abc")
    denied = (403, "Not authorized to access this conversation.", None)
    assert denied == await refused(support, uid, message, file) == await refused(support, uid, "abc", "abc")
    assert (404, f"No message with uid 'abc' in messageConversation '{uid}", None) == await refused(
        clerk, uid, "abc", "abc"
    )
    assert (404, f"No message with uid '{other_message}' in messageConversation '{uid}", None) == await refused(
        clerk, uid, other_message, file
    )
    assert (404, "No messageattachment found with id 'abc'", None) == await refused(clerk, uid, message, "abc")
    invalid = (409, "Invalid messageattachment.", None)
    assert invalid == await refused(clerk, other, other_message, file)
    unused = (await uploaded(client.as_clerk))["id"]
    assert invalid == await refused(clerk, uid, message, unused)
    assert 401 == (await client.as_nobody.get(path)).status


async def test_files_of_internal_messages_are_not_there_for_others(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    file = (await uploaded(client.as_support))["id"]
    answer = await client.as_support.post(f"{MC}/{uid}?internal=true&attachments={file}", data="Look")
    assert 200 == answer.status
    message = await last_message(client.as_support, uid)
    path = f"{MC}/{uid}/{message}/attachments/{file}"

    assert PNG == (await client.as_support.get(path)).body == (await client.as_admin.get(path)).body
    hidden = (404, f"No message with uid '{message}' in messageConversation '{uid}")
    assert hidden == (await client.as_mobile.get(path)).message
    assert 403 == (await client.as_clerk.get(path)).status
    known = [(await caller.get(f"{FILES}/{file}")).status for caller in (client.as_admin, client.as_mobile)]
    assert [200, 404] == known


async def test_what_is_known_of_a_file_is_for_those_who_may_read_its_message(client: Client) -> None:
    path = await sent(client)
    file = path.rpartition("/")[2]

    callers = (client.as_mobile, client.as_clerk, client.as_admin, client.as_support)
    assert [200, 200, 200, 404] == [(await caller.get(f"{FILES}/{file}")).status for caller in callers]


async def test_whoever_left_gets_no_more_files(client: Client) -> None:
    path = await sent(client)
    uid = path.split("/")[3]
    assert 200 == (await client.as_clerk.delete(f"{MC}/{uid}/{CLERK}")).status

    assert 403 == (await client.as_clerk.get(path)).status
    await client.as_mobile.post(f"{MC}/{uid}/recipients", json={"users": [{"id": CLERK}]})
    assert 200 == (await client.as_clerk.get(path)).status


async def test_files_go_with_their_conversation(client: Client) -> None:
    path = await sent(client)
    uid = path.split("/")[3]
    assert 200 == (await client.as_admin.delete(f"{MC}/{uid}")).status

    assert (404, f"No message conversation with uid '{uid}'") == (await client.as_mobile.get(path)).message


async def test_bytes_that_were_lost_are_told_so(client: Client, tmp_path: Path) -> None:
    path = await sent(client)
    for stored in tmp_path.rglob("*"):
        if stored.is_file():
            stored.unlink()

    assert (404, f"No messageattachment found with id '{path.rpartition('/')[2]}'") == (
        await client.as_clerk.get(path)
    ).message


async def test_many_files_are_read_and_written_at_once(client: Client) -> None:
    paths = await asyncio.gather(*(sent(client, bytes([n]) * 300_000) for n in range(12)))
    answers = await asyncio.gather(*(client.as_clerk.get(path) for path in paths for _ in range(3)))

    assert [bytes([n]) * 300_000 for n in range(12) for _ in range(3)] == [answer.body for answer in answers]
