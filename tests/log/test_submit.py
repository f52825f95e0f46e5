"""What a submit answers, and what is in the log after it."""

import asyncio

import pytest

from convstore.database import Conn, Pool
from convstore.domain.types import Status
from convstore.domain.uid import Uid, new_uid
from convstore.errors import AccessDenied, BadText, Busy, ConversationExists, ConversationNotFound, LogCorrupt
from convstore.log import appender, batch, read
from convstore.log import store as store_module
from convstore.log.outcome import Decided
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import (
    ANN,
    BOB,
    CONVERSATION,
    EVE,
    OTHER_CONVERSATION,
    mark_read,
    mark_unread,
    reply,
    send_message,
    set_status,
)

META = Meta(actor=ANN, request_id="r1")


async def tags(conn: Conn | Pool, stream: Uid = CONVERSATION) -> list[str]:
    return [
        row["type"] for row in await conn.fetch("SELECT type FROM event WHERE stream = $1 ORDER BY version", stream)
    ]


async def test_a_command_answers_with_the_events_that_are_in_the_log(store: Store, pool: Pool) -> None:
    outcome = await store.submit([send_message(BOB)], META)

    assert (Decided(CONVERSATION, 3, 3),) == outcome.decided
    assert 3 == outcome.position
    assert not outcome.replayed
    assert list(outcome.recorded) == await read.read_partition(pool, 0, 0, 10)
    assert list(outcome.recorded) == await read.read_stream(pool, 0, CONVERSATION)
    assert [META] * 3 == [recorded.meta for recorded in outcome.recorded]
    assert [3] == await read.heads(pool)


async def test_pages_of_a_partition_follow_each_other(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)
    await store.submit([reply()], META)

    first = await read.read_partition(pool, 0, 0, 3)
    second = await read.read_partition(pool, 0, first[-1].position, 3)
    assert [1, 2, 3, 4] == [recorded.position for recorded in first + second]
    assert [] == await read.read_partition(pool, 0, 4, 3)
    assert second == await read.read_stream(pool, 0, CONVERSATION, after_version=3)


async def test_a_refusal_leaves_nothing_in_the_log(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)

    with pytest.raises(AccessDenied):
        await store.submit([reply(by=EVE)], META)
    assert [3] == await read.heads(pool)


async def test_when_there_is_nothing_to_do_the_log_stays_as_it_is(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB), mark_read(by=BOB)], META)

    outcome = await store.submit([mark_read(by=BOB)], META)
    assert () == outcome.recorded
    assert (Decided(CONVERSATION, 4, 0),) == outcome.decided
    assert 4 == outcome.position
    assert [4] == await read.heads(pool)


async def test_what_was_never_started_is_not_found(store: Store) -> None:
    with pytest.raises(ConversationNotFound):
        await store.submit([reply()], META)


async def test_a_uid_is_taken_once(store: Store, other: Store) -> None:
    await store.submit([send_message(BOB)], META)

    for process in (store, other):
        with pytest.raises(ConversationExists):
            await process.submit([send_message(BOB)], META)


async def test_commands_of_one_submit_see_what_the_ones_before_did(store: Store) -> None:
    outcome = await store.submit([send_message(BOB), mark_read(by=BOB), mark_read(by=BOB), mark_unread(by=BOB)], META)
    assert [3, 1, 0, 1] == [decided.events for decided in outcome.decided]
    assert [3, 4, 4, 5] == [decided.version for decided in outcome.decided]


async def test_commands_of_one_submit_are_carried_out_together_or_not_at_all(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB), send_message(BOB, conversation=OTHER_CONVERSATION)], META)

    with pytest.raises(AccessDenied):
        await store.submit([reply(by=BOB), reply(by=BOB, conversation=OTHER_CONVERSATION), reply(by=EVE)], META)
    assert [6] == await read.heads(pool)
    assert {3} == {state.version for state in (await store.states([CONVERSATION, OTHER_CONVERSATION])).values()}


async def test_a_refusal_touches_no_other_command_of_the_same_batch(store: Store, pool: Pool) -> None:
    await store.submit([send_message(BOB)], META)

    answers = await asyncio.gather(
        *(store.submit([reply(by=who)], META) for who in (BOB, EVE, BOB, EVE, BOB)), return_exceptions=True
    )
    assert [False, True, False, True, False] == [isinstance(answer, AccessDenied) for answer in answers]
    assert 2 == store.counters()[0].batches
    assert ["message-posted"] * 4 == (await tags(pool))[2:]


async def test_a_thousand_commands_of_one_submit_are_one_batch(store: Store, pool: Pool) -> None:
    uids = [new_uid() for _ in range(1_000)]
    await store.submit([send_message(BOB, conversation=uid) for uid in uids], META)

    outcome = await store.submit([set_status(Status.OPEN, conversation=uid) for uid in uids], META)
    assert [(uid, 4) for uid in uids] == [(recorded.stream, recorded.version) for recorded in outcome.recorded]
    assert 2 == await pool.fetchval("SELECT count(*) FROM batch")


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\x00"])
async def test_what_no_read_model_could_store_is_refused_alone(store: Store, pool: Pool, text: str) -> None:
    await store.submit([send_message(BOB)], META)

    answers = await asyncio.gather(
        store.submit([reply()], META), store.submit([reply(text=text)], META), return_exceptions=True
    )
    assert isinstance(answers[1], BadText)
    assert [4] == await read.heads(pool)
    with pytest.raises(BadText):
        await store.submit([reply()], Meta(user_agent=text))
    with pytest.raises(BadText):
        await store.submit([reply(conversation=Uid(text))], META)


async def test_a_text_that_only_looks_like_a_nul_is_stored(store: Store) -> None:
    await store.submit([send_message(BOB, text=r"the escape is \u0000, or \\u0000")], META)


async def test_commands_of_two_partitions_are_no_submit(store: Store) -> None:
    store.partitions = 8
    uids = [new_uid() for _ in range(50)]
    with pytest.raises(ValueError, match="one partition"):
        await store.submit([send_message(BOB, conversation=uid) for uid in uids], META)
    with pytest.raises(ValueError, match="no commands"):
        await store.submit([], META)


async def test_times_never_run_backwards(store: Store, owner: Conn) -> None:
    await store.submit([send_message(BOB)], META)
    await owner.execute("UPDATE head SET recorded_at = now() + interval '1 hour'")

    later = await store.submit([reply()], META)
    assert later.recorded[0].recorded_at == await owner.fetchval("SELECT recorded_at FROM head")
    again = await store.submit([reply()], META)
    assert later.recorded[0].recorded_at == again.recorded[0].recorded_at


async def test_one_batch_notifies_once(store: Store, owner: Conn) -> None:
    await store.submit([send_message(BOB)], META)
    heard: asyncio.Queue[str] = asyncio.Queue()
    await owner.add_listener("convstore_log", lambda *heard_: heard.put_nowait(str(heard_[3])))

    await asyncio.gather(*(store.submit([reply()], META) for _ in range(5)))
    await store.submit([mark_read(by=ANN)], META)
    await store.submit([reply()], META)
    assert ["0:8", "0:9"] == [await heard.get(), await heard.get()]
    assert heard.empty()


async def test_those_who_asked_to_know_are_told_where_the_log_ends(store: Store) -> None:
    told: list[tuple[int, int]] = []

    def fail(partition: int, position: int) -> None:
        raise RuntimeError

    store.on_append += [fail, lambda partition, position: told.append((partition, position))]
    await store.submit([send_message(BOB)], META)
    await store.submit([mark_read(by=ANN)], META)
    await store.submit([reply()], META)
    assert [(0, 3), (0, 4)] == told


async def test_one_that_the_rules_stumble_over_hurts_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.submit([send_message(BOB)], META)
    real = batch.decide

    def stumble(state: object, command: object) -> object:
        if getattr(command, "text", None) == "stumble":
            raise ZeroDivisionError
        return real(state, command)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(batch, "decide", stumble)
    answers = await asyncio.gather(
        *(store.submit([reply(text=text)], META) for text in ("a", "stumble", "b")), return_exceptions=True
    )
    assert isinstance(answers[1], ZeroDivisionError)
    assert [4, 5] == [answer.position for answer in (answers[0], answers[2]) if not isinstance(answer, BaseException)]


async def _spoil(store: Store, owner: Conn) -> None:
    """Start a conversation, and make an event of it unreadable."""
    await store.submit([send_message(BOB)], META)
    await owner.execute("ALTER TABLE event DISABLE TRIGGER event_is_append_only")
    await owner.execute("""UPDATE event SET data = '{"type":"never-heard-of"}' WHERE version = 2""")


async def test_a_stream_that_cannot_be_read_fails_alone(store: Store, owner: Conn) -> None:
    await _spoil(store, owner)
    async with await Store.open(store._pool) as fresh:
        answers = await asyncio.gather(
            fresh.submit([reply()], META),
            fresh.submit([send_message(BOB, conversation=OTHER_CONVERSATION)], META),
            return_exceptions=True,
        )
    assert isinstance(answers[0], LogCorrupt)
    assert f"{CONVERSATION}@2" in str(answers[0])
    assert not isinstance(answers[1], BaseException)


async def test_after_a_stream_that_cannot_be_read_while_the_head_is_held_others_are_in_the_log(
    store: Store, owner: Conn, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _spoil(store, owner)
    async with await Store.open(pool) as fresh:
        with monkeypatch.context() as held:
            held.setattr(appender, "_HOLD_AFTER", 0)
            with pytest.raises(LogCorrupt):
                await fresh.submit([reply()], META)
        outcome = await fresh.submit([send_message(BOB, conversation=OTHER_CONVERSATION)], META)
        assert [outcome.position] == await read.heads(owner)


async def test_when_the_server_stops_those_who_are_done_one_by_one_are_told(
    store: Store, owner: Conn, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _spoil(store, owner)
    monkeypatch.setattr(store_module, "_DRAIN", 0.1)
    async with owner.transaction():
        await owner.execute("SELECT FROM head FOR UPDATE")
        async with await Store.open(pool) as fresh:
            unreadable = asyncio.create_task(fresh.submit([reply()], META))
            others = asyncio.gather(
                *(fresh.submit([send_message(BOB, conversation=new_uid())], META) for _ in range(2)),
                return_exceptions=True,
            )
            with pytest.raises(LogCorrupt):
                await unreadable
        async with asyncio.timeout(10):
            assert [Busy, Busy] == [type(answer) for answer in await others]


async def test_a_stream_whose_row_is_not_what_its_events_say_takes_no_more(store: Store, owner: Conn) -> None:
    await store.submit([send_message(BOB)], META)
    await owner.execute("UPDATE stream SET version = 2")

    with pytest.raises(LogCorrupt):
        await store.submit([reply()], META)
    await owner.execute("UPDATE stream SET version = 3")
    assert 4 == (await store.submit([reply()], META)).position
