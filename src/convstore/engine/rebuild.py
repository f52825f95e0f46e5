"""Replays the log into a read model's tables in a schema of their own, beside the live ones, by the same fold.

The session's search path begins with that schema, so the same statements fill its tables and move its own checkpoint;
everything else they name is the live store's. A replay that was interrupted goes on where it stopped.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from convstore.database import SCHEMA, Conn, Pool, settings
from convstore.engine.checkpoint import Held, look, skips, sql
from convstore.engine.feed import Feed
from convstore.engine.page import SETTINGS, take_in
from convstore.engine.tables import create_tables
from convstore.log.read import heads
from convstore.projections import Projection

# Told of events done and of all there are to do.
Advance: TypeAlias = Callable[[int, int], None]


async def replay_into(dsn: str, projection: Projection, schema: str, progress: Advance | None = None) -> dict[int, int]:
    """Replay the log up to its heads into this schema, made if it is not there; give the positions reached.

    ``dsn`` is the owner's. The live tables are neither read nor changed.
    """
    async with open_shadow(dsn, projection, schema) as shadow:
        async with shadow.borrow() as conn:
            ends = dict(enumerate(await heads(conn)))
        reached = await shadow.replay(ends, progress)
        await _make_deferred(shadow.conn, schema)
        return reached


class Shadow:
    """A read model's tables beside the live ones. ``conn`` works on them, ``borrow`` lends connections to the log."""

    def __init__(self, pool: Pool, conn: Conn, projection: Projection, schema: str) -> None:
        self.borrow = pool.acquire
        self.conn = conn
        self.projection = projection
        self.schema = schema

    async def replay(self, ends: Mapping[int, int], progress: Advance | None = None) -> dict[int, int]:
        """Take the log in up to these positions, by partition; give the positions reached: these, or later ones."""
        held = {
            row.partition: Held(
                projection=row.projection, partition=row.partition, position=row.position, epoch=row.epoch
            )
            for row in await look(self.conn, [self.projection.id])
        }
        total = sum(max(0, end - held[partition].position) for partition, end in ends.items())
        done = 0
        for partition, end in ends.items():
            here = held[partition]
            left_out = await skips(self.conn, self.projection.id, partition)
            feed = Feed(self.borrow, partition)
            try:
                while here.position < end:
                    before = here.position
                    await self._page(feed, here, end, left_out)
                    done += here.position - before
                    if progress is not None:
                        progress(done, total)
            finally:
                await feed.close()
        return {partition: here.position for partition, here in held.items()}

    async def _page(self, feed: Feed, held: Held, end: int, left_out: frozenset[int]) -> None:
        """Take one page in, up to this position at most. What live read models left out is left out here too."""
        page, position = await feed.next(held.position, end, left_out)
        await take_in(self.conn, [(self.projection, held)], page, position)


@asynccontextmanager
async def open_shadow(
    dsn: str, projection: Projection, schema: str, *, fleeting: bool = False
) -> AsyncIterator[Shadow]:
    """Work on a read model's tables in this schema, made if they are not there.

    ``fleeting``: begin anew whatever is there, in tables that a crash of the database may empty; cheaper to write.
    Nobody else works on the same schema meanwhile: a second one waits.
    """
    pool = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=3,
        server_settings=settings(
            role=None,
            application="convstore rebuild",
            search_path=f"{schema}, {SCHEMA}",
            # As for the live runners.
            **SETTINGS,
        ),
    )
    try:
        async with pool.acquire() as conn:
            await conn.execute("SELECT pg_advisory_lock(hashtext($1))", schema)
            if fleeting:
                await conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            begun = await conn.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema)
            await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            await conn.execute(
                f"CREATE TABLE IF NOT EXISTS {schema}.checkpoint (LIKE {SCHEMA}.checkpoint INCLUDING ALL)"
            )
            await create_tables(conn, projection, schema)
            if not begun:
                await _defer_indexes(conn, projection, schema)
            if fleeting:
                for table in projection.tables:
                    await conn.execute(f"ALTER TABLE {schema}.{table} SET UNLOGGED")
            yield Shadow(pool, conn, projection, schema)
    finally:
        await asyncio.wait_for(pool.close(), 10)


async def _defer_indexes(conn: Conn, projection: Projection, schema: str) -> None:
    """Take the indexes away that serve readers only, and note them: kept from the start they cost half of the rate."""
    async with conn.transaction():
        await conn.execute(f"CREATE TABLE {schema}.deferred_index (definition text NOT NULL)")
        for row in await conn.fetch(sql.readers_indexes, schema, list(projection.working_indexes)):
            await conn.execute(f"INSERT INTO {schema}.deferred_index VALUES ($1)", row["definition"])  # noqa: S608 - ours
            await conn.execute(f"DROP INDEX {schema}.{row['name']}")


async def _make_deferred(conn: Conn, schema: str) -> None:
    """Make the indexes that were left for the end; none, when that was done before."""
    if await conn.fetchval("SELECT to_regclass($1)", f"{schema}.deferred_index") is None:
        return
    async with conn.transaction():
        for row in await conn.fetch(f"SELECT definition FROM {schema}.deferred_index"):  # noqa: S608 - ours
            await conn.execute(row["definition"])
        await conn.execute(f"DROP TABLE {schema}.deferred_index")
