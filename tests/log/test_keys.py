"""The same key has the effect of one, and gives the first answer."""

import asyncio

import pytest

from convstore.database import Conn, Pool
from convstore.domain.uid import Uid, UserId, derive_uid
from convstore.errors import AccessDenied, BadText, KeyReused
from convstore.log import read
from convstore.log.outcome import IdempotencyKey, Outcome
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import ANN, BOB, CONVERSATION, EVE, add_participants, mark_read, reply, send_message

META = Meta(actor=ANN)
KEY = IdempotencyKey(ANN, "8e03978e-40d5-43dd-bc93-6894a57f9324", b"one")


async def test_sent_again_a_request_has_the_first_answer_and_no_effect(store: Store, other: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)
    first = await store.submit([reply()], META, KEY)

    for process in (store, other):
        again = await process.submit([reply()], META, KEY)
        assert first.decided == again.decided
        assert again.replayed
        assert () == again.recorded
        assert again.position >= first.position
    assert [4] == await read.heads(pool)


async def test_fifty_at_once_have_the_effect_of_one(store: Store, other: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)

    outcomes = await asyncio.gather(*((store, other)[i % 2].submit([reply()], META, KEY) for i in range(50)))
    assert 1 == sum(not outcome.replayed for outcome in outcomes)
    assert 1 == len({outcome.decided for outcome in outcomes})
    assert [4] == await read.heads(pool)


async def test_fifty_creates_with_one_key_are_one_conversation(store: Store, other: Store, pool: Pool) -> None:
    uid = derive_uid(store.secret, ANN, KEY.key)

    outcomes = await asyncio.gather(
        *((store, other)[i % 2].submit([send_message(BOB, conversation=uid)], META, KEY) for i in range(50))
    )
    assert {uid} == {outcome.decided[0].conversation_id for outcome in outcomes}
    assert [3] == await read.heads(pool)


async def test_another_request_with_the_same_key_is_refused(store: Store, other: Store) -> None:
    await store.submit([send_message(BOB)], META)
    await store.submit([reply()], META, KEY)

    for process in (store, other):
        with pytest.raises(KeyReused):
            await process.submit([reply()], META, IdempotencyKey(ANN, KEY.key, b"two"))


async def test_of_two_requests_with_one_key_at_once_one_is_refused(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)

    answers = await asyncio.gather(
        *(store.submit([reply()], META, IdempotencyKey(ANN, KEY.key, digest)) for digest in (b"one", b"two", b"one")),
        return_exceptions=True,
    )
    assert [Outcome, KeyReused, Outcome] == [type(answer) for answer in answers]
    assert [4] == await read.heads(pool)


async def test_a_refusal_is_no_answer_to_another_request_with_the_same_key(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)

    answers = await asyncio.gather(
        store.submit([reply(by=EVE)], META, KEY),
        store.submit([reply()], META, IdempotencyKey(ANN, KEY.key, b"two")),
        return_exceptions=True,
    )
    assert [AccessDenied, KeyReused] == [type(answer) for answer in answers]
    assert [3] == await read.heads(pool)


async def test_keys_of_two_people_are_two_keys(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)
    await store.submit([reply()], META, KEY)
    await store.submit([reply(by=BOB)], META, IdempotencyKey(BOB, KEY.key, KEY.digest))
    assert [5] == await read.heads(pool)


async def test_when_there_was_nothing_to_do_the_key_says_so_for_ever(store: Store, other: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB), mark_read(by=BOB)], META)
    first = await store.submit([mark_read(by=BOB)], META, KEY)
    await store.submit([reply()], META)

    again = await other.submit([mark_read(by=BOB)], META, KEY)
    assert first.decided == again.decided
    assert again.replayed
    assert [5] == await read.heads(pool)


async def test_a_refused_request_may_be_sent_again(store: Store) -> None:
    await store.submit([send_message(BOB)], META)
    with pytest.raises(AccessDenied):
        await store.submit([reply(by=EVE)], META, KEY)
    await store.submit([add_participants(EVE)], META)

    assert not (await store.submit([reply(by=EVE)], META, KEY)).replayed


async def test_a_carried_out_request_is_answered_even_if_it_would_be_refused_now(store: Store, pool: Pool) -> None:
    first = await store.submit([send_message(BOB)], META, KEY)
    again = await store.submit([send_message(BOB)], META, KEY)
    assert first.decided == again.decided
    assert [3] == await read.heads(pool)


async def test_refused_at_once_all_are_refused(store: Store) -> None:
    await store.submit([send_message(BOB)], META)
    answers = await asyncio.gather(
        *(store.submit([reply(by=EVE)], META, KEY) for _ in range(10)), return_exceptions=True
    )
    assert {AccessDenied} == {type(answer) for answer in answers}


async def test_the_others_in_a_batch_do_not_notice_a_repeated_one(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)
    await store.submit([reply()], META, KEY)

    outcomes = await asyncio.gather(
        store.submit([reply()], META), store.submit([reply()], META, KEY), store.submit([reply()], META)
    )
    assert [False, True, False] == [outcome.replayed for outcome in outcomes]
    assert [6] == await read.heads(pool)


async def test_what_a_key_was_used_for_can_be_recalled(store: Store) -> None:
    assert {} == await store.recall(KEY)
    first = await store.submit([send_message(BOB)], META, KEY)

    recalled = await store.recall(KEY)
    assert {0: first.decided} == {partition: outcome.decided for partition, outcome in recalled.items()}
    with pytest.raises(KeyReused):
        await store.recall(IdempotencyKey(ANN, KEY.key, b"two"))


async def test_a_key_with_a_nul_is_refused(store: Store) -> None:
    with pytest.raises(BadText):
        await store.submit([send_message(BOB)], META, IdempotencyKey(UserId(ANN), "\x00", b""))


async def test_keys_are_forgotten_after_their_time(store: Store, owner: Conn, pool: Pool) -> None:
    for number in range(5):
        key = IdempotencyKey(ANN, f"key {number}", b"")
        await store.submit([send_message(BOB, conversation=Uid(f"Conversat{number:02}"))], META, key)
    await owner.execute("UPDATE idempotency_key SET recorded_at = now() - interval '8 days' WHERE key < 'key 3'")

    assert 2 == await pool.fetchval("SELECT forget_keys(0, interval '7 days', 2)")
    assert 1 == await pool.fetchval("SELECT forget_keys(0, interval '7 days', 2)")
    assert ["key 3", "key 4"] == [
        row["key"] for row in await pool.fetch("SELECT key FROM idempotency_key ORDER BY key")
    ]


async def test_a_store_forgets_old_keys_when_it_is_opened(store: Store, owner: Conn) -> None:
    await store.submit([send_message(BOB)], META, KEY)
    await owner.execute("UPDATE idempotency_key SET recorded_at = now() - interval '8 days'")
    async with await Store.open(store._pool):
        while await owner.fetchval("SELECT count(*) FROM idempotency_key"):
            await asyncio.sleep(0.01)
    assert [CONVERSATION] == list(await store.states([CONVERSATION]))
