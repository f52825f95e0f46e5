"""``convstore race``: see for yourself that a consumer of the log misses nothing, on your own PostgreSQL."""

import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit, urlunsplit

from cyclopts import Parameter

from convstore.cli.connection import owner_dsn
from convstore.cli.loop import run
from convstore.config import Where
from convstore.database import connect
from convstore.errors import ConfigError
from convstore.log.race import Race, race_log, race_sequence
from convstore.migrate import migrate

FAILED = 1

# Appends give up waiting for one another after five seconds.
_SLOWEST = 4.0
_HEADINGS = ("", "written", "read", "missed", "out of order", "events/s")


def race(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    writers: Annotated[int, Parameter(name=["--writers", "-n"])] = 16,
    seconds: float = 10.0,
    slow: float = 0.5,
) -> None:
    """Race writers, a deliberately slow transaction and a consumer with a checkpoint; exit code 1 if it missed events.

    Runs on convstore's log, then on a table whose positions come from a sequence, as many event stores have it. Both
    are in a database of their own on the server of --dsn, dropped afterwards; without --dsn and --data-dir, on a
    private PostgreSQL in a temporary folder.

    Parameters
    ----------
    writers
        How many write at once.
    seconds
        How long each of the two races takes.
    slow
        How long the slow transaction stays open, in seconds.
    """
    if writers < 1 or seconds <= 0 or not 0 < slow <= _SLOWEST:
        raise ConfigError(
            f"A race needs a writer, some time, and a slow transaction of at most {_SLOWEST:.0f} seconds."
        )

    async def work() -> tuple[Race, Race]:
        async with _server(where) as server, _throwaway(server) as dsn:
            await migrate(dsn)
            return (
                await race_log(dsn, writers=writers, seconds=seconds, slow=slow),
                await race_sequence(dsn, writers=writers, seconds=seconds, slow=slow),
            )

    ours, naive = run(work())
    rows = [_HEADINGS, _row("convstore's log", ours), _row("a table with a sequence", naive)]
    for name, *figures in rows:
        print(f"{name:<24}" + "".join(f"{figure:>14}" for figure in figures))  # noqa: T201
    print(f"{writers} writers; {ours.slow} and {naive.slow} transactions that stayed open for {slow} s")  # noqa: T201
    print("While one is open nobody else can append to convstore's log; its server never leaves one open.")  # noqa: T201
    if not ours.clean:
        sys.exit(FAILED)


def _row(name: str, it: Race) -> tuple[str, ...]:
    return name, *map(str, (it.written, it.read, it.missed, it.out_of_order, round(it.written / it.seconds)))


@asynccontextmanager
async def _server(where: Where) -> AsyncIterator[str]:
    """Give the owner's address of some database of the server to race on."""
    if where.dsn is not None or where.data_dir is not None:
        async with owner_dsn(where.dsn, where.data_dir) as dsn:
            yield dsn
        return
    with tempfile.TemporaryDirectory(prefix="convstore-race-") as folder:
        async with owner_dsn(None, Path(folder) / "data") as dsn:
            yield dsn


@asynccontextmanager
async def _throwaway(server: str) -> AsyncIterator[str]:
    """Make a database of a name that nobody has, and drop it afterwards."""
    name = f"convstore_race_{secrets.token_hex(6)}"
    await _execute(server, f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(server)._replace(path="/" + quote(name)))
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(dsn: str, statement: str) -> None:
    conn = await connect(dsn, role=None, application="convstore race")
    try:
        await conn.execute(statement)
    finally:
        await conn.close()
