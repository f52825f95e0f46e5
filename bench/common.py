"""What the scripts beside this one share: a database to measure in, and the line that each prints."""

import asyncio
import os
import platform
import secrets
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import uvloop

from convstore import logs
from convstore.database import Conn
from convstore.embedded import Cluster
from convstore.migrate import migrate


@asynccontextmanager
async def fresh_store(dsn: str | None, *, partitions: int = 1) -> AsyncIterator[str]:
    """Give the owner's DSN of a new, migrated store; its database is dropped afterwards.

    On the server of ``dsn`` (its owner), or on an embedded PostgreSQL of its own with its usual settings, fsync on.
    """
    if dsn is None:
        with tempfile.TemporaryDirectory(prefix="convstore-bench-") as folder:
            async with (
                Cluster(Path(folder) / "data") as cluster,
                fresh_store(cluster.dsn(), partitions=partitions) as own,
            ):
                yield own
        return
    name = f"bench_{secrets.token_hex(6)}"
    await _execute(dsn, f"CREATE DATABASE {name}")
    try:
        own = urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
        await migrate(own, partitions=partitions)
        yield own
    finally:
        await _execute(dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def server(conn: Conn) -> dict[str, str]:
    """Say what was measured on: a number without it is worth nothing."""
    return {
        "commit": _commit(),
        "postgres": await conn.fetchval("SHOW server_version"),
        "fsync": await conn.fetchval("SHOW fsync"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _commit() -> str:
    told = subprocess.run(  # noqa: S603 - no input of anybody's
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],  # noqa: S607 - whatever git there is
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip()


def percentile(values: Sequence[float], of_hundred: float) -> float:
    """Give a percentile of durations in seconds, as milliseconds."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * of_hundred / 100))] * 1000, 2)


def report(**facts: Any) -> None:
    """Print the one line."""
    print(msgspec.json.encode(facts).decode())


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run on the loop that the server uses, with its log lines on standard error, beside the one of the result."""
    logs.configure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
