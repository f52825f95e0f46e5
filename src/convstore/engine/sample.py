"""Replays single conversations by themselves and compares: *rebuilt equals live*, for a few, cheaply and all the time.

What a replay of one conversation makes goes into temporary tables of one transaction, and is compared with the rows of
that conversation in the live tables as the same snapshot shows them. Counts over many conversations are not compared
so; ``convstore verify projections`` does that for all.
"""

import asyncio
import random
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

import structlog
from msgspec import Struct

from convstore.database import SCHEMA, SERVER_ROLE, Conn, connect
from convstore.domain.access import is_access_stream
from convstore.domain.uid import Uid
from convstore.engine.checkpoint import skips
from convstore.engine.engine import Engine
from convstore.engine.page import cut, fold, weight
from convstore.engine.verify import Difference, differing_rows, live_positions
from convstore.faults import described
from convstore.log.read import read_stream
from convstore.projections import Projection, discover
from convstore.sql import Statements

log = structlog.get_logger(__name__)
sql: Final = Statements(files(__package__) / "sample.sql")

# Of a running server, each time: so many conversations, none of which weighs more than so many bytes as events.
_CONVERSATIONS: Final = 3
_BYTES: Final = 1_000_000


class Place(Struct, frozen=True):
    """A conversation, and the partition that it is in."""

    partition: int
    conversation: Uid


async def choose(conn: Conn, number: int) -> list[Place]:
    """Choose so many conversations of a store at random, each with the same chance; all when there are no more."""
    rows = await conn.fetch(sql.choose, number)
    return [Place(row["partition"], row["stream"]) for row in rows]


async def sample(
    conn: Conn, place: Place, projections: Sequence[Projection] | None = None, *, limit: int | None = None
) -> list[Difference] | None:
    """Replay one conversation for these read models, or all, and name the rows in which the live ones differ.

    None when its events weigh more than ``limit`` bytes, and when there are none.
    """
    transaction = conn.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        events = await read_stream(conn, place.partition, place.conversation)
        if not events or (limit is not None and weight(events) > limit):
            return None
        found: list[Difference] = []
        for projection in discover() if projections is None else projections:
            positions = await live_positions(conn, projection)
            if place.partition not in positions:
                continue
            left_out = await skips(conn, projection.id, place.partition)
            rest = [
                recorded
                for recorded in events
                if recorded.position <= positions[place.partition] and recorded.position not in left_out
            ]
            for table in projection.tables:
                await conn.execute(f"CREATE TEMP TABLE {table} (LIKE {SCHEMA}.{table} INCLUDING ALL)")
            while rest:
                page = cut(rest)
                for each in await fold([projection], page):
                    await conn.execute(each.statement, *each.args)
                rest = rest[len(page) :]
            for table in projection.by_conversation:
                found += await differing_rows(conn, projection, table, "pg_temp", place.conversation)
        return found
    finally:
        await transaction.rollback()


async def connect_to_sample(dsn: str) -> Conn:
    """Open a connection that works as the server does; temporary tables stand in front of the live ones there."""
    return await connect(dsn, role=SERVER_ROLE, application="convstore sample", search_path=f"pg_temp, {SCHEMA}")


async def keep_sampling(dsn: str, engine: Engine, interval: float) -> None:
    """Sample a few conversations each ``interval`` seconds, of partitions that this process carries; 0: never."""
    if not interval:
        return
    while True:
        # Spread, so that processes that were started together do not sample together.
        await asyncio.sleep(interval * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        try:
            await sample_some(dsn, engine)
        except Exception as error:  # noqa: BLE001 - the next one may succeed, and the server must not end for it
            log.warning("sample.failed", error=described(error))


async def sample_some(dsn: str, engine: Engine) -> None:
    """Sample a few conversations that had something happen to them at random times, and note what was found."""
    mine = {status.partition: status.position for status in engine.status() if status.mine and status.position}
    if not mine:
        return
    conn = await connect_to_sample(dsn)
    try:
        for _ in range(_CONVERSATIONS):
            partition, head = random.choice(list(mine.items()))  # noqa: S311 - no secret
            stream = await conn.fetchval(sql.stream_at, partition, random.randint(1, head))  # noqa: S311 - no secret
            if stream is None or is_access_stream(stream):
                continue
            found = await sample(conn, Place(partition, Uid(stream)), limit=_BYTES)
            if found is not None:
                engine.samples.note(differs=bool(found))
                await _note(conn, Uid(stream), found)
    finally:
        await conn.close()


async def _note(conn: Conn, conversation: Uid, found: Sequence[Difference]) -> None:
    first = {difference.projection: difference for difference in reversed(found)}
    names = [projection.id for projection in discover()]
    tables = [first[name].table if name in first else None for name in names]
    await conn.execute(sql.note, names, tables, conversation)
    for difference in first.values():
        log.error(
            "sample.differs", projection=difference.projection, table=difference.table, conversation=conversation,
            kind=difference.kind, columns=difference.columns,
            rows=sum(each.projection == difference.projection for each in found),
        )  # fmt: skip
