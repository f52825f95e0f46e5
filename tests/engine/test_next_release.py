"""A changed read model is deployed by rebuilding it beside the server of the release before, without a migration."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from convstore.database import Conn
from convstore.directory.passwords import hash_now
from convstore.engine import Engine
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.migrate import migrate
from eventually import eventually
from served import environment, free_port
from words import ANN, BOB, CONVERSATION, reply, send_message

pytestmark = pytest.mark.slow

_SCRIPT = Path(__file__).with_name("next_release.py")
_THREAD = Path(__file__).parents[2] / "projections" / "thread"
_PASSWORD = "correct horse"
_AS_ANN = {"Authorization": aiohttp.encode_basic_auth("ann", _PASSWORD)}

# What the next release changes: a column that the fold fills. File, what it says, and what it says then.
_EDITS = [
    ("__init__.py", "VERSION = 1", "VERSION = 2"),
    ("__init__.py", "recorded.position,", "recorded.position, len(event.text or ''),"),
    ("__init__.py", '"position",\n', '"position",\n            "letters",\n'),
    ("table.sql", "bigint      NOT NULL,", "bigint NOT NULL, letters int NOT NULL,"),
    ("apply.sql", "attachments, position)", "attachments, position, letters)"),
    ("apply.sql", "$10::bigint[])", "$10::bigint[], $11::int[])"),
]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Give the folder of the next release's read models: the thread in a second version."""
    (tmp_path / "thread").mkdir()
    for file in _THREAD.glob("*.*"):
        text = file.read_text("utf-8")
        for old, new in [(old, new) for name, old, new in _EDITS if name == file.name]:
            assert old in text, f"{file.name} has changed: this test edits {old!r}"
            text = text.replace(old, new)
        (tmp_path / "thread" / file.name).write_text(text.replace("thread_v1", "thread_v2"), "utf-8")
    return tmp_path


@asynccontextmanager
async def _convstore(release: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    paths = os.pathsep.join(path for path in sys.path if path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_SCRIPT), str(release), *arguments, env={**environment(), "PYTHONPATH": paths},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _run(release: Path, *arguments: str) -> str:
    async with _convstore(release, *arguments) as process:
        out, _ = await process.communicate()
        assert 0 == process.returncode, out.decode()
        return out.decode()


async def _status(session: aiohttp.ClientSession, path: str) -> int:
    try:
        async with session.get(path) as answer:
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0


async def test_a_changed_read_model_comes_with_the_next_release(
    engine: Engine, store: Store, dsn: str, owner: Conn, release: Path
) -> None:
    await owner.execute(
        "INSERT INTO account (id, username, first_name, surname, uuid, password_hash)"
        " VALUES ($1, 'ann', 'Ann', 'A', gen_random_uuid(), $2)",
        ANN,
        hash_now(_PASSWORD),
    )
    outcome = await store.submit([send_message(BOB), reply(by=BOB, text="Four")], Meta())
    assert await engine.wait(outcome.partition, outcome.position, timeout=20)
    port = free_port()
    listing = f"/api/messageConversations/{CONVERSATION}?fields=messages[text]"
    async with (
        _convstore(release, "serve", "--dsn", dsn, "--no-migrate", "--port", str(port)),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=_AS_ANN) as session,
    ):
        await eventually(lambda: _is(session, "/api/health/ready", 503), within=60)
        async with session.get(listing) as answer:
            assert 503 == answer.status
            assert "Retry-After" in answer.headers
            said = (await answer.json())["message"]
        assert "The read model thread_v2 of this release is not built yet" in said
        assert "convstore rebuild" in said
        assert 200 == await _status(session, "/api/ping")

        said = await _run(release, "rebuild", "thread", "--dsn", dsn, "--grace", "0")
        assert "thread_v2: built anew; there was nothing to compare it with" in said

        await eventually(lambda: _is(session, "/api/health/ready", 200), within=30)
        async with session.get(listing) as answer:
            assert 200 == answer.status
            assert "Four" in [each["text"] for each in (await answer.json())["messages"]]

        # Both releases go on at once, each with its own version.
        outcome = await store.submit([reply(by=BOB, text="Three")], Meta())
        assert await engine.wait(outcome.partition, outcome.position, timeout=20)
        await eventually(lambda: owner.fetchval("SELECT count(*) = 3 FROM thread_v2"), within=20)
        assert 3 == await owner.fetchval("SELECT count(*) FROM thread_v1")
        assert [4, 5] == sorted(
            row["letters"] for row in await owner.fetch("SELECT letters FROM thread_v2 WHERE version > 3")
        )

    # Once no server of the release before is left, what only it used is dropped.
    await engine.stop()
    assert "thread_v1 dropped" in await _run(release, "rebuild", "--prune", "--dsn", dsn)
    assert await owner.fetchval("SELECT to_regclass('thread_v1')") is None
    assert "thread_v2: rebuilt equals live" in await _run(release, "verify", "projections", "thread", "--dsn", dsn)
    # Back to the release before, for the replay at the end of every test.
    await migrate(dsn)


async def _is(session: aiohttp.ClientSession, path: str, status: int) -> bool:
    return await _status(session, path) == status


async def test_without_a_rebuild_the_next_release_builds_it_before_it_serves(
    store: Store, dsn: str, owner: Conn, release: Path
) -> None:
    await store.submit([send_message(BOB), reply(by=BOB, text="Four")], Meta())
    port = free_port()
    async with (
        _convstore(release, "serve", "--dsn", dsn, "--port", str(port)),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        await eventually(lambda: _is(session, "/api/health/ready", 200), within=60)
        assert 2 == await owner.fetchval("SELECT count(*) FROM thread_v2")
