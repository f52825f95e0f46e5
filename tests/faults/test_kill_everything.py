"""kill -9 of the server, of a worker that projects, and of PostgreSQL, with commands in flight each time.

Every writer sends replies under an Idempotency-Key of its own and, when the answer never comes, sends the same again.
Afterwards each acknowledged command is in the log exactly once, by its key; the chain holds; read models equal a
replay.
``CONVSTORE_FAULT_ROUNDS`` says how often each of them, once by default.
"""

import asyncio
import collections
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import psutil
import pytest

from convstore.embedded import attach
from served import free_port

ROUNDS = int(os.environ.get("CONVSTORE_FAULT_ROUNDS", "1"))
WRITERS = 12
_PATIENCE = 60.0  # seconds until a server that was killed must be answering again
ADMIN = {"Authorization": aiohttp.encode_basic_auth("admin", "district")}
CONVERSATIONS = ("ZjHHSjyyeJ2", "jMe43trzrdi", "WzMRrCosqc0", "lxCjiigqrJm")


class Server:
    """``convstore serve`` in a process of its own, on a folder that outlives it."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSTORE_")}
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "convstore", "serve", "--demo"]
                + ["--data-dir", str(self.folder / "data"), "--port", str(self.port), "--workers", str(self.workers)],
                stderr=log,
                env=environment,
            )

    async def ready(self, session: aiohttp.ClientSession) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                async with session.get(f"{self.url}/messageConversations?fields=id", headers=ADMIN) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            assert time.monotonic() < until, (self.folder / "serve.log").read_text()[-4000:]
            await asyncio.sleep(0.05)

    def kill_server(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.start()

    def kill_postgres(self) -> None:
        (pid_file,) = (self.folder / "data").rglob("postmaster.pid")
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    def kill_worker(self) -> None:
        assert self.process is not None
        workers = [
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
        random.choice(workers).kill()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(40) == 0


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
        yield session


class Writers:
    """People who reply all the time and count what was acknowledged."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.acknowledged: set[str] = set()
        self.in_flight = 0
        self.stopping = False

    async def write(self) -> None:
        while not self.stopping:
            key = str(uuid.uuid4())
            where = random.choice(CONVERSATIONS)
            while not await self.send(where, key):
                await asyncio.sleep(0.05)

    async def send(self, conversation: str, key: str) -> bool:
        self.in_flight += 1
        try:
            async with self.session.post(
                f"{self.server.url}/messageConversations/{conversation}",
                data=key,
                headers={**ADMIN, "Content-Type": "text/plain", "Idempotency-Key": key},
            ) as answer:
                await answer.read()
                assert answer.status in (200, 500, 503), await answer.text()
                if answer.status == 200:
                    self.acknowledged.add(key)
                    return True
        except (aiohttp.ClientError, TimeoutError):
            pass
        finally:
            self.in_flight -= 1
        return False


async def logged(dsn: str) -> collections.Counter[str]:
    conn = await asyncpg.connect(dsn)
    try:
        rows = await conn.fetch("SELECT data->>'text' AS text FROM convstore.event WHERE type = 'message-posted'")
        return collections.Counter(row["text"] for row in rows)
    finally:
        await conn.close()


@pytest.mark.slow
@pytest.mark.timeout(120 + 180 * ROUNDS)
@pytest.mark.parametrize("workers", [1, 2])
async def test_no_acknowledged_command_is_lost_or_applied_twice(
    tmp_path: Path, session: aiohttp.ClientSession, workers: int
) -> None:
    server = Server(tmp_path, workers)
    kinds = [server.kill_server, server.kill_postgres] + ([server.kill_worker] if workers > 1 else [])
    server.start()
    try:
        await server.ready(session)
        writers = Writers(server, session)
        tasks = [asyncio.create_task(writers.write()) for _ in range(WRITERS)]
        for kill in kinds * ROUNDS:
            before = len(writers.acknowledged)
            while len(writers.acknowledged) < before + 30:
                assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.uniform(0.0, 0.3))
            assert writers.in_flight > 0
            kill()
            await server.ready(session)
        writers.stopping = True
        await asyncio.wait_for(asyncio.gather(*tasks), _PATIENCE)

        dsn = attach(tmp_path / "data")
        assert dsn is not None
        found = await logged(dsn)
        assert dict.fromkeys(writers.acknowledged, 1) == {key: found[key] for key in writers.acknowledged}
        await assert_sound(dsn)
    finally:
        server.stop()


async def assert_sound(dsn: str) -> None:
    """The commands that an operator would run afterwards find nothing."""
    for what in ("log", "projections"):
        checked = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "convstore", "verify", what, "--dsn", dsn],
            capture_output=True,
            text=True,
        )
        assert 0 == checked.returncode, checked.stdout + checked.stderr
