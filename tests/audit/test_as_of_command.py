"""``convstore as-of``: somebody's inbox as it was, as an auditor sees it at a terminal."""

import json

import pytest
from operating import convstore

from convstore.database import Conn, connect, open_pool
from convstore.domain.access import TERMINAL, InboxViewed, View, access_stream
from convstore.engine import Engine
from convstore.log import cursor, read
from convstore.log.create import facts
from convstore.log.recorded import Recorded
from convstore.log.store import Store
from eventually import eventually
from seeding import tell
from words import (
    ANN,
    BOB,
    CONVERSATION,
    OTHER_CONVERSATION,
    SUBJECT,
    begun,
    conversation_deleted,
    conversation_read,
    follow_up_flagged,
    participant_removed,
    participants_added,
    posted,
    started,
)

LATER = "2999-01-01"


async def carried(dsn: str) -> None:
    """Let a server's engine take in what is in the log."""
    async with await open_pool(dsn) as pool, await Store.open(pool) as store:
        engine = Engine(pool, dsn, store)
        await engine.start()
        try:
            async with pool.acquire() as conn:
                (head,) = await read.heads(conn)
            await eventually(lambda: engine.wait(0, head))
        finally:
            await engine.stop()


@pytest.fixture
async def told(dsn: str) -> tuple[str, str]:
    """Give a store in which BOB has read and flagged one conversation, and the cursor before he did; then he left."""
    conn = await connect(dsn, role=None)
    try:
        await conn.execute(
            "INSERT INTO account (id, username, first_name, surname, uuid) "
            "SELECT id, lower(left(id, 3)), left(id, 3), 'Doe', gen_random_uuid() FROM unnest($1::text[]) AS n (id)",
            [ANN, BOB],
        )
        before = await tell(conn, started(ANN, BOB))
        await tell(conn, follow_up_flagged(by=BOB), conversation_read(by=BOB), posted(by=BOB))
        await tell(
            conn,
            begun(by=None, subject="Another"),
            participants_added(BOB),
            conversation=OTHER_CONVERSATION,
        )
        await tell(conn, participant_removed(BOB))
        place = cursor.encode([before], (await facts(conn)).id)
    finally:
        await conn.close()
    await carried(dsn)
    return dsn, place


async def noted(conn: Conn) -> list[Recorded]:
    return await read.read_stream(conn, 0, access_stream(TERMINAL))


async def test_the_list_is_of_that_time_and_the_look_is_noted(told: tuple[str, str]) -> None:
    dsn, before = told
    done = convstore("as-of", "--user", "bob", "--at", before, dsn=dsn)

    assert 0 == done.returncode, done.stderr
    head, only = done.stdout.splitlines()
    assert f"Bob Doe ({BOB}) as of {before}: conversations 1, unread 1" == head
    assert only.startswith("*  ")
    assert only.endswith(f"  {CONVERSATION}  private          {SUBJECT}  (1, last by Ann Doe)")
    conn = await connect(dsn, role=None)
    (record,) = await noted(conn)
    await conn.close()
    assert InboxViewed(person=BOB, view=View.LIST, as_of=before) == record.event
    assert record.meta.actor is None
    assert record.meta.causation is not None
    assert record.meta.causation.startswith("convstore as-of, run by ")


async def test_who_left_since_is_shown_what_he_had_and_pages_follow(dsn: str) -> None:
    conn = await connect(dsn, role=None)
    await tell(conn, started(ANN, BOB), conversation_read(by=BOB), follow_up_flagged(by=BOB))
    end = await tell(conn, started(ANN, BOB), conversation=OTHER_CONVERSATION)
    place = cursor.encode([end], (await facts(conn)).id)
    await tell(conn, participant_removed(BOB))
    await carried(dsn)

    first = convstore("as-of", "--user", BOB, "--at", place, "--limit", "1", dsn=dsn)
    assert [f"{BOB} (no account any more) as of {place}: conversations 2, unread 1", "More: --page 2"] == (
        first.stdout.splitlines()[::2]
    )
    unread = json.loads(convstore("as-of", "--user", BOB, "--at", place, "--unread", "--json", dsn=dsn).stdout)
    assert (BOB, None, place, 2, 1) == tuple(unread[name] for name in ("person", "name", "cursor", "total", "unread"))
    (conversation,) = unread["conversations"]
    assert (OTHER_CONVERSATION, SUBJECT, False) == tuple(conversation[name] for name in ("id", "subject", "read"))

    await tell(conn, conversation_deleted(), conversation=OTHER_CONVERSATION)
    await conn.close()
    await carried(dsn)
    again = convstore("as-of", "--user", BOB, "--at", place, dsn=dsn).stdout.splitlines()
    assert 2 == len(again)
    assert again[1].startswith(" ! ")
    assert CONVERSATION in again[1]


async def test_what_cannot_be_shown_says_why(told: tuple[str, str]) -> None:
    dsn, _ = told
    for user, at, said in (
        ("AAAAAAAAAAA", LATER, "There is no account AAAAAAAAAAA, and nobody of this uid ever had a conversation."),
        ("bob", "yesterday", "'yesterday' is neither an instant (ISO 8601) nor a cursor of this store."),
    ):
        done = convstore("as-of", "--user", user, "--at", at, dsn=dsn)
        assert (1, f"convstore: {said}\n") == (done.returncode, done.stderr)


async def test_what_the_read_models_have_not_taken_in_is_not_shown(told: tuple[str, str]) -> None:
    dsn, before = told
    conn = await connect(dsn, role=None)
    await tell(conn, posted(by=ANN))
    noted_before = len(await noted(conn))

    done = convstore("as-of", "--user", "bob", "--at", LATER, dsn=dsn)
    assert 1 == done.returncode
    assert "let a server carry it on" in done.stderr
    assert noted_before == len(await noted(conn))
    assert 0 == convstore("as-of", "--user", "bob", "--at", before, dsn=dsn).returncode
    await conn.close()
