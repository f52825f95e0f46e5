"""``convstore projection``: what stands still goes on, beside a running server and without one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest

from convstore.database import Conn, Pool, connect
from convstore.engine import Engine
from convstore.log.recorded import Meta
from convstore.log.store import Store
from eventually import eventually
from rebuilt import assert_rebuilt_equals_live
from words import BOB, CONVERSATION, reply, send_message

from .command import Ran, convstore
from .conftest import ACCEPT, POISON, REFUSE, poison

MakeStore: TypeAlias = Callable[..., Awaitable[str]]


@pytest.fixture
async def store(pool: Pool) -> AsyncIterator[Store]:
    async with await Store.open(pool) as store:
        yield store


@pytest.fixture
async def engine(pool: Pool, dsn: str, store: Store) -> AsyncIterator[Engine]:
    engine = Engine(pool, dsn, store)
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
async def at(store: Store, engine: Engine, owner: Conn) -> int:
    """Let thread_v1 stop before an event, and give its position."""
    await owner.execute(REFUSE)
    position = await poison(store)
    await eventually(lambda: _reason(owner))
    return position


async def _reason(conn: Conn | Pool) -> str | None:
    reason: str | None = await conn.fetchval("SELECT stopped FROM checkpoint WHERE projection = 'thread_v1'")
    return reason


async def projection(dsn: str, *arguments: str) -> Ran:
    return await convstore("projection", *arguments, "--dsn", dsn)


async def test_after_the_fix_a_running_server_goes_on(dsn: str, owner: Conn, at: int) -> None:
    await owner.execute(ACCEPT)

    ran = await projection(dsn, "resume", "thread")
    assert (0, f"thread_v1, partition 0, goes on: it is at {at + 1}.\n") == (ran.code, ran.out)
    assert 1 == await owner.fetchval("SELECT count(*) FROM thread_v1 WHERE text = $1", POISON)
    await assert_rebuilt_equals_live(dsn)


async def test_without_the_fix_it_stops_again_and_says_so(dsn: str, owner: Conn, at: int) -> None:
    ran = await projection(dsn, "resume", "thread_v1")

    assert 1 == ran.code
    assert f"thread_v1, partition 0, stands still again: position {at} (" in ran.out
    await owner.execute(ACCEPT)


async def test_an_event_is_left_out_for_a_reason_that_is_kept(dsn: str, owner: Conn, engine: Engine, at: int) -> None:
    ran = await projection(dsn, "skip", "thread", str(at), "--reason", "a text that no table takes", "--by", "grace")

    assert 0 == ran.code, ran.err
    assert f"thread_v1, partition 0, goes on: it is at {at + 1}.\n" in ran.out
    row = await owner.fetchrow("SELECT * FROM projection_skip")
    assert row is not None
    assert (at, CONVERSATION, "grace", "a text that no table takes") == (
        row["position"],
        row["stream"],
        row["skipped_by"],
        row["note"],
    )
    listed = (await projection(dsn, "skips")).out
    assert f"thread_v1  0:{at}  {CONVERSATION}@4  message-posted  by grace: a text that no table takes  (it" in listed
    assert "1 event skipped" in (await convstore("status", "--dsn", dsn)).out
    await owner.execute(ACCEPT)
    await assert_rebuilt_equals_live(dsn)


async def test_whoever_skips_is_known_by_his_login_when_he_names_nobody(
    dsn: str, owner: Conn, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "night-shift")

    assert 0 == (await projection(dsn, "skip", "thread", str(at), "--reason", "known")).code
    assert "night-shift" == await owner.fetchval("SELECT skipped_by FROM projection_skip")


async def test_only_what_stands_in_the_way_is_left_out(dsn: str, owner: Conn, at: int) -> None:
    for name, position in [("thread", at + 1), ("thread", at - 1), ("inbox", at)]:
        ran = await projection(dsn, "skip", name, str(position), "--reason", "wrong")
        assert 1 == ran.code
        assert f"does not stand still before position {position}" in ran.err
    assert 0 == await owner.fetchval("SELECT count(*) FROM projection_skip")
    assert await _reason(owner) is not None


@pytest.mark.parametrize("reason", ["", "  "])
async def test_a_reason_must_be_given(dsn: str, owner: Conn, at: int, reason: str) -> None:
    assert 2 == (await projection(dsn, "skip", "thread", str(at), "--reason", reason)).code
    assert 0 != (await projection(dsn, "skip", "thread", str(at))).code
    assert 0 == await owner.fetchval("SELECT count(*) FROM projection_skip")


async def test_without_a_server_the_next_one_goes_on(
    dsn: str, pool: Pool, store: Store, engine: Engine, at: int
) -> None:
    await engine.stop()
    ran = await projection(dsn, "skip", "thread", str(at), "--reason", "known")
    assert 0 == ran.code
    assert "thread_v1, partition 0: the next server that starts goes on.\n" in ran.out
    assert await _reason(pool) is None

    again = Engine(pool, dsn, store)
    await again.start()
    try:
        # It answers False at once for a read model that is more than a second behind, as this one may be at first.
        await eventually(lambda: again.wait(0, at + 1))
    finally:
        await again.stop()


async def test_what_does_not_stand_still_needs_nothing(dsn: str, engine: Engine, store: Store) -> None:
    await store.submit([send_message(BOB), reply(by=BOB)], Meta())
    assert (0, "inbox_v1 does not stand still.\n") == _code_and_out(await projection(dsn, "resume", "inbox"))


async def test_a_read_model_that_there_is_not_is_refused_with_those_there_are(dsn: str) -> None:
    ran = await projection(dsn, "resume", "outbox")
    assert 2 == ran.code
    assert "There is no read model outbox. There are: inbox_v1, " in ran.err


async def test_in_several_partitions_the_one_must_be_named(make_store: MakeStore) -> None:
    dsn = await make_store(partitions=2)
    conn = await connect(dsn, role=None)
    try:
        await conn.execute("UPDATE checkpoint SET stopped = 'broken' WHERE projection = 'inbox_v1'")
        ran = await projection(dsn, "skip", "inbox", "1", "--reason", "known")
        assert 2 == ran.code
        assert "inbox_v1 stands there in partitions 0, 1: say --partition." in ran.err
        ran = await projection(dsn, "resume", "inbox")
        assert 0 == ran.code
        assert 2 == ran.out.count("the next server that starts goes on")
    finally:
        await conn.close()


def _code_and_out(ran: Ran) -> tuple[int, str]:
    return ran.code, ran.out
