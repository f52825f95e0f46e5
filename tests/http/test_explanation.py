"""``GET messageConversations/{uid}/explanation``: why it is unread, why it is (not) seen, who could see a message."""

from typing import Any

from people import ADMIN, CLERK, IMPORTER, MC, MOBILE, NO_CONVERSATION, SUPPORT, Caller, MakeClient

from convstore.domain.access import ExplanationViewed
from convstore.domain.uid import Uid

DXF2 = "{http://dhis2.org/schema/dxf/2.0}"


async def asked(caller: Caller, uid: Uid, **params: str) -> dict[str, Any]:
    answer = await caller.get(f"{MC}/{uid}/explanation", params=params)
    assert 200 == answer.status, answer.body
    found: dict[str, Any] = answer.json
    return found


async def test_a_participant_learns_why_his_copy_is_unread_or_read(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK)
    await client.as_clerk.post(f"{MC}/{uid}/read")
    read = await asked(client.as_clerk, uid)
    await client.as_mobile.post(f"{MC}/{uid}/status", params={"messageConversationStatus": "OPEN"})
    await client.as_mobile.reply(uid)

    unread = await asked(client.as_clerk, uid)

    assert [True, "PARTICIPANT", True] == [read[name] for name in ("visible", "because", "read")]
    assert [["COPY"], ["READ"]] == [reason["why"] for reason in read["reasons"]]
    assert read["words"][1].startswith("It is read for Carla Clerk, since ")
    assert [True, "PARTICIPANT", False] == [unread[name] for name in ("visible", "because", "read")]
    assert "It is unread for Carla Clerk, because of 1 event after what was read." == unread["words"][1]
    assert [["COPY"], ["READ"], ["UNREAD"]] == [reason["why"] for reason in unread["reasons"]]
    assert "Mobile User posted a message" == unread["reasons"][-1]["event"]["words"]
    # What is a number here is the one that the history has.
    history = (await client.as_clerk.get(f"{MC}/{uid}/history")).json["events"]
    assert history[-1] == unread["reasons"][-1]["event"]


async def test_as_of_a_moment_it_tells_what_was_so_then(make_client: MakeClient) -> None:
    client = await make_client(partitions=2)
    uid = await client.as_mobile.send(CLERK)
    answer = await client.as_mobile.reply(uid)
    cursor = answer.headers["Convstore-Cursor"]
    await client.as_clerk.post(f"{MC}/{uid}/read")
    times = [event["time"] for event in (await client.as_mobile.get(f"{MC}/{uid}/history")).json["events"]]

    then = await asked(client.as_clerk, uid, at=cursor)

    assert not then["read"]
    assert (await asked(client.as_clerk, uid))["read"]
    assert "NOT_STARTED" == (await asked(client.as_clerk, uid, at="2020-01-01"))["because"]
    assert (await asked(client.as_clerk, uid, at=f"{times[-1][:-4]}.999999999"[:26]))["visible"]
    refused = await client.as_clerk.get(f"{MC}/{uid}/explanation", params={"at": "yesterday"})
    assert 400 == refused.status


async def test_whoever_was_taken_out_is_told_by_whom_and_nothing_else(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK, IMPORTER)
    await client.as_admin.delete(f"{MC}/{uid}/{CLERK}")
    await client.as_mobile.reply(uid)

    said = await asked(client.as_clerk, uid)

    assert [False, "REMOVED"] == [said["visible"], said["because"]]
    assert ["John Traore took Carla Clerk out of the conversation"] == [
        reason["event"]["words"] for reason in said["reasons"]
    ]
    assert "read" not in said
    for query in ("at=2026-01-01", "message=AAAAAAAAAAA"):
        assert 403 == (await client.as_clerk.get(f"{MC}/{uid}/explanation?{query}")).status
    assert 403 == (await client.as_support.get(f"{MC}/{uid}/explanation")).status
    assert 404 == (await client.as_clerk.get(f"{MC}/{NO_CONVERSATION}/explanation")).status


async def test_who_could_see_a_message_is_told_with_the_copies_of_that_time(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.ticket()
    await client.as_mobile.post(f"{MC}/{uid}/recipients", json={"users": [{"id": CLERK}]})
    await client.as_support.reply(uid, "Forgetful.", internal=True)
    history = (await client.as_support.get(f"{MC}/{uid}/history")).json["events"]
    first, internal = (event["change"]["message"] for event in history if event["type"] == "message-posted")

    async def viewers(caller: Caller, message: str, **params: str) -> dict[str, str]:
        found = (await asked(caller, uid, message=message, **params))["viewers"]
        return {viewer["id"]: viewer["because"] for viewer in found["people"]}

    everybody = {MOBILE: "PARTICIPANT", SUPPORT: "PARTICIPANT", CLERK: "PARTICIPANT"}
    assert everybody == await viewers(client.as_clerk, first)
    assert everybody | {ADMIN: "SUPERUSER"} == await viewers(client.as_admin, first)
    assert {SUPPORT: "PARTICIPANT", ADMIN: "SUPERUSER"} == await viewers(client.as_admin, internal)
    assert {SUPPORT: "PARTICIPANT"} == await viewers(client.as_support, internal)
    for caller, message in ((client.as_clerk, internal), (client.as_admin, "AAAAAAAAAAA")):
        assert 404 == (await caller.get(f"{MC}/{uid}/explanation", params={"message": message})).status
    assert {CLERK: "PARTICIPANT"} == await viewers(client.as_clerk, first, pageSize="1")
    assert {MOBILE: "PARTICIPANT"} == await viewers(client.as_clerk, first, pageSize="1", after=CLERK)
    await client.as_admin.delete(f"{MC}/{uid}/{CLERK}")
    assert CLERK not in await viewers(client.as_mobile, first)


async def test_superusers_ask_about_others_and_that_is_recorded(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK, IMPORTER)

    said = await asked(client.as_admin, uid, user=CLERK)
    own = await asked(client.as_admin, uid)
    nobody = await asked(client.as_admin, uid, user=SUPPORT)
    await client.as_importer.delete(f"{MC}/{uid}")
    gone = await asked(client.as_admin, uid, user=CLERK)

    assert ["PARTICIPANT", "SUPERUSER", "NEVER_ADDED", "DELETED"] == [
        each["because"] for each in (said, own, nobody, gone)
    ]
    assert "Ida Importer deleted the conversation for everybody" == gone["reasons"][-1]["event"]["words"]
    records = await client.records(uid)
    assert records[1].version == said["reasons"][0]["event"]["version"] == said["reasons"][0]["event"]["number"]
    assert [ExplanationViewed(conversation_id=uid, person=person) for person in (CLERK, SUPPORT, CLERK)] == [
        record.event for record in await client.records(f"access-{ADMIN}")
    ]
    assert 404 == (await client.as_clerk.get(f"{MC}/{uid}/explanation")).status


async def test_the_explanation_in_xml_says_the_same(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK)
    message = (await client.records(uid))[2].event.message_id  # type: ignore[union-attr]  # the third is the message

    said = await asked(client.as_clerk, uid, message=message)
    root = (await client.as_clerk.get(f"{MC}/{uid}/explanation.xml", params={"message": message})).xml

    assert f"{DXF2}explanation" == root.tag
    assert ["true", "false"] == [root.get("visible"), root.get("read")]
    assert said["words"] == [sentence.text for sentence in root.iter(f"{DXF2}sentence")]
    assert [reason["why"] for reason in said["reasons"]] == [
        [answer.text for answer in reason.iter(f"{DXF2}answer")] for reason in root.iter(f"{DXF2}reason")
    ]
    viewers = root.find(f"{DXF2}viewers")
    assert said["viewers"]["people"] == [dict(person.attrib) for person in viewers.iter(f"{DXF2}person")]
