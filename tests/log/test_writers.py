"""Many writers, in one process and in several: every acknowledged command is in once, and order has no holes."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from convstore.database import SERVER_ROLE, connect, open_pool
from convstore.domain.events import MessagePosted
from convstore.domain.uid import Uid, new_uid
from convstore.errors import AccessDenied
from convstore.log import read
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.log.verify import verify
from words import ANN, BOB, CONVERSATION, EVE, add_participants, conversation_read, mark_read, reply, send_message

META = Meta(actor=ANN)


async def check(dsn: str, acknowledged: list[Uid]) -> None:
    """See that the messages that were acknowledged are in the log, each once, and that the log is sound."""
    conn = await connect(dsn, role=SERVER_ROLE)
    try:
        found: Counter[Uid] = Counter()
        for partition, _ in enumerate(await read.heads(conn)):
            for recorded in await read.read_partition(conn, partition, 0, 1_000_000):
                if isinstance(recorded.event, MessagePosted):
                    found[recorded.event.message_id] += 1
        assert Counter(acknowledged) == found
        assert () == (await verify(conn)).findings
    finally:
        await conn.close()


async def post(store: Store, uid: Uid) -> Uid:
    message = new_uid()
    await store.submit([reply(conversation=uid, message=message)], META)
    return message


@pytest.mark.parametrize("partitions", [1, 8])
@pytest.mark.parametrize("conversations", [1, 40])
async def test_two_processes_and_many_writers_lose_and_double_nothing(
    make_store: Callable[..., Awaitable[str]], partitions: int, conversations: int
) -> None:
    dsn = await make_store(partitions=partitions)
    async with (
        await open_pool(dsn, size=12) as one_pool,
        await open_pool(dsn, size=12) as other_pool,
        await Store.open(one_pool) as one,
        await Store.open(other_pool) as other,
    ):
        uids = [new_uid() for _ in range(conversations)]
        acknowledged = [new_uid() for _ in uids]
        for uid, message in zip(uids, acknowledged, strict=True):
            await one.submit([send_message(BOB, conversation=uid, message=message)], META)

        async def writer(number: int) -> list[Uid]:
            process = (one, other)[number % 2]
            return [await post(process, uids[(number + i) % conversations]) for i in range(20)]

        for messages in await asyncio.gather(*(writer(number) for number in range(40))):
            acknowledged += messages
    await check(dsn, acknowledged)


async def test_under_contention_both_processes_get_their_turn(store: Store, other: Store) -> None:
    await store.submit([send_message(BOB)], META)

    async def writer(process: Store) -> None:
        for _ in range(100):
            await post(process, CONVERSATION)

    # A Busy would end it with an error.
    await asyncio.gather(*(writer(process) for process in (store, other) for _ in range(4)))
    assert 803 == (await store.states([CONVERSATION]))[CONVERSATION].version


async def test_a_process_that_has_not_seen_a_reply_does_not_answer_that_all_is_read(store: Store, other: Store) -> None:
    await store.submit([send_message(BOB), mark_read(by=BOB)], META)
    assert () == (await other.submit([mark_read(by=BOB)], META)).recorded
    await store.submit([reply()], META)

    outcome = await other.submit([mark_read(by=BOB)], META)
    assert [conversation_read(by=BOB, up_to=5)] == [recorded.event for recorded in outcome.recorded]


async def test_a_process_that_has_not_seen_an_invitation_does_not_refuse(store: Store, other: Store) -> None:
    await store.submit([send_message(BOB)], META)
    with pytest.raises(AccessDenied):
        await other.submit([reply(by=EVE)], META)
    await store.submit([add_participants(EVE)], META)

    assert 5 == (await other.submit([reply(by=EVE)], META)).position


async def test_one_stale_conversation_sends_no_other_back(store: Store, other: Store) -> None:
    uids = [new_uid() for _ in range(10)]
    for uid in uids:
        await store.submit([send_message(BOB, conversation=uid)], META)
    await other.submit([reply(conversation=uids[3])], META)

    await asyncio.gather(*(store.submit([reply(conversation=uid)], META) for uid in uids))
    assert 1 == store.counters()[0].stale


@pytest.mark.slow
async def test_real_processes_with_partitions_lose_and_double_nothing(
    make_store: Callable[..., Awaitable[str]],
) -> None:
    dsn = await make_store(partitions=8)
    async with await open_pool(dsn, size=12) as pool, await Store.open(pool) as store:
        uids = [new_uid() for _ in range(5)]
        acknowledged = [new_uid() for _ in uids]
        for uid, message in zip(uids, acknowledged, strict=True):
            await store.submit([send_message(BOB, conversation=uid, message=message)], META)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("writer.py")),
            dsn,
            "25",
            *uids,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        for _ in range(3)
    ]
    for process in processes:
        told, _ = await process.communicate()
        assert 0 == process.returncode
        acknowledged += msgspec.json.decode(told, type=list[Uid])
    assert 5 + 3 * 8 * 25 == len(acknowledged)
    await check(dsn, acknowledged)


async def test_a_process_that_is_not_alone_looks_before_it_decides_and_stops_when_it_is_alone(
    store: Store, other: Store
) -> None:
    await store.submit([send_message(BOB)], META)
    counters = store.counters()[0]
    for _ in range(5):
        await post(other, CONVERSATION)
        await post(store, CONVERSATION)
    # Outrun once: from then on it knows that there is somebody else.
    assert 1 == counters.stale

    await post(store, CONVERSATION)
    looked = counters.missed
    await post(store, CONVERSATION)
    assert looked == counters.missed
    assert 1 == counters.stale
