"""Compares live read models with what a replay of the log makes of it: *rebuilt equals live*.

Works beside a running server. Most of the log is replayed while the live tables go on changing; the rest within one
transaction that sees them, and how far they had come, as of one instant. Then nothing may differ.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from convstore.database import SCHEMA, Conn
from convstore.domain.uid import Uid, UserId
from convstore.engine.checkpoint import sql
from convstore.engine.shadow import Advance, Shadow, open_shadow
from convstore.errors import ConvstoreError
from convstore.projections import Projection, discover

# Rows that differ are named up to this many per table: the first tell what is wrong, and more would fill the screen.
MOST = 1_000


class Difference(Struct, frozen=True):
    """One row that is not what the log says.

    ``key`` names the row (``user_id=…, conversation_id=…``); ``kind``: the live tables lack it, have one too many, or
    it differs in ``columns``. Values are not told: they may be people's letters.
    """

    projection: str
    table: str
    key: str
    kind: Literal["missing", "extra", "differs"]
    columns: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """What is wrong with the row, in words."""
        return f"{self.kind} ({', '.join(self.columns)})" if self.columns else self.kind


class Part(Struct, frozen=True):
    """Rows of one conversation; in tables where only a person's can be found, those of these people."""

    partition: int
    conversation: Uid
    people: Sequence[UserId]


class NoCheckpoint(ConvstoreError):
    """A read model has no tables in this database: run 'convstore rebuild'."""


async def compare(
    dsn: str, projections: Sequence[Projection] | None = None, progress: Advance | None = None
) -> list[Difference]:
    """Replay the log for these read models, or all, as far as the live ones have come, and name what differs.

    ``dsn`` is the owner's. Empty means that rebuilt equals live. At most ``MOST`` differences per table are named.

    Raises:
        NoCheckpoint: a read model has no live tables.
    """
    found: list[Difference] = []
    for projection in discover() if projections is None else projections:
        schema = f"{SCHEMA}_verify_{projection.id}"
        async with open_shadow(dsn, projection, schema, fleeting=True) as shadow:
            try:
                if not (ends := await live_positions(shadow.conn, projection)):
                    raise NoCheckpoint(f"{projection.id} has no tables in this database: run 'convstore rebuild'.")
                await shadow.replay(ends, progress)
                found += await compare_with_live(shadow) or ()
            finally:
                await shadow.conn.execute(f"DROP SCHEMA {schema} CASCADE")
    return found


async def compare_with_live(shadow: Shadow) -> tuple[Difference, ...] | None:
    """Name the rows in which the live tables differ from those of a replay that has come as far, or nearly.

    None when they cannot be compared: there are none, or they have not come as far as the replay.
    """
    conn, projection = shadow.conn, shadow.projection
    transaction = conn.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        live = await live_positions(conn, projection)
        if not live or live != await shadow.replay(live):
            return None
        # Here whole tables are read, other than for taking events in.
        await conn.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on")
        return tuple(
            [
                difference
                for table in projection.tables
                for difference in await differing_rows(conn, projection, table, shadow.schema)
            ]
        )
    finally:
        await transaction.rollback()


async def live_positions(conn: Conn, projection: Projection) -> dict[int, int]:
    """Give how far the live read model has come, by partition; empty when there is none of this version."""
    return {row["partition"]: row["position"] for row in await conn.fetch(sql.live_positions, projection.id)}


async def differing_rows(
    conn: Conn, projection: Projection, table: str, schema: str, part: Part | None = None
) -> list[Difference]:
    """Compare a live table with the one that a replay has filled in this schema: a part of the rows, or all.

    Of a part, rows are left out that may have gone by themselves by the time that the log has reached.
    """
    keys = [row["attname"] for row in await conn.fetch(sql.primary_key, f"{SCHEMA}.{table}")]
    args: list[Any] = [MOST]
    only = ""
    if part is not None:
        args.append(part.conversation)
        only = "WHERE conversation_id = $2"
        if not await conn.fetchval(sql.has_index_by_conversation, f"{SCHEMA}.{table}"):
            args.append(part.people)
            only += f" AND user_id = ANY (${len(args)}::text[])"
        if (ends := projection.expiring.get(table)) is not None:
            args.append(part.partition)
            only += f" AND {ends} > (SELECT recorded_at FROM {SCHEMA}.head WHERE partition = ${len(args)})"  # noqa: S608 - see below
    # Compared as texts: not every type has an equality of its own (json). Names come from the code, never from outside.
    rows = await conn.fetch(
        f"""
        SELECT to_jsonb(live)::text AS live, to_jsonb(replayed)::text AS replayed
          FROM (SELECT * FROM {SCHEMA}.{table} {only}) AS live
          FULL JOIN (SELECT * FROM {schema}.{table} {only}) AS replayed
         USING ({", ".join(keys)})
         WHERE live::text IS DISTINCT FROM replayed::text
         LIMIT $1
        """,  # noqa: S608 - see above
        *args,
    )
    return [difference(projection.id, table, keys, row["live"], row["replayed"]) for row in rows]


def difference(projection: str, table: str, keys: Sequence[str], live: str | None, replayed: str | None) -> Difference:
    """Name a row, as JSON, that is not what a replay has made; one of the two may be missing."""
    has: dict[str, Any] = msgspec.json.decode(live) if live is not None else {}
    shall: dict[str, Any] = msgspec.json.decode(replayed) if replayed is not None else {}
    named = ", ".join(f"{column}={(has or shall)[column]}" for column in keys)
    if not has:
        return Difference(projection, table, named, "missing")
    if not shall:
        return Difference(projection, table, named, "extra")
    return Difference(projection, table, named, "differs", tuple(name for name in has if has[name] != shall.get(name)))
