"""What became of a conversation's mails and SMS, over HTTP; and the link in mails that turns them off."""

from typing import Any

import pytest
from people import ADMIN, CLERK, IMPORTER, MC, MOBILE, NO_CONVERSATION, Client, MakeClient

from convstore.delivery.signed import Purpose, Signer
from convstore.domain.uid import Uid

_ADD = """
INSERT INTO delivery (partition, conversation_id, user_id, channel, version, message_id, state, reason, attempts, due)
VALUES (0, $1, $2, $3, 3, 'AMessageUid', $4, $5, $6, now())
"""


async def _told(client: Client) -> Uid:
    uid = await client.as_mobile.send(CLERK, ADMIN)
    for row in (
        (CLERK, "email", "failed", "550 5.1.1", 1),
        (ADMIN, "email", "waiting", "451 4.3.0", 2),
        (ADMIN, "sms", "sent", None, 1),
    ):
        await client.backend.pool.execute(_ADD, uid, *row)
    return uid


async def test_they_are_listed_in_json(client: Client) -> None:
    uid = await _told(client)
    answer = await client.as_admin.get(f"{MC}/{uid}/deliveries")
    assert 200 == answer.status
    assert {"page": 1, "pageCount": 1, "total": 3, "pageSize": 50} == answer.json["pager"]
    paged = (await client.as_admin.get(f"{MC}/{uid}/deliveries?pageSize=1")).json["pager"]
    assert paged["nextPage"].endswith(f"{MC}/{uid}/deliveries?page=2&pageSize=1")
    found: dict[Any, Any] = {(each["user"]["id"], each["channel"]): each for each in answer.json["deliveries"]}
    failed = found[CLERK, "email"]
    assert ("FAILED", "550 5.1.1", 1, "AMessageUid") == tuple(
        failed[name] for name in ("status", "reason", "attempts", "message")
    )
    assert "nextAttempt" not in failed
    assert found[ADMIN, "email"]["nextAttempt"]
    assert "email" not in failed["user"]
    assert {"id", "code", "name", "displayName", "username"} >= failed["user"].keys()


async def test_they_are_listed_in_xml_and_by_the_query_language(client: Client) -> None:
    uid = await _told(client)
    answer = await client.as_admin.get(f"{MC}/{uid}/deliveries.xml?filter=status:eq:SENT&fields=id,channel,status")
    ns = "{http://dhis2.org/schema/dxf/2.0}"
    (only,) = answer.xml.findall(f"{ns}delivery")
    assert ("sms", "SENT") == (only.findtext(f"{ns}channel"), only.findtext(f"{ns}status"))
    paged = await client.as_admin.get(f"{MC}/{uid}/deliveries?pageSize=2&page=2&order=channel:asc")
    assert ["sms"] == [each["channel"] for each in paged.json["deliveries"]]
    assert 400 == (await client.as_admin.get(f"{MC}/{uid}/deliveries?filter=text:eq:1")).status
    again = await client.as_admin.get(f"{MC}/{uid}/deliveries", headers={"If-None-Match": "*"})
    assert 304 == again.status


async def test_it_takes_a_right_and_access_to_the_conversation_to_see_them(client: Client) -> None:
    uid = await _told(client)
    denied = await client.as_mobile.get(f"{MC}/{uid}/deliveries")
    assert (403, "Access is denied, requires one Authority from [F_DELIVERIES]") == (
        denied.status,
        denied.json["message"],
    )
    assert 404 == (await client.as_admin.get(f"{MC}/{NO_CONVERSATION}/deliveries")).status
    # The importer has the right, and is in one of the two conversations.
    assert 403 == (await client.as_importer.get(f"{MC}/{uid}/deliveries")).status
    own = await client.as_mobile.send(IMPORTER, ADMIN)
    await client.backend.pool.execute(_ADD, own, ADMIN, "email", "sent", None, 1)
    await client.backend.pool.execute(_ADD, own, ADMIN, "sms", "sent", None, 1)
    await client.backend.pool.execute("UPDATE delivery SET internal = true WHERE channel = 'sms'")
    for by, channels in ((client.as_importer, {"email"}), (client.as_admin, {"email", "sms"})):
        answer = await by.get(f"{MC}/{own}/deliveries")
        assert channels == {each["channel"] for each in answer.json["deliveries"]}


def _link(client: Client, *, key: int = 0, purpose: Purpose = Purpose.UNSUBSCRIBE_EMAIL) -> str:
    token = Signer(client.backend.store.secret, key).sign(purpose, Uid("Conversatio"), MOBILE, 3)
    return f"/api/unsubscribe/{token}"


async def _wants(client: Client) -> bool:
    answer = await client.as_mobile.get("/api/userSettings/keyMessageEmailNotification")
    return answer.body == b"true"


async def test_one_click_without_a_login_turns_mails_off(client: Client) -> None:
    await client.as_mobile.post("/api/userSettings/keyMessageEmailNotification?value=true")
    # RFC 8058 section 3.1: what a mail program sends.
    one_click = {
        "data": b"List-Unsubscribe=One-Click",
        "headers": {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://mail.example"},
    }
    for _ in range(2):
        answer = await client.as_nobody.post(_link(client), **one_click)
        assert 200 == answer.status
        assert not await _wants(client)


async def test_a_look_at_the_link_turns_nothing_off_and_asks_in_the_persons_language(client: Client) -> None:
    await client.as_mobile.post("/api/userSettings/keyMessageEmailNotification?value=true")
    await client.as_mobile.post("/api/userSettings/keyUiLocale?value=fr")
    answer = await client.as_nobody.get(_link(client))
    page = answer.body.decode()
    assert 200 == answer.status
    assert '<html lang="fr">' in page
    assert '<form method="post"><button>Ne plus recevoir ces courriels</button></form>' in page
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "no-referrer" == answer.headers["Referrer-Policy"]
    assert await _wants(client)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_links_that_are_not_ours_do_nothing(make_client: MakeClient, method: str) -> None:
    client = await make_client(mail_key=3)
    await client.as_mobile.post("/api/userSettings/keyMessageEmailNotification?value=true")
    good = _link(client, key=3)
    for link in (
        _link(client, key=2),
        _link(client, key=3, purpose=Purpose.REPLY),
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        "/api/unsubscribe/x",
        "/api/unsubscribe/%C3%A9",
    ):
        assert 404 == (await client.as_nobody(method, link)).status, link
    assert await _wants(client)
    assert 200 == (await client.as_nobody(method, good)).status
