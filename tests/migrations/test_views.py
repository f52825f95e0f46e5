"""The views that operators and auditors ask, and who may."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from convstore.database import Conn, Pool, connect
from convstore.domain.access import HistoryViewed
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import ANN, BOB, CONVERSATION, EVE, SUBJECT, TEXT, delete_conversation, reply, send_message, superuser

VIEWS = ["stream_summary", "events_per_day", "projection_lag", "appends_per_minute", "access_log", "log_size"]


@pytest.fixture
async def filled(dsn: str, pool: Pool) -> str:
    """Give the DSN of a store where a conversation was held, looked at, and deleted."""
    async with await Store.open(pool) as store:
        await store.submit([send_message(BOB)], Meta(actor=ANN))
        await store.submit([reply(by=BOB)], Meta(actor=BOB))
        await store.record(HistoryViewed(conversation_id=CONVERSATION), Meta(actor=EVE, request_id="r1"))
        await store.record(HistoryViewed(conversation_id=CONVERSATION), Meta(causation="convstore history, run by me"))
        await store.submit([delete_conversation(by=superuser(EVE))], Meta(actor=EVE))
    return dsn


@pytest.fixture
async def auditor(filled: str) -> AsyncIterator[Conn]:
    """Give a connection of somebody who may look at the views and nothing else."""
    conn = await connect(filled, role="convstore_auditor")
    yield conn
    await conn.close()


async def test_an_auditor_reads_the_views_and_nothing_else(auditor: Conn) -> None:
    shown = " ".join([str(await auditor.fetch(f"SELECT * FROM {view}")) for view in VIEWS])

    assert SUBJECT not in shown
    assert TEXT not in shown
    for refused in ("SELECT FROM event", "SELECT FROM account", "SELECT FROM store", "DELETE FROM checkpoint"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await auditor.fetch(refused)


async def test_the_views_say_what_is_in_the_log(auditor: Conn) -> None:
    streams = await auditor.fetch("SELECT stream, events, last_type, last_position, deleted FROM stream_summary")
    assert {
        (CONVERSATION, 5, "conversation-deleted", 7, True),
        ("access-EveEveEve05", 1, "history-viewed", 5, False),
        ("access-terminal", 1, "history-viewed", 6, False),
    } == {tuple(row) for row in streams}
    types = await auditor.fetch("SELECT type, sum(events)::int, sum(streams)::int FROM events_per_day GROUP BY type")
    assert {
        ("conversation-started", 1, 1),
        ("participants-added", 1, 1),
        ("message-posted", 2, 1),
        ("history-viewed", 2, 2),
        ("conversation-deleted", 1, 1),
    } == {tuple(row) for row in types}
    assert [(7, 5, 3)] == [
        tuple(row)
        for row in await auditor.fetch(
            "SELECT sum(events)::int, sum(batches)::int, max(largest_batch)::int FROM appends_per_minute"
        )
    ]
    looks = await auditor.fetch("SELECT viewer, conversation, request_id, causation FROM access_log ORDER BY position")
    assert [
        (EVE, CONVERSATION, "r1", None),
        (None, CONVERSATION, None, "convstore history, run by me"),
    ] == [tuple(row) for row in looks]
    assert {"event", "batch", "stream", "snapshot", "idempotency_key"} == {
        row["name"] for row in await auditor.fetch("SELECT name FROM log_size WHERE total_bytes > 0")
    }


async def test_the_lag_is_counted_from_the_oldest_event_not_taken_in(filled: str, auditor: Conn) -> None:
    owner = await connect(filled, role=None)
    try:
        await owner.execute("UPDATE checkpoint SET position = 7")
        await owner.execute("UPDATE checkpoint SET position = 4 WHERE projection LIKE 'inbox%'")
    finally:
        await owner.close()

    rows = await auditor.fetch("SELECT projection, lag_events, lag > interval '0' AS late FROM projection_lag")

    lag = {row["projection"].partition("_")[0]: (row["lag_events"], row["late"]) for row in rows}
    assert (3, True) == lag["inbox"]
    assert (0, False) == lag["thread"]


async def test_only_the_owner_may_import(filled: str, pool: Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("SELECT import_events(0, 7, '{}', '{}', '{}', '{}', '{}', '{}', true)")
