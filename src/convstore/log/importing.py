"""Carries a log from a file into a store: ``archive`` tells of the file, migrations/0007_audit.sql how it is appended.

Into a store with as many partitions everything comes as it was: positions, versions, times and bytes; only the chain is
made anew. Into one with another number, every stream comes as it was, in the partition that it belongs to there; the
order is by time. A second import of the same file goes on where the store ends.

Until it is finished no server opens the store, and at its end whatever sends things out is set to the end of the log:
nothing that was imported is ever mailed or pushed to anybody.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import IO, Final

import asyncpg
from msgspec import Struct

from convstore.database import Conn
from convstore.domain.uid import partition_of
from convstore.errors import ImportRefused
from convstore.log import read
from convstore.log.archive import Began, Compression, Identity, Reader
from convstore.log.cloudevents import CloudEvent, stamp
from convstore.log.create import facts
from convstore.log.export import sql
from convstore.log.presence import take_alone

# Events of one call of the database.
_PAGE: Final = 5_000
_OTHER_CONTENT: Final = "The store has another content than the file: import into an empty one."
# What import_events raises when the events do not fit (SQLSTATE class and code).
_MISFITS: Final = ("22000", "23505", "40001")

# Called with how many events are done.
Progress = Callable[[int], None]


class Imported(Struct, frozen=True):
    """What became of it: events of the file, how many of them were there already, and whether positions are equal."""

    events: int
    found: int
    equal_positions: bool


class _Target(Struct):
    """A partition of the store: its end, and the position that the file has come to."""

    head: int
    reached: int


def check(file: IO[bytes], compression: Compression, progress: Progress | None = None) -> int:
    """Read a file from end to end, see that it is a whole export, and say how many events it has.

    Raises:
        ArchiveDamaged: says at which line, and what is wrong.
    """
    reader = Reader(file, compression)
    for _ in reader.read():
        if progress is not None:
            progress(reader.events)
    return reader.events


async def import_(
    conn: Conn, file: IO[bytes], compression: Compression, *, progress: Progress | None = None
) -> Imported:
    """Append what a file holds to the store of the owner's connection, as far as it is not there.

    Raises:
        ArchiveDamaged: the file is no whole export; what came before that line is in the store.
        ImportRefused: the store has other content, is served at the moment, or does not fit.
    """
    reader = Reader(file, compression)
    batches = reader.read()
    events: list[CloudEvent] = []
    while reader.began is None:
        events += next(batches, [])
    work = await _Import.begin(conn, reader.began, reader.source)
    for more in _gathered(chain([events], batches)):
        await work.take(more)
        if progress is not None:
            progress(reader.events)
    await work.finish()
    return Imported(reader.events, work.found, work.same)


def _gathered(batches: Iterable[list[CloudEvent]]) -> Iterator[list[CloudEvent]]:
    """Give the same events in pages as large as one call of the database takes."""
    gathered: list[CloudEvent] = []
    for events in batches:
        gathered += events
        while len(gathered) >= _PAGE:
            yield gathered[:_PAGE]
            gathered = gathered[_PAGE:]
    yield gathered


class _Import:
    """One import at work. ``same``: the store has as many partitions as the file, and positions stay what they are."""

    def __init__(
        self,
        conn: Conn,
        name: str,
        identity: Identity | None,
        targets: list[_Target],
        *,
        begun: bool,
        same: bool,
    ) -> None:
        self._conn = conn
        self._name = name
        self._identity = identity
        self._targets = targets
        self._begun = begun
        self.same = same
        self.found = 0

    @classmethod
    async def begin(cls, conn: Conn, began: Began, origin: str) -> "_Import":
        """See whether the store can take it.

        Raises:
            ImportRefused: it cannot.
        """
        store = await facts(conn)
        # Held until the connection ends: a server that starts from now on is told to wait.
        if not await take_alone(conn):
            raise ImportRefused("A server, or another import, works on this store: stop it first.")
        name = f"{origin} {began.positions}"
        unfinished = await conn.fetchval(sql.importing)
        if unfinished not in (None, name):
            raise ImportRefused("Another import into this store is unfinished: finish that one, or take a fresh store.")
        heads = await read.heads(conn)
        same = store.partitions == began.partitions and not (began.pseudonymised and began.partitions > 1)
        if any(began.positions) and not (same and all(a <= b for a, b in zip(began.positions, heads, strict=True))):
            raise ImportRefused("The file begins within a log, and this store does not end there.")
        starts = began.positions if same else [0] * store.partitions
        targets = [_Target(head, start) for head, start in zip(heads, starts, strict=True)]
        return cls(conn, name, began.identity, targets, begun=unfinished is not None, same=same)

    async def take(self, events: list[CloudEvent]) -> None:
        """Append these events, but for those that are there already, which must be the same.

        Raises:
            ImportRefused: those in the store are others.
        """
        by_partition: dict[int, list[CloudEvent]] = {}
        for event in events:
            partition = event.partition if self.same else partition_of(event.subject, len(self._targets))
            by_partition.setdefault(partition, []).append(event)
        for partition, here in by_partition.items():
            target = self._targets[partition]
            there = min(max(0, target.head - target.reached), len(here))
            if there:
                await self._compare(partition, target.reached, here[:there])
            if there < len(here):
                await self._append(partition, target.reached + there, here[there:])
            target.reached += len(here)

    async def finish(self) -> None:
        """Give the store free, with nothing of this to be sent to anybody; where all was there, leave it as it is.

        Raises:
            ImportRefused: the store holds more than the file.
        """
        if any(target.head > target.reached for target in self._targets):
            raise ImportRefused("The store holds more than the file: nothing was imported.")
        if not self._begun:
            return
        async with self._conn.transaction():
            await self._conn.execute(sql.forget_deliveries)
            await self._conn.execute(sql.move_subscriptions)
            await self._conn.execute(sql.move_subscription_checkpoints)
            await self._conn.execute(sql.finish_import)

    async def _compare(self, partition: int, after: int, events: list[CloudEvent]) -> None:
        rows = await self._conn.fetch(sql.page, partition, after, after + len(events), len(events))
        for row, event in zip(rows, events, strict=True):
            there = (row["stream"], row["version"], row["type"], row["data"], row["meta"])
            if there != (event.subject, event.streamversion, event.type, event.text(), event.meta) or (
                self.same and stamp(row["recorded_at"]) != event.time
            ):
                raise ImportRefused(f"{_OTHER_CONTENT} (Partition {partition}, position {row['position']}.)")
        self.found += len(events)

    async def _append(self, partition: int, after: int, events: list[CloudEvent]) -> None:
        if not self._begun:
            await self._begin()
        try:
            await self._conn.execute(
                sql.import_events,
                partition,
                after,
                [event.subject for event in events],
                [event.streamversion for event in events],
                [event.type for event in events],
                [event.text() for event in events],
                [event.meta for event in events],
                [datetime.fromisoformat(event.time) for event in events],
                self.same,
            )
        except asyncpg.PostgresError as e:
            if e.sqlstate in _MISFITS:
                raise ImportRefused(f"The events do not follow from what the store holds: {e}.") from e
            raise

    async def _begin(self) -> None:
        """Keep servers away from the store until the end; make it the one that was exported, if the file says so."""
        async with self._conn.transaction():
            await self._conn.execute(sql.begin_import, self._name)
            if self._identity is not None and not any(target.head for target in self._targets):
                await self._conn.execute(sql.adopt, self._identity.id, self._identity.secret)
        self._begun = True
