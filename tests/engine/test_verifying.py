"""A replay beside the live tables: it finds what differs, finds nothing when nothing does, and uses the events only."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from convstore.database import SCHEMA, Conn, Pool
from convstore.domain.types import Status
from convstore.domain.uid import Uid
from convstore.engine import Engine
from convstore.engine.shadow import AtWork, open_shadow
from convstore.engine.verify import Difference, compare
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.projections import load
from words import ANN, BOB, CID, CONVERSATION, add_participants, mark_read, reply, send_message, set_status

Talk = Callable[[], Awaitable[None]]


async def _talk(engine: Engine, store: Store) -> None:
    outcome = await store.submit(
        [send_message(BOB), reply(by=BOB), mark_read(by=ANN), set_status(Status.OPEN), add_participants(CID)], Meta()
    )
    assert await engine.wait(outcome.partition, outcome.position, timeout=20)


async def test_nothing_differs_after_ordinary_work(engine: Engine, store: Store, dsn: str) -> None:
    await _talk(engine, store)
    assert [] == await compare(dsn)


async def test_every_kind_of_difference_is_named_without_any_text(
    engine: Engine, store: Store, dsn: str, owner: Conn
) -> None:
    await _talk(engine, store)
    await engine.stop()
    before = await owner.fetch("SELECT * FROM inbox_count_v1 WHERE user_id = $1", BOB)
    await owner.execute("UPDATE thread_v1 SET text = 'changed', internal = true WHERE version = 3")
    await owner.execute("DELETE FROM inbox_count_v1 WHERE user_id = $1", BOB)
    await owner.execute("INSERT INTO inbox_count_v1 VALUES ('Nobody00001', 'TICKET', 0, 1, 1, 1)")
    assert {
        Difference("inbox_v1", "inbox_count_v1", f"user_id={BOB}, message_type=PRIVATE, partition=0", "missing"),
        Difference("inbox_v1", "inbox_count_v1", "user_id=Nobody00001, message_type=TICKET, partition=0", "extra"),
        Difference(
            "thread_v1",
            "thread_v1",
            f"conversation_id={CONVERSATION}, version=3",
            "differs",
            ("text", "internal"),
        ),
    } == {d if d.kind != "differs" else _sorted(d) for d in await compare(dsn)}
    # As it was, for the replay at the end of every test.
    await owner.execute("UPDATE thread_v1 SET text = 'How are you?', internal = false WHERE version = 3")
    await owner.execute("DELETE FROM inbox_count_v1 WHERE user_id = 'Nobody00001'")
    await owner.executemany("INSERT INTO inbox_count_v1 VALUES ($1, $2, $3, $4, $5, $6)", [tuple(r) for r in before])


def _sorted(difference: Difference) -> Difference:
    return Difference(
        difference.projection,
        difference.table,
        difference.key,
        difference.kind,
        tuple(sorted(difference.columns, reverse=True)),
    )


async def test_it_works_while_people_write(engine: Engine, store: Store, dsn: str) -> None:
    await _talk(engine, store)
    ended = asyncio.Event()

    async def write() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            uid = Uid(f"Busy{number:07}")
            outcome = await store.submit([send_message(BOB, CID, conversation=uid)], Meta())
            await store.submit([mark_read(by=BOB, conversation=uid), reply(by=CID, conversation=uid)], Meta())
            await engine.wait(outcome.partition, outcome.position)

    writers = [asyncio.create_task(write())]
    try:
        for _ in range(3):
            assert [] == await compare(dsn)
    finally:
        ended.set()
        await asyncio.gather(*writers)


async def test_nothing_is_left_behind(engine: Engine, store: Store, dsn: str, owner: Conn) -> None:
    await _talk(engine, store)
    await compare(dsn)
    assert [SCHEMA] == [
        row["nspname"] for row in await owner.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'convstore%'")
    ]


async def test_names_and_groups_of_today_do_not_change_what_was(
    engine: Engine, store: Store, dsn: str, owner: Conn
) -> None:
    await owner.execute(
        "INSERT INTO account (id, username, first_name, surname, uuid)"
        " VALUES ($1, 'bob', 'Bob', 'B', gen_random_uuid())",
        BOB,
    )
    await owner.execute("INSERT INTO user_group (id, name) VALUES ('FeedbackGr1', 'Help desk')")
    await owner.execute("INSERT INTO user_group_member (group_id, user_id) VALUES ('FeedbackGr1', $1)", BOB)
    await _talk(engine, store)
    await owner.execute("UPDATE account SET first_name = 'Robert', username = 'robert', disabled = true")
    await owner.execute("DELETE FROM user_group_member")
    await owner.execute("DELETE FROM user_group")
    assert [] == await compare(dsn)
    await owner.execute("DELETE FROM account")
    assert [] == await compare(dsn)


async def test_progress_is_told_up_to_the_end(engine: Engine, store: Store, dsn: str) -> None:
    await _talk(engine, store)
    told: list[tuple[int, int]] = []
    await compare(dsn, [load("thread")], lambda done, total: told.append((done, total)))
    assert (7, 7) == told[-1]


async def test_a_replay_goes_on_where_an_earlier_one_stopped(
    engine: Engine, store: Store, dsn: str, owner: Conn, pool: Pool
) -> None:
    await _talk(engine, store)
    async with open_shadow(dsn, load("inbox"), "convstore_beside") as shadow:
        assert {0: 7} == await shadow.catch_up()
    await store.submit([reply(by=CID)], Meta())
    told: list[tuple[int, int]] = []
    async with open_shadow(dsn, load("inbox"), "convstore_beside") as shadow:
        assert {0: 8} == await shadow.catch_up(lambda done, total: told.append((done, total)))
    assert [(1, 1)] == told
    assert [3, 3, 3] == [
        row["message_count"] for row in await owner.fetch("SELECT message_count FROM convstore_beside.inbox_v1")
    ]
    # The live checkpoint stayed where the live runner has it.
    assert 0 == await pool.fetchval("SELECT count(*) FROM checkpoint WHERE position > 8")


async def test_a_replay_begun_by_other_code_is_begun_anew(engine: Engine, store: Store, dsn: str, owner: Conn) -> None:
    await _talk(engine, store)
    async with open_shadow(dsn, load("thread"), "convstore_beside") as shadow:
        assert {0: 7} == await shadow.catch_up()
    await owner.execute("UPDATE convstore_beside.thread_v1 SET text = 'of another fold'")
    edited = msgspec.structs.replace(load("thread"), digest="0" * 64)
    async with open_shadow(dsn, edited, "convstore_beside") as shadow:
        told: list[tuple[int, int]] = []
        await shadow.catch_up(lambda done, total: told.append((done, total)))
    assert (7, 7) == told[-1]
    assert 0 == await owner.fetchval("SELECT count(*) FROM convstore_beside.thread_v1 WHERE text = 'of another fold'")


async def test_two_cannot_build_the_same_tables_at_once(dsn: str) -> None:
    async with open_shadow(dsn, load("thread"), "convstore_beside"):
        with pytest.raises(AtWork, match="thread_v1 is being rebuilt or verified by another process"):
            async with open_shadow(dsn, load("thread"), "convstore_beside"):
                pass


@pytest.mark.parametrize("name", ["inbox", "search", "thread"])
async def test_a_replay_ends_with_all_the_indexes_of_the_live_tables(
    engine: Engine, store: Store, dsn: str, owner: Conn, name: str
) -> None:
    await store.submit([send_message(ANN, BOB)], Meta())

    for _ in range(2):
        async with open_shadow(dsn, load(name), "convstore_beside") as shadow:
            await shadow.catch_up()
            await shadow.finish()

        live, beside = [
            {row["name"]: row["definition"] for row in await owner.fetch(_INDEXES, schema, list(load(name).tables))}
            for schema in ("convstore", "convstore_beside")
        ]
        assert live == beside


_INDEXES = """
SELECT indexname AS name, replace(indexdef, $1 || '.', '') AS definition
  FROM pg_indexes
 WHERE schemaname = $1
   AND tablename = ANY ($2::text[])
"""
