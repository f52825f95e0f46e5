"""Connections for reads go from hand to hand: none is lost, none is given to two, none that is broken is lent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from convstore.database import Conn, Pool, open_readers
from eventually import eventually


@pytest.fixture
async def readers(dsn: str) -> AsyncIterator[Pool]:
    async with await open_readers(dsn, size=2) as pool:
        yield pool


async def pid(readers: Pool) -> int:
    return int(await readers.fetchval("SELECT pg_backend_pid()"))


async def test_the_same_connection_is_lent_again_and_counted_as_idle_between(readers: Pool) -> None:
    first = await pid(readers)
    assert {first} == {await pid(readers) for _ in range(5)}
    async with readers.acquire() as conn:
        idle = readers.get_idle_size()
        assert 1 == await conn.fetchval("SELECT 1")
    assert idle + 1 == readers.get_idle_size()


async def test_more_than_there_are_wait_and_everybody_is_served(readers: Pool) -> None:
    lent: set[int] = set()

    async def read() -> None:
        async with readers.acquire() as conn:
            mine = conn.get_server_pid()
            assert mine not in lent
            lent.add(mine)
            await conn.fetchval("SELECT pg_sleep(0.001)")
            lent.discard(mine)

    await asyncio.gather(*(read() for _ in range(200)))
    assert 2 == readers.get_size() == readers.get_idle_size()


async def test_who_is_cancelled_while_he_waits_or_reads_takes_no_connection_along(readers: Pool) -> None:
    async with readers.acquire(), readers.acquire():
        waiting = asyncio.create_task(pid(readers))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    reading = [asyncio.create_task(readers.fetchval("SELECT pg_sleep(60)")) for _ in range(2)]
    await eventually(lambda: readers.get_idle_size() == 0)
    for task in reading:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*reading, return_exceptions=True)
    )
    assert 2 == len(await asyncio.gather(pid(readers), pid(readers)))


async def test_one_that_had_trouble_in_a_transaction_comes_back_clean(readers: Pool) -> None:
    async with readers.acquire() as conn:
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with conn.transaction():
                await conn.fetchval("SELECT 1 / 0")
    with pytest.raises(asyncpg.UndefinedTableError):
        await readers.fetchval("SELECT * FROM no_such_table")
    assert 1 == await readers.fetchval("SELECT 1")


async def test_one_that_the_server_closed_is_not_lent_again(readers: Pool, owner: Conn) -> None:
    first = await pid(readers)
    await owner.execute("SELECT pg_terminate_backend($1)", first)

    async def another() -> bool:
        # The last is what asyncpg says of one whose server has said farewell and not yet hung up.
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncpg.InternalClientError):
            return await pid(readers) != first
        return False

    await eventually(another)
    assert readers.get_size() <= 2


async def test_a_pool_that_closes_waits_for_what_is_lent(dsn: str) -> None:
    readers = await open_readers(dsn, size=2)
    async with readers.acquire() as conn:
        closing = asyncio.create_task(readers.close())
        assert 1 == await conn.fetchval("SELECT 1 FROM pg_sleep(0.02)")
        assert not closing.done()
    await closing
    with pytest.raises(asyncpg.InterfaceError):
        await readers.fetchval("SELECT 1")
