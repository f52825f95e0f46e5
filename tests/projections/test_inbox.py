"""What each event does to people's copies: told as a story, looked up in the tables."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from convstore.database import Conn, Pool
from convstore.domain.types import MessageType, Priority, Status
from convstore.log.recorded import Recorded
from convstore.projections import load
from words import (
    ANN,
    BOB,
    CID,
    CONVERSATION,
    DAN,
    SUBJECT,
    Told,
    assignee_cleared,
    assignee_set,
    conversation_deleted,
    conversation_read,
    conversation_unread,
    follow_up_cleared,
    follow_up_flagged,
    history,
    participant_removed,
    participants_added,
    posted,
    posted_internally,
    priority_set,
    started,
    status_set,
    system_message,
    ticket,
)

# UUID version 5 of conversation, person and the version that added him: replays give every copy the same key.
DANS_KEY = UUID("66475088-25b7-53d4-a07c-8a275b8ea198")
_BEGAN = datetime(2026, 11, 23, 8, tzinfo=UTC)


def at(position: int) -> datetime:
    """Give the time of the event at this position: one a minute."""
    return _BEGAN + timedelta(minutes=position)


class Inbox:
    """The inbox's tables, and a conversation that goes on."""

    def __init__(self, conn: Conn) -> None:
        self.conn = conn
        self.position = 0

    async def take(self, *told: Told) -> None:
        """Take in what happened next, as one page."""
        inbox = load("inbox")
        page = []
        for event in history(*told, after=self.position):
            self.position += 1
            page.append(Recorded(0, self.position, CONVERSATION, self.position, event, at(self.position), "{}"))
        for change in inbox.fold(page):
            await self.conn.execute(inbox.apply[change.statement], *change.args)

    async def copy(self, person: str, *columns: str) -> Any:
        """Give one person's copy: the values of these columns, a plain value for one, None without a copy."""
        row = await self.conn.fetchrow("SELECT * FROM inbox_v1 WHERE user_id = $1", person)
        if row is None:
            return None
        return row[columns[0]] if len(columns) == 1 else tuple(row[column] for column in columns)

    async def unread(self, column: str = "unread") -> set[str]:
        """Give the people whose copy is unread."""
        return {row["user_id"] for row in await self.conn.fetch("SELECT * FROM inbox_v1") if row[column]}

    async def unread_all(self) -> set[str]:
        """Give the people whose copy is unread in the view with internal messages."""
        return await self.unread("unread_all")

    async def counts(self, person: str) -> tuple[int, int, int] | None:
        """Give a person's total, unread, and unread with internal messages; None when nothing is counted for him."""
        row = await self.conn.fetchrow(
            "SELECT total, unread, unread_all FROM inbox_count_v1 WHERE user_id = $1", person
        )
        return None if row is None else tuple(row)

    async def tombstones(self) -> dict[str, int]:
        """Give where copies went, by their person."""
        return {row["user_id"]: row["position"] for row in await self.conn.fetch("SELECT * FROM inbox_gone_v1")}

    async def rows(self) -> int:
        """Give the number of rows in all tables of the inbox."""
        return sum([await self.conn.fetchval(f"SELECT count(*) FROM {table}") for table in load("inbox").tables])


@pytest.fixture
async def inbox(pool: Pool) -> AsyncIterator[Inbox]:
    async with pool.acquire() as conn:
        yield Inbox(conn)


async def test_a_new_message_is_unread_for_all_but_its_sender(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB, CID))
    assert {BOB, CID} == await inbox.unread()
    assert {BOB, CID} == await inbox.unread_all()
    assert (1, 0, 0) == await inbox.counts(ANN)
    assert (1, 1, 1) == await inbox.counts(BOB)
    assert (SUBJECT, MessageType.PRIVATE, 1, ANN, at(3)) == await inbox.copy(
        BOB, "subject", "message_type", "message_count", "last_sender", "last_message"
    )


async def test_a_message_from_a_system_has_no_sender_and_is_unread_for_all(inbox: Inbox) -> None:
    await inbox.take(system_message(ANN, BOB))
    assert {ANN, BOB} == await inbox.unread()
    assert (None, None) == await inbox.copy(ANN, "last_sender", "last_sender_all")


async def test_reading_clears_ones_own_mark_only(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB, CID))
    await inbox.take(conversation_read(by=BOB))
    assert {CID} == await inbox.unread()
    assert (1, 0, 0) == await inbox.counts(BOB)
    assert (1, 1, 1) == await inbox.counts(CID)


async def test_reading_does_not_touch_the_conversation(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(conversation_read(by=BOB), follow_up_flagged(by=BOB), conversation_unread(by=BOB))
    assert at(3) == await inbox.copy(BOB, "last_updated")


async def test_a_message_posted_after_what_was_read_stays_unread(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(posted(by=ANN))
    await inbox.take(conversation_read(by=BOB, up_to=3))
    assert {BOB} == await inbox.unread()


async def test_ones_own_message_after_what_was_read_leaves_it_read(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(posted(by=BOB))
    await inbox.take(conversation_read(by=BOB, up_to=3))
    assert {ANN} == await inbox.unread()


async def test_ones_own_message_leaves_older_unread_ones_unread(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(posted(by=BOB))
    assert {ANN, BOB} == await inbox.unread()


async def test_an_explicit_unread_mark_is_cleared_by_the_next_reading(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(conversation_unread(by=ANN))
    assert {ANN, BOB} == await inbox.unread()
    await inbox.take(conversation_read(by=ANN))
    assert {BOB} == await inbox.unread()


async def test_an_internal_message_is_unread_only_for_those_it_names_and_in_their_view(inbox: Inbox) -> None:
    await inbox.take(ticket(ANN, BOB, CID), conversation_read(by=BOB), conversation_read(by=CID))
    await inbox.take(posted_internally(BOB, by=CID))
    assert set() == await inbox.unread()
    assert {BOB} == await inbox.unread_all()
    assert (1, 0, 1) == await inbox.counts(BOB)
    assert (CID, at(6), at(3)) == await inbox.copy(ANN, "last_sender_all", "last_message_all", "last_message")
    assert (ANN, 1, at(3), at(6)) == await inbox.copy(
        ANN, "last_sender", "message_count", "last_updated", "last_updated_all"
    )


async def test_an_internal_message_after_what_was_read_stays_unread(inbox: Inbox) -> None:
    await inbox.take(ticket(ANN, BOB))
    await inbox.take(posted_internally(BOB, by=CID))
    await inbox.take(conversation_read(by=BOB, up_to=3))
    assert set() == await inbox.unread()
    assert {BOB} == await inbox.unread_all()
    await inbox.take(conversation_read(by=BOB))
    assert set() == await inbox.unread_all()


async def test_an_internal_message_after_what_was_read_stays_unread_within_one_page_too(inbox: Inbox) -> None:
    await inbox.take(ticket(ANN, BOB), posted_internally(BOB, by=CID), conversation_read(by=BOB, up_to=3))
    assert {BOB} == await inbox.unread_all()
    assert set() == await inbox.unread()


async def test_somebody_added_later_has_an_unread_copy_with_the_conversations_values(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB), status_set(Status.NONE, Status.OPEN))
    await inbox.take(participants_added(DAN))
    assert {BOB, DAN} == await inbox.unread()
    assert (Status.OPEN, 1, at(5), DANS_KEY) == await inbox.copy(DAN, "status", "message_count", "last_updated", "key")
    assert at(5) == await inbox.copy(ANN, "last_updated")


async def test_somebody_who_was_removed_has_no_copy_and_no_count(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(participant_removed(BOB))
    assert await inbox.copy(BOB) is None
    assert await inbox.counts(BOB) is None
    assert at(4) == await inbox.copy(ANN, "last_updated")


async def test_somebody_who_comes_back_gets_a_fresh_copy(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB), follow_up_flagged(by=BOB), conversation_read(by=BOB))
    first = await inbox.copy(BOB, "key")
    await inbox.take(participant_removed(BOB), participants_added(BOB))
    assert (True, False) == await inbox.copy(BOB, "unread", "follow_up")
    assert (1, 1, 1) == await inbox.counts(BOB)
    assert first != await inbox.copy(BOB, "key")


async def test_status_priority_and_assignee_are_on_every_copy(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(
        status_set(Status.NONE, Status.OPEN), priority_set(Priority.NONE, Priority.HIGH), assignee_set(CID)
    )
    for person in ANN, BOB:
        assert (Status.OPEN, Priority.HIGH, CID, at(6)) == await inbox.copy(
            person, "status", "priority", "assignee", "last_updated"
        )
    await inbox.take(assignee_cleared(CID))
    assert await inbox.copy(BOB, "assignee") is None


async def test_a_follow_up_mark_comes_and_goes(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(follow_up_flagged(by=BOB))
    assert (False, True) == (await inbox.copy(ANN, "follow_up"), await inbox.copy(BOB, "follow_up"))
    await inbox.take(follow_up_cleared(by=BOB))
    assert False is await inbox.copy(BOB, "follow_up")


async def test_of_a_deleted_conversation_nothing_is_left_but_the_tombstones(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(conversation_deleted())
    assert {ANN: 4, BOB: 4} == await inbox.tombstones()
    assert 2 == await inbox.rows()


async def test_what_began_and_was_deleted_within_a_page_leaves_tombstones_too(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB), conversation_deleted())
    assert {ANN: 4, BOB: 4} == await inbox.tombstones()
    assert 2 == await inbox.rows()


async def test_a_copy_that_went_leaves_a_tombstone_where_it_went(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB, CID))
    await inbox.take(participant_removed(BOB), posted(by=ANN), participant_removed(CID), conversation_deleted())
    assert {ANN: 7, BOB: 4, CID: 6} == await inbox.tombstones()


async def test_the_tombstone_of_somebody_who_came_back_stays_beside_his_new_copy(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB))
    await inbox.take(participant_removed(BOB), participants_added(BOB))
    assert {BOB: 4} == await inbox.tombstones()
    assert 5 == await inbox.copy(BOB, "changed")
    await inbox.take(participant_removed(BOB))
    assert {BOB: 6} == await inbox.tombstones()


async def test_a_copy_knows_the_last_event_that_its_person_may_know_of(inbox: Inbox) -> None:
    await inbox.take(ticket(ANN, BOB))
    await inbox.take(posted_internally(BOB, by=CID))
    assert (4, 3) == await inbox.copy(ANN, "position", "changed")
    assert (4, 3) == await inbox.copy(BOB, "position", "changed")
    await inbox.take(conversation_read(by=BOB))
    assert (4, 3) == await inbox.copy(ANN, "position", "changed")
    assert (5, 5) == await inbox.copy(BOB, "position", "changed")
    await inbox.take(posted(by=ANN), posted_internally(BOB, by=CID))
    assert (7, 6) == await inbox.copy(ANN, "position", "changed")
    assert (7, 6) == await inbox.copy(BOB, "position", "changed")


async def test_a_tombstone_stands_for_thirty_days_and_then_goes_at_the_next_clearing(inbox: Inbox) -> None:
    await inbox.take(started(ANN, BOB), participant_removed(BOB))
    ends = await inbox.conn.fetchval("SELECT ends FROM inbox_gone_v1")
    assert timedelta(days=30) <= ends - at(4) < timedelta(days=31)
    fold, apply = load("inbox").fold, load("inbox").apply
    for position, recorded_at in ((255, ends), (256, ends - timedelta(seconds=1)), (257, ends), (512, ends)):
        assert {BOB: 4} == await inbox.tombstones()
        [told] = history(posted(by=ANN), after=position - 1)
        for change in fold([Recorded(0, position, CONVERSATION, position, told, recorded_at, "{}")]):
            await inbox.conn.execute(apply[change.statement], *change.args)
    assert {} == await inbox.tombstones()
