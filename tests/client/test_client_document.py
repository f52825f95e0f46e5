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

import asyncpg
import msgspec
import pytest
from dialling import Dial

from convstore.client import Client
from eventually import eventually
from served import Served, environment

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
# CONTRIBUTING.md: how many letters are written, each with a reply, while the programs are killed.
LETTERS = int(os.environ.get("CONVSTORE_TEST_EVENTS", "150")) // 5
KILLS = 3
PATIENCE = 60 + LETTERS / 10

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180 + LETTERS)]


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
    for number in range(LETTERS):
        uid = await admin.send(f"Letter {number}", "text", users=["PhzytPW3g2J"])
        await admin.reply(uid, "more")
        if not number % 10:
            await admin.request("DELETE", f"messageConversations/{uid}", key=f"gone {uid}")


async def in_log(admin: Client) -> Counter[str]:
    found: Counter[str] = Counter()
    after, more = "start", True
    while more:
        page = await admin.page(after, limit=1_000)
        found.update(event.id for event in page.events)
        after, more = page.cursor, page.more
    return found


def ids(file: Path, table: str) -> list[str]:
    """Give what a program has put into its SQLite."""
    if not file.exists():
        return []
    with closing(sqlite3.connect(file, timeout=30)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return []
        return [row[0] for row in db.execute(f"SELECT id FROM {table}")]


async def kill_again_and_again(
    run: Callable[[], AbstractContextManager[object]],
    done: Callable[[], Awaitable[list[str]]],
    writing: "asyncio.Task[None]",
) -> None:
    """Run a program again and again, and kill it when some more is done, or nothing more is written."""
    chance = random.Random(7)
    for _ in range(KILLS):
        enough = len(await done()) + chance.randint(1, LETTERS)
        with run():
            async with asyncio.timeout(PATIENCE):
                while len(await done()) < enough and not writing.done():
                    await asyncio.sleep(0.01)


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

        async def in_sqlite() -> list[str]:
            return ids(programs / "warehouse.db", "happened")

        async def in_postgres() -> list[str]:
            if await pool.fetchval("SELECT to_regclass('happened')") is None:
                return []
            return [row["id"] for row in await pool.fetch("SELECT id FROM happened")]

        kept = {"warehouse.py": in_sqlite, "warehouse_pg.py": in_postgres}

        def run(program: str) -> AbstractContextManager[object]:
            return running(programs, program, CONVSTORE_TOKEN=token, WAREHOUSE_DSN=dsn)

        writing = asyncio.create_task(write(admin))
        await asyncio.gather(
            writing, *(kill_again_and_again(partial(run, name), done, writing) for name, done in kept.items())
        )
        logged = await in_log(admin)
        for name, done in kept.items():
            with run(name):

                async def complete(done: Callable[[], Awaitable[list[str]]] = done) -> bool:
                    return len(await done()) >= logged.total()

                await eventually(complete, within=PATIENCE)
            assert logged == Counter(await done())


async def test_workers_that_die_leave_nothing_undone(programs: Path, dial: Dial, served: Served) -> None:
    async with dial("admin") as admin:
        token = await consumer_token(admin)
        async with Client(served.url, token=token) as consumer:
            await consumer.subscribe("warehouse", after="start")

        async def done() -> list[str]:
            return ids(programs / "done.db", "done")

        number = iter(range(1_000))
        with running(programs, "worker.py", "steady", CONVSTORE_TOKEN=token):
            writing = asyncio.create_task(write(admin))
            await asyncio.gather(
                writing,
                kill_again_and_again(
                    lambda: running(programs, "worker.py", f"mortal {next(number)}", CONVSTORE_TOKEN=token),
                    done,
                    writing,
                ),
            )
            logged = await in_log(admin)

            async def complete() -> bool:
                params = [("limit", "1000")]
                letters = await admin.request("GET", "subscriptions/warehouse/deadLetters", params=params)
                dead = {f"{each['stream']}@{each['version']}" for each in letters.read(dict)["deadLetters"]}
                return logged.keys() == {*await done(), *dead}

            await eventually(complete, within=PATIENCE)
