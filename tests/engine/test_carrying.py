"""Events come into the read models: in order, each once, whichever process appended them, whatever dies meanwhile."""

import asyncio

import pytest
from engines import MakeEngine, MakeStore

from convstore.database import Conn, Pool, open_pool
from convstore.domain.uid import Uid
from convstore.engine import Engine, read_status
from convstore.log.recorded import Meta
from convstore.log.store import Store
from eventually import eventually
from rebuilt import assert_rebuilt_equals_live
from seeding import people, tell
from words import (
    ANN,
    BOB,
    CID,
    CONVERSATION,
    OTHER_CONVERSATION,
    mark_read,
    participants_added,
    posted,
    reply,
    send_message,
    started,
)


async def _unread(pool: Pool) -> set[str]:
    return {row["user_id"] for row in await pool.fetch("SELECT user_id FROM inbox_v1 WHERE unread")}


async def _taken_in(engine: Engine, position: int) -> None:
    """Wait longer than ``Engine.wait`` does: until all read models are there, however far behind they are now."""
    await eventually(lambda: all(status.position == position for status in engine.status()), within=30)


async def test_what_was_submitted_is_seen_after_the_wait(engine: Engine, store: Store, pool: Pool) -> None:
    outcome = await store.submit([send_message(BOB, CID)], Meta())
    assert await engine.wait(outcome.partition, outcome.position, timeout=20)
    assert {BOB, CID} == await _unread(pool)
    assert 1 == await pool.fetchval("SELECT count(*) FROM thread_v1")


async def test_what_another_process_appended_is_taken_in_too(engine: Engine, pool: Pool) -> None:
    async with pool.acquire() as conn:
        position = await tell(conn, started(ANN, BOB))
    assert await engine.wait(0, position, timeout=20)
    assert {BOB} == await _unread(pool)


async def test_what_was_appended_before_the_start_is_taken_in(pool: Pool, make_engine: MakeEngine) -> None:
    async with pool.acquire() as conn:
        position = await tell(conn, started(ANN, BOB))
    engine = await make_engine()
    assert await engine.wait(0, position, timeout=20)
    assert {BOB} == await _unread(pool)


async def test_one_engine_works_and_the_other_can_wait_for_it(
    engine: Engine, store: Store, make_engine: MakeEngine
) -> None:
    await eventually(lambda: all(status.mine for status in engine.status()))
    other = await make_engine()
    outcome = await store.submit([send_message(BOB)], Meta())
    assert await other.wait(outcome.partition, outcome.position, timeout=20)
    assert all(status.mine for status in engine.status())
    assert not any(status.mine for status in other.status())


async def test_a_process_sees_its_own_writes_when_another_has_the_lease(
    make_engine: MakeEngine, dsn: str, pool: Pool, store: Store
) -> None:
    leading = await make_engine()
    await eventually(lambda: all(status.mine for status in leading.status()))
    following = Engine(pool, dsn, store)
    await following.start()
    try:
        outcome = await store.submit([send_message(BOB)], Meta())
        assert await following.wait(outcome.partition, outcome.position, timeout=20)
        assert {BOB} == await _unread(pool)
        assert all(status.mine for status in leading.status())
    finally:
        await following.stop()


async def test_another_takes_over_when_the_engine_at_work_stops(
    engine: Engine, store: Store, make_engine: MakeEngine
) -> None:
    other = await make_engine()
    await engine.stop()
    outcome = await store.submit([send_message(BOB)], Meta())
    assert await other.wait(outcome.partition, outcome.position, timeout=20)
    assert all(status.mine for status in other.status())


async def test_a_holder_who_does_nothing_loses_the_lease_when_it_runs_out(
    store: Store, owner: Conn, make_engine: MakeEngine
) -> None:
    await owner.execute(
        "UPDATE checkpoint SET owner = 'elsewhere/1/dead', epoch = 7, lease_until = now() + interval '1 s'"
    )
    outcome = await store.submit([send_message(BOB)], Meta())
    engine = await make_engine()
    await _taken_in(engine, outcome.position)
    assert {8} == {row["epoch"] for row in await owner.fetch("SELECT epoch FROM checkpoint")}


async def test_an_idle_holder_keeps_the_lease_without_writing(
    engine: Engine, owner: Conn, make_engine: MakeEngine
) -> None:
    await eventually(lambda: all(status.mine for status in engine.status()))
    await owner.execute("UPDATE checkpoint SET lease_until = now() - interval '1 hour'")
    before = await owner.fetch("SELECT *, xmin::text FROM checkpoint ORDER BY projection")
    other = await make_engine()
    # Looked at more than once, by both.
    await eventually(lambda: all(status.owner == engine.owner for status in other.status()))
    await other.resume("nothing")
    await engine.resume("nothing")
    assert before == await owner.fetch("SELECT *, xmin::text FROM checkpoint ORDER BY projection")


async def test_a_holder_who_was_overtaken_changes_nothing(
    engine: Engine, store: Store, owner: Conn, pool: Pool
) -> None:
    first = await store.submit([send_message(BOB)], Meta())
    assert await engine.wait(first.partition, first.position, timeout=20)
    await owner.execute(
        "UPDATE checkpoint SET owner = 'elsewhere/1/new', epoch = 50, lease_until = now() + interval '1 hour'"
    )
    outcome = await store.submit([reply(by=BOB)], Meta())
    await eventually(lambda: {"elsewhere/1/new"} == {status.owner for status in engine.status()})
    assert {first.position} == {row["position"] for row in await owner.fetch("SELECT position FROM checkpoint")}
    assert 1 == await pool.fetchval("SELECT count(*) FROM thread_v1")
    # The other one never did anything: the lease comes back.
    await owner.execute("UPDATE checkpoint SET lease_until = now()")
    await _taken_in(engine, outcome.position)
    assert 2 == await pool.fetchval("SELECT message_count FROM inbox_conversation_v1")


async def test_the_engine_goes_on_when_its_connections_are_cut(engine: Engine, store: Store, owner: Conn) -> None:
    for n in range(30):
        uid = Uid(f"Conversati{n % 10}")
        outcome = await store.submit(
            [reply(conversation=uid) if n >= 10 else send_message(BOB, conversation=uid)], Meta()
        )
        if n % 5 == 0:
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name IN ('convstore engine', 'convstore listener')"
            )
    await _taken_in(engine, outcome.position)
    assert all(status.stopped is None for status in engine.status())


async def test_every_partition_is_carried(make_store: MakeStore) -> None:
    dsn = await make_store(partitions=8)
    async with await open_pool(dsn, size=20) as pool, await Store.open(pool) as store:
        engine = Engine(pool, dsn, store)
        await engine.start()
        try:
            uids = [Uid(f"Talk{n:07}") for n in range(40)]
            outcomes = await asyncio.gather(
                *(store.submit([send_message(BOB, CID, conversation=uid)], Meta()) for uid in uids)
            )
            assert all([await engine.wait(o.partition, o.position, timeout=20) for o in outcomes])
            assert set(range(8)) == {o.partition for o in outcomes}
            assert 120 == await pool.fetchval("SELECT count(*) FROM inbox_v1")
            assert 40 == await pool.fetchval("SELECT sum(unread) FROM inbox_count_v1 WHERE user_id = $1", BOB)
        finally:
            await engine.stop()
    await assert_rebuilt_equals_live(dsn)


@pytest.mark.slow
async def test_a_conversation_of_thirty_thousand_people(engine: Engine, pool: Pool) -> None:
    everybody = people(30_000)
    async with pool.acquire() as conn:
        first = [participants_added(*everybody[n : n + 1_000]) for n in range(0, len(everybody), 1_000)]
        position = await tell(conn, started(ANN), first)
        assert await engine.wait(0, position, timeout=60)
        position = await tell(conn, posted(by=everybody[0]), posted(by=ANN))
        assert await engine.wait(0, position, timeout=60)
    assert 30_001 == await pool.fetchval("SELECT count(*) FROM inbox_v1")
    assert 30_001 == await pool.fetchval("SELECT count(*) FROM inbox_v1 WHERE message_count = 3 AND unread")
    assert 30_001 == await pool.fetchval("SELECT sum(unread) FROM inbox_count_v1")


async def test_lag_and_head_are_told(engine: Engine, store: Store, owner: Conn) -> None:
    outcome = await store.submit([send_message(BOB)], Meta())
    assert await engine.wait(outcome.partition, outcome.position, timeout=20)
    for status in engine.status():
        assert (outcome.position, outcome.position, 0, 0.0, None) == (
            status.position,
            status.head,
            status.events,
            status.seconds,
            status.stopped,
        )
    assert {(s.projection, s.position) for s in engine.status()} == {
        (s.projection, s.position) for s in await read_status(owner)
    }


async def test_nobody_waits_for_a_read_model_that_is_far_behind(
    store: Store, owner: Conn, make_engine: MakeEngine
) -> None:
    outcome = await store.submit([send_message(BOB), reply(conversation=CONVERSATION)], Meta())
    await owner.execute("UPDATE checkpoint SET owner = 'elsewhere/1/slow', lease_until = now() + interval '1 hour'")
    engine = await make_engine()
    await eventually(lambda: all(status.seconds > 1 for status in engine.status()))
    # At once: the test would run into its own time limit otherwise.
    assert not await engine.wait(outcome.partition, outcome.position, timeout=3600)
    await owner.execute("UPDATE checkpoint SET owner = ''")


async def test_reading_by_many_at_once_is_one_change_each(engine: Engine, store: Store, pool: Pool) -> None:
    readers = people(200)
    await store.submit([send_message(*readers, conversation=OTHER_CONVERSATION)], Meta())
    outcomes = await asyncio.gather(
        *(store.submit([mark_read(by=reader, conversation=OTHER_CONVERSATION)], Meta()) for reader in readers)
    )
    assert await engine.wait(0, max(outcome.position for outcome in outcomes), timeout=20)
    assert set() == await _unread(pool)
    assert 0 == await pool.fetchval("SELECT sum(unread) FROM inbox_count_v1")
