"""The states that commands are decided on: fresh where it counts, bounded, and rebuilt from snapshots or without."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from convstore.database import Conn, Pool, open_pool
from convstore.domain.conversation import Conversation, initial, weight
from convstore.domain.events import PARTICIPANTS_PER_EVENT
from convstore.domain.snapshot import decode_state, encode_state
from convstore.domain.types import Status
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.log import states
from convstore.log.recorded import Meta
from convstore.log.states import States
from convstore.log.store import Store
from words import (
    ANN,
    BOB,
    CONVERSATION,
    OTHER_CONVERSATION,
    delete_conversation,
    mark_read,
    reply,
    send_message,
    set_status,
    superuser,
)

META = Meta(actor=ANN)


async def test_states_are_as_the_log_has_them_now(store: Store, other: Store) -> None:
    await store.submit([send_message(BOB)], META)
    assert 3 == (await other.states([CONVERSATION]))[CONVERSATION].version
    await store.submit([set_status(Status.SOLVED)], META)

    assert Status.SOLVED == (await other.states([CONVERSATION]))[CONVERSATION].status


async def test_unknown_and_deleted_ones_have_no_state(store: Store, other: Store) -> None:
    await store.submit([send_message(BOB)], META)
    await store.submit([send_message(BOB, conversation=OTHER_CONVERSATION)], META)
    await store.submit([delete_conversation(by=superuser(ANN))], META)

    for process in (store, other):
        known = await process.states([CONVERSATION, OTHER_CONVERSATION, new_uid(), OTHER_CONVERSATION])
        assert [OTHER_CONVERSATION] == list(known)


async def test_states_of_all_partitions_come_together(make_store: Callable[..., Awaitable[str]]) -> None:
    dsn = await make_store(partitions=8)
    async with await open_pool(dsn, size=10) as pool, await Store.open(pool) as store:
        uids = [new_uid() for _ in range(40)]
        await asyncio.gather(*(store.submit([send_message(BOB, conversation=uid)], META) for uid in uids))
        async with await Store.open(pool) as fresh:
            assert set(uids) == set(await fresh.states(uids))


async def test_what_was_evicted_comes_back_from_the_log(pool: Pool) -> None:
    async with await Store.open(pool, cache_bytes=1) as store:
        uids = [new_uid() for _ in range(5)]
        for uid in uids:
            await store.submit([send_message(BOB, conversation=uid)], META)
        for uid in uids:
            assert 4 == (await store.submit([reply(conversation=uid)], META)).decided[0].version
        assert 1 == len(store._states)


def at(version: int, uid: Uid = CONVERSATION) -> Conversation:
    return Conversation(id=uid, version=version)


def test_the_least_recently_used_go_first() -> None:
    one, two, three = (new_uid() for _ in range(3))
    kept = States(2 * weight(initial(one)))
    kept.put(at(1, one), 0)
    kept.put(at(1, two), 0)
    assert at(1, one) == kept.get(one)
    kept.put(at(1, three), 0)
    assert [at(1, one), None, at(1, three)] == [kept.get(uid) for uid in (one, two, three)]
    assert 2 * weight(initial(one)) == kept.weight


def test_an_earlier_state_does_not_replace_a_later_one() -> None:
    kept = States(10_000)
    kept.put(at(5), 0)
    kept.put(at(4), 0)
    assert at(5) == kept.get(CONVERSATION)
    assert weight(at(5)) == kept.weight


def test_a_snapshot_is_due_when_much_would_have_to_be_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "_SNAPSHOT_AFTER", 1_000)
    kept = States(10_000)
    assert not kept.put(at(1), 600)
    assert kept.put(at(2), 600)
    kept.snapshot_taken(CONVERSATION)
    assert not kept.put(at(3), 600)


async def snapshot_at(owner: Conn, version: int) -> bytes:
    """Wait for a snapshot of this version."""
    while not (raw := await owner.fetchval("SELECT state FROM snapshot WHERE version = $1", version)):
        await asyncio.sleep(0.01)
    return bytes(raw)


async def test_a_long_stream_gets_a_snapshot_and_is_read_from_it(
    store: Store, owner: Conn, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "_SNAPSHOT_AFTER", 5_000)
    await store.submit([send_message(BOB)], META)
    await store.submit([reply(text="x" * 1_000)] * 7, META)
    assert 10 == decode_state(await snapshot_at(owner, 10)).version
    await store.submit([mark_read(by=BOB)], META)

    # Only a reader of the snapshot does without the events before it.
    await owner.execute("ALTER TABLE event DISABLE TRIGGER event_is_append_only")
    await owner.execute("DELETE FROM event WHERE version <= 10")
    async with await Store.open(pool) as fresh:
        assert await store.states([CONVERSATION]) == await fresh.states([CONVERSATION])


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\xff of another release", b"\x01 damaged"])
async def test_a_snapshot_that_cannot_be_read_is_ignored(store: Store, owner: Conn, pool: Pool, raw: bytes) -> None:
    await store.submit([send_message(BOB)], META)
    await store.submit([send_message(BOB, conversation=OTHER_CONVERSATION)], META)
    await owner.execute("INSERT INTO snapshot VALUES (0, $1, 2, $2)", CONVERSATION, raw)

    async with await Store.open(pool) as fresh:
        both = [CONVERSATION, OTHER_CONVERSATION]
        assert await store.states(both) == await fresh.states(both)
        assert 4 == (await fresh.submit([reply()], META)).decided[0].version


async def test_a_large_audience_is_decided_on_from_its_snapshot_as_without(
    store: Store, owner: Conn, pool: Pool
) -> None:
    people = [UserId(f"Person{number:05}") for number in range(20 * PARTICIPANTS_PER_EVENT)]
    await store.submit([send_message(*people)], META)
    version = (await store.states([CONVERSATION]))[CONVERSATION].version
    await owner.execute("DELETE FROM snapshot")
    async with await Store.open(pool) as replaying:
        replayed = (await replaying.states([CONVERSATION]))[CONVERSATION]
        await snapshot_at(owner, version)
    async with await Store.open(pool) as reading:
        assert replayed == (await reading.states([CONVERSATION]))[CONVERSATION]
    assert replayed == decode_state(encode_state(replayed))
