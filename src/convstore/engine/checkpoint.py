"""Checkpoints: how far a read model has come in a partition, on which history of the log, and who may move it.

A checkpoint is moved in the transaction that changes the tables, and only by the holder of its lease: each holder has
an epoch of its own, and a move names it. So an event has its effect exactly once, whatever dies when; a holder that
only believes to be one changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

from msgspec import Struct

from convstore.database import Conn
from convstore.engine.stops import LeaseLost
from convstore.sql import Statements

sql: Final = Statements(files(__package__) / "statements.sql")

# A holder that moved nothing for so long may have died, in seconds; an idle one need not write to stay the holder.
LEASE: Final = 5.0


class Seen(Struct, frozen=True):
    """A checkpoint as a look at the database shows it.

    ``lag``: seconds since the next event was recorded, None when there is none. ``lease_over``: the holder, if any,
    has not moved it for ``LEASE`` seconds; ``lease``: how many it still has, negative when it is over, None when nobody
    has it. ``ready``: it has been at the end of the log once. ``trouble``: the last that went away by itself, and when.
    ``now``: the database's clock.
    """

    projection: str
    partition: int
    position: int
    owner: str
    epoch: int
    stopped: str | None
    head: int
    lease_over: bool
    lease: float | None
    lag: float | None
    ready: bool
    trouble: str | None
    troubled_at: datetime | None
    now: datetime


class Held(Struct):
    """A checkpoint whose lease this process has."""

    projection: str
    partition: int
    position: int
    epoch: int


async def look(conn: Conn, projections: list[str]) -> list[Seen]:
    """Give the checkpoints of these read models in all partitions."""
    return [
        Seen(
            projection=row["projection"],
            partition=row["partition"],
            position=row["position"],
            owner=row["owner"],
            epoch=row["epoch"],
            stopped=row["stopped"],
            head=row["head"],
            lease_over=row["lease_over"],
            lease=row["lease"],
            lag=row["lag"],
            ready=row["ready"],
            trouble=row["trouble"],
            troubled_at=row["troubled_at"],
            now=row["now"],
        )
        for row in await conn.fetch(sql.look, projections)
    ]


async def acquire(conn: Conn, seen: Sequence[Seen], owner: str) -> list[Held]:
    """Take the leases of a partition's checkpoints that still stand where they were seen, those that are free."""
    rows = await conn.fetch(
        sql.acquire, [row.projection for row in seen], seen[0].partition, [row.position for row in seen], owner, LEASE
    )
    return [
        Held(projection=row["projection"], partition=seen[0].partition, position=row["position"], epoch=row["epoch"])
        for row in rows
    ]


async def check_history(conn: Conn, projection: str, partition: int) -> str | None:
    """Say why a checkpoint does not belong to the log as it is now; None when it does."""
    row = await conn.fetchrow(sql.history, projection, partition)
    if row is None:
        return "it has no tables in this database: run 'convstore rebuild'"
    if row["position"] > row["head"]:
        return f"it has taken in position {row['position']}, but the log ends at {row['head']}: was it restored?"
    if row["position"] > 0 and row["hash"] != row["log_hash"]:
        return f"position {row['position']} belongs to another history of the log: was it restored?"
    return None


async def move(conn: Conn, held: Sequence[Held], position: int) -> None:
    """Move checkpoints that stand at the same position forward, in the transaction that changes their tables, first.

    Raises:
        LeaseLost: one is not this process's any more, or the log is not the one it stood on.
    """
    first = held[0]
    names = [each.projection for each in held]
    epochs = [each.epoch for each in held]
    rows = await conn.fetch(sql.move, names, first.partition, first.position, position, epochs, LEASE)
    if len(rows) != len(held):
        raise LeaseLost(set(names) - {row["projection"] for row in rows})


async def skips(conn: Conn, projection: str, partition: int) -> frozenset[int]:
    """Give the positions of the events that a read model was told to leave out."""
    return frozenset(row["position"] for row in await conn.fetch(sql.skips, projection, partition))
