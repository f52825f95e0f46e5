"""A read model that meets an event it cannot take in stops, says so, and goes on after the fix or an audited skip."""

from functools import partial

import pytest
from engines import MakeEngine

from convstore.database import Conn, Pool
from convstore.engine import Engine, ProjectionStatus
from convstore.engine.skip import NotStoppedThere, skip
from convstore.log.recorded import Meta
from convstore.log.store import Store
from eventually import eventually
from words import ANN, BOB, CONVERSATION, reply, send_message

_POISON = "poison"
_REFUSE = f"ALTER TABLE thread_v1 ADD CONSTRAINT no_poison CHECK (text <> '{_POISON}')"
_ACCEPT = "ALTER TABLE thread_v1 DROP CONSTRAINT no_poison"


def _of(engine: Engine, projection: str) -> ProjectionStatus:
    return next(status for status in engine.status() if status.projection == projection)


async def _talk(store: Store) -> int:
    """Submit ten messages in one batch, the fifth of them (position 7) a poisonous one; give the last position."""
    texts = ["1", "2", "3", "4", _POISON, "6", "7", "8", "9"]
    outcome = await store.submit([send_message(BOB), *(reply(by=ANN, text=text) for text in texts)], Meta())
    return outcome.position


async def _texts(pool: Pool) -> list[str]:
    return [row["text"] for row in await pool.fetch("SELECT text FROM thread_v1 ORDER BY version")]


async def test_it_stops_before_the_event_with_all_before_it_taken_in(
    engine: Engine, store: Store, owner: Conn, pool: Pool
) -> None:
    await owner.execute(_REFUSE)
    last = await _talk(store)
    await eventually(lambda: _of(engine, "thread_v1").stopped)
    status = _of(engine, "thread_v1")
    assert 7 == status.position
    assert f"position 8 ({CONVERSATION}@8) cannot be taken in: CheckViolationError (SQLSTATE 23514)" == status.stopped
    assert 5 == len(await _texts(pool))
    assert status.stopped == await eventually(
        lambda: pool.fetchval("SELECT stopped FROM checkpoint WHERE projection = 'thread_v1'")
    )
    # The others go on, and nobody waits for this one.
    await eventually(lambda: _of(engine, "inbox_v1").position == last)
    assert not await engine.wait(0, last, timeout=3600)
    await owner.execute(_ACCEPT)


async def test_it_goes_on_after_the_fix(engine: Engine, store: Store, owner: Conn, pool: Pool) -> None:
    await owner.execute(_REFUSE)
    last = await _talk(store)
    await eventually(lambda: pool.fetchval("SELECT stopped FROM checkpoint WHERE projection = 'thread_v1'"))
    await owner.execute(_ACCEPT)
    await engine.resume("thread_v1")
    await eventually(lambda: _of(engine, "thread_v1").position == last)
    assert 10 == len(await _texts(pool))
    assert await engine.wait(0, last, timeout=20)


async def test_another_process_can_say_that_it_is_to_go_on(
    engine: Engine, make_engine: MakeEngine, store: Store, owner: Conn, pool: Pool
) -> None:
    other = await make_engine()
    await owner.execute(_REFUSE)
    last = await _talk(store)
    await eventually(lambda: _of(other, "thread_v1").stopped)
    await owner.execute(_ACCEPT)
    await other.resume("thread_v1")
    await eventually(lambda: _of(engine, "thread_v1").position == last)
    assert await eventually(lambda: other.wait(0, last))


async def test_a_restart_tries_again(engine: Engine, make_engine: MakeEngine, store: Store, owner: Conn) -> None:
    await owner.execute(_REFUSE)
    last = await _talk(store)
    await eventually(lambda: owner.fetchval("SELECT stopped FROM checkpoint WHERE projection = 'thread_v1'"))
    await engine.stop()
    await owner.execute(_ACCEPT)
    again = await make_engine()
    assert await eventually(lambda: _of(again, "thread_v1").position == last)
    assert await owner.fetchval("SELECT stopped FROM checkpoint WHERE projection = 'thread_v1'") is None


async def test_an_event_is_skipped_when_somebody_says_so(engine: Engine, store: Store, owner: Conn, pool: Pool) -> None:
    await owner.execute(_REFUSE)
    last = await _talk(store)
    await eventually(lambda: pool.fetchval("SELECT stopped FROM checkpoint WHERE projection = 'thread_v1'"))
    async with pool.acquire() as conn:
        await skip(conn, "thread_v1", 0, 8, by="admin")
    await eventually(lambda: _of(engine, "thread_v1").position == last)
    assert _POISON not in await _texts(pool)
    assert 9 == len(await _texts(pool))
    row = await pool.fetchrow("SELECT * FROM projection_skip")
    assert row is not None
    assert ("thread_v1", 8, CONVERSATION, 8, "message-posted", "admin") == (
        row["projection"],
        row["position"],
        row["stream"],
        row["version"],
        row["type"],
        row["skipped_by"],
    )
    assert "23514" in row["reason"]
    # The fixture replays: there it is left out too, though the table would take it now.
    await owner.execute(_ACCEPT)


async def test_only_what_stands_in_the_way_can_be_skipped(
    engine: Engine, store: Store, owner: Conn, pool: Pool
) -> None:
    await owner.execute(_REFUSE)
    await _talk(store)
    await eventually(lambda: pool.fetchval("SELECT stopped FROM checkpoint WHERE projection = 'thread_v1'"))
    async with pool.acquire() as conn:
        for projection, position in [("thread_v1", 9), ("thread_v1", 7), ("inbox_v1", 8)]:
            with pytest.raises(NotStoppedThere):
                await skip(conn, projection, 0, position, by="admin")
    assert 0 == await pool.fetchval("SELECT count(*) FROM projection_skip")
    await owner.execute(_ACCEPT)


async def test_what_cannot_be_decoded_stops_all_and_can_be_skipped(
    engine: Engine, make_engine: MakeEngine, store: Store, owner: Conn, pool: Pool
) -> None:
    await store.submit([send_message(BOB)], Meta())
    await owner.execute(
        """
        SELECT append(0, gen_random_uuid(), NULL, '{0}', '{Elsewhere01}', '{0}', '{1}',
                      '{0}', '{Elsewhere01}', '{1}', '{of-tomorrow}', '{"{\\"type\\":\\"of-tomorrow\\"}"}', '{"{}"}',
                      '{}', '{}', '{}', '{}', '{}')
        """
    )
    outcome = await store.submit([reply(by=BOB)], Meta())
    names = {status.projection for status in engine.status()}
    await eventually(lambda: all(status.stopped for status in engine.status()))
    assert {3} == {status.position for status in engine.status()}
    assert all("position 4 cannot be read: LogCorrupt" in (status.stopped or "") for status in engine.status())
    for name in names:
        await eventually(partial(pool.fetchval, "SELECT stopped FROM checkpoint WHERE projection = $1", name))
        async with pool.acquire() as conn:
            await skip(conn, name, 0, 4, by="admin")
    await eventually(lambda: all(status.position == outcome.position for status in engine.status()))
    assert 2 == await pool.fetchval("SELECT count(*) FROM thread_v1")


async def test_a_checkpoint_ahead_of_the_log_stops(
    pool: Pool, store: Store, owner: Conn, make_engine: MakeEngine
) -> None:
    first = await make_engine()
    outcome = await store.submit([send_message(BOB)], Meta())
    assert await first.wait(0, outcome.position, timeout=20)
    await first.stop()
    await owner.execute("UPDATE checkpoint SET position = 40 WHERE projection = 'inbox_v1'")
    engine = await make_engine()
    await eventually(lambda: _of(engine, "inbox_v1").stopped)
    assert "it has taken in position 40, but the log ends at 3: was it restored?" == _of(engine, "inbox_v1").stopped
    assert _of(engine, "thread_v1").stopped is None
    await owner.execute("UPDATE checkpoint SET position = 3 WHERE projection = 'inbox_v1'")


async def test_a_checkpoint_of_another_history_stops(store: Store, owner: Conn, make_engine: MakeEngine) -> None:
    first = await make_engine()
    outcome = await store.submit([send_message(BOB)], Meta())
    assert await first.wait(0, outcome.position, timeout=20)
    await owner.execute("UPDATE checkpoint SET hash = '\\x00' WHERE projection = 'inbox_v1'")
    # Met while running: the next move finds it.
    await store.submit([reply(by=BOB)], Meta())
    await eventually(lambda: _of(first, "inbox_v1").stopped)
    assert "position 3 belongs to another history of the log: was it restored?" == _of(first, "inbox_v1").stopped
    assert 3 == await owner.fetchval("SELECT position FROM checkpoint WHERE projection = 'inbox_v1'")
