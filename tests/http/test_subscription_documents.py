"""What subscriptions and webhooks say of themselves: the same in JSON and in XML; events are in JSON only."""

from typing import Any

import pytest
from lxml import etree
from people import CLERK, Answer, Client, MakeClient
from receiver import LOOPBACK, receiving

SUBSCRIPTIONS = "/api/subscriptions"
ONE = f"{SUBSCRIPTIONS}/warehouse"
DXF2 = "{http://dhis2.org/schema/dxf/2.0}"
XML = {"Accept": "application/xml"}


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    """Somebody follows a conversation, and could not deal with its first event."""
    client = await make_client(webhook_networks=LOOPBACK)
    await client.as_mobile.send(CLERK)
    await client.as_admin.post(SUBSCRIPTIONS, json={"name": "warehouse", "after": "start"})
    first = (await client.as_admin.post(f"{ONE}/events", json={"consumer": "a & b"})).json["events"][0]
    rejected = {"consumer": "a & b", "ack": first["ack"], "reason": "no <ward>"}
    assert 1 == (await client.as_admin.post(f"{ONE}/reject", json=rejected)).json["rejected"]
    return client


def in_texts(said: Any) -> Any:
    """Give what is said in JSON as XML says it: everything a text; what is empty or null is left out."""
    if isinstance(said, dict):
        told = {name: in_texts(value) for name, value in said.items() if value is not None and value != []}
        return told | ({"secondsBehind": "grows"} if "secondsBehind" in told else {})
    if isinstance(said, list):
        return [in_texts(value) for value in said]
    return str(said).lower() if isinstance(said, bool) else str(said)


def read(element: Any, like: Any) -> Any:
    """Read an element as that which JSON has in its place."""
    if isinstance(like, dict):
        children = {etree.QName(child).localname: child for child in element}
        told = {**element.attrib, **{name: read(child, like.get(name)) for name, child in children.items()}}
        return told | ({"secondsBehind": "grows"} if "secondsBehind" in told else {})
    if isinstance(like, list):
        return [read(child, value) for child, value in zip(element, like, strict=True)]
    return element.text


@pytest.mark.parametrize(
    ("path", "root", "items"),
    [
        ("", "metadata", "subscriptions/subscription"),
        ("/warehouse", "subscription", "types/type"),
        ("/warehouse", "subscription", "consumers/consumer"),
        ("/warehouse/deadLetters", "metadata", "deadLetters/deadLetter"),
    ],
)
async def test_it_says_the_same_in_xml(client: Client, path: str, root: str, items: str) -> None:
    in_json = (await client.as_admin.get(f"{SUBSCRIPTIONS}{path}")).json
    by_suffix = (await client.as_admin.get(f"{SUBSCRIPTIONS}{path}.xml")).xml
    by_accept = (await client.as_admin.get(f"{SUBSCRIPTIONS}{path}", headers=XML)).xml

    assert f"{DXF2}{root}" == by_suffix.tag == by_accept.tag
    assert in_texts(in_json) == read(by_suffix, in_json) == read(by_accept, in_json)
    assert by_accept.findall("/".join(f"{DXF2}{name}" for name in items.split("/")))


async def test_what_is_done_is_answered_in_xml(client: Client) -> None:
    async def done(path: str, body: dict[str, Any]) -> Answer:
        return await client.as_admin.post(f"{SUBSCRIPTIONS}{path}", json=body, headers=XML)

    made = await done("", {"name": "notifier"})
    assert (201, "notifier") == (made.status, made.xml.get("name"))
    assert made.headers["Location"].endswith("/api/subscriptions/notifier")
    assert "1" == (await done("/warehouse/deadLetters/redeliver", {})).xml.findtext("redelivered")
    assert "1" == (await done("/warehouse/deadLetters/discard", {})).xml.findtext("discarded")
    assert "0" == (await done("/warehouse/acknowledge", {"consumer": "a", "acks": []})).xml.findtext("acknowledged")
    assert "0" == (await done("/warehouse/reset", {"after": "latest"})).xml.findtext(f"{DXF2}eventsBehind")
    empty = (await client.as_admin.get(f"{ONE}/deadLetters", headers=XML)).xml
    assert (f"{DXF2}metadata", 0) == (empty.tag, len(empty))


async def test_a_webhook_is_told_in_xml_and_its_secrets_are_to_be_kept_by_nobody(client: Client) -> None:
    async with receiving() as receiver:
        wanted = {"url": receiver.url, "headers": {"X-Ward": "3"}}
        made = await client.as_admin("PUT", f"{ONE}/webhook", json=wanted, headers=XML)
        more = await client.as_admin.post(f"{ONE}/webhook/secrets", headers=XML)
        tried = await client.as_admin.post(f"{ONE}/webhook/test", headers=XML)
        in_json = (await client.as_admin.get(f"{ONE}/webhook")).json
        in_xml = (await client.as_admin.get(f"{ONE}/webhook.xml")).xml

    for answer in (made, more):
        assert "no-store" == answer.headers["Cache-Control"]
        assert (answer.xml.findtext(f"{DXF2}secrets/{DXF2}secret") or "").startswith("whsec_")
    assert (201, "X-Ward") == (made.status, made.xml.findtext(f"{DXF2}headers/{DXF2}header"))
    assert "true" == tried.xml.findtext(f"{DXF2}taken")
    assert f"{DXF2}webhook" == in_xml.tag
    assert in_texts(in_json) == read(in_xml, in_json)
    assert b"whsec_" not in etree.tostring(in_xml)


async def test_events_are_given_and_bodies_are_taken_in_json_only(client: Client) -> None:
    refused = await client.as_admin.post(f"{ONE}/events", json={"consumer": "other"}, headers=XML)
    body = b"<subscription name='other'/>"
    not_taken = await client.as_admin.post(SUBSCRIPTIONS, data=body, headers={"Content-Type": "application/xml"})

    assert (406, "Only application/json can be given") == refused.message
    assert (415, "Content-Type 'application/xml' is not supported") == not_taken.message
    assert f"{DXF2}webMessage" == not_taken.xml.tag
    assert ["a & b"] == (await client.as_admin.get(ONE)).json["consumers"]
