"""A connection that breaks while a batch is on its way: nothing acknowledged is lost, nothing is applied twice."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import asyncpg
import pytest
from structlog.testing import capture_logs

from convstore.database import Conn, Pool, connect, open_pool
from convstore.domain.uid import new_uid
from convstore.errors import Busy
from convstore.log import appender, link, read
from convstore.log.read import sql
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.log.verify import verify
from eventually import eventually
from words import ANN, BOB, mark_read, reply, send_message

META = Meta(actor=ANN)

# The backend that waits for the head's row lock inside an append.
WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM append(%'
"""


async def until(conn: Conn, query: str) -> list[asyncpg.Record]:
    """Wait until a query has rows."""
    while not (rows := await conn.fetch(query)):
        await asyncio.sleep(0.01)
    return rows


@asynccontextmanager
async def head_held(dsn: str) -> AsyncIterator[None]:
    """Hold the lock that every append needs."""
    conn = await connect(dsn, role=None)
    try:
        async with conn.transaction():
            await conn.execute("SELECT FROM head FOR UPDATE")
            yield
    finally:
        await conn.close()


async def test_a_batch_that_was_killed_before_it_was_in_is_sent_again(
    store: Store, dsn: str, owner: Conn, pool: Pool
) -> None:
    await store.submit([send_message(BOB)], META)
    async with head_held(dsn):
        answers = [asyncio.create_task(store.submit([reply()], META)) for _ in range(20)]
        for (pid,) in await until(owner, WAITING):
            await owner.execute("SELECT pg_terminate_backend($1)", pid)
        await until(owner, WAITING)  # the second time

    positions = [(await answer).position for answer in answers]
    assert list(range(4, 24)) == positions
    assert [23] == await read.heads(pool)
    assert store.counters()[0].reconnects > 0


@pytest.fixture(params=["in one call", "holding the head"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Append in the ordinary way, and in the one for those whom others outrun."""
    if request.param == "holding the head":
        monkeypatch.setattr(appender, "_HOLD_AFTER", 0)


async def test_killed_again_and_again_every_acknowledged_command_is_in_once(
    store: Store, owner: Conn, pool: Pool, way: None
) -> None:
    await store.submit([send_message(BOB)], META)
    acknowledged = []

    async def writer() -> None:
        # Until a connection was lost: how soon one is caught at it is chance.
        while len(acknowledged) < 320 or store.counters()[0].reconnects == 0:
            message = new_uid()
            await store.submit([reply(message=message)], META)
            acknowledged.append(message)

    async def kill() -> None:
        while True:
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND query LIKE ANY ('{%FROM append(%,%hold_head%,COMMIT%}')"
            )
            await asyncio.sleep(0.02)

    killer = asyncio.create_task(kill())
    try:
        await asyncio.gather(*(writer() for _ in range(8)))
    finally:
        killer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await killer
    found = [recorded.event for recorded in await read.read_partition(pool, 0, 3, 100_000)]
    assert sorted(acknowledged) == sorted(getattr(event, "message_id", "") for event in found)
    assert () == (await verify(owner)).findings


class Deaf:
    """A way to the server that passes everything on, until it is told to lose the answers."""

    def __init__(self, dsn: str, folder: Path) -> None:
        parts = urlsplit(dsn)
        host = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[0]
        self._host, self._port = host, parts.port or int(parse_qs(parts.query).get("port", ["5432"])[0])
        self._folder = folder
        self.dsn = urlunsplit(
            parts._replace(netloc=f"{parts.username or 'postgres'}@", query=f"host={quote(str(folder))}")
        )
        self.deaf = False
        self._cut: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, str(self._folder / ".s.PGSQL.5432"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._cut:
            writer.transport.abort()
        self._cut.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._host.startswith("/"):
            there = await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        else:
            there = await asyncio.open_connection(self._host, self._port)
        self._cut += [writer, there[1]]
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pass(reader, there[1], loses=False), self._pass(there[0], writer, loses=True))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, loses: bool) -> None:
        while data := await reader.read(65_536):
            if not (loses and self.deaf):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def line(dsn: str, tmp_path: Path) -> AsyncIterator[Deaf]:
    async with Deaf(dsn, tmp_path) as deaf:
        yield deaf


async def test_a_batch_whose_answer_was_lost_is_not_appended_again(line: Deaf, owner: Conn) -> None:
    pool = await open_pool(line.dsn, size=4)
    async with pool, await Store.open(pool) as store:
        await store.submit([send_message(BOB)], META)
        line.deaf = True
        answers = [asyncio.create_task(store.submit([reply()], META)) for _ in range(5)]
        await until(owner, "SELECT FROM head WHERE position = 8")  # it is in, and nobody knows
        line.deaf = False
        line.cut()

        outcomes = [await answer for answer in answers]
        assert [4, 5, 6, 7, 8] == [outcome.position for outcome in outcomes]
        assert await read.read_partition(owner, 0, 3, 10) == [event for o in outcomes for event in o.recorded]
        assert 9 == (await store.submit([reply()], META)).position
        assert 1 == store.counters()[0].reconnects


async def test_what_had_no_events_in_a_lost_batch_is_decided_again(line: Deaf, owner: Conn) -> None:
    pool = await open_pool(line.dsn, size=4)
    async with pool, await Store.open(pool) as store:
        uid = new_uid()
        await store.submit([send_message(BOB)], META)
        await store.submit([send_message(BOB, conversation=uid)], META)
        line.deaf = True
        posts = asyncio.create_task(store.submit([reply()], META))
        reads = asyncio.create_task(store.submit([mark_read(by=ANN, conversation=uid)], META))
        await until(owner, "SELECT FROM head WHERE position = 7")
        line.deaf = False
        line.cut()

        assert 7 == (await posts).position
        assert () == (await reads).recorded


async def test_the_append_function_knows_a_batch_that_is_in(pool: Pool) -> None:
    batch_id, other_id = uuid.uuid4(), uuid.uuid4()

    async def send(id_: uuid.UUID, sent_after: int | None, versions: list[int]) -> tuple[int, list[int]]:
        """Send two groups of a stream each, at these versions, one event each."""
        reaches = [version + 1 for version in versions]
        events = ([1, 2], ["a", "b"], reaches, ["t", "t"], ["{}", "{}"], ["{}", "{}"])
        row = await pool.fetchrow(
            sql.append, 0, id_, sent_after, [1, 2], ["a", "b"], versions, reaches, *events, [], [], [], [], []
        )
        assert row is not None
        return row["base_position"], row["stale_groups"]

    assert (0, []) == await send(other_id, None, [0, 0])
    assert (2, [2]) == await send(batch_id, None, [1, 0])
    # Again, as after a lost answer: the same verdicts, and no second effect.
    assert (2, [2]) == await send(batch_id, 2, [1, 0])
    # One that arrives late, after others went on: it cannot do harm any more.
    assert (3, [1, 2]) == await send(batch_id, None, [1, 0])
    assert [3] == await read.heads(pool)


async def test_when_the_database_stays_away_callers_are_told_to_come_again(
    line: Deaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_PATIENCE", 0.2)
    monkeypatch.setattr(link, "_CONNECT_TIMEOUT", 0.1)
    pool = await open_pool(line.dsn, size=4)
    async with pool, await Store.open(pool) as store:
        await store.submit([send_message(BOB)], META)
        line.deaf = True
        line.cut()
        answers = await asyncio.gather(*(store.submit([reply()], META) for _ in range(5)), return_exceptions=True)
        assert {Busy} == {type(answer) for answer in answers}

        line.deaf = False
        assert 4 == (await store.submit([reply()], META)).position


async def test_whether_a_held_transaction_was_committed_is_asked_too(
    line: Deaf, owner: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "_HOLD_AFTER", 0)
    pool = await open_pool(line.dsn, size=4)
    async with pool, await Store.open(pool) as store:
        await store.submit([send_message(BOB)], META)
        send = asyncpg.Connection.execute

        async def lose_the_answer(self: asyncpg.Connection, query: str, *args: object, **more: object) -> str:
            line.deaf = query == sql.commit
            return await send(self, query, *args, **more)

        monkeypatch.setattr(asyncpg.Connection, "execute", lose_the_answer)
        answer = asyncio.create_task(store.submit([reply()], META))
        while not await owner.fetchval("SELECT position = 4 FROM head"):
            await asyncio.sleep(0.01)
        line.deaf = False
        line.cut()

        assert 4 == (await answer).position
        assert [4] == await read.heads(owner)
        assert 1 == store.counters()[0].reconnects


async def test_a_store_whose_connections_were_lost_meanwhile_closes_without_a_word(dsn: str, owner: Conn) -> None:
    async with await open_pool(dsn, size=4) as pool:
        with capture_logs() as lines:
            async with await Store.open(pool) as store:
                await store.submit([send_message(BOB)], META)
                await owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                await eventually(lambda: pool.get_idle_size() == pool.get_size())
        assert [] == [line for line in lines if line["event"] == "append.not_closed"]
