"""All read models of a partition take a page in together, and each can still stop, lag, and come back by itself."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from engines import MakeEngine
from structlog.testing import capture_logs

from convstore.database import Conn, Pool
from convstore.engine import Engine, ProjectionStatus
from convstore.engine.feed import Feed
from convstore.engine.skip import skip
from convstore.log.recorded import Meta, Recorded
from convstore.log.store import Store
from eventually import eventually
from seeding import tell
from words import ANN, BOB, posted, reply, send_message, started

_REFUSE = "ALTER TABLE thread_v1 ADD CONSTRAINT no_poison CHECK (text <> 'poison')"
_ACCEPT = "ALTER TABLE thread_v1 DROP CONSTRAINT no_poison"


def _of(engine: Engine, projection: str) -> ProjectionStatus:
    return next(status for status in engine.status() if status.projection == projection)


async def test_one_transaction_moves_all_checkpoints(engine: Engine, store: Store, pool: Pool) -> None:
    outcome = await store.submit([send_message(BOB)], Meta())
    assert await engine.wait(outcome.partition, outcome.position, timeout=20)
    assert 1 == await pool.fetchval("SELECT count(DISTINCT xmin::text) FROM checkpoint")
    assert 1 < await pool.fetchval("SELECT count(*) FROM checkpoint")


@pytest.mark.parametrize("missed", [3, 2_500], ids=["a few events", "many"])
async def test_one_that_is_behind_the_others_catches_up_and_joins_them(
    store: Store, owner: Conn, make_engine: MakeEngine, missed: int
) -> None:
    first = await make_engine()
    start = await tell(owner, started(ANN, BOB))
    await eventually(lambda: {start} == {status.position for status in first.status()})
    await owner.execute(_REFUSE)
    await tell(owner, posted(by=ANN, text="poison"), [posted(by=BOB) for _ in range(missed)])
    head = start + missed + 1
    await eventually(lambda: _of(first, "inbox_v1").position == head and _of(first, "thread_v1").stopped)

    await owner.execute(_ACCEPT)
    await first.resume("thread_v1")
    await eventually(lambda: _of(first, "thread_v1").position == head, within=20)
    outcome = await store.submit([reply(by=BOB)], Meta())
    await eventually(lambda: {outcome.position} == {status.position for status in first.status()})

    assert 1 == await owner.fetchval("SELECT count(DISTINCT xmin::text) FROM checkpoint")


async def test_two_that_stop_at_different_events_name_their_own(
    engine: Engine, store: Store, owner: Conn, pool: Pool
) -> None:
    await owner.execute(_REFUSE)
    await owner.execute("ALTER TABLE search_v1 ADD CONSTRAINT no_third CHECK (version <> 5)")
    texts = ["1", "2", "3", "poison", "5"]
    outcome = await store.submit([send_message(BOB), *(reply(by=ANN, text=text) for text in texts)], Meta())
    await eventually(lambda: _of(engine, "thread_v1").stopped and _of(engine, "search_v1").stopped)
    assert {"inbox_v1": outcome.position, "search_v1": 4, "thread_v1": 6} == {
        name: _of(engine, name).position for name in ("inbox_v1", "search_v1", "thread_v1")
    }
    for name, position in (("thread_v1", 7), ("search_v1", 5)):
        await eventually(partial(pool.fetchval, "SELECT stopped FROM checkpoint WHERE projection = $1", name))
        async with pool.acquire() as conn:
            await skip(conn, name, 0, position, by="admin")
    await eventually(lambda: {outcome.position} == {status.position for status in engine.status()})
    # The replay at the end leaves the same events out of each, and of no other.
    await owner.execute(_ACCEPT)
    await owner.execute("ALTER TABLE search_v1 DROP CONSTRAINT no_third")


async def test_a_process_that_lost_one_lease_goes_on_with_the_others(engine: Engine, store: Store, owner: Conn) -> None:
    first = await store.submit([send_message(BOB)], Meta())
    assert await engine.wait(first.partition, first.position, timeout=20)
    await owner.execute(
        "UPDATE checkpoint SET owner = 'elsewhere/1/new', epoch = 50, lease_until = now() + interval '1 hour'"
        " WHERE projection = 'thread_v1'"
    )
    outcome = await store.submit([reply(by=BOB)], Meta())
    await eventually(lambda: _of(engine, "inbox_v1").position == outcome.position)
    assert first.position == await owner.fetchval("SELECT position FROM checkpoint WHERE projection = 'thread_v1'")
    await owner.execute("UPDATE checkpoint SET lease_until = now() WHERE projection = 'thread_v1'")
    await eventually(lambda: _of(engine, "thread_v1").position == outcome.position, within=20)


async def test_leases_that_are_lost_while_a_page_is_read_are_no_fault_of_an_event(
    owner: Conn, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await make_engine()
    start = await tell(owner, started(ANN, BOB))
    await eventually(lambda: {start} == {status.position for status in first.status()})
    is_read, go_on = asyncio.Event(), asyncio.Event()
    next_page = Feed.next

    async def lingering(self: Feed, after: int, until: int, left_out: frozenset[int]) -> tuple[Sequence[Recorded], int]:
        found = await next_page(self, after, until, left_out)
        if found[0]:
            is_read.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(Feed, "next", lingering)
    with capture_logs() as lines:
        end = await tell(owner, [posted(by=ANN) for _ in range(3)])
        await is_read.wait()
        await owner.execute(
            "UPDATE checkpoint SET owner = 'elsewhere/1/new', epoch = epoch + 1, lease_until = 'infinity'"
        )
        await eventually(lambda: not any(status.mine for status in first.status()))
        go_on.set()
        await owner.execute("UPDATE checkpoint SET owner = '', lease_until = '-infinity'")
        await eventually(lambda: {end} == {status.position for status in first.status() if status.mine})
    assert [] == [line for line in lines if line["event"] in {"projection.stopped", "projection.retrying"}]
