"""Replays single conversations by themselves and compares: *rebuilt equals live*, for a few, cheaply and all the time.

What a replay of one conversation makes goes into temporary tables of one transaction, and is compared with the rows of
that conversation in the live tables as the same snapshot shows them. Conversations are chosen by their events, and by
rows of the live tables, so that rows are met too that no event made. What is counted of a person is counted again.
"""

import asyncio
import random
from collections.abc import Collection, Sequence
from importlib.resources import files
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from convstore.database import SCHEMA, SERVER_ROLE, Conn, connect
from convstore.domain.access import is_access_stream
from convstore.domain.uid import Uid, UserId, partition_of
from convstore.engine.checkpoint import skips
from convstore.engine.checkpoint import sql as statements
from convstore.engine.engine import Engine
from convstore.engine.page import cut, fold, weight
from convstore.engine.verify import Difference, Part, difference, differing_rows, live_positions
from convstore.faults import described
from convstore.log.create import facts
from convstore.log.read import decoded
from convstore.log.read import sql as log_sql
from convstore.log.recorded import Recorded
from convstore.projections import Projection, discover
from convstore.sql import Statements

log = structlog.get_logger(__name__)
sql: Final = Statements(files(__package__) / "sample.sql")

# Of a running server, each time: so many conversations, none of which weighs more than so many bytes as events.
_CONVERSATIONS: Final = 3
_BYTES: Final = 1_000_000
# Counting somebody's copies again may take so long, in seconds: some 100,000 of them in memory. Who has more is left to
# ``convstore verify projections``, lest a server reads the largest inboxes from the disk all day.
_COUNTING: Final = 0.2
# Events that are read at once to see what a conversation weighs: each may be a long letter.
_PAGE: Final = 50
# Of a table of any size so much is read to find a row at random, in bytes.
_BLOCKS: Final = 3 * 8192.0


class Place(Struct, frozen=True):
    """A conversation, and the partition that it is in. ``row``: a live row of it was met; ``person``: whose it is."""

    partition: int
    conversation: Uid
    row: bool = False
    person: UserId | None = None


async def choose(conn: Conn, number: int) -> list[Place]:
    """Choose so many conversations of a store at random, each with the same chance; all when there are no more."""
    rows = await conn.fetch(sql.choose, number)
    return [Place(row["partition"], row["stream"]) for row in rows]


async def choose_row(conn: Conn, table: str, partitions: int) -> Place | None:
    """Choose a row of a live table at random, and give the conversation that it is of; None is bad luck, or no rows."""
    row = await _some_row(conn, table)
    if row is None:
        return None
    uid = Uid(row["conversation_id"])
    return Place(partition_of(uid, partitions), uid, row=True, person=row.get("user_id"))


async def choose_person(conn: Conn, table: str) -> UserId | None:
    """Choose somebody who has a row in a live table; None is bad luck, or no rows."""
    row = await _some_row(conn, table)
    return None if row is None else UserId(row["user_id"])


async def _some_row(conn: Conn, table: str) -> dict[str, Any] | None:
    # Of some three blocks of the table, which are all that is read. Names come from the code, never from outside.
    found = await conn.fetchval(
        f"""
        SELECT to_jsonb(t)::text
          FROM {SCHEMA}.{table} AS t
         WHERE t.ctid = (
                   SELECT one.ctid
                     FROM {SCHEMA}.{table} AS one TABLESAMPLE SYSTEM (
                              least(100, {_BLOCKS * 100} / greatest(1, pg_relation_size('{SCHEMA}.{table}')))
                          )
                    ORDER BY random()
                    LIMIT 1)
        """  # noqa: S608 - see above
    )
    return None if found is None else msgspec.json.decode(found, type=dict[str, Any])


async def sample(
    conn: Conn, place: Place, projections: Sequence[Projection] | None = None, *, limit: int | None = None
) -> list[Difference] | None:
    """Replay one conversation for these read models, or all, and name the rows in which the live ones differ.

    None when its events weigh more than ``limit`` bytes, and when there are none, unless a row of it was met.
    """
    transaction = conn.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        events = await _events(conn, place, limit)
        if events is None or not (events or place.row):
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
            part = Part(place.partition, place.conversation, await _people(conn, projection, place))
            for table in projection.by_conversation:
                found += await differing_rows(conn, projection, table, "pg_temp", part)
        return found
    finally:
        await transaction.rollback()


async def _events(conn: Conn, place: Place, limit: int | None) -> list[Recorded] | None:
    """Give a conversation's events; None when they weigh more, and then no more of them are read than tell so."""
    cursor = await conn.cursor(log_sql.stream_page, place.partition, place.conversation, 0)
    events: list[Recorded] = []
    total = 0
    while page := decoded(await cursor.fetch(_PAGE), place.partition):
        total += weight(page)
        if limit is not None and total > limit:
            return None
        events += page
    return events


async def _people(conn: Conn, projection: Projection, place: Place) -> list[UserId]:
    """Give those whom the replay has rows of, in whichever table, and whose row was met."""
    people = set() if place.person is None else {place.person}
    for table in projection.tables:
        keys = {row["attname"] for row in await conn.fetch(statements.primary_key, f"pg_temp.{table}")}
        if "user_id" in keys:
            rows = await conn.fetch(f"SELECT DISTINCT user_id FROM pg_temp.{table}")  # noqa: S608 - the code's own names
            people |= {row["user_id"] for row in rows}
    return sorted(people)


async def recount(conn: Conn, projection: Projection, table: str, person: UserId) -> list[Difference]:
    """Count again what this table says of a person, and name the rows that are wrong.

    Reads all of the person's copies: some 50 ms for 100,000 of them in memory, on two cores; from a disk, far more.
    """
    async with conn.transaction(isolation="repeatable_read"):
        keys = [row["attname"] for row in await conn.fetch(statements.primary_key, f"{SCHEMA}.{table}")]
        query = f"SELECT to_jsonb(n)::text FROM {SCHEMA}.{table} AS n WHERE user_id = $1"  # noqa: S608 - likewise
        live = [row[0] for row in await conn.fetch(query, person)]
        again = getattr(projection.queries, projection.counted[table])
        counted = [
            row[0]
            for row in await conn.fetch(f"SELECT to_jsonb(n)::text FROM ({again}) AS n", person)  # noqa: S608
        ]

    def by_key(rows: Sequence[str]) -> dict[tuple[Any, ...], str]:
        return {tuple(values[key] for key in keys): row for row in rows if (values := msgspec.json.decode(row))}

    has, shall = by_key(live), by_key(counted)
    return [
        difference(projection.id, table, keys, has.get(key), shall.get(key))
        for key in sorted(has.keys() | shall.keys())
        if key not in has or key not in shall or msgspec.json.decode(has[key]) != msgspec.json.decode(shall[key])
    ]


async def recount_within(
    conn: Conn, projection: Projection, table: str, person: UserId, seconds: float
) -> list[Difference] | None:
    """Do the same on one core of the database; None when one of its statements took longer than so many seconds."""
    try:
        async with conn.transaction(isolation="repeatable_read"):
            await conn.execute(
                f"SET LOCAL statement_timeout = {round(seconds * 1000)}; SET LOCAL max_parallel_workers_per_gather = 0"
            )
            return await recount(conn, projection, table, person)
    except asyncpg.QueryCanceledError:
        return None


async def connect_to_sample(dsn: str) -> Conn:
    """Open a connection that works as the server does; temporary tables stand in front of the live ones there."""
    return await connect(dsn, role=SERVER_ROLE, application="convstore sample", search_path=f"pg_temp, {SCHEMA}")


async def keep_sampling(dsn: str, engine: Engine, interval: float) -> None:
    """Sample some of what this process carries, each ``interval`` seconds; 0: never."""
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
    """Sample a few conversations and people, and note what was found.

    Conversations that had something happen to them at random times, one of which there is a row, and two people's
    counts.
    """
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
            await _note(conn, engine, discover(), found, Uid(stream))
        await _sample_rows(conn, engine, mine)
    finally:
        await conn.close()


async def _sample_rows(conn: Conn, engine: Engine, mine: Collection[int]) -> None:
    """Begin at the other end: with a row that somebody could see, and with what is counted."""
    partitions = (await facts(conn)).partitions
    projection, table = random.choice([(each, name) for each in discover() for name in each.by_conversation])  # noqa: S311
    place = await choose_row(conn, table, partitions)
    if place is not None and place.partition in mine:
        found = await sample(conn, place, [projection], limit=_BYTES)
        await _note(conn, engine, [projection], found, place.conversation)
    for each in discover():
        for name in each.counted:
            people = {await choose_person(conn, name), None if place is None else place.person} - {None}
            for person in people:
                assert person is not None  # noqa: S101 - taken out above
                await _note(conn, engine, [each], await recount_within(conn, each, name, person, _COUNTING), None)


async def _note(
    conn: Conn,
    engine: Engine,
    projections: Sequence[Projection],
    found: Sequence[Difference] | None,
    conversation: Uid | None,
) -> None:
    """Count one comparison of these read models; ``found`` None: there was none."""
    if found is None:
        return
    engine.samples.note(differs=bool(found))
    first = {difference.projection: difference for difference in reversed(found)}
    names = [projection.id for projection in projections]
    tables = [first[name].table if name in first else None for name in names]
    await conn.execute(sql.note, names, tables, conversation)
    for each in first.values():
        log.error(
            "sample.differs", projection=each.projection, table=each.table, conversation=conversation,
            kind=each.kind, columns=each.columns, rows=sum(other.projection == each.projection for other in found),
        )  # fmt: skip
