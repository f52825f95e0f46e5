"""Bad input gets a clear 4xx in the client's format, stores nothing, and the server goes on (issue 2, design 10)."""

import zlib
from base64 import b64encode

import pytest
from people import CLERK, MC, MOBILE, Client, MakeClient

JSON = {"Content-Type": "application/json"}
XML = {"Content-Type": "application/xml"}
TEXT = {"Content-Type": "text/plain"}
CHARACTERS = "A text holds a NUL character or a lone surrogate, which cannot be stored."

MALFORMED_JSON = [
    b"{",
    b'{"subject": "a",}',
    b"{'subject': 'a'}",
    b"[]",
    b'"text"',
    b"1",
    b'{"subject": 5}',
    b'{"subject": ["a"]}',
    b'{"subject": {"a": "b"}}',
    b'{"users": {"id": "a"}}',
    b'{"users": "a"}',
    b'{"users": ["a"]}',
    b'{"users": [{"id": 5}]}',
    b'{"users": [{"id": {"id": "a"}}]}',
    b'{"attachments": [5]}',
    b'{"subject": "a"} {"subject": "b"}',
    b"[" * 500_000,
    b'{"extra": ' + b"[" * 500_000,
    b'{"extra": ' + b'{"a":' * 300_000,
    b'{"extra": ' + b"[" * 500_000 + b"]" * 500_000 + b',"users":[{"id":5}]}',
]

MALFORMED_XML = [
    b"<message>",
    b"<message></massage>",
    b"text",
    b'<!DOCTYPE message [<!ENTITY x "y">]><message><subject>&x;</subject></message>',
    b'<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]><m><text>&c;</text></m>',
    b'<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><m><text>&x;</text></m>',
    b'<!DOCTYPE m [<!ENTITY % x SYSTEM "http://127.0.0.1:1/"> %x;]><m/>',
    b"<m>&undefined;</m>",
    b"<a>" * 300_000,
]

UNSTORABLE = [
    (b'{"subject": "a\\u0000b", "users": [{"id": "PhzytPW3g2J"}]}', JSON),
    (b'{"subject": "a", "text": "\\ud800", "users": [{"id": "PhzytPW3g2J"}]}', JSON),
    (b'{"subject": "a", "text": "\\udc00\\ud800", "users": [{"id": "PhzytPW3g2J"}]}', JSON),
    (b'{"subject": "a", "users": [{"id": "\\u0000"}]}', JSON),
    (b'{"subject": "a", "ignored": "\\ud83d", "users": [{"id": "PhzytPW3g2J"}]}', JSON),
    (b'{"subject": "a", "\\u0000": 1, "users": [{"id": "PhzytPW3g2J"}]}', JSON),
    (b'{"subject": "a\x00", "users": [{"id": "PhzytPW3g2J"}]}', JSON),
    (b'{"subject": "\xff", "users": [{"id": "PhzytPW3g2J"}]}', JSON),
    (b'{"subject": "\xed\xa0\x80", "users": [{"id": "PhzytPW3g2J"}]}', JSON),
    (b"<message><subject>a\x00</subject><user id='PhzytPW3g2J'/></message>", XML),
    (b"<message><subject>a&#0;</subject><user id='PhzytPW3g2J'/></message>", XML),
    (b"<message><subject>&#xD800;</subject><user id='PhzytPW3g2J'/></message>", XML),
    (b"<message><subject>\xff</subject><user id='PhzytPW3g2J'/></message>", XML),
]


async def test_malformed_documents_are_a_conflict_in_the_format_they_came_in(client: Client) -> None:
    for body in MALFORMED_JSON:
        status, text = (await client.as_admin.post(MC, data=body, headers=JSON)).message
        assert (status, text.partition(": ")[0]) == (409, "JSON parse error"), body[:80]
    for body in MALFORMED_XML:
        answer = await client.as_admin.post(MC, data=body, headers=XML)
        status, text = answer.message
        assert (status, text.partition(": ")[0]) == (409, "XML parse error"), body[:80]
        assert answer.xml.tag.endswith("webMessage")
        assert "root:" not in text
    await _unharmed(client)


async def test_a_wrong_type_is_told_with_its_place(client: Client) -> None:
    answer = await client.as_admin.post(MC, json={"subject": "a", "users": [{"id": "b"}, {"id": 5}]})

    assert answer.message == (409, "JSON parse error: Expected `str | null`, got `int` - at `$.users[1].id`")


async def test_characters_that_cannot_be_stored_are_refused_in_every_part_of_a_document(client: Client) -> None:
    for body, headers in UNSTORABLE:
        status, text = (await client.as_admin.post(MC, data=body, headers=headers)).message
        assert status == 400, body
        assert text in {CHARACTERS, "The text is not valid UTF-8."}
    await _unharmed(client)


async def test_and_in_texts_that_stand_for_themselves(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    before = await client.events()
    for body in (b"a\x00", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80"):
        for path in (f"{MC}/{uid}", f"{MC}/feedback?subject=a"):
            assert (await client.as_mobile.post(path, data=body, headers=TEXT)).status == 400
    for charset in ("no-such", "idna", "unicode_escape", "utf-7", "iso-8859-99", "punycode", "rot13", "x" * 200):
        answer = await client.as_mobile.post(
            f"{MC}/{uid}", data=b"a", headers={"Content-Type": f"text/plain; charset={charset}"}
        )
        assert answer.message == (415, f"Content-Type 'text/plain; charset={charset}' is not supported")
    assert await client.events() == before


async def test_and_in_paths_queries_and_headers(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    before = await client.events()
    for path in (
        f"{MC}/%00",
        f"{MC}/%ff",
        f"{MC}/%ED%A0%80",
        f"{MC}/{uid}%00",
        f"{MC}/{uid}/%00/read",
        f"{MC}/{uid}?attachments=%00",
        f"{MC}/{uid}?ignored=%FF",
        f"{MC}/feedback?subject=a%00",
        f"{MC}/feedback?subject=%C3",
        f"{MC}/{uid}/read?userUid=%00",
        f"{MC}/{uid}/assign?userId=%00",
        f"{MC}/{uid}/status?messageConversationStatus=%00",
    ):
        status, _ = (await client.as_mobile.post(path, data=b"a", headers=TEXT)).message
        assert status in {400, 404}, path
        if "read" not in path.rpartition("/")[2] or "?" in path:
            assert status == 400, path
    for path in (f"{MC}/{uid}/%00", f"{MC}?mc=%00", f"{MC}?mc={uid}&user=%ff", f"{MC}/%00/assign"):
        assert (await client.as_mobile.delete(path)).status == 400
    authorization = b64encode(b"mobile:district")
    answer = await client.raw(
        b"POST /api/messageConversations/" + uid.encode() + b" HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\r\n"
        b"Authorization: Basic " + authorization + b"\r\nContent-Length: 1\r\nConnection: close\r\n\r\na"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert CHARACTERS.encode() in answer
    assert await client.events() == before


async def test_unknown_ids_of_any_form_are_just_unknown(client: Client) -> None:
    for uid in (
        "xyz",
        "A" * 11,
        "0" * 11,
        "A" * 3000,
        "%20",
        "%F0%9F%98%80",
        "a'%3B--",
        "%2e%2e%2f",
        "a%5Cu0000",
    ):
        for path in (uid, f"{uid}/recipients", f"{uid}/read", f"{uid}/status?messageConversationStatus=OPEN"):
            answer = await client.as_mobile.post(f"{MC}/{path}", data=b"{}", headers=JSON)
            assert answer.message[0] == 404, path
    await _unharmed(client)


async def test_a_body_that_is_too_large_is_refused_and_not_read_into_memory(client: Client) -> None:
    big = b'{"subject": "' + b"x" * 20_000_000 + b'"}'
    for path in (MC, f"{MC}/{MOBILE}", f"{MC}/read", f"{MC}/feedback?subject=a"):
        for accept in ("application/json", "application/xml"):
            answer = await client.as_admin.post(path, data=big, headers=JSON | {"Accept": accept})
            assert answer.message == (413, "The request body is too large")
    await _unharmed(client)


async def test_a_body_that_says_its_size_is_refused_before_it_is_sent(client: Client) -> None:
    authorization = b64encode(b"mobile:district").decode()
    head = (
        f"POST {MC} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {authorization}\r\nContent-Type: application/json\r\n"
    )
    assert (
        await client.first_line(f"{head}Content-Length: 20000000\r\n\r\n".encode())
        == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    )


async def test_the_limit_of_a_body_is_what_was_set(make_client: MakeClient) -> None:
    client = await make_client(max_body=1_000)
    uid = await client.as_admin.send(MOBILE)

    fits = await client.as_mobile.reply(uid, "x" * 1_000)
    does_not = await client.as_mobile.reply(uid, "x" * 1_001)

    assert (fits.status, does_not.status) == (200, 413)


async def test_a_compressed_body_counts_as_what_it_expands_to(client: Client) -> None:
    bomb = zlib.compress(b" " * 50_000_000)
    answer = await client.as_admin.post(MC, data=bomb, headers=JSON | {"Content-Encoding": "deflate"})

    assert answer.message[0] == 413
    await _unharmed(client)


async def test_a_body_in_an_encoding_that_cannot_be_undone_is_refused(client: Client) -> None:
    for encoding, status in ((b"deflate", b"400"), (b"gzip", b"400"), (b"compress", b"415")):
        answer = await client.raw(
            b"POST /api/messageConversations/feedback?subject=a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Authorization: Basic %b\r\nContent-Encoding: %b\r\nContent-Length: 7\r\n\r\nrubbish"
            % (b64encode(b"mobile:district"), encoding)
        )
        # Where rubbish comes in one packet with the head, aiohttp itself refuses it, as HTTP/1.0 and in plain text.
        assert answer.split(b" ")[1] == status
    await _unharmed(client)


async def test_a_client_that_asks_first_is_told_before_it_sends(client: Client) -> None:
    def head(size: int, expect: bytes, password: bytes = b"district") -> bytes:
        credentials = b64encode(b"mobile:" + password)
        return (
            b"POST /api/messageConversations/feedback?subject=a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Authorization: Basic %b\r\nContent-Length: %d\r\nExpect: %b\r\n\r\n" % (credentials, size, expect)
        )

    fine = await client.raw(head(1, b"100-continue") + b"a")
    assert fine.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")
    for refused, status in (
        (head(20_000_000, b"100-continue"), b"413"),
        (head(1, b"100-continue", b"wrong"), b"401"),
        (head(1, b"miracles"), b"417"),
    ):
        assert (await client.first_line(refused)).startswith(b"HTTP/1.1 " + status)


async def test_what_is_not_http_stays_out_of_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    answer = await client.raw(
        b"POST /api/messageConversations/feedback?subject=s\xc3\xa9cret HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.0 400 ")
    assert "Error handling request" in caplog.text
    assert "subject" not in caplog.text


async def test_no_body_at_all(client: Client) -> None:
    for headers in (JSON, XML):
        for data in (b"", b"  \n"):
            answer = await client.as_admin.post(MC, data=data, headers=headers)
            assert answer.message == (400, "Required request body is missing")


async def test_many_recipients_are_taken(client: Client) -> None:
    users = [{"id": MOBILE}, {"id": CLERK}] * 10_000

    assert (await client.as_admin.post(MC, json={"subject": "a", "users": users})).status == 201


@pytest.mark.parametrize("key", ["", " ", '""', "a b", "é", '"a', '"' + "x" * 256 + '"', "x" * 256])
async def test_a_key_that_cannot_be_read_is_refused(client: Client, key: str) -> None:
    answer = await client.as_admin.post(
        MC, json={"subject": "a", "users": [{"id": MOBILE}]}, headers={"Idempotency-Key": key}
    )

    assert answer.message[0] == 400
    assert await client.events() == 0


async def test_a_text_that_xml_cannot_carry_is_kept_and_shown(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE, subject="a\x0bb", text="\ufffe <&>")

    answer = await client.as_mobile.get(f"{MC}/{uid}.xml?fields=subject,messages[text]")
    in_json = await client.as_mobile.get(f"{MC}/{uid}?fields=subject")

    assert "a\ufffdb" in "".join(answer.xml.itertext())
    assert in_json.json == {"subject": "a\x0bb"}


async def _unharmed(client: Client) -> None:
    """Nothing was stored, and the server serves."""
    assert await client.events() == 0
    assert (await client.as_admin.get("/api/ping")).body == b"pong"
