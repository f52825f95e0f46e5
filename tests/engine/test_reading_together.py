"""Several replays read the log together: once for all of them, each at its own pace, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from convstore.database import Conn, Pool
from convstore.domain.uid import Uid
from convstore.engine.feed import Feed
from convstore.engine.shadow import open_shadow
from convstore.engine.shared import SharedReads
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.projections import discover, load
from seeding import append
from words import ANN, BOB, CID, history, posted, reply, send_message, started

_EVENTS = 250


class Lending:
    """Lends connections to the log, and counts how often."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.lent = 0

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Conn]:
        self.lent += 1
        async with self._pool.acquire() as conn:
            yield conn


@pytest.fixture
async def lending(pool: Pool, owner: Conn, monkeypatch: pytest.MonkeyPatch) -> Lending:
    """Of a log of many pages."""
    monkeypatch.setattr("convstore.engine.feed._FIRST_LIMIT", 10)
    monkeypatch.setattr("convstore.engine.feed.EVENTS", 10)
    story = history(started(ANN, BOB), [posted(by=ANN)] * (_EVENTS - 2))
    await append(owner, [(Uid("Talk0000001"), event) for event in story])
    return Lending(pool)


async def _read(feed: Feed, after: int, until: int, turns: int = 1) -> list[int]:
    """Give the positions of what a feed gives, from here to there, letting others go on so often before each page."""
    positions: list[int] = []
    while after < until:
        for _ in range(turns):
            await asyncio.sleep(0)
        page, after = await feed.next(after, until, frozenset())
        positions += [recorded.position for recorded in page]
    await feed.close()
    return positions


async def test_each_page_is_read_once_for_all(lending: Lending) -> None:
    shared = SharedReads()
    feeds = [Feed(lending.borrow, 0, shared=shared) for _ in range(3)]
    everything = list(range(1, _EVENTS + 1))
    read = await asyncio.wait_for(
        asyncio.gather(*(_read(feed, 0, _EVENTS, turns) for feed, turns in zip(feeds, (1, 7, 40), strict=True))), 20
    )
    assert [everything] * 3 == read
    # The first few by each of them, who did not know of the others yet; one more finds the end.
    assert _EVENTS // 10 + 8 > lending.lent


async def test_those_who_begin_elsewhere_or_end_early_hold_nobody_up(lending: Lending) -> None:
    shared = SharedReads()
    feeds = [Feed(lending.borrow, 0, shared=shared) for _ in range(3)]
    whole, part, rest = await asyncio.wait_for(
        asyncio.gather(_read(feeds[0], 0, _EVENTS), _read(feeds[1], 0, 55), _read(feeds[2], 33, _EVENTS, 20)), 20
    )
    assert list(range(1, _EVENTS + 1)) == whole
    assert list(range(1, 56)) == part
    assert list(range(34, _EVENTS + 1)) == rest


async def test_who_is_ahead_waits_for_the_others(lending: Lending) -> None:
    shared = SharedReads()
    quick, slow = Feed(lending.borrow, 0, shared=shared), Feed(lending.borrow, 0, shared=shared)
    _, at = await slow.next(0, _EVENTS, frozenset())
    reading = asyncio.create_task(_read(quick, 0, _EVENTS))
    done, _ = await asyncio.wait([reading], timeout=0.5)
    assert not done
    assert _EVENTS // 10 > lending.lent
    assert list(range(at + 1, _EVENTS + 1)) == await asyncio.wait_for(_read(slow, at, _EVENTS), 20)
    assert list(range(1, _EVENTS + 1)) == await asyncio.wait_for(reading, 20)


@pytest.mark.parametrize("name", [projection.name for projection in discover()])
async def test_rows_that_are_there_already_are_not_doubled(store: Store, dsn: str, name: str) -> None:
    """As after a checkpoint that was set back by hand: what is copied in into new tables meets itself."""
    outcome = await store.submit(
        [send_message(BOB, CID), reply(by=BOB), send_message(CID, conversation=Uid("Another0001"))], Meta()
    )
    ends = {outcome.partition: outcome.position}
    projection = load(name)
    async with open_shadow(dsn, projection, "convstore_beside") as shadow:
        await shadow.replay(ends)
        before = {table: await _rows(shadow.conn, table) for table in projection.tables}
        await shadow.conn.execute("UPDATE convstore_beside.checkpoint SET position = 0")
        await shadow.replay(ends)
        assert before == {table: await _rows(shadow.conn, table) for table in projection.tables}
        assert any(before.values())


async def _rows(conn: Conn, table: str) -> list[str]:
    rows = await conn.fetch(f"SELECT t::text AS row FROM convstore_beside.{table} AS t ORDER BY 1")
    return [row["row"] for row in rows]
