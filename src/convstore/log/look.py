"""Looks into the log for people: its last events, one event with its batch, how many there are of what."""

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime
from importlib.resources import files
from typing import Final

from msgspec import Struct

from convstore.database import Conn
from convstore.domain.uid import Uid, partition_of
from convstore.errors import ConvstoreError, CursorInvalid
from convstore.log import cursor, read
from convstore.log.recorded import Recorded
from convstore.sql import Statements

_sql: Final = Statements(files(__package__) / "look.sql")

_POSITION: Final = re.compile(r"(?:(\d{1,9}):)?(\d{1,18})")
_VERSION: Final = re.compile(r"([^@]+)@(\d{1,9})")


class NoSuchEvent(ConvstoreError):
    """The log has no such event."""


class InBatch(Struct, frozen=True):
    """The append that an event came with: positions from first to last, and the hash of the chain after them."""

    id: str
    first_position: int
    last_position: int
    recorded_at: datetime
    hash: str


class OfDay(Struct, frozen=True):
    """How many events of a type a day (UTC) had, in how many streams, and their bytes as they are stored."""

    day: date
    type: str
    events: int
    streams: int
    data_bytes: int
    meta_bytes: int


class Size(Struct, frozen=True):
    """What a table takes, with its indexes and those alone, in bytes."""

    name: str
    total_bytes: int
    index_bytes: int


class Statistics(Struct, frozen=True):
    """What the log holds: days newest first, tables largest first."""

    days: tuple[OfDay, ...]
    sizes: tuple[Size, ...]


async def last(
    conn: Conn, heads: Sequence[int], lines: int, *, types: Collection[str] = (), stream: Uid | None = None
) -> list[Recorded]:
    """Give the last events up to these positions, over all partitions, oldest first, of some types or one stream only.

    Raises:
        LogCorrupt: one cannot be decoded; says which.
    """
    found: list[Recorded] = []
    wanted = [partition_of(stream, len(heads))] if stream is not None else range(len(heads))
    for partition in wanted:
        statement = _sql.last if stream is None else _sql.last_of_stream
        rows = await conn.fetch(statement, partition, heads[partition], list(types), stream, lines)
        found += read.decoded(rows, partition)
    found.sort(key=lambda event: (event.recorded_at, event.partition, event.position))
    return found[-lines:] if lines else []


async def named(conn: Conn, name: str, partitions: int, store_id: str) -> list[Recorded]:
    """Give the event that is named: ``position`` or ``partition:position``, ``stream@version``, or a cursor.

    A cursor names the last event of each partition that it covers.

    Raises:
        NoSuchEvent: there is none there, or it is no name of an event at all.
        LogCorrupt: it cannot be decoded.
    """
    if found := _POSITION.fullmatch(name):
        if found[1] is None and partitions > 1:
            raise NoSuchEvent(f"There are {partitions} partitions: say which, as in 0:{name}.")
        places = [(int(found[1] or 0), int(found[2]))]
    elif found := _VERSION.fullmatch(name):
        partition = partition_of(found[1], partitions)
        rows = await conn.fetch(_sql.at_version, partition, found[1], int(found[2]))
        return _there(read.decoded(rows, partition), name)
    else:
        try:
            places = [place for place in enumerate(cursor.decode(name, partitions, store_id)) if place[1] > 0]
        except CursorInvalid:
            raise NoSuchEvent(
                f"{name!r} names no event: say a position, partition:position, stream@version, or a cursor."
            ) from None
    events: list[Recorded] = []
    for partition, position in places:
        events += read.decoded(await conn.fetch(_sql.at_position, partition, position), partition)
    return _there(events, name)


async def batch_of(conn: Conn, event: Recorded) -> InBatch:
    """Give the append that an event came with.

    Raises:
        NoSuchEvent: the log has no batch for it: see ``convstore verify log``.
    """
    row = await conn.fetchrow(_sql.batch_of, event.partition, event.position)
    if row is None:
        raise NoSuchEvent(f"No batch covers position {event.position} of partition {event.partition}.")
    return InBatch(str(row["id"]), row["first_position"], row["last_position"], row["recorded_at"], row["hash"].hex())


async def statistics(conn: Conn, since: date | None = None) -> Statistics:
    """Count what the log holds, of the days since one (UTC) or of all. Reads the whole log."""
    return Statistics(
        days=tuple(OfDay(*row) for row in await conn.fetch(_sql.statistics, since)),
        sizes=tuple(Size(*row) for row in await conn.fetch(_sql.sizes)),
    )


def _there(events: list[Recorded], name: str) -> list[Recorded]:
    if not events:
        raise NoSuchEvent(f"The log has no event {name}.")
    return events
