"""``convstore status``, beside a running server and without one."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from convstore.database import Conn, Pool
from convstore.engine import Engine
from convstore.log.recorded import Meta
from convstore.log.store import Store
from eventually import eventually
from words import BOB, reply, send_message

from .command import convstore
from .conftest import REFUSE, poison

# As when the disk is full, for a while: the thread cannot be written, and may be later.
NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON thread_v1 FOR EACH STATEMENT EXECUTE FUNCTION no_room();
"""
ROOM = "DROP TRIGGER no_room ON thread_v1"


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


async def status(dsn: str, *arguments: str) -> tuple[int, Any]:
    ran = await convstore("status", "--json", "--dsn", dsn, *arguments)
    return ran.code, json.loads(ran.out)


async def test_a_store_that_nobody_serves_is_well_when_all_is_taken_in(dsn: str) -> None:
    code, said = await status(dsn)

    assert 0 == code
    assert said["healthy"]
    assert [{"partition": 0, "head": 0, "recordedAt": None}] == said["partitions"]
    assert {"inbox_v1", "thread_v1"} <= {each["projection"] for each in said["projections"]}
    assert {("unattended", 0, 0, "", None)} == {
        (each["state"], each["position"], each["lagEvents"], each["owner"], each["leaseSeconds"])
        for each in said["projections"]
    }


async def test_it_says_what_the_store_holds(dsn: str, store: Store, owner: Conn) -> None:
    await store.submit([send_message(BOB)], Meta())
    await owner.execute("INSERT INTO snapshot VALUES (0, 'A', 1, ''), (0, 'B', 1, '')")
    await owner.execute("INSERT INTO idempotency_key VALUES (0, 'A', 'k', '', '[]', now())")
    _, said = await status(dsn)

    assert (store.id, 3, 2, 1, 0) == tuple(said[name] for name in ("store", "events", "snapshots", "keys", "skipped"))
    assert said["partitions"][0]["recordedAt"] is not None
    plain = (await convstore("status", "--dsn", dsn)).out
    assert f"store {store.id}: 3 events in 1 partition, 2 snapshots, 1 idempotency key kept" in plain


async def test_what_is_behind_makes_it_fail(dsn: str, store: Store) -> None:
    await store.submit([send_message(BOB)], Meta())

    code, said = await status(dsn, "--max-lag", "0")
    assert 1 == code
    assert not said["healthy"]
    assert {("behind", 3)} == {(each["state"], each["lagEvents"]) for each in said["projections"]}
    assert min(each["lagSeconds"] for each in said["projections"]) > 0
    code, said = await status(dsn, "--max-lag", "3600")
    assert 0 == code


async def test_what_stands_still_makes_it_fail_and_is_explained(
    dsn: str, store: Store, engine: Engine, owner: Conn
) -> None:
    await owner.execute(REFUSE)
    at = await poison(store)
    await eventually(lambda: owner.fetchval("SELECT count(*) FROM checkpoint WHERE stopped IS NOT NULL"))

    ran = await convstore("status", "--dsn", dsn, "--over", "0")
    assert 1 == ran.code
    assert f"thread_v1, partition 0, stands still: position {at} (" in ran.out
    assert "convstore projection resume thread_v1" in ran.out
    assert "\x1b" not in ran.out
    lines = {line.split()[0]: line.split() for line in ran.out.splitlines() if line.startswith(("inbox", "thread_v1 "))}
    assert ["0", "stopped", str(at - 1), "2"] == lines["thread_v1"][1:5]
    assert ["0", "following", str(at + 1), "0"] == lines["inbox_v1"][1:5]


async def test_trouble_that_went_away_is_told_afterwards(dsn: str, store: Store, engine: Engine, owner: Conn) -> None:
    await owner.execute(NO_ROOM)
    await store.submit([send_message(BOB)], Meta())
    await eventually(lambda: owner.fetchval("SELECT trouble FROM checkpoint WHERE projection = 'thread_v1'"))
    await owner.execute(ROOM)
    await eventually(lambda: owner.fetchval("SELECT position = 3 FROM checkpoint WHERE projection = 'thread_v1'"))

    ran = await convstore("status", "--dsn", dsn, "--over", "0", "--max-lag", "3600")
    assert 0 == ran.code
    told = next(line for line in ran.out.splitlines() if line.startswith("thread_v1, partition 0, had trouble at "))
    assert told.endswith(": DiskFullError (SQLSTATE 53100)")
    _, said = await status(dsn)
    (thread,) = (each for each in said["projections"] if each["projection"] == "thread_v1")
    assert "DiskFullError (SQLSTATE 53100)" == thread["trouble"]
    assert datetime.fromisoformat(thread["troubledAt"]) <= datetime.now(UTC)


async def test_a_read_model_without_checkpoint_makes_it_fail(dsn: str, owner: Conn) -> None:
    await owner.execute("DELETE FROM checkpoint WHERE projection = 'inbox_v1'")

    ran = await convstore("status", "--dsn", dsn, "--over", "0")
    assert 1 == ran.code
    assert "inbox_v1 is missing: run convstore rebuild" in ran.out


async def test_beside_a_server_it_shows_who_carries_and_how_fast(dsn: str, store: Store, engine: Engine) -> None:
    await store.submit([send_message(BOB)], Meta())
    asked = asyncio.create_task(status(dsn, "--over", "3"))
    while not asked.done():
        await store.submit([reply(by=BOB)], Meta())
        await asyncio.sleep(0.01)
    _, said = await asked

    assert {engine.owner} == {each["owner"] for each in said["projections"]}
    assert all(each["eventsPerSecond"] > 0 for each in said["projections"])
    assert all(each["leaseSeconds"] > 0 for each in said["projections"])


async def test_a_server_that_was_killed_carries_nothing(dsn: str, owner: Conn) -> None:
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    name = (await asyncio.to_thread(Path("/proc/sys/kernel/hostname").read_text)).strip()
    await owner.execute("UPDATE checkpoint SET owner = $1, lease_until = now()", f"{name}/{process.pid}/0badcafe")

    _, said = await status(dsn)
    assert {"unattended"} == {each["state"] for each in said["projections"]}


async def test_each_partition_has_a_line(make_store: Any) -> None:
    code, said = await status(await make_store(partitions=3))

    assert 0 == code
    assert [0, 1, 2] == [each["partition"] for each in said["partitions"]]
    assert [0, 1, 2] == [each["partition"] for each in said["projections"] if each["projection"] == "inbox_v1"]


async def test_where_there_is_no_store_none_is_made(tmp_path: Path) -> None:
    ran = await convstore("status", "--data-dir", str(tmp_path / "nothing"))

    assert 2 == ran.code
    assert "There is no store in" in ran.err
    assert not list(tmp_path.iterdir())


async def test_an_older_schema_is_left_as_it_is(dsn: str, owner: Conn) -> None:
    await owner.execute("DELETE FROM migration WHERE name = '0003_engine'")

    ran = await convstore("status", "--dsn", dsn)
    assert 2 == ran.code
    assert "lacks 0003_engine" in ran.err
    assert 0 == await owner.fetchval("SELECT count(*) FROM migration WHERE name = '0003_engine'")


async def test_a_later_schema_is_not_judged(dsn: str, owner: Conn) -> None:
    await owner.execute("INSERT INTO migration (name, sha256) VALUES ('9999_later', '')")

    ran = await convstore("status", "--dsn", dsn)
    assert (2, "") == (ran.code, ran.out)
    assert "migrated by a later release (9999_later)" in ran.err


async def test_seconds_before_now_are_refused(dsn: str) -> None:
    for option in ("--max-lag", "--over"):
        assert 2 == (await convstore("status", "--dsn", dsn, f"{option}=-1")).code
