"""``GET messageConversations/{uid}/history``: what each kind of person sees of what happened."""

from typing import Any, get_args

from people import ADMIN, CLERK, IMPORTER, MC, MOBILE, NO_CONVERSATION, SUPPORT, Answer, Caller, MakeClient

from convstore.audit.sight import MARKS, MESSAGES, THREAD
from convstore.domain.access import HistoryViewed
from convstore.domain.events import ConversationEvent, tag_of
from convstore.domain.uid import Uid

DXF2 = "{http://dhis2.org/schema/dxf/2.0}"


async def events(caller: Caller, uid: Uid, **params: Any) -> list[dict[str, Any]]:
    answer = await caller.get(f"{MC}/{uid}/history", params=params)
    assert 200 == answer.status, answer.body
    found: list[dict[str, Any]] = answer.json["events"]
    return found


def words(told: list[dict[str, Any]]) -> list[str]:
    return [event["words"] for event in told]


def test_every_type_of_event_is_on_exactly_one_list_of_who_sees_it() -> None:
    there = sorted(tag_of(event) for event in get_args(ConversationEvent))
    assert there == sorted([*THREAD, *MARKS, *MESSAGES])


async def test_a_participant_sees_the_thread_and_his_own_marks_in_words(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK)
    await client.as_clerk.post(f"{MC}/{uid}/read")
    await client.as_mobile.post(f"{MC}/{uid}/status", params={"messageConversationStatus": "OPEN"})
    await client.as_mobile.post(f"{MC}/{uid}/status", params={"messageConversationStatus": "SOLVED"})
    await client.as_mobile.post(f"{MC}/followup", json=[uid])
    await client.as_mobile.post(f"{MC}/{uid}/assign", params={"userId": SUPPORT})
    await client.as_clerk.reply(uid)

    mobile = await events(client.as_mobile, uid)
    clerk = await events(client.as_clerk, uid)

    name = {event["actor"]["id"]: event["actor"]["displayName"] for event in clerk}
    ann, bob = name[MOBILE], name[CLERK]
    assert [
        f"{ann} started a private conversation",
        f"{ann} gave a copy to {bob}",
        f"{ann} posted a message",
        f"{ann} set the status from None to Open",
        f"{ann} set the status from Open to Solved",
        f"{ann} flagged the conversation for follow-up",
        f"{ann} assigned the conversation to Help Desk",
        f"{bob} posted a message",
    ] == words(mobile)
    assert f"{bob} marked the conversation read" in words(clerk)
    assert f"{ann} flagged the conversation for follow-up" not in words(clerk)
    assert {"property": "status", "old": "OPEN", "new": "SOLVED"} == mobile[4]["change"]
    assert {"property": "assignee", "new": {"id": SUPPORT, "displayName": "Help Desk"}} == mobile[6]["change"]
    assert list(range(1, 9)) == [event["number"] for event in mobile]
    hidden = {"version", "position", "partition", "userAgent", "requestId", "onBehalfOf"}
    assert all(not hidden & event.keys() for event in mobile)


async def test_a_superuser_sees_everything_and_that_is_recorded(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK)
    await client.as_clerk.post(f"{MC}/{uid}/read", headers={"User-Agent": "reader/7"})
    await client.as_admin.post(f"{MC}/{uid}/unread", params={"userUid": CLERK})

    told = await events(client.as_admin, uid)

    records = await client.records(uid)
    assert [record.version for record in records] == [event["version"] for event in told]
    assert [record.position for record in records] == [event["position"] for event in told]
    assert "reader/7" == told[3]["userAgent"]
    assert CLERK == told[3]["change"]["person"]["id"]
    assert 3 == told[3]["change"]["upTo"]
    assert CLERK == told[4]["onBehalfOf"]["id"]
    assert told[4]["words"].endswith(" marked the conversation unread for Carla Clerk")
    noted = await client.records(f"access-{ADMIN}")
    assert [HistoryViewed(conversation_id=uid)] == [record.event for record in noted]
    assert ADMIN == noted[0].meta.actor


async def test_reading_ones_own_leaves_no_record(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK)
    before = await client.events()

    await events(client.as_mobile, uid)

    assert before == await client.events()


async def test_nothing_tells_of_internal_messages_without_the_right(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.ticket()
    before = await events(client.as_mobile, uid)
    await client.as_support.reply(uid, "He forgot to charge it.", internal=True)
    await client.as_admin.reply(uid, "Really.", internal=True)

    assert before == await events(client.as_mobile, uid)

    await client.as_support.reply(uid, "Please charge it.")
    mobile = await events(client.as_mobile, uid)
    support = await events(client.as_support, uid)
    assert [1, 2, 3, 4] == [event["number"] for event in mobile]
    assert [1, 2, 3, 4, 5, 6] == [event["number"] for event in support]
    assert [False, True, True, False] == [event["change"].get("internal", False) for event in support[2:]]
    # Nor by counting: a page ends where it would without them.
    page = (await client.as_mobile.get(f"{MC}/{uid}/history", params={"after": 2, "pageSize": 2})).json
    assert [3, 4] == [event["number"] for event in page["events"]]
    assert {"pageSize": 2} == page["pager"]


async def test_pages_follow_each_other_to_the_end(make_client: MakeClient) -> None:
    client = await make_client(partitions=3)
    uid = await client.as_mobile.send(CLERK)
    for number in range(4):
        await client.as_mobile.reply(uid, f"{number}")
        await client.as_clerk.post(f"{MC}/{uid}/read")
    whole = await events(client.as_mobile, uid)

    found: list[dict[str, Any]] = []
    address: str | None = f"{MC}/{uid}/history?pageSize=3"
    while address is not None:
        answer = await client.as_mobile.get(address.removeprefix(client.url))
        found += answer.json["events"]
        address = answer.json["pager"].get("nextPage")

    assert 7 == len(whole)
    assert whole == found


async def test_the_history_in_xml_says_the_same(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK, SUPPORT)
    await client.as_mobile.post(f"{MC}/{uid}/status", params={"messageConversationStatus": "OPEN"})

    told = await events(client.as_mobile, uid)
    root = (await client.as_mobile.get(f"{MC}/{uid}/history.xml", params={"pageSize": "3"})).xml

    assert f"{DXF2}history" == root.tag
    assert "3" == root.findtext(f"{DXF2}pager/{DXF2}nextAfter")
    assert words(told[:3]) == [event.findtext(f"{DXF2}words") for event in root.iter(f"{DXF2}event")]
    added = root.findall(f".//{DXF2}event")[1]
    assert {"number": "2", "type": "participants-added", "time": told[1]["time"]} == dict(added.attrib)
    people = added.findall(f"{DXF2}change/{DXF2}people/{DXF2}person")
    assert {CLERK, SUPPORT} == {person.get("id") for person in people}


async def test_only_auditors_see_what_became_of_a_deleted_conversation(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK, IMPORTER)
    assert 200 == (await client.as_importer.delete(f"{MC}/{uid}")).status

    async def status(caller: Caller, of: str = uid) -> int:
        return (await caller.get(f"{MC}/{of}/history")).status

    assert [404, 404, 200] == [
        await status(caller) for caller in (client.as_mobile, client.as_support, client.as_admin)
    ]
    assert (await events(client.as_admin, uid))[-1]["words"].endswith(" deleted the conversation for everybody")
    assert [404, 404] == [await status(caller, NO_CONVERSATION) for caller in (client.as_mobile, client.as_admin)]


async def test_wrong_parameters_are_refused_and_a_document_is_not_sent_twice(make_client: MakeClient) -> None:
    client = await make_client()
    uid = await client.as_mobile.send(CLERK)

    async def ask(query: str, **headers: str) -> Answer:
        return await client.as_mobile.get(f"{MC}/{uid}/history?{query}", headers=headers)

    assert 400 == (await ask("after=x")).status
    assert 400 == (await ask("pageSize=99999999999")).status
    assert [] == (await ask("after=1000")).json["events"]
    assert 3 == len((await ask("after=-4")).json["events"])
    first = await ask("")
    assert 304 == (await ask("", **{"If-None-Match": first.headers["ETag"]})).status
    assert 404 == (await client.as_mobile.get(f"{MC}/history")).status
