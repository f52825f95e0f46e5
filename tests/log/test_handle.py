"""The shell: a command meets the log, then the read models catch up with it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from convstore.database import Pool, open_pool
from convstore.domain.types import Status
from convstore.domain.uid import new_uid
from convstore.errors import ConversationNotFound
from convstore.handle import WAIT, handle, handle_many
from convstore.log import read
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import ANN, BOB, reply, send_message, set_status

META = Meta(actor=ANN)


@dataclass
class Told:
    """The engine's part: says how far the read models are, and remembers what it was asked."""

    answer: bool = True
    asked: list[tuple[int, int, float]] = field(default_factory=list)

    async def wait(self, partition: int, position: int, timeout: float) -> bool:  # noqa: ASYNC109 - as the engine's
        self.asked.append((partition, position, timeout))
        return self.answer


@pytest.mark.parametrize("answer", [True, False])
async def test_it_waits_for_the_read_models_and_says_whether_they_came(store: Store, answer: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    engine = Told(answer)
    handled = await handle(store, engine, [send_message(BOB)], META)
    assert [(0, 3, WAIT)] == engine.asked
    assert answer == handled.reflected
    assert 3 == handled.outcome.position


async def test_it_does_not_wait_for_who_is_in_a_hurry(store: Store) -> None:
    engine = Told()
    assert not (await handle(store, engine, [send_message(BOB)], META, wait=False)).reflected
    assert [] == engine.asked


async def test_many_commands_go_to_their_partitions(make_store: Callable[..., Awaitable[str]]) -> None:
    dsn = await make_store(partitions=8)
    async with await open_pool(dsn, size=10) as pool, await Store.open(pool) as store:
        uids = [new_uid() for _ in range(60)]
        engine = Told()
        await handle_many(store, engine, [send_message(BOB, conversation=uid) for uid in uids], META)
        handled = await handle_many(store, engine, [set_status(Status.OPEN, conversation=uid) for uid in uids], META)

        assert handled.reflected
        assert set(uids) == {decided.conversation_id for outcome in handled.outcomes for decided in outcome.decided}
        assert 240 == sum(await read.heads(pool))
        assert {store.partition_of(uid) for uid in uids} == {outcome.partition for outcome in handled.outcomes}


async def test_of_many_a_refused_partition_does_not_hold_up_the_others(
    make_store: Callable[..., Awaitable[str]],
) -> None:
    dsn = await make_store(partitions=8)
    async with await open_pool(dsn, size=10) as pool, await Store.open(pool) as store:
        known, unknown = new_uid(), new_uid()
        while store.partition_of(known) == store.partition_of(unknown):
            unknown = new_uid()
        await store.submit([send_message(BOB, conversation=known)], META)
        with pytest.raises(ConversationNotFound):
            await handle_many(store, Told(), [reply(conversation=unknown), reply(conversation=known)], META)
        assert 4 == sum(await read.heads(pool))


async def test_no_commands_are_carried_out_at_once(store: Store, pool: Pool) -> None:
    assert () == (await handle_many(store, Told(), [], META)).outcomes
    assert [0] == await read.heads(pool)
