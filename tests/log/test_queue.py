"""The queue in front of the log: bounded, fair, and not hurt by callers who go away."""

import asyncio

import pytest

from convstore.database import Conn, Pool, connect
from convstore.domain.types import Status
from convstore.domain.uid import new_uid
from convstore.errors import Busy, ConfigError
from convstore.log import read
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import ANN, BOB, CONVERSATION, reply, send_message, set_status

META = Meta(actor=ANN)


async def in_flight(owner: Conn) -> None:
    """Wait until an append stands before the head that somebody holds."""
    while not await owner.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ):
        await asyncio.sleep(0.01)


async def test_when_the_queue_is_full_callers_are_told_to_come_again(pool: Pool, dsn: str, owner: Conn) -> None:
    holder = await connect(dsn, role=None)
    async with await Store.open(pool, queue_commands=10) as store:
        await store.submit([send_message(BOB)], META)
        async with holder.transaction():
            await holder.execute("SELECT FROM head FOR UPDATE")
            first = asyncio.create_task(store.submit([reply()], META))
            await in_flight(owner)
            waiting = [asyncio.create_task(store.submit([reply()], META)) for _ in range(10)]
            while store.waiting() < 10:
                await asyncio.sleep(0)
            with pytest.raises(Busy) as busy:
                await store.submit([reply()], META)
            assert busy.value.retry_after >= 1
        assert 4 == (await first).position
        assert list(range(5, 15)) == [(await answer).position for answer in waiting]
        assert 15 == (await store.submit([reply()], META)).position
        assert 1 == store.counters()[0].refused_busy
    await holder.close()


async def test_large_texts_fill_the_queue_too(pool: Pool, dsn: str, owner: Conn) -> None:
    holder = await connect(dsn, role=None)
    async with await Store.open(pool, queue_bytes=100_000) as store:
        await store.submit([send_message(BOB)], META)
        async with holder.transaction():
            await holder.execute("SELECT FROM head FOR UPDATE")
            first = asyncio.create_task(store.submit([reply()], META))
            await in_flight(owner)
            second = asyncio.create_task(store.submit([reply(text="x" * 90_000)], META))
            while not store.waiting():
                await asyncio.sleep(0)
            with pytest.raises(Busy):
                await store.submit([reply(text="x" * 90_000)], META)
        assert [4, 5] == [(await answer).position for answer in (first, second)]
    await holder.close()


async def test_a_request_larger_than_the_queue_is_carried_out_when_nothing_waits(pool: Pool) -> None:
    async with await Store.open(pool, queue_commands=10) as store:
        uids = [new_uid() for _ in range(600)]
        assert 1_800 == (await store.submit([send_message(BOB, conversation=uid) for uid in uids], META)).position
        assert 2_400 == (await store.submit([set_status(Status.OPEN, conversation=uid) for uid in uids], META)).position


async def test_a_caller_who_goes_away_breaks_no_batch(store: Store, dsn: str, owner: Conn, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)
    holder = await connect(dsn, role=None)
    async with holder.transaction():
        await holder.execute("SELECT FROM head FOR UPDATE")
        answers = [asyncio.create_task(store.submit([reply()], META)) for _ in range(3)]
        await in_flight(owner)
        queued = [asyncio.create_task(store.submit([reply()], META)) for _ in range(3)]
        while store.waiting() < 3:
            await asyncio.sleep(0)
        answers[1].cancel()  # on its way: it will be carried out
        queued[1].cancel()  # not taken yet: it will not
    await holder.close()

    positions = [(await answer).position for answer in (answers[0], answers[2], queued[0], queued[2])]
    assert [4, 6, 7, 8] == positions
    assert [8] == await read.heads(pool)


async def test_while_one_batch_commits_the_next_one_fills(store: Store, dsn: str, owner: Conn) -> None:
    await store.submit([send_message(BOB)], META)
    holder = await connect(dsn, role=None)
    async with holder.transaction():
        await holder.execute("SELECT FROM head FOR UPDATE")
        answers = [asyncio.create_task(store.submit([reply()], META))]
        await in_flight(owner)
        answers += [asyncio.create_task(store.submit([reply()], META)) for _ in range(100)]
        while store.waiting() < 100:
            await asyncio.sleep(0)
    await holder.close()
    await asyncio.gather(*answers)
    assert 3 == await owner.fetchval("SELECT count(*) FROM batch")


async def test_a_store_that_closes_answers_those_who_wait_and_takes_no_more(pool: Pool) -> None:
    store = await Store.open(pool)
    answers = [asyncio.create_task(store.submit([send_message(BOB, conversation=new_uid())], META)) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()

    assert list(range(3, 63, 3)) == [(await answer).position for answer in answers]
    with pytest.raises(Busy):
        await store.submit([reply(conversation=CONVERSATION)], META)


async def test_a_database_without_a_store_is_no_store(pool: Pool, owner: Conn) -> None:
    await owner.execute("DELETE FROM store")
    with pytest.raises(ConfigError):
        await Store.open(pool)
