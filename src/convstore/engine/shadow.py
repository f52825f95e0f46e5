"""A read model's tables in a schema of their own, beside the live ones, filled from the log by the same fold.

The session's search path begins with that schema, so the same statements fill its tables and move its own checkpoint;
everything else they name is the live store's. A replay that was interrupted goes on where it stopped.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import asyncpg
import structlog

from convstore.database import SCHEMA, Conn, Pool, settings
from convstore.engine.checkpoint import Held, look, skips, sql
from convstore.engine.feed import Feed
from convstore.engine.page import SETTINGS, Writes, fold, write
from convstore.engine.shared import SharedReads
from convstore.engine.tables import create_tables
from convstore.errors import ConvstoreError
from convstore.faults import described, is_transient
from convstore.log.read import heads
from convstore.projections import Projection

log = structlog.get_logger(__name__)

# Told of events done and of all there are to do.
Advance: TypeAlias = Callable[[int, int], None]

# Few enough events to be taken in within a moment.
_FEW: Final = 500
# While others write, being at the head is a matter of luck: so many times it is tried.
_ROUNDS: Final = 20


class AtWork(ConvstoreError):
    """Somebody else builds the same tables at this moment."""


class CannotReplay(ConvstoreError):
    """An event cannot be taken in: the text says which, by which read model, and what was wrong."""


class Shadow:
    """A read model's tables beside the live ones. ``conn`` works on them, ``borrow`` lends connections to the log."""

    def __init__(self, pool: Pool, conn: Conn, projection: Projection, schema: str) -> None:
        self.borrow = pool.acquire
        self.conn = conn
        self.projection = projection
        self.schema = schema

    async def replay(
        self, ends: Mapping[int, int], progress: Advance | None = None, shared: SharedReads | None = None
    ) -> dict[int, int]:
        """Take the log in up to these positions, by partition; give the positions reached: these, or later ones.

        ``shared``: that of others who replay at the same time, who then read the log together.

        Raises:
            CannotReplay: an event cannot be taken in; all before it is.
        """
        held = {
            row.partition: Held(
                projection=row.projection, partition=row.partition, position=row.position, epoch=row.epoch
            )
            for row in await look(self.conn, [self.projection.id])
        }
        total = sum(max(0, end - held[partition].position) for partition, end in ends.items())
        done = 0

        def advance(events: int) -> None:
            nonlocal done
            done += events
            if progress is not None:
                progress(done, total)

        for partition, end in ends.items():
            if held[partition].position < end:
                await self._replay(held[partition], end, advance, shared)
        return {partition: here.position for partition, here in held.items()}

    async def _replay(self, held: Held, end: int, advance: Callable[[int], None], shared: SharedReads | None) -> None:
        """Take one partition in: while the database writes a page, the next one is read and folded."""
        left_out = await skips(self.conn, self.projection.id, held.partition)
        feed = Feed(self.borrow, held.partition, shared=shared)
        ahead = asyncio.create_task(self._folded(feed, held.position, end, left_out))
        try:
            while held.position < end:
                before = held.position
                writes, position = await ahead
                if position < end:
                    ahead = asyncio.create_task(self._folded(feed, position, end, left_out))
                await write(self.conn, [held], writes, position, afresh=True)
                advance(position - before)
        except ConvstoreError:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            raise CannotReplay(
                f"{self.projection.id}: of partition {held.partition}, an event after position {held.position} cannot "
                f"be taken in: {described(error)}"
            ) from error
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
            await feed.close()

    async def _folded(self, feed: Feed, after: int, end: int, left_out: frozenset[int]) -> tuple[Writes, int]:
        """Give what the next page comes to. What live read models left out is left out here too."""
        page, position = await feed.next(after, end, left_out)
        return await fold([self.projection], page), position

    async def catch_up(self, progress: Advance | None = None) -> dict[int, int]:
        """Take in what there is up to the end of the log, as near to it as others' writing lets it come."""
        for _ in range(_ROUNDS):
            async with self.borrow() as conn:
                ends = dict(enumerate(await heads(conn)))
            before = {row.partition: row.position for row in await look(self.conn, [self.projection.id])}
            reached = await self.replay(ends, progress)
            if sum(end - before[partition] for partition, end in ends.items()) <= _FEW:
                break
        return reached

    async def finish(self) -> None:
        """Make the indexes that were left for the end, if that was not done before, and count for the planner."""
        if await self.conn.fetchval("SELECT to_regclass($1)", f"{self.schema}.deferred_index") is not None:
            async with self.conn.transaction():
                for row in await self.conn.fetch(f"SELECT definition FROM {self.schema}.deferred_index"):  # noqa: S608 - ours
                    await self.conn.execute(row["definition"])
                await self.conn.execute(f"DROP TABLE {self.schema}.deferred_index")
        for table in self.projection.tables:
            await self.conn.execute(f"ANALYZE {self.schema}.{table}")


@asynccontextmanager
async def open_shadow(
    dsn: str, projection: Projection, schema: str, *, fleeting: bool = False
) -> AsyncIterator[Shadow]:
    """Work on a read model's tables in this schema, made if they are not there.

    ``dsn`` is the owner's. What was begun by other code than today's is begun anew. ``fleeting``: begin anew whatever
    is there, in tables that a crash of the database may empty; cheaper to write.

    Raises:
        AtWork: somebody else has the same schema in hand.
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
            if not await conn.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", schema):
                raise AtWork(f"{projection.id} is being rebuilt or verified by another process: wait for it to end.")
            await _prepare(conn, projection, schema, fleeting=fleeting)
            yield Shadow(pool, conn, projection, schema)
    finally:
        await asyncio.wait_for(pool.close(), 10)


async def _prepare(conn: Conn, projection: Projection, schema: str, *, fleeting: bool) -> None:
    """Make the tables, or find those that a replay of the same code has left."""
    left_by = await conn.fetchval("SELECT obj_description(to_regnamespace($1)::oid, 'pg_namespace')", schema)
    if fleeting or left_by != projection.digest:
        if left_by is not None and not fleeting:
            log.info("rebuild.begun_anew", projection=projection.id, schema=schema)
        await conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    async with conn.transaction():
        if await conn.fetchval("SELECT to_regnamespace($1)", schema) is not None:
            return
        await conn.execute(f"CREATE SCHEMA {schema}")
        await conn.execute(f"COMMENT ON SCHEMA {schema} IS '{projection.digest}'")
        await conn.execute(f"CREATE TABLE {schema}.checkpoint (LIKE {SCHEMA}.checkpoint INCLUDING ALL)")
        await create_tables(conn, projection, schema)
        await _defer_indexes(conn, projection, schema)
        if fleeting:
            for table in projection.tables:
                await conn.execute(f"ALTER TABLE {schema}.{table} SET UNLOGGED")


async def _defer_indexes(conn: Conn, projection: Projection, schema: str) -> None:
    """Take the indexes away that serve readers only, and note them: kept from the start they cost half of the rate."""
    await conn.execute(f"CREATE TABLE {schema}.deferred_index (definition text NOT NULL)")
    for row in await conn.fetch(sql.readers_indexes, schema, list(projection.working_indexes)):
        await conn.execute(f"INSERT INTO {schema}.deferred_index VALUES ($1)", row["definition"])  # noqa: S608 - ours
        await conn.execute(f"DROP INDEX {schema}.{row['name']}")
