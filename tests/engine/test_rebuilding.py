"""A read model is rebuilt while people use it: nobody reads nothing, nobody goes back in time, nothing is lost."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from convstore.database import SCHEMA, Conn, Pool, open_readers
from convstore.domain.uid import Uid
from convstore.engine import Engine
from convstore.engine.rebuild import CannotSwitch, drop_retired, prune, rebuild
from convstore.engine.verify import compare
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.projections import discover, load
from eventually import eventually
from seeding import append
from words import ANN, BOB, CID, conversation_read, history, posted, reply, send_message, started

_NAMES = [projection.name for projection in discover()]


async def _schemas(owner: Conn) -> set[str]:
    rows = await owner.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'convstore%'")
    return {row["nspname"] for row in rows}


@pytest.mark.parametrize("name", _NAMES)
async def test_what_was_wrong_is_named_and_right_afterwards(
    engine: Engine, store: Store, dsn: str, owner: Conn, name: str
) -> None:
    outcome = await store.submit(
        [send_message(BOB), reply(by=BOB), send_message(CID, conversation=Uid("Another0001"))], Meta()
    )
    assert await engine.wait(outcome.partition, outcome.position, timeout=20)
    projection = load(name)
    table = projection.tables[0]
    rows = await owner.fetchval(f"WITH gone AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM gone")

    done = await rebuild(dsn, projection, grace=0)

    assert done.differences is not None
    assert rows == sum(each.table == table and each.kind == "missing" for each in done.differences)
    assert {0: outcome.position} == done.positions
    assert [] == await compare(dsn, [projection])
    assert [done.retired] == await drop_retired(dsn)
    assert {SCHEMA} == await _schemas(owner)
    # The live runner goes on with the new tables.
    outcome = await store.submit([reply(by=CID, conversation=Uid("Another0001"))], Meta())
    await eventually(lambda: all(status.position == outcome.position for status in engine.status()))


async def test_readers_see_all_that_was_there_before_while_people_write(
    engine: Engine, store: Store, dsn: str, owner: Conn
) -> None:
    """Two readers with plans that are kept: one statement at a time, and several in one snapshot, as lists are read."""
    await store.submit([send_message(BOB)], Meta())
    ended = asyncio.Event()
    looks = [0, 0]

    async def write() -> None:
        while not ended.is_set():
            outcome = await store.submit([reply(by=BOB)], Meta())
            await engine.wait(outcome.partition, outcome.position)

    async def read(readers: Pool, number: int) -> None:
        seen = (0, 0, 0)
        while not ended.is_set():
            async with readers.acquire() as conn:
                if number:
                    async with conn.transaction(isolation="repeatable_read", readonly=True):
                        now = await _look(conn)
                else:
                    now = await _look(conn)
            assert all(new >= old for new, old in zip(now, seen, strict=True)), (seen, now)
            seen = now
            looks[number] += 1

    async with await open_readers(dsn, size=2) as readers:
        tasks = [asyncio.create_task(write()), *(asyncio.create_task(read(readers, n)) for n in (0, 1))]
        try:
            for _ in range(2):
                for name in ("inbox", "thread"):
                    before = list(looks)
                    done = await rebuild(dsn, load(name), grace=0)
                    assert () == done.differences
                    await drop_retired(dsn)
                    await eventually(lambda before=before: all(n > b for n, b in zip(looks, before, strict=True)))
        finally:
            ended.set()
            await asyncio.gather(*tasks)


async def _look(conn: Conn) -> tuple[int, int, int]:
    return (
        await conn.fetchval("SELECT message_count FROM inbox_v1 WHERE user_id = $1", BOB) or 0,
        await conn.fetchval("SELECT count(*)::int FROM thread_v1"),
        await conn.fetchval("SELECT position FROM checkpoint WHERE projection = 'inbox_v1'"),
    )


async def test_a_reader_that_does_not_end_its_transaction_keeps_the_old_tables(
    engine: Engine, store: Store, dsn: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convstore.engine.rebuild._ATTEMPTS", 2)
    outcome = await store.submit([send_message(BOB)], Meta())
    assert await engine.wait(outcome.partition, outcome.position, timeout=20)
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        assert 1 == await conn.fetchval("SELECT count(*) FROM thread_v1")
        with pytest.raises(CannotSwitch, match="thread_v1 were in use"):
            await rebuild(dsn, load("thread"), grace=0)
        assert 1 == await conn.fetchval("SELECT count(*) FROM thread_v1")
    # What was built is not lost.
    told: list[tuple[int, int]] = []
    await rebuild(dsn, load("thread"), grace=0, progress=lambda done, total: told.append((done, total)))
    assert [] == told
    await drop_retired(dsn)


async def test_what_was_told_to_be_left_out_is_left_out(engine: Engine, store: Store, dsn: str, owner: Conn) -> None:
    outcome = await store.submit([send_message(BOB), reply(by=BOB)], Meta())
    assert await engine.wait(outcome.partition, outcome.position, timeout=20)
    await owner.execute(
        "INSERT INTO projection_skip (projection, partition, position, stream, version, type, reason, skipped_by)"
        " SELECT 'thread_v1', partition, position, stream, version, type, 'test', 'admin' FROM event WHERE position = 4"
    )
    done = await rebuild(dsn, load("thread"), grace=0)
    assert done.differences is not None
    assert ["extra"] == [each.kind for each in done.differences]
    assert 1 == await owner.fetchval("SELECT count(*) FROM thread_v1")


_BUILD = """
import asyncio, sys
from convstore.engine.rebuild import rebuild
from convstore.projections import load
asyncio.run(rebuild(sys.argv[1], load("inbox"), grace=0, progress=lambda done, total: print(done, flush=True)))
"""

# Servers of other tests hold such locks in their databases.
_NOBODY_REBUILDS = """
SELECT count(*) = 0
  FROM pg_locks AS l
  JOIN pg_database AS d ON d.oid = l.database
 WHERE l.locktype = 'advisory'
   AND d.datname = current_database()
"""


@asynccontextmanager
async def _building(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _BUILD, dsn, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.slow
async def test_killed_it_goes_on_where_it_was(
    engine: Engine, store: Store, dsn: str, owner: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = history(started(ANN, BOB, CID), [posted(by=ANN)] * 40, conversation_read())
    for n in range(250):
        await append(owner, [(Uid(f"Talk{n:07}"), event) for event in story])
    head = await owner.fetchval("SELECT position FROM head")
    await eventually(lambda: all(status.position == head for status in engine.status()), within=60)
    shadow = f"{SCHEMA}_rebuild_inbox_v1"
    reached = 0
    for _ in range(2):
        async with _building(dsn) as process:
            assert process.stdout is not None
            # Amid its work: it has taken in something, and not all.
            assert await process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        now = await owner.fetchval(f"SELECT position FROM {shadow}.checkpoint")
        assert reached < now < head
        reached = now
        # People write on meanwhile.
        outcome = await store.submit([send_message(BOB, conversation=Uid(f"Late{reached:07}"))], Meta())
        head = outcome.position

    told: list[tuple[int, int]] = []
    await eventually(lambda: all(status.position == head for status in engine.status()))
    await eventually(lambda: owner.fetchval(_NOBODY_REBUILDS))
    done = await rebuild(dsn, load("inbox"), grace=0, progress=lambda d, t: told.append((d, t)))

    assert head - reached == told[0][1]
    assert {0: head} == done.positions
    assert () == done.differences
    await drop_retired(dsn)
    assert {SCHEMA} == await _schemas(owner)


async def test_versions_of_other_releases_are_dropped_when_nobody_uses_them(
    engine: Engine, dsn: str, owner: Conn
) -> None:
    await owner.execute("CREATE TABLE inbox_v0 (n int); INSERT INTO projection_table VALUES ('inbox_v0', 'inbox_v0')")
    await owner.execute(
        "INSERT INTO checkpoint (projection, partition, owner, lease_until)"
        " VALUES ('inbox_v0', 0, 'elsewhere/1/old', now() + interval '1 hour')"
    )
    with pytest.raises(Exception, match="inbox_v0 is carried by elsewhere/1/old"):
        await prune(dsn)
    await owner.execute("UPDATE checkpoint SET owner = '' WHERE projection = 'inbox_v0'")
    assert ["inbox_v0"] == await prune(dsn)
    assert await owner.fetchval("SELECT to_regclass('inbox_v0')") is None
    with pytest.raises(asyncpg.UndefinedTableError):
        await owner.execute("SELECT FROM inbox_v0")
    assert [] == await prune(dsn)
