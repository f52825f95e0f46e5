"""Status, priority and assignee of many conversations in one call; in JSON and XML."""

from typing import Any

import pytest
from people import CLERK, MC, MOBILE, NO_CONVERSATION, NOBODY, SUPPORT, Answer, Client, MakeClient

from convstore.domain.events import AssigneeCleared, AssigneeSet, PrioritySet, StatusSet
from convstore.domain.types import Priority, Status
from convstore.domain.uid import Uid, new_uid
from rebuilt import assert_rebuilt_equals_live

STATUS = f"{MC}/status?messageConversationStatus"
PRIORITY = f"{MC}/priority?messageConversationPriority"
ASSIGN = f"{MC}/assign?userId"
MISSING = (404, "No MessageConversations found for the given IDs.")


def results(answer: Answer) -> list[tuple[str, str]]:
    return [(each["id"], each["result"]) for each in answer.json["messageConversations"]]


async def test_each_item_is_answered_in_its_order(client: Client) -> None:
    first, second, third = [await client.as_mobile.ticket() for _ in range(3)]
    await client.as_support.post(f"{MC}/{second}/status?messageConversationStatus=SOLVED")

    answer = await client.as_support.post(
        f"{STATUS}=solved", json=[third, NO_CONVERSATION, second, "xyz", None, first, third, ""]
    )

    assert 200 == answer.status
    assert {"messageConversationStatus", "messageConversations"} == set(answer.json)
    assert "SOLVED" == answer.json["messageConversationStatus"]
    assert results(answer) == [
        (third, "CHANGED"),
        (NO_CONVERSATION, "NOT_FOUND"),
        (second, "UNCHANGED"),
        ("xyz", "NOT_FOUND"),
        (first, "CHANGED"),
    ]
    for uid in (first, second, third):
        assert StatusSet(old=Status.OPEN, new=Status.SOLVED) == (await client.history(uid))[-1]
    listed = (await client.as_mobile.get(f"{MC}?filter=status:eq:SOLVED&fields=id")).json
    assert 3 == listed["pager"]["total"]


async def test_priority_and_assignee_likewise(client: Client) -> None:
    ticket, private = await client.as_mobile.ticket(), await client.as_mobile.send(SUPPORT)

    priority = await client.as_support.post(f"{PRIORITY}=HIGH", json=[ticket, private])
    assigned = await client.as_support.post(f"{ASSIGN}={SUPPORT}", json=[ticket, private])
    again = await client.as_support.post(f"{ASSIGN}={SUPPORT}", json=[ticket, private])

    assert "HIGH" == priority.json["messageConversationPriority"]
    assert SUPPORT == assigned.json["userId"]
    assert [(ticket, "CHANGED"), (private, "CHANGED")] == results(priority) == results(assigned)
    assert [(ticket, "UNCHANGED"), (private, "UNCHANGED")] == results(again)
    assert [PrioritySet(old=Priority.NONE, new=Priority.HIGH), AssigneeSet(assignee=SUPPORT)] == (
        await client.history(ticket)
    )[-2:]


async def test_nobody_is_responsible_for_many_any_more(client: Client) -> None:
    ticket, private = await client.as_mobile.ticket(), await client.as_mobile.send(SUPPORT)
    await client.as_support.post(f"{ASSIGN}={SUPPORT}", json=[ticket])

    answer = await client.as_support.post(f"{MC}/unassign", json=[ticket, private, NO_CONVERSATION])
    in_xml = await client.as_support.post(f"{MC}/unassign.xml", json=[ticket])

    assert [(ticket, "CHANGED"), (private, "UNCHANGED"), (NO_CONVERSATION, "NOT_FOUND")] == results(answer)
    assert {"messageConversations"} == set(answer.json)
    assert AssigneeCleared(previous=SUPPORT) == (await client.history(ticket))[-1]
    assert ["messageConversations"] == [each.tag for each in in_xml.xml]
    assert MISSING == (await client.as_support.post(f"{MC}/unassign", json=[NO_CONVERSATION])).message
    await assert_rebuilt_equals_live(client.dsn)


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (f"{STATUS}=PENDING", "messageConversationStatus", "PENDING"),
        (f"{PRIORITY}=LOW", "messageConversationPriority", "LOW"),
        (f"{ASSIGN}={SUPPORT}", "userId", SUPPORT),
    ],
)
async def test_in_xml(client: Client, path: str, name: str, value: str) -> None:
    uid = await client.as_mobile.ticket()

    answer = await client.as_support.post(path, json=[uid, 'a"b'], headers={"Accept": "application/xml"})

    assert ("response", value) == (answer.xml.tag, answer.xml.findtext(name))
    assert [{"id": uid, "result": "CHANGED"}, {"id": 'a"b', "result": "NOT_FOUND"}] == [
        each.attrib for each in answer.xml.findall("messageConversations/messageConversation")
    ]


@pytest.mark.parametrize(
    ("path", "denied"),
    [
        (f"{MC}/unassign", "Not authorized to remove the assigned user from these conversations"),
        (f"{STATUS}=PENDING", "Not authorized to change status in these conversations"),
        (f"{PRIORITY}=LOW", "Not authorized to change priority in these conversations"),
        (f"{ASSIGN}={MOBILE}", "Not authorized to assign a user to these conversations"),
    ],
)
async def test_one_that_is_not_the_callers_stops_all_and_is_named(client: Client, path: str, denied: str) -> None:
    own = await client.as_mobile.send(CLERK)
    others = [await client.as_clerk.send(SUPPORT) for _ in range(2)]
    before = await client.events()

    answer = await client.as_mobile.post(path, json=[own, others[0], NO_CONVERSATION, others[1]])

    assert (403, f"{denied}: {others[0]}, {others[1]}") == answer.message
    assert "E1006" == answer.json["errorCode"]
    assert before == await client.events()


async def test_of_many_that_are_not_the_callers_some_are_named(client: Client) -> None:
    others = [await client.as_clerk.send(SUPPORT) for _ in range(22)]

    answer = await client.as_mobile.post(f"{STATUS}=PENDING", json=others)

    expected = f"Not authorized to change status in these conversations: {', '.join(others[:20])} and 2 more"
    assert (403, expected) == answer.message


async def test_a_ticket_that_cannot_be_assigned_stops_all(client: Client) -> None:
    private, ticket = await client.as_support.send(MOBILE), await client.as_mobile.ticket()
    before = await client.events()

    answer = await client.as_support.post(f"{ASSIGN}={CLERK}", json=[private, ticket])

    assert (409, "User provided is not a member of the system's feedback recipient group") == answer.message
    assert before == await client.events()


async def test_what_is_refused(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    before = await client.events()
    for path, body, expected in (
        (
            f"{STATUS}=DONE",
            [uid],
            (
                400,
                f"Value 'DONE' is not valid for parameter messageConversationStatus. {valid(Status)}",
            ),
        ),
        (
            f"{PRIORITY}=DONE",
            [uid],
            (400, f"Value 'DONE' is not valid for parameter messageConversationPriority. {valid(Priority)}"),
        ),
        (f"{MC}/status", [uid], (400, "Required request parameter 'messageConversationStatus' is not present")),
        (f"{MC}/priority", [uid], (400, "Required request parameter 'messageConversationPriority' is not present")),
        (f"{MC}/assign", [uid], (404, "Could not find user to assign")),
        (f"{ASSIGN}={NOBODY}", [uid], (404, "Could not find user to assign")),
        (f"{STATUS}=OPEN", [], MISSING),
        (f"{STATUS}=OPEN", [NO_CONVERSATION, "xyz"], MISSING),
        (f"{STATUS}=OPEN", {}, (400, "JSON parse error: Expected `array | null`, got `object`")),
    ):
        assert expected == (await client.as_support.post(path, json=body)).message
    text = await client.as_support.post(f"{STATUS}=OPEN", data=b"[]", headers={"Content-Type": "text/plain"})
    assert 415 == text.status
    assert (400, "Required request body is missing") == (
        await client.as_support.post(f"{STATUS}=OPEN", headers={"Content-Type": "application/json"})
    ).message
    assert 401 == (await client.as_nobody.post(f"{STATUS}=SOLVED", json=[uid])).status
    assert before == await client.events()


def valid(kind: type[Status | Priority]) -> str:
    return f"Valid values are: [{', '.join(kind)}]"


async def test_there_is_a_limit_and_it_works_up_to_it(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    unknown: list[Any] = [new_uid() for _ in range(10_000)]

    refused = await client.as_support.post(f"{STATUS}=SOLVED", json=[uid, *unknown])
    malformed = await client.as_support.post(f"{STATUS}=SOLVED", json=[uid, *(f"x{n}" for n in range(10_000))])
    taken = await client.as_support.post(f"{STATUS}=SOLVED", json=[uid, *unknown[1:], *unknown[1:]])

    assert (413, "At most 10000 message conversations can be named in one request") == refused.message
    assert 413 == malformed.status
    assert [(uid, "CHANGED"), (unknown[1], "NOT_FOUND")] == results(taken)[:2]
    assert 10_000 == len(results(taken))


async def test_over_several_partitions_with_a_key_it_has_the_effect_of_one(make_client: MakeClient) -> None:
    client = await make_client(partitions=4)
    uids: list[Uid] = [await client.as_mobile.ticket() for _ in range(10)]
    key = {"Idempotency-Key": "k"}

    first = await client.as_support.post(f"{ASSIGN}={SUPPORT}", json=uids, headers=key)
    again = await client.as_support.post(f"{ASSIGN}={SUPPORT}", json=uids, headers=key)
    other = await client.as_support.post(f"{ASSIGN}={SUPPORT}", json=uids[1:], headers=key)

    assert [(uid, "CHANGED") for uid in uids] == results(first)
    assert first.body == again.body
    assert 422 == other.status
    await assert_rebuilt_equals_live(client.dsn)


async def test_the_words_are_no_conversations(client: Client) -> None:
    for word in ("status", "priority", "assign", "unassign"):
        assert 405 == (await client.as_mobile.get(f"{MC}/{word}")).status
        assert 405 == (await client.as_admin.delete(f"{MC}/{word}")).status
