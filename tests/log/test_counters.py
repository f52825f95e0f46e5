"""What the store counts of its own work, for metrics."""

import asyncio

import pytest

from convstore.database import Pool
from convstore.errors import AccessDenied
from convstore.log.counters import SIZES, Counters
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import ANN, BOB, CONVERSATION, EVE, OTHER_CONVERSATION, mark_read, reply, send_message

META = Meta(actor=ANN)


async def test_batches_are_counted_with_their_commands_and_events(store: Store) -> None:
    counters = store.counters()[0]
    await store.submit([send_message(BOB), send_message(BOB, conversation=OTHER_CONVERSATION)], META)
    assert (1, 2, 6, 1) == (counters.batches, counters.commands, counters.events, counters.requests)

    await asyncio.gather(*(store.submit([mark_read(by=BOB)], META) for _ in range(5)))

    assert (2, 7, 7, 6) == (counters.batches, counters.commands, counters.events, counters.requests)
    assert {2: 1, 8: 1} == {size: number for size, number in zip(SIZES, counters.sizes, strict=False) if number}


async def test_a_refusal_is_a_command_without_events(store: Store) -> None:
    await store.submit([send_message(BOB)], META)

    with pytest.raises(AccessDenied):
        await store.submit([reply(by=EVE)], META)
    assert (2, 3) == (store.counters()[0].commands, store.counters()[0].events)


async def test_states_are_counted_as_found_when_they_were_at_hand(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)
    await store.submit([reply(by=BOB), reply(by=ANN)], META)
    assert (1, 0) == (store.counters()[0].found, store.counters()[0].missed)

    async with await Store.open(pool) as other:
        await other.submit([reply(by=BOB)], META)
        await other.submit([reply(by=BOB)], META)
        assert (1, 1) == (other.counters()[0].found, other.counters()[0].missed)


async def test_the_cache_says_what_it_holds(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)

    kept = store.kept()
    assert 1 == kept.states
    assert 0 < kept.weight < kept.limit
    assert [0] == store.queues()
    async with await Store.open(pool, cache_bytes=1_000) as small:
        assert 1_000 == small.kept().limit
        assert {CONVERSATION} == set(await small.states([CONVERSATION]))


@pytest.mark.parametrize(("commands", "place"), [(1, 0), (2, 1), (3, 2), (512, 9), (513, 10)])
def test_a_batch_belongs_to_the_smallest_class_that_it_fits_into(commands: int, place: int) -> None:
    counters = Counters()
    counters.batch(commands)
    assert [int(number == place) for number in range(len(SIZES) + 1)] == counters.sizes
