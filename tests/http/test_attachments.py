"""Upload of files, what is known of them, and messages that take them: contract sections 3.2, 3.5 and 3.11."""

import asyncio
import hashlib
import json
import random
from typing import Any

import pytest
from aiohttp import FormData
from lxml import etree
from people import ADMIN, CLERK, MC, MOBILE, NO_CONVERSATION, Answer, Caller, Client, MakeClient

from convstore.domain.events import MessagePosted
from convstore.domain.types import Attachment

FILES = "/api/fileResources"
UPLOAD = f"{FILES}?domain=MESSAGE_ATTACHMENT"
DXF2 = "{http://dhis2.org/schema/dxf/2.0}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


def multipart(
    content: bytes,
    *,
    disposition: bytes = b'form-data; name="file"; filename="a.png"',
    content_type: bytes | None = b"image/png",
    extra: bytes = b"",
    before: bytes = b"",
    end: bytes = b"\r\n--frontier--\r\n",
) -> dict[str, Any]:
    """Give a request with a multipart body, byte for byte as some client may write it."""
    head = b"" if content_type is None else b"Content-Type: " + content_type + b"\r\n"
    body = b"--frontier\r\nContent-Disposition: " + disposition + b"\r\n" + head + extra + b"\r\n" + content + end
    return {"data": before + body, "headers": {"Content-Type": "multipart/form-data; boundary=frontier"}}


async def uploaded(caller: Caller, content: bytes = PNG, path: str = UPLOAD, **parts: Any) -> dict[str, Any]:
    """Upload a file, and give what the server says of it."""
    answer = await caller.post(path, **multipart(content, **parts))
    assert 202 == answer.status, answer.body
    found: dict[str, Any] = answer.json["response"]["fileResource"]
    return found


async def test_a_file_is_taken_in(client: Client) -> None:
    answer = await client.as_mobile.post(UPLOAD, **multipart(PNG))

    assert (202, "Accepted", "OK") == (answer.status, answer.json["httpStatus"], answer.json["status"])
    assert "FileResource" == answer.json["response"]["responseType"]
    said = answer.json["response"]["fileResource"]
    expected = {
        "name": "a.png",
        "contentType": "image/png",
        "contentLength": len(PNG),
        "contentMd5": hashlib.md5(PNG).hexdigest(),
        "assigned": False,
        "storageStatus": "PENDING",
        "domain": "MESSAGE_ATTACHMENT",
        "hasMultipleStorageFiles": False,
    }
    assert expected == {name: said[name] for name in expected}
    assert answer.headers["Location"].endswith(f"/api/fileResources/{said['id']}")


async def test_its_uploader_may_ask_what_is_known_of_it(client: Client) -> None:
    uid = (await uploaded(client.as_mobile))["id"]

    found = (await client.as_mobile.get(f"{FILES}/{uid}")).json
    some = (await client.as_mobile.get(f"{FILES}/{uid}?fields=id,contentLength,user[username]")).json
    xml = (await client.as_mobile.get(f"{FILES}/{uid}.xml")).xml

    assert ("STORED", False, MOBILE) == (found["storageStatus"], found["assigned"], found["createdBy"]["id"])
    assert hashlib.md5(PNG).hexdigest() == found["contentMd5"]
    assert {"id": uid, "contentLength": len(PNG), "user": {"username": "mobile"}} == some
    assert (f"{DXF2}fileResource", "a.png") == (xml.tag, xml.get("name"))


async def test_a_file_that_no_message_took_is_there_for_nobody_else(client: Client) -> None:
    uid = (await uploaded(client.as_mobile))["id"]

    expected = (404, f"FileResource with id {uid} could not be found.")
    assert [expected] * 2 == [
        (await caller.get(f"{FILES}/{uid}")).message for caller in (client.as_clerk, client.as_admin)
    ]
    assert (404, f"FileResource with id {NO_CONVERSATION} could not be found.") == (
        await client.as_admin.get(f"{FILES}/{NO_CONVERSATION}")
    ).message


async def test_the_answer_may_be_xml(client: Client) -> None:
    request = multipart(PNG)
    request["headers"]["Accept"] = "application/xml"

    said = (await client.as_mobile.post(UPLOAD, **request)).xml
    bare = (await client.as_mobile.post(f"{MC}/attachments", **request)).xml

    file = said.find(f"{DXF2}response/{DXF2}fileResource")
    assert ("202", "a.png", str(len(PNG))) == (
        said.get("httpStatusCode"),
        file.get("name"),
        file.findtext(f"{DXF2}contentLength"),
    )
    assert (f"{DXF2}fileResource", "a.png") == (bare.tag, bare.get("name"))


async def test_the_manuals_way_gives_the_bare_file(client: Client) -> None:
    answer = await client.as_mobile.post(f"{MC}/attachments", **multipart(PNG))

    assert (202, "a.png") == (answer.status, answer.json["name"])
    uid = await client.as_mobile.send(CLERK, attachments=[answer.json["id"]])
    assert ["a.png"] == [each["name"] for each in await attachments(client.as_clerk, uid)]


async def test_a_client_library_uploads_as_well(client: Client) -> None:
    form = FormData()
    form.add_field("comment", "not a file")
    form.add_field("file", b"some text", filename="notes.txt", content_type="text/plain; charset=utf-8")

    said = (await client.as_mobile.post(UPLOAD, data=form)).json["response"]["fileResource"]

    assert ("notes.txt", "text/plain; charset=utf-8", 9) == (said["name"], said["contentType"], said["contentLength"])


NAMES = [
    (b'form-data; name="file"; filename="a.png"', "a.png"),
    (b'form-data; name="file"', "untitled"),
    (b'form-data; name="file"; filename=""', "untitled"),
    (b'form-data; name="file"; filename="  "', "untitled"),
    (b'form-data; name="file"; filename=".."', "untitled"),
    (b'form-data; name="file"; filename="../../etc/passwd"', "passwd"),
    (b'form-data; name="file"; filename="C:\\\\Users\\\\me\\\\a.doc"', "a.doc"),
    ('form-data; name="file"; filename="Données sanitaires.pdf"'.encode(), "Données sanitaires.pdf"),
    (b"form-data; name=\"file\"; filename*=UTF-8''%E1%88%B0%E1%88%8B%E1%88%9D.txt", "ሰላም.txt"),
    (b'form-data; name="file"; filename="say %22hi%22.txt"', 'say "hi".txt'),
    ('form-data; name="file"; filename="\u202egpj.exe"'.encode(), "gpj.exe"),
    (b"form-data; name=\"file\"; filename*=UTF-8''a%0D%0Ab.txt", "ab.txt"),
    (b'form-data; name="file"; filename="' + b"x" * 300 + b'.png"', "x" * 226 + ".png"),
]


async def test_names_are_made_safe(client: Client) -> None:
    for disposition, expected in NAMES:
        assert expected == (await uploaded(client.as_mobile, disposition=disposition))["name"], disposition


async def test_names_that_cannot_be_stored_are_refused(client: Client) -> None:
    for disposition in (
        b"form-data; name=\"file\"; filename*=UTF-8''a%00b",
        b'form-data; name="file"; filename="\xff\xfe"',
    ):
        answer = await client.as_mobile.post(UPLOAD, **multipart(PNG, disposition=disposition))
        assert 400 == answer.status, disposition


@pytest.mark.parametrize("given", [None, b"", b"image", b"a/b/c", b"text/html; x", b"x/" + b"y" * 300])
async def test_what_is_no_content_type_is_bytes(client: Client, given: bytes | None) -> None:
    assert "application/octet-stream" == (await uploaded(client.as_mobile, content_type=given))["contentType"]


async def test_an_empty_file_is_refused(client: Client) -> None:
    answer = await client.as_mobile.post(UPLOAD, **multipart(b""))

    assert (409, "Could not read file or file is empty.") == answer.message


async def test_a_file_over_the_limit_is_refused_and_told_its_size(make_client: MakeClient) -> None:
    client = await make_client(max_attachment=100_000)

    assert 100_000 == (await uploaded(client.as_mobile, b"x" * 100_000))["contentLength"]
    for length in (100_001, 900_000):
        answer = await client.as_mobile.post(UPLOAD, **multipart(b"x" * length))
        assert (409, f"File size can't be bigger than 100000, current file size {length}") == answer.message
    assert (413, "The request body is too large") == (
        await client.as_mobile.post(UPLOAD, **multipart(b"x" * 1_200_000))
    ).message
    assert 1 == await client.backend.pool.fetchval("SELECT count(*) FROM file_resource")


async def test_files_may_be_larger_than_other_bodies(client: Client) -> None:
    assert 9_000_000 == (await uploaded(client.as_mobile, b"x" * 9_000_000))["contentLength"]


async def test_a_file_may_have_a_uid_of_the_clients_once(client: Client) -> None:
    path = f"{UPLOAD}&uid=fTpI4GOmujz"

    assert "fTpI4GOmujz" == (await uploaded(client.as_mobile, path=path))["id"]
    again = await client.as_mobile.post(path, **multipart(b"other"))
    wrong = await client.as_mobile.post(f"{UPLOAD}&uid=1", **multipart(b"other"))

    assert (409, "E1119") == (again.status, again.json["errorCode"])
    assert 400 == wrong.status
    assert hashlib.md5(PNG).hexdigest() == (await client.as_mobile.get(f"{FILES}/fTpI4GOmujz")).json["contentMd5"]


async def test_a_request_with_a_key_uploads_once(client: Client) -> None:
    async def upload(content: bytes, caller: Caller) -> Answer:
        request = multipart(content)
        request["headers"]["Idempotency-Key"] = '"one"'
        return await caller.post(UPLOAD, **request)

    first, again = [await upload(PNG, client.as_mobile) for _ in range(2)]

    assert first.json == again.json
    assert (422, "This Idempotency-Key was used before, with another request.") == (
        await upload(b"other", client.as_mobile)
    ).message
    assert (
        first.json["response"]["fileResource"]["id"]
        != ((await upload(PNG, client.as_clerk)).json["response"]["fileResource"]["id"])
    )


REFUSED = [
    (f"{FILES}?domain=DATA_VALUE", multipart(PNG), 400),
    (UPLOAD, {"data": b"abc", "headers": {"Content-Type": "text/plain"}}, 415),
    (UPLOAD, {"data": b"abc", "headers": {"Content-Type": "multipart/form-data"}}, 400),
    (UPLOAD, {"data": b"", "headers": {"Content-Type": "multipart/form-data; boundary=frontier"}}, 400),
    (UPLOAD, multipart(PNG, disposition=b'form-data; name="other"; filename="a.png"'), 400),
    (UPLOAD, multipart(PNG, end=b""), 400),
    (UPLOAD, multipart(PNG, extra=b"Content-Transfer-Encoding: base64\r\n"), 415),
    (UPLOAD, multipart(PNG, extra=b"Content-Encoding: gzip\r\n"), 415),
    (UPLOAD, multipart(PNG, content_type=b"multipart/mixed; boundary=x"), 400),
]


@pytest.mark.parametrize(("path", "request_", "status"), REFUSED)
async def test_what_is_no_upload_is_refused(client: Client, path: str, request_: dict[str, Any], status: int) -> None:
    answer = await client.as_mobile.post(path, **request_)

    assert status == answer.status, answer.body
    assert "ERROR" == answer.json["status"]
    assert 0 == await client.backend.pool.fetchval("SELECT count(*) FROM file_resource WHERE stored IS NOT NULL")


async def test_an_upload_that_breaks_off_leaves_nothing(client: Client, tmp_path: Any) -> None:
    authorization = client.as_mobile._headers["Authorization"]
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=frontier\r\n\r\n"
        '--frontier\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    )
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head.encode() + b"x" * 500_000)
    await writer.drain()
    rows = "SELECT count(*) FROM file_resource"
    while not await client.backend.pool.fetchval(rows):
        await asyncio.sleep(0.01)

    writer.close()

    while await client.backend.pool.fetchval(rows):
        await asyncio.sleep(0.01)
    assert [] == [file for file in tmp_path.rglob("*") if file.is_file()]


async def test_nobody_fills_the_disk_with_files_that_no_message_takes(client: Client) -> None:
    await client.backend.pool.execute(
        "INSERT INTO file_resource (id, owner, name, content_type, storage_key)"
        " SELECT n::text, $1, 'n', 't', n::text FROM generate_series(1, 100) AS n",
        MOBILE,
    )

    answer = await client.as_mobile.post(UPLOAD, **multipart(PNG))

    assert (409, "Too many of your files wait for a message: send some, or try again tomorrow.") == answer.message
    await uploaded(client.as_clerk)


# Rows 4 and 5


async def attachments(caller: Caller, uid: str) -> list[dict[str, Any]]:
    """Give the files of a conversation's last message, as the official app asks for them."""
    answer = await caller.get(f"{MC}/{uid}?fields=messages[id,attachments[id,name,contentLength]]")
    found: list[dict[str, Any]] = answer.json["messages"][-1]["attachments"]
    return found


async def test_a_message_takes_files_in_all_forms(client: Client) -> None:
    one, two, three = [await uploaded(client.as_mobile) for _ in range(3)]

    first = await client.as_mobile.send(CLERK, attachments=[{"id": one["id"], "loading": False}, two["id"], one["id"]])
    document = (
        f'<message><subject>Hey</subject><text>You</text><user id="{CLERK}"/>'
        f'<attachments><attachment id="{three["id"]}"/></attachments></message>'
    )
    second = (await client.as_mobile.post(MC, data=document.encode(), headers={"Content-Type": "application/xml"})).uid

    shown = [{"id": each["id"], "name": "a.png", "contentLength": len(PNG)} for each in (one, two, three)]
    assert shown[:2] == await attachments(client.as_clerk, first)
    assert shown[2:] == await attachments(client.as_clerk, second)
    posted = [event for event in await client.history(first) if isinstance(event, MessagePosted)]
    assert [
        Attachment(id=each["id"], name="a.png", content_type="image/png", length=len(PNG)) for each in (one, two)
    ] == list(posted[0].attachments)
    assert (await client.as_mobile.get(f"{FILES}/{one['id']}")).json["assigned"] is True


async def test_a_reply_takes_files(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    one, two, three = [(await uploaded(client.as_mobile))["id"] for _ in range(3)]

    answer = await client.as_mobile.post(
        f"{MC}/{uid}?attachments={one},{two}&attachments={three}", data="See", headers={"Content-Type": "text/plain"}
    )

    assert 200 == answer.status
    assert [one, two, three] == [each["id"] for each in await attachments(client.as_admin, uid)]
    document = (await client.as_admin.get(f"{MC}/{uid}.xml?fields=messages[attachments[id,name]]")).xml
    assert [one, two, three] == [each.get("id") for each in document.iter(f"{DXF2}attachment")]


async def test_files_that_cannot_be_taken(client: Client) -> None:
    used, others, mine = [
        (await uploaded(caller))["id"] for caller in (client.as_mobile, client.as_clerk, client.as_mobile)
    ]
    uid = await client.as_mobile.send(ADMIN, attachments=[used])
    before = await client.events()

    async def refused(wanted: list[Any]) -> list[tuple[int, str, str | None]]:
        document = {"subject": "a", "text": "b", "users": [{"id": CLERK}], "attachments": wanted}
        sent = await client.as_mobile.post(MC, json=document)
        names = ",".join(wanted)
        replied = await client.as_mobile.post(f"{MC}/{uid}?attachments={names}", data="b")
        return [(*answer.message, answer.json.get("errorCode")) for answer in (sent, replied)]

    for wanted, text in (
        ([mine, "abc"], "Attachment 'abc' not found."),
        ([mine, others], f"Attachment '{others}' not found."),
        ([mine, used], f"Attachment '{used}' is already used or not a valid attachment."),
        ([used, "abc"], f"Attachment '{used}' is already used or not a valid attachment."),
    ):
        assert [(409, text, "E1004"), (409, text, None)] == await refused(wanted)
    assert (409, "Attachment 'null' not found.") == (
        await client.as_mobile.post(MC, json={"subject": "a", "users": [{"id": CLERK}], "attachments": [{}]})
    ).message
    assert before == await client.events()
    # None of them was marked: what is left may be taken.
    await client.as_mobile.send(CLERK, attachments=[mine])


async def test_what_else_is_wrong_is_told_before_files_are_looked_at(client: Client) -> None:
    mine = (await uploaded(client.as_mobile))["id"]
    uid = await client.as_admin.send(CLERK)

    assert (409, "No recipients selected.") == (
        await client.as_mobile.post(MC, json={"subject": "a", "attachments": [mine]})
    ).message
    assert 403 == (await client.as_mobile.post(f"{MC}/{uid}?attachments={mine}", data="b")).status
    own = await client.as_mobile.send(CLERK)
    assert (400, "Required request body is missing") == (
        await client.as_mobile.post(f"{MC}/{own}?attachments={mine}", data="")
    ).message
    await client.as_mobile.send(CLERK, attachments=[mine])


async def test_of_many_messages_that_race_for_a_file_one_gets_it(client: Client) -> None:
    mine = (await uploaded(client.as_mobile))["id"]
    uid = await client.as_mobile.send(CLERK)
    document = {"subject": "a", "text": "b", "users": [{"id": CLERK}], "attachments": [mine]}

    answers = await asyncio.gather(
        *(client.as_mobile.post(MC, json=document) for _ in range(5)),
        *(client.as_mobile.post(f"{MC}/{uid}?attachments={mine}", data="b") for _ in range(5)),
    )

    assert 1 == sum(answer.status in (200, 201) for answer in answers)
    refused = (409, f"Attachment '{mine}' is already used or not a valid attachment.")
    assert [refused] * 9 == [answer.message for answer in answers if answer.status == 409]
    posted = await client.backend.pool.fetchval(
        "SELECT count(*) FROM event WHERE type = 'message-posted' AND data::text LIKE '%' || $1 || '%'", mine
    )
    assert 1 == posted


async def test_a_retried_message_with_a_key_takes_its_files_once(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    one, two = [(await uploaded(client.as_mobile))["id"] for _ in range(2)]
    document = {"subject": "a", "text": "b", "users": [{"id": CLERK}], "attachments": [one]}
    key = {"Idempotency-Key": '"k"'}

    sent = await asyncio.gather(*(client.as_mobile.post(MC, json=document, headers=key) for _ in range(8)))
    path = f"{MC}/{uid}?attachments={two}"
    replied = await asyncio.gather(
        *(client.as_mobile.post(path, data="b", headers={"Idempotency-Key": '"r"'}) for _ in range(8))
    )

    assert {201} == {answer.status for answer in sent}
    assert 1 == len({answer.uid for answer in sent})
    assert {200} == {answer.status for answer in replied}
    assert [one] == [each["id"] for each in await attachments(client.as_clerk, sent[0].uid)]
    assert 2 == (await client.as_admin.get(f"{MC}/{uid}?fields=messageCount")).json["messageCount"]
    other = await client.as_mobile.post(path, data="other", headers={"Idempotency-Key": '"r"'})
    assert 422 == other.status


async def test_a_new_uid_for_a_conversation_keeps_its_files(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = await client.as_mobile.send(CLERK)
    mine = (await uploaded(client.as_mobile))["id"]

    async def taken_first(_request: object) -> str:
        return taken

    monkeypatch.setattr("convstore.http.sending.uid_to_start", taken_first)
    uid = await client.as_mobile.send(CLERK, attachments=[mine])

    assert uid != taken
    assert [mine] == [each["id"] for each in await attachments(client.as_clerk, uid)]
    assert uid == await client.backend.pool.fetchval("SELECT conversation_id FROM file_resource WHERE id = $1", mine)


def test_the_xml_of_an_answer_can_be_read() -> None:
    from convstore.http.attachments import _as_xml

    shown = {"id": "a", "name": '<&">', "created": "c", "lastUpdated": "l", "assigned": True, "contentLength": 5}
    read = etree.fromstring(_as_xml(shown))
    assert ('<&">', "true", "5") == (read.get("name"), read.findtext("assigned"), read.findtext("contentLength"))
    assert json.dumps(shown)


async def test_no_body_however_broken_is_a_fault_of_the_server(client: Client) -> None:
    whole = multipart(PNG[:64], before=b"preamble\r\n")["data"]
    rest = {"headers": {"Content-Type": "multipart/form-data; boundary=frontier"}}
    chance = random.Random(20)
    bodies = [whole[:cut] for cut in range(0, len(whole), 9)]
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            broken[chance.randrange(len(broken))] = chance.choice(b"\r\n-:;=\"'\0 \xffa")
        bodies.append(bytes(broken))
    bodies += [
        whole.replace(b"Content-Type: image/png\r\n", b"X: " + b"y" * 20_000 + b"\r\n"),
        whole.replace(b"\r\n", b"\n"),
        whole * 3,
        b"--frontier--\r\n",
        b"--frontier\r\n" * 5_000,
        whole.replace(b'filename="a.png"', b"filename*=nonsense''%ff"),
        whole.replace(b'filename="a.png"', b"filename*=idna''a.b"),
        whole.replace(b'filename="a.png"', b'filename*0="a"; filename*1="b"'),
    ]

    statuses = [(await client.as_mobile.post(UPLOAD, data=body, **rest)).status for body in bodies]

    assert {202, 400} <= set(statuses) <= {202, 400, 409, 415}
    assert 0 == await client.backend.pool.fetchval("SELECT count(*) FROM file_resource WHERE stored IS NULL")
