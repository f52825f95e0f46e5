"""``convstore history`` and ``convstore explain``, as an auditor runs them at a terminal."""

import getpass
import json
import re

from operating import convstore

from convstore.database import connect
from convstore.domain.access import ExplanationViewed, HistoryViewed
from convstore.log import read
from convstore.log.recorded import Recorded
from seeding import tell
from words import (
    BOB,
    CID,
    CONVERSATION,
    MESSAGE,
    OTHER_CONVERSATION,
    SUBJECT,
    TEXT,
    conversation_deleted,
)


async def noted(dsn: str) -> list[Recorded]:
    conn = await connect(dsn, role=None)
    try:
        return await read.read_stream(conn, 0, "access-terminal")  # type: ignore[arg-type]  # no conversation's
    finally:
        await conn.close()


async def test_the_history_is_told_in_words_without_letters_and_noted(told: str) -> None:
    done = convstore("history", CONVERSATION, dsn=told)

    assert 0 == done.returncode, done.stderr
    assert [
        "The system started a private conversation",
        "The system gave a copy to Bob Doe and CidCidCid03 (no account)",
        "The system posted a message signed by Ann Doe",
        "The system set the status from None to Open",
        "The system marked the conversation read for Bob Doe",
        "The system posted a message signed by Ann Doe",
        "The system took CidCidCid03 (no account) out of the conversation",
    ] == [re.fullmatch(r" *\d+  \S+ \S+  (.*)", line)[1] for line in done.stdout.splitlines()]  # type: ignore[index]
    assert SUBJECT not in done.stdout
    assert TEXT not in done.stdout
    (record,) = await noted(told)
    assert HistoryViewed(conversation_id=CONVERSATION) == record.event
    assert record.meta.actor is None
    assert f"convstore history, run by {getpass.getuser()}" == record.meta.causation


async def test_the_history_as_json_has_each_event_with_its_place(told: str) -> None:
    done = convstore("history", CONVERSATION, "--json", "--after", "3", "--limit", "2", dsn=told)

    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [4, 5] == [event["version"] for event in events]
    assert {"property": "status", "old": "NONE", "new": "OPEN"} == events[0]["change"]
    assert {"person": {"id": BOB, "displayName": "Bob Doe"}, "upTo": 4} == events[1]["change"]


async def test_what_there_is_not_is_said_and_nothing_is_noted(told: str) -> None:
    for arguments, code, says in (
        (("history", OTHER_CONVERSATION), 1, f"No conversation {OTHER_CONVERSATION}."),
        (("history", "nonsense"), 2, "'nonsense' is no conversation's uid"),
        (("explain", "--user", "nobody", "--conversation", CONVERSATION), 1, "There is no account 'nobody'."),
        (("explain", "--user", "bob", "--conversation", CONVERSATION, "--at", "soon"), 1, "neither an instant"),
        (("explain", "--user", "bob", "--conversation", CONVERSATION, "--message", "x"), 2, "'x' is no message's uid"),
    ):
        done = convstore(*arguments, dsn=told)
        assert (code, "") == (done.returncode, done.stdout)
        assert says in done.stderr
    assert [] == await noted(told)


async def test_explain_says_why_and_by_which_events_and_is_noted(told: str) -> None:
    done = convstore("explain", "--user", "bob", "--conversation", CONVERSATION, "--message", MESSAGE, dsn=told)

    assert 0 == done.returncode, done.stderr
    first, second, *rest = done.stdout.splitlines()
    assert first.startswith("Bob Doe sees the conversation: there is a copy since 2")
    assert "It is unread for Bob Doe, because of 1 event after what was read." == second
    assert ["2  copy", "3  message", "5  read", "6  unread"] == [
        line[4:].partition("   ")[0].strip() for line in rest[:4]
    ]
    assert f"The message {MESSAGE} could be seen by 2:" == rest[4]
    (record,) = await noted(told)
    assert ExplanationViewed(conversation_id=CONVERSATION, person=BOB, message_id=MESSAGE) == record.event


async def test_explain_names_people_by_uid_too_and_answers_as_of_then(told: str) -> None:
    def because(*arguments: str) -> tuple[str, bool | None]:
        done = convstore("explain", "--conversation", CONVERSATION, "--json", *arguments, dsn=told)
        said = json.loads(done.stdout)
        return said["because"], said.get("read")

    assert ("REMOVED", None) == because("--user", CID)
    assert ("PARTICIPANT", False) == because("--user", BOB)
    assert ("NOT_STARTED", None) == because("--user", BOB, "--at", "2020-01-01T00:00:00Z")


async def test_a_deleted_conversation_can_be_told(told: str) -> None:
    conn = await connect(told, role=None)
    try:
        await tell(conn, conversation_deleted())
    finally:
        await conn.close()

    assert "The system deleted the conversation for everybody" in convstore("history", CONVERSATION, dsn=told).stdout
    explained = convstore("explain", "--user", "ann", "--conversation", CONVERSATION, dsn=told).stdout
    assert explained.startswith("The conversation is deleted, for everybody.\n")
