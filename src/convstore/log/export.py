"""Carries the log to a file: see ``archive`` for what is in it. Memory stays flat, whatever the log's length.

Idempotency keys are not exported: an answer that is kept under one names positions of this store's partitions, and with
another number of partitions one key of many conversations would have to become several. A conversation that is begun
again under its key is not made twice all the same, where the secret moves along: its uid is derived from both.
"""

import hashlib
import heapq
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import IO, Final, Protocol

import asyncpg
from msgspec import Struct, field

from convstore.database import Conn
from convstore.errors import ArchiveDamaged, CursorAhead
from convstore.log import read
from convstore.log.archive import (
    BEGAN,
    FORMAT,
    FRAME,
    Began,
    Compression,
    Identity,
    Reader,
    compressor,
    ended_line,
    mark,
)
from convstore.log.cloudevents import encode, envelope, source
from convstore.log.create import Facts
from convstore.sql import Statements

sql: Final = Statements(files(__package__) / "transfer.sql")

_PAGE: Final = 2_000

# Called with how many events are done, and how many there are to do.
Progress = Callable[[int, int], None]


class Disguise(Protocol):
    """What makes an event one that tells nothing of people: see ``pseudonyms``."""

    source: str

    def stream(self, stream: str) -> str:
        """Give another name for a stream."""

    def texts(self, data: str, meta: str) -> tuple[str, str]:
        """Give what is stored of an event, disguised."""


class Start(Struct):
    """Where an export begins: after these positions, in a file with so many events already, and their digest.

    ``begun``: the file has its first line. ``cut``: how many bytes of the file are good; what follows them goes.
    """

    positions: tuple[int, ...]
    events: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    begun: bool = False
    ended: bool = False
    cut: int = 0


class Exported(Struct, frozen=True):
    """What was written: so many events, and the place of the log after them."""

    events: int
    positions: tuple[int, ...]


def go_on(file: IO[bytes], compression: Compression, facts: Facts) -> Start | None:
    """Find out how far a file of an earlier export is good, so that this one goes on there; None: it is empty.

    Raises:
        ArchiveDamaged: it is no export, or one that cannot be gone on with.
    """
    reader = Reader(file, compression)
    try:
        for _ in reader.read():
            pass
    except ArchiveDamaged as e:
        # An export that was killed left a file that breaks off: whatever is good of it is kept.
        file.seek(0)
        if reader.began is None and not reader.begins_well(file.read(8)):
            raise ArchiveDamaged(f"The file is there already, and is no export: {e}") from e
    if reader.began is None or reader.place is None:
        return None
    if reader.began.pseudonymised or reader.source != source(facts.id):
        raise ArchiveDamaged("The file is there already, and is a pseudonymised export, or one of another store.")
    place = reader.place
    return Start(place.positions, place.events, place.digest, begun=True, ended=place.ended, cut=place.bytes)


async def export(
    conn: Conn,
    out: IO[bytes],
    compression: Compression,
    facts: Facts,
    start: Start,
    *,
    progress: Progress | None = None,
    disguise: Disguise | None = None,
    identity: bool = False,
) -> Exported:
    """Write all events from a place to the end of the log, as it is now, to a file that is open at the right place.

    ``identity``: also the store's id and secret, for a store that moves.

    Raises:
        CursorAhead: the log does not reach as far as the place.
    """
    ends = await read.heads(conn)
    if len(ends) != len(start.positions) or any(a > b for a, b in zip(start.positions, ends, strict=True)):
        raise CursorAhead
    if start.ended and list(start.positions) == ends:
        return Exported(0, start.positions)
    writer = _Writer(out, compression, start)
    origin = source(facts.id) if disguise is None else disguise.source
    if not start.begun:
        known = Identity(facts.id, facts.secret.hex()) if identity else None
        began = Began(FORMAT, facts.partitions, list(start.positions), disguise is not None, known)
        writer.write(mark(BEGAN, 0, origin, datetime.now(UTC), began))
    total = sum(ends) - sum(start.positions)
    done = 0
    async for recorded_at, partition, position, stream, version, tag, data, meta in _merged(
        conn, start.positions, ends
    ):
        if disguise is not None:
            stream, (data, meta) = disguise.stream(stream), disguise.texts(data, meta)  # noqa: PLW2901 - for all below
        event = envelope(
            origin,
            partition=partition,
            position=position,
            stream=stream,
            version=version,
            tag=tag,
            data=data,
            recorded_at=recorded_at,
            meta=meta,
        )
        writer.event(encode(event))
        done += 1
        if progress is not None and done % _PAGE == 0:
            progress(done, total)
    writer.write(ended_line(origin, datetime.now(UTC), writer.events, ends, writer.digest.hexdigest()))
    writer.flush()
    if progress is not None:
        progress(done, total)
    return Exported(done, tuple(ends))


class _Writer:
    """Puts lines together to frames; ``events`` and ``digest`` are of all events of the file."""

    def __init__(self, out: IO[bytes], compression: Compression, start: Start) -> None:
        self._out = out
        self._compress = compressor(compression)
        self._lines: list[bytes] = []
        self._size = 0
        self.events = start.events
        self.digest = start.digest.copy()

    def event(self, line: bytes) -> None:
        """Write the line of an event."""
        self.digest.update(line + b"\n")
        self.events += 1
        self.write(line)

    def write(self, line: bytes) -> None:
        """Write a line."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= FRAME:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered as one frame."""
        if self._lines:
            self._out.write(self._compress(b"\n".join([*self._lines, b""])))
            self._out.flush()
            self._lines.clear()
            self._size = 0


async def _merged(conn: Conn, after: Sequence[int], ends: Sequence[int]) -> AsyncIterator[asyncpg.Record]:
    """Give the events of all partitions by time, and within a partition by position."""
    pages = [_partition(conn, number, *bounds) for number, bounds in enumerate(zip(after, ends, strict=True))]
    waiting = [row for page in pages if (row := await anext(page, None)) is not None]
    # By time, partition and position: the first columns of a row, and no two are equal in all three.
    heap = [(*row[:3], row) for row in waiting]
    heapq.heapify(heap)
    while heap:
        *_, row = heap[0]
        yield row
        following = await anext(pages[row["partition"]], None)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (*following[:3], following))


async def _partition(conn: Conn, partition: int, after: int, end: int) -> AsyncIterator[asyncpg.Record]:
    while after < end:
        rows = await conn.fetch(sql.page, partition, after, end, _PAGE)
        for row in rows:
            yield row
        after = rows[-1]["position"]
