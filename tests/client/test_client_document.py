"""The programs of docs/client.md, run as they are printed: killed at random, they end with what the log has."""

import asyncio
import os
import random
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from dialling import Dial

from convstore.client import Client
from eventually import eventually
from served import Served, environment

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
# CONTRIBUTING.md: how many events there are at least, and how often each program is killed meanwhile.
EVENTS = int(os.environ.get("CONVSTORE_TEST_EVENTS", "120"))
KILLS = max(3, EVENTS // 1500)
# Each is three events, and its reply one.
LETTERS = -(-EVENTS // 4)
WRITERS = 8
PATIENCE = 60 + EVENTS / 50

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180 + EVENTS / 25)]


@pytest.fixture
def programs(tmp_path: Path, served: Served) -> Path:
    """Give a folder with the document's programs, which work with the server of the tests."""
    for name, program in re.findall(r"```python\n# (\S+)\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL):
        (tmp_path / name).write_text(program.replace("localhost:8080", served.address), "utf-8")
    return tmp_path


@contextmanager
def running(folder: Path, *command: str, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the end of the block; it is killed there."""
    env = {**environment(), **variables}
    process = subprocess.Popen([sys.executable, *command], cwd=folder, env=env)
    try:
        yield process
        assert process.poll() is None, f"{command} ended by itself"
    finally:
        process.kill()
        process.wait()


async def consumer_token(admin: Client) -> str:
    answer = await admin.request("POST", "apiToken", json={"scopes": ["events", "events:internal"]})
    return str(msgspec.json.decode(answer.body)["response"]["key"])


async def write(admin: Client) -> None:
    numbers = iter(range(LETTERS))

    async def some() -> None:
        for number in numbers:
            uid = await admin.send(f"Letter {number}", "text", users=["PhzytPW3g2J"])
            await admin.reply(uid, "more")
            if not number % max(10, LETTERS // 100):
                await admin.request("DELETE", f"messageConversations/{uid}", key=f"gone {uid}")

    await asyncio.gather(*(some() for _ in range(WRITERS)))


async def in_log(admin: Client) -> Counter[str]:
    found: Counter[str] = Counter()
    after, more = "start", True
    while more:
        page = await admin.page(after, limit=1_000)
        found.update(event.id for event in page.events)
        after, more = page.cursor, page.more
    return found


class InSqlite:
    """What a program has put into its SQLite."""

    def __init__(self, file: Path, table: str) -> None:
        self.file = file
        self.table = table

    async def ids(self) -> list[str]:
        return [row[0] for row in self._rows("id")]

    async def count(self) -> int:
        rows = self._rows("count(*)")
        return int(rows[0][0]) if rows else 0

    def _rows(self, what: str) -> list[tuple[Any, ...]]:
        if not self.file.exists():
            return []
        with closing(sqlite3.connect(self.file, timeout=30)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (self.table,)).fetchone():
                return []
            return db.execute(f"SELECT {what} FROM {self.table}").fetchall()


class InPostgres:
    """What a program has put into its PostgreSQL."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool

    async def ids(self) -> list[str]:
        return [row["id"] for row in await self.pool.fetch("SELECT id FROM happened")]

    async def count(self) -> int:
        if await self.pool.fetchval("SELECT to_regclass('happened')") is None:
            return 0
        return int(await self.pool.fetchval("SELECT count(*) FROM happened"))


async def kill_again_and_again(
    run: Callable[[], AbstractContextManager[object]],
    done: Callable[[], Awaitable[int]],
    writing: "asyncio.Task[None]",
) -> None:
    """Run a program again and again, and kill it when some more is done, or nothing more is written."""
    chance = random.Random(7)
    for _ in range(KILLS):
        enough = await done() + chance.randint(1, max(2, EVENTS // (KILLS * 2)))
        with run():
            async with asyncio.timeout(PATIENCE):
                while await done() < enough and not writing.done():
                    await asyncio.sleep(0.02)


def test_the_first_program_prints_an_inbox(programs: Path) -> None:
    said = subprocess.run(
        [sys.executable, "letters.py"], cwd=programs, env=environment(), capture_output=True, text=True, check=False
    )

    assert (0, "") == (said.returncode, said.stderr)
    assert "Fridge 2" == said.stdout.splitlines()[0]


async def test_a_checkpoint_in_the_same_transaction_gives_the_log_whenever_the_program_dies(
    programs: Path, dial: Dial, dsn: str
) -> None:
    async with dial("admin") as admin, asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        token = await consumer_token(admin)
        kept: dict[str, InSqlite | InPostgres] = {
            "warehouse.py": InSqlite(programs / "warehouse.db", "happened"),
            "warehouse_pg.py": InPostgres(pool),
        }

        def run(program: str) -> AbstractContextManager[object]:
            return running(programs, program, CONVSTORE_TOKEN=token, WAREHOUSE_DSN=dsn)

        writing = asyncio.create_task(write(admin))
        await asyncio.gather(
            writing, *(kill_again_and_again(partial(run, name), into.count, writing) for name, into in kept.items())
        )
        logged = await in_log(admin)
        assert EVENTS <= logged.total()
        for name, into in kept.items():
            with run(name):

                async def complete(into: InSqlite | InPostgres = into) -> bool:
                    return await into.count() >= logged.total()

                await eventually(complete, within=PATIENCE)
            assert logged == Counter(await into.ids())


async def test_workers_that_die_leave_nothing_undone(programs: Path, dial: Dial, served: Served) -> None:
    async with dial("admin") as admin:
        token = await consumer_token(admin)
        async with Client(served.url, token=token) as consumer:
            await consumer.subscribe("warehouse", after="start", lease=2)
        done = InSqlite(programs / "done.db", "done")

        number = iter(range(1_000))
        with running(programs, "worker.py", "steady", CONVSTORE_TOKEN=token):
            writing = asyncio.create_task(write(admin))
            await asyncio.gather(
                writing,
                kill_again_and_again(
                    lambda: running(programs, "worker.py", f"mortal {next(number)}", CONVSTORE_TOKEN=token),
                    done.count,
                    writing,
                ),
            )
            logged = await in_log(admin)

            async def complete() -> bool:
                params = [("limit", "1000")]
                letters = await admin.request("GET", "subscriptions/warehouse/deadLetters", params=params)
                dead = {f"{each['stream']}@{each['version']}" for each in letters.read(dict)["deadLetters"]}
                if await done.count() + len(dead) < len(logged):
                    return False
                return logged.keys() == {*await done.ids(), *dead}

            await eventually(complete, within=PATIENCE)
