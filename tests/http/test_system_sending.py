"""Conversations that systems start: messages and validation results, by endpoints of ours; in JSON and XML."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from people import (
    ADMIN,
    CLERK,
    FRIENDS,
    HOSPITAL,
    MC,
    MOBILE,
    NOBODY,
    SECRET,
    SUPPORT,
    Answer,
    Caller,
    Client,
    MakeClient,
    add_accounts,
)

from convstore.domain.events import ConversationStarted, MessagePosted, ParticipantsAdded
from convstore.domain.types import Addressed, MessageType, Priority, Status
from convstore.domain.uid import UserId

SYSTEM = f"{MC}/system"
VALIDATION = f"{MC}/validation"
CREATED = (201, "Message conversation created")
XML = {"Content-Type": "application/xml"}
ROBOT = UserId("Robot000000")  # may send in a system's name, and nothing else


async def add_robot(client: Client, folder: Path, password_hash: str) -> Caller:
    await add_accounts(client, folder, password_hash, robot=["F_SEND_SYSTEM_MESSAGE"])
    return client.by("robot")


@pytest.fixture
async def robot(client: Client, tmp_path: Path, password_hash: str) -> Caller:
    return await add_robot(client, tmp_path, password_hash)


def document(**members: Any) -> dict[str, Any]:
    return {"subject": "Backup done", "text": "All is well.", "users": [{"id": MOBILE}], **members}


def xml(inner: str) -> bytes:
    return (
        '<message xmlns="http://dhis2.org/schema/dxf/2.0"><subject>Backup done</subject><text>All is well.</text>'
        f'<users><user id="{MOBILE}"/></users>{inner}</message>'
    ).encode()


async def test_a_system_writes_to_people_groups_and_units_without_being_a_participant(
    client: Client, robot: Caller
) -> None:
    answer = await robot.post(
        SYSTEM, json=document(userGroups=[{"id": FRIENDS}], organisationUnits=[{"id": HOSPITAL}], forced=True)
    )

    assert answer.message == CREATED
    assert answer.headers["Location"] == f"{client.url}/api/messageConversations/{answer.uid}"
    started, added, posted = await client.history(answer.uid)
    assert started == ConversationStarted(
        message_type=MessageType.SYSTEM,
        subject="Backup done",
        created_by=ROBOT,
        addressed=Addressed(users=(MOBILE,), groups=(FRIENDS,), units=(HOSPITAL,)),
        forced=True,
    )
    assert isinstance(added, ParticipantsAdded)
    assert {MOBILE, CLERK} == set(added.participants)
    assert isinstance(posted, MessagePosted)
    assert (None, "All is well.") == (posted.sender, posted.text)
    shown = (await client.as_mobile.get(f"{MC}/{answer.uid}")).json
    assert ("SYSTEM", "NONE", "NONE", False) == tuple(
        shown[name] for name in ("messageType", "status", "priority", "read")
    )
    assert "lastSender" not in shown
    assert (403, "Not authorized to access this conversation.") == (await robot.get(f"{MC}/{answer.uid}")).message


async def test_a_message_may_be_signed_by_a_person_who_gets_an_unread_copy_only_when_addressed(
    client: Client, robot: Caller
) -> None:
    unaddressed = (await robot.post(SYSTEM, json=document(sender=CLERK))).uid
    addressed = (await robot.post(SYSTEM, json=document(sender={"id": MOBILE}))).uid

    assert CLERK == (await client.as_mobile.get(f"{MC}/{unaddressed}")).json["lastSender"]["id"]
    assert 403 == (await client.as_clerk.get(f"{MC}/{unaddressed}")).status
    assert MOBILE == (await client.as_mobile.get(f"{MC}/{addressed}")).json["lastSender"]["id"]
    assert {"read": False} == (await client.as_mobile.get(f"{MC}/{addressed}?fields=read")).json
    assert {ROBOT} == {record.meta.actor for record in await client.records(addressed)}


@pytest.mark.parametrize(
    ("members", "highest"),
    [
        ({}, Priority.NONE),
        ({"priority": "low"}, Priority.LOW),
        ({"priorities": ["LOW", "HIGH", "MEDIUM"]}, Priority.HIGH),
        ({"priority": "MEDIUM", "priorities": ["LOW", "none"]}, Priority.MEDIUM),
        ({"priority": None, "priorities": None}, Priority.NONE),
    ],
)
async def test_validation_results_are_open_with_the_highest_of_their_priorities(
    client: Client, robot: Caller, members: dict[str, Any], highest: Priority
) -> None:
    in_json = await robot.post(VALIDATION, json=document(**members))
    names = [members.get("priority"), *(members.get("priorities") or ())]
    inner = "".join(f"<priority> {name} </priority>" for name in names if name)
    in_xml = await robot.post(VALIDATION, data=xml(inner), headers=XML)
    wrapped = await robot.post(VALIDATION, data=xml(f"<priorities>{inner}</priorities>"), headers=XML)

    for answer in (in_json, in_xml, wrapped):
        started = (await client.history(answer.uid))[0]
        assert isinstance(started, ConversationStarted)
        assert (MessageType.VALIDATION_RESULT, Status.OPEN, highest) == (
            started.message_type,
            started.status,
            started.priority,
        )


async def test_a_system_writes_in_xml_and_is_answered_in_xml(client: Client, robot: Caller) -> None:
    inner = f'<sender id="{CLERK}"/><externalId>form 7</externalId><forced>true</forced>'
    answer = await robot.post(SYSTEM, data=xml(inner), headers=XML)

    assert CREATED == answer.message
    assert "{http://dhis2.org/schema/dxf/2.0}webMessage" == answer.xml.tag
    started, _, posted = await client.history(answer.uid)
    assert isinstance(started, ConversationStarted)
    assert isinstance(posted, MessagePosted)
    assert ("form 7", True, CLERK) == (started.external_id, started.forced, posted.sender)
    by_text = await robot.post(SYSTEM, data=xml(f"<sender> {CLERK} </sender>"), headers=XML)
    posted = (await client.history(by_text.uid))[2]
    assert isinstance(posted, MessagePosted)
    assert CLERK == posted.sender
    assert "form 7" == (await client.as_mobile.get(f"{MC}/{answer.uid}.xml")).xml.findtext("{*}extMessageId")


@pytest.mark.parametrize("path", [SYSTEM, VALIDATION])
async def test_a_repeat_is_answered_like_the_first_and_does_nothing(client: Client, robot: Caller, path: str) -> None:
    first = await robot.post(path, json=document(externalId="2026-01"))
    before = await client.events()

    for again in (
        await robot.post(path, json=document(externalId="2026-01")),
        await robot.post(path, json=document(externalId="2026-01", text="other", users=[{"id": NOBODY}])),
        await robot.post(path, json=document(externalId="2026-01"), headers={"Idempotency-Key": "k"}),
    ):
        assert _answer(first) == _answer(again)
    in_xml = await robot.post(path, data=xml("<externalId>2026-01</externalId>"), headers=XML)
    assert (CREATED, first.uid) == (in_xml.message, in_xml.uid)
    assert before == await client.events()
    assert client.backend.store.positions(again.headers["Convstore-Cursor"]) == (before,)


async def test_fifty_at_once_are_one_and_each_answer_reflects_it(client: Client, robot: Caller) -> None:
    async def send() -> tuple[int, bytes, str | None]:
        answer = await robot.post(SYSTEM, json=document(externalId="once"))
        assert 200 == (await client.as_mobile.get(f"{MC}/{answer.uid}")).status
        return _answer(answer)

    answers = await asyncio.gather(*(send() for _ in range(50)))

    assert 1 == len(set(answers))
    assert 201 == answers[0][0]
    assert 3 == await client.events()


async def test_fifty_at_once_on_two_servers_are_one(
    make_client: MakeClient, tmp_path: Path, password_hash: str
) -> None:
    client = await make_client(partitions=3)
    robot = await add_robot(client, tmp_path, password_hash)
    other = await make_client(beside=client)

    answers = await asyncio.gather(
        *(caller.post(VALIDATION, json=document(externalId="once")) for caller in [robot, other.by("robot")] * 25)
    )

    assert {201} == {answer.status for answer in answers}
    assert 1 == len({answer.uid for answer in answers})
    assert 3 == await client.events()


async def test_an_external_id_is_its_accounts_own(client: Client, robot: Caller) -> None:
    mine = await robot.post(SYSTEM, json=document(externalId="x"))
    others = await client.as_admin.post(SYSTEM, json=document(externalId="x"))
    none = await robot.post(SYSTEM, json=document(externalId=""))

    assert 3 == len({mine.uid, others.uid, none.uid})


async def test_an_external_id_of_one_kind_is_not_used_for_the_other(client: Client, robot: Caller) -> None:
    await robot.post(SYSTEM, json=document(externalId="x"))
    before = await client.events()

    answer = await robot.post(VALIDATION, json=document(externalId="x"))

    assert (409, "External id 'x' was used for a conversation of type SYSTEM") == answer.message
    assert before == await client.events()


async def test_what_was_deleted_does_not_come_back(client: Client, robot: Caller) -> None:
    first = await robot.post(SYSTEM, json=document(externalId="x"))
    await client.as_admin.delete(f"{MC}/{first.uid}")
    before = await client.events()

    assert _answer(first) == _answer(await robot.post(SYSTEM, json=document(externalId="x")))
    assert before == await client.events()


async def test_a_keyed_request_without_an_external_id_is_sent_once(client: Client, robot: Caller) -> None:
    key = {"Idempotency-Key": "k"}
    first = await robot.post(SYSTEM, json=document(), headers=key)
    again = await robot.post(SYSTEM, json=document(), headers=key)
    other = await robot.post(SYSTEM, json=document(text="other"), headers=key)
    named = await robot.post(SYSTEM, json=document(externalId="x"), headers=key)

    assert _answer(first) == _answer(again)
    assert {422} == {other.status, named.status}
    assert 3 == await client.events()


@pytest.mark.parametrize("path", [SYSTEM, VALIDATION])
@pytest.mark.parametrize("username", ["mobile", "support", "importer"])
async def test_only_accounts_of_systems_and_superusers_may(client: Client, path: str, username: str) -> None:
    denied = (403, "Access is denied, requires one Authority from [F_SEND_SYSTEM_MESSAGE]")

    assert denied == (await client.by(username).post(path, json=document())).message
    assert denied == (await client.by(username).post(path, data=b"<", headers=XML)).message
    assert CREATED == (await client.as_admin.post(path, json=document())).message
    assert 401 == (await client.as_nobody.post(path, json=document())).status


@pytest.mark.parametrize("path", [SYSTEM, VALIDATION])
async def test_what_cannot_be_sent_is_refused_and_leaves_nothing(client: Client, robot: Caller, path: str) -> None:
    before = await client.events()
    for members, expected in (
        ({"users": []}, (409, "No recipients selected.")),
        ({"users": [{"id": NOBODY}]}, (409, f"User does not exist: {NOBODY}")),
        ({"userGroups": [{"id": SECRET}]}, (404, f"UserGroup with id {SECRET} could not be found.")),
        ({"subject": ""}, (409, "Subject is required.")),
        ({"subject": "s" * 256}, (409, "Subject cannot be longer than 255 characters.")),
        ({"externalId": "x" * 65}, (409, "External id cannot be longer than 64 characters.")),
        ({"externalId": 7}, (409, "JSON parse error: Expected `str | null`, got `int` - at `$.externalId`")),
        ({"attachments": [{"id": "fTpI4GOmujz"}]}, (409, "Messages of systems have no attachments")),
    ):
        assert expected == (await robot.post(path, json=document(**members))).message
    assert (400, "Required request body is missing") == (
        await robot.post(path, data=b"", headers={"Content-Type": "application/json"})
    ).message
    assert 409 == (await robot.post(path, data=b"<message", headers=XML)).status
    assert 415 == (await robot.post(path, data=b"a", headers={"Content-Type": "text/plain"})).status
    assert 400 == (await robot.post(path, json=document(externalId="a\0"))).status
    assert before == await client.events()
    assert CREATED == (await robot.post(path, json=document(externalId="x" * 64))).message


async def test_members_of_one_kind_are_checked_by_that_kind_alone(client: Client, robot: Caller) -> None:
    assert (409, f"User does not exist: {NOBODY}") == (await robot.post(SYSTEM, json=document(sender=NOBODY))).message
    assert (400, "Value 'maybe' is not valid for parameter forced. It should be of type boolean") == (
        await robot.post(SYSTEM, json=document(forced="maybe"))
    ).message
    assert (400, "Value 'URGENT' is not valid for parameter priority. Valid values are: [NONE, LOW, MEDIUM, HIGH]") == (
        await robot.post(VALIDATION, json=document(priority="URGENT"))
    ).message
    assert 201 == (await robot.post(VALIDATION, json=document(sender=NOBODY, forced="maybe"))).status
    assert 201 == (await robot.post(SYSTEM, json=document(priority="URGENT"))).status


async def test_lists_and_counts_have_them(client: Client, robot: Caller) -> None:
    uid = (
        await robot.post(VALIDATION, json=document(priorities=["HIGH"], users=[{"id": MOBILE}, {"id": SUPPORT}]))
    ).uid

    listed = (await client.as_mobile.get(f"{MC}?filter=messageType:eq:VALIDATION_RESULT&fields=id,priority")).json

    assert [{"id": uid, "priority": "HIGH"}] == listed["messageConversations"]
    assert {1} == {
        (await caller.get("/api/me/dashboard")).json["unreadMessageConversations"]
        for caller in (client.as_mobile, client.as_support)
    }
    assert 0 == (await client.as_admin.get("/api/me/dashboard")).json["unreadMessageConversations"], ADMIN


def _answer(answer: Answer) -> tuple[int, bytes, str | None]:
    return answer.status, answer.body, answer.headers.get("Location")
