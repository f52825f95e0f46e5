"""Rebuilds a read model from the log while people use it: built beside the live one, compared, switched, dropped later.

A rebuild that was killed goes on where it was. The switch is one transaction, so a reader sees the old tables or the
new ones, and the new ones have taken in at least as much as the old: nobody goes back in time.
"""

import asyncio
import gc
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
import structlog
from msgspec import Struct

from convstore.database import SCHEMA, Conn, connect
from convstore.engine.checkpoint import sql
from convstore.engine.owner import is_gone
from convstore.engine.shadow import Advance, Shadow, open_shadow
from convstore.engine.shared import SharedReads
from convstore.engine.verify import Difference, compare_with_live, live_positions
from convstore.errors import ConvstoreError
from convstore.log.read import heads
from convstore.projections import Projection, discover

log = structlog.get_logger(__name__)

# The switch waits for readers in flight so long, in milliseconds, while those that come wait behind it; then it lets
# them pass, and tries again after a pause, in seconds.
_PATIENCE: Final = 500
_PAUSE: Final = 0.2
_ATTEMPTS: Final = 50
_LOOK: Final = 0.005

# Objects made since the last look, and looks before the next deeper one, twice.
_THRESHOLDS: Final = (50_000, 20, 50)


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What a rebuild came to.

    ``positions``: how far the new tables had come at the switch, by partition. ``differences``: rows in which the old
    ones were not what the log says, None when there was nothing to compare with. ``retired``: the schema in which the
    old ones are kept for a while, None when there were none.
    """

    positions: dict[int, int]
    differences: tuple[Difference, ...] | None
    retired: str | None


class CannotSwitch(ConvstoreError):
    """The live tables were in use all the time: what was built is kept, and the next rebuild goes on with it."""


class StillUsed(ConvstoreError):
    """Tables of a version that this release does not have are carried by a server: stop that one first."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let Python look for cycles less often, in all of this process: for rebuilds, and for one that does little else.

    What a page comes to is many tuples without cycles, which go by their counts of references. To look through them
    again and again is an eighth of a rebuild's Python.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _OldReaders(Exception):
    """Somebody reads with a snapshot that is too old, and does not come to an end."""


async def rebuild(
    dsn: str,
    projection: Projection,
    *,
    grace: float,
    progress: Advance | None = None,
    shared: SharedReads | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Rebuilt:
    """Build a read model anew beside the live one and put it in its place.

    ``dsn`` is the owner's; ``grace``: seconds after which ``drop_retired`` may drop the old tables; ``say`` is told
    what is being done; those that are rebuilt at the same time read the log together, if they are given the same
    ``shared``. A read model of a version that the store does not have yet is built the same way.

    Raises:
        AtWork, CannotReplay, CannotSwitch: nothing has changed for readers.
    """
    async with open_shadow(dsn, projection, f"{SCHEMA}_rebuild_{projection.id}") as shadow:
        async with shadow.borrow() as conn:
            ends = await live_positions(conn, projection) or dict(enumerate(await heads(conn)))
        say("replaying")
        await shadow.replay(ends, progress, shared)
        say("indexing")
        await shadow.finish()
        say("comparing")
        differences = await compare_with_live(shadow)
        say("catching up")
        await shadow.catch_up(progress)
        say("switching")
        positions, retired = await _switch(shadow, grace)
    log.info("rebuild.switched", projection=projection.id, positions=positions, retired=retired)
    return Rebuilt(positions=positions, differences=differences, retired=retired)


async def _switch(shadow: Shadow, grace: float) -> tuple[dict[int, int], str | None]:
    for _ in range(_ATTEMPTS):
        try:
            async with shadow.borrow() as conn, conn.transaction():
                return await _switch_now(shadow, conn, grace)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, _OldReaders):
            await asyncio.sleep(_PAUSE)
            # So that little is left to be done under the locks of the next attempt.
            await shadow.catch_up()
    raise CannotSwitch(
        f"The tables of {shadow.projection.id} were in use for {_ATTEMPTS} attempts of {_PATIENCE} ms: is there a "
        "session that reads them and does not end its transaction? What was built is kept; run it again."
    )


async def _switch_now(shadow: Shadow, conn: Conn, grace: float) -> tuple[dict[int, int], str | None]:
    """Exchange the tables and the checkpoints, in the transaction of this connection.

    The live checkpoints are locked first, as a runner does: one that is in the middle of a page is waited for, and one
    that comes later finds another epoch, lets go, and takes the lease where the new tables are. While they are locked
    the new tables are brought to where the old ones are, in a transaction of their own, and readers are waited for who
    began before that: their snapshot of the new tables would be older than what they may have seen in the old ones.
    """
    projection = shadow.projection
    await conn.execute(f"SET LOCAL lock_timeout = {_PATIENCE}")
    live = {row["partition"]: row["position"] for row in await conn.fetch(sql.hold_live, projection.id)}
    positions = await shadow.replay(live)
    await _wait_for_old_readers(shadow, conn)
    retired = None
    there = [table for table in projection.tables if await _exists(conn, table)]
    if there:
        retired = f"{SCHEMA}_old_{projection.id}_{secrets.token_hex(3)}"
        await conn.execute(f"CREATE SCHEMA {retired}")
        for table in there:
            await conn.execute(f"ALTER TABLE {SCHEMA}.{table} SET SCHEMA {retired}")
        await conn.execute(sql.retire, retired, projection.id, grace)
    for table in projection.tables:
        await conn.execute(f"ALTER TABLE {shadow.schema}.{table} SET SCHEMA {SCHEMA}")
    await conn.execute(sql.install, projection.id)
    await conn.execute(sql.forget_samples, projection.id)
    await conn.execute(sql.name_tables, projection.id, list(projection.tables))
    await conn.execute(f"DROP SCHEMA {shadow.schema} CASCADE")
    return positions, retired


async def _wait_for_old_readers(shadow: Shadow, conn: Conn) -> None:
    """Wait until all transactions have ended that may have a snapshot from before now.

    Raises:
        _OldReaders: one has not, for too long.
    """
    pid = await conn.fetchval("SELECT pg_backend_pid()")
    now = await shadow.conn.fetchval("SELECT clock_timestamp()")
    end = asyncio.get_running_loop().time() + _PATIENCE / 1000
    while await shadow.conn.fetchval(sql.old_readers, now, pid):
        if asyncio.get_running_loop().time() > end:
            raise _OldReaders
        await asyncio.sleep(_LOOK)


async def _exists(conn: Conn, table: str) -> bool:
    return await conn.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.{table}") is not None


async def drop_retired(dsn: str) -> list[str]:
    """Drop the tables that rebuilds have replaced and whose time is over; give their schemas."""
    conn = await connect(dsn, role=None, application="convstore rebuild")
    try:
        async with conn.transaction():
            schemas = [row["schema_name"] for row in await conn.fetch(sql.retired)]
            for schema in schemas:
                await conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
                await conn.execute(sql.forget_retired, schema)
    finally:
        await conn.close()
    return schemas


async def prune(dsn: str) -> list[str]:
    """Drop tables and checkpoints of versions that this release does not have; give those versions.

    Raises:
        StillUsed: a server of another release carries one of them; nothing was dropped.
    """
    conn = await connect(dsn, role=None, application="convstore rebuild")
    try:
        async with conn.transaction():
            unused = await conn.fetch(sql.unused, [projection.id for projection in discover()])
            for row in unused:
                if row["owner"] and row["leased"] and not is_gone(row["owner"]):
                    raise StillUsed(
                        f"{row['projection']} is carried by {row['owner']}: stop that server, or upgrade it, first."
                    )
                for table in row["tables"]:
                    await conn.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{table}")
                await conn.execute(sql.forget_version, row["projection"])
    finally:
        await conn.close()
    return [row["projection"] for row in unused]
