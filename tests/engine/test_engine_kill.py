"""kill -9 of the process that carries events, in the middle of its work: each has its effect once all the same."""

import asyncio
import itertools
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from engines import MakeEngine

from convstore.database import Conn
from convstore.domain.uid import Uid
from convstore.log.store import Store
from eventually import eventually
from rebuilt import assert_rebuilt_equals_live
from seeding import append, people
from words import ANN, conversation_read, history, participants_added, posted, started

_SCRIPT = Path(__file__).with_name("engine_process.py")
_ROUNDS = int(os.environ.get("CONVSTORE_TEST_KILLS", "3"))

Work = Callable[[], Awaitable[int]]


@asynccontextmanager
async def _process(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    paths = os.pathsep.join(path for path in sys.path if path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_SCRIPT), dsn, env={**os.environ, "PYTHONPATH": paths}, stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _positions(conn: Conn) -> list[int]:
    return [row["position"] for row in await conn.fetch("SELECT position FROM checkpoint ORDER BY projection")]


@pytest.mark.slow
async def test_killed_in_the_middle_of_its_work(dsn: str, owner: Conn, store: Store, make_engine: MakeEngine) -> None:
    numbers = itertools.count()

    async def work() -> int:
        """Give it enough to do that it can be met doing it; the log's last position."""
        last = 0
        for _ in range(60):
            uid = Uid(f"Talk{next(numbers):07}")
            story = history(started(ANN), participants_added(*people(40)), [posted(by=ANN)] * 40, conversation_read())
            last = await append(owner, [(uid, event) for event in story])
        return last

    met = 0
    for _ in range(_ROUNDS * 5):
        before = min(await _positions(owner))
        head = await work()
        async with _process(dsn) as process:
            await eventually(partial(_moved, owner, before))
            await asyncio.sleep(random.uniform(0, 0.05))
            process.kill()
            await process.wait()
        # Its lease would run for seconds yet.
        await owner.execute("UPDATE checkpoint SET lease_until = now()")
        # Only what was interrupted counts as a round.
        met += min(await _positions(owner)) < head
        if met == _ROUNDS:
            break
    assert _ROUNDS == met
    await assert_rebuilt_equals_live(dsn)
    engine = await make_engine()
    await eventually(lambda: all(status.position == head for status in engine.status()), within=60)
    assert {head} == set(await _positions(owner))


async def _moved(conn: Conn, before: int) -> bool:
    return max(await _positions(conn)) > before
