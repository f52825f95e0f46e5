"""The file that a log is carried in: CloudEvents, one a line, compressed by the file's suffix.

The first line says what follows: of which store, of how many partitions, from where. Then come the events, in an order
that is right for every number of partitions: by time, and within a partition by position. A last line counts them and
has the SHA-256 of their lines, so that whoever reads the file knows that it is whole. More events may follow, and then
another such line.

Compressed files are rows of small frames (zstd) or members (gzip) that end with a line, so that a writer that was
killed goes on after the last whole one.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import IO, Final, Literal

import msgspec
import zstandard
from msgspec import Struct

from convstore.domain.uid import partition_of
from convstore.errors import ArchiveDamaged, LogCorrupt
from convstore.log.cloudevents import CloudEvent, stamp
from convstore.log.codec import CODEC

FORMAT: Final = 1
BEGAN: Final = "convstore.export-began"
ENDED: Final = "convstore.export-ended"

Compression = Literal["zstd", "gzip", "none"]

# Bytes read from a file at once, and of lines in one frame.
_CHUNK: Final = 1 << 18
FRAME: Final = 1 << 20
# No line is longer: an event has at most some megabytes of text.
_LONGEST_LINE: Final = 64_000_000
# Wants a gzip member with its header.
_GZIP: Final = 31


class Identity(Struct, frozen=True):
    """What makes a store this one: its id, and the secret that uids of keyed requests are derived with (hex)."""

    id: str
    secret: str


class Began(Struct, frozen=True, omit_defaults=True):
    """What the first line says; ``positions`` are those after which the events follow, by partition."""

    format: int
    partitions: int
    positions: list[int]
    pseudonymised: bool = False
    identity: Identity | None = None


class Ended(Struct, frozen=True):
    """What the last line says: how many events there are before it, how far they go, and the digest of their lines."""

    events: int
    positions: list[int]
    sha256: str


class Mark(Struct, frozen=True, kw_only=True):
    """A line that is no event of the log, in an envelope like theirs."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    data: msgspec.Raw


# RFC 8878 section 3.1.1, RFC 1952 section 2.3.1.
_MAGIC: Final[Mapping[Compression, bytes]] = {"zstd": b"\x28\xb5\x2f\xfd", "gzip": b"\x1f\x8b", "none": b""}
# What the first line of every export begins with.
_BEGINNING: Final = b'{"specversion":"1.0","id":"convstore.export-began@0",'

_encode: Final = msgspec.json.Encoder().encode
_mark: Final = msgspec.json.Decoder(Mark)
_event: Final = msgspec.json.Decoder(CloudEvent)
_began: Final = msgspec.json.Decoder(Began)
_ended: Final = msgspec.json.Decoder(Ended)


def mark(kind: str, number: int, source: str, at: datetime, data: Began | Ended) -> bytes:
    """Write a line that is no event; ``number`` tells it from others of the same file."""
    return _encode(
        Mark(
            specversion="1.0",
            id=f"{kind}@{number}",
            source=source,
            type=kind,
            time=stamp(at),
            datacontenttype="application/json",
            data=msgspec.Raw(_encode(data)),
        )
    )


def compression_of(name: str) -> Compression:
    """Say how a file of this name is compressed: ``.zst``, ``.gz``, or not at all."""
    if name.endswith((".zst", ".zstd")):
        return "zstd"
    return "gzip" if name.endswith(".gz") else "none"


def compressor(compression: Compression) -> Callable[[bytes], bytes]:
    """Give what makes one frame, which can be read by itself, of whole lines."""
    if compression == "zstd":
        return zstandard.ZstdCompressor(write_checksum=True, write_content_size=True).compress
    if compression == "gzip":

        def member(lines: bytes) -> bytes:
            packer = zlib.compressobj(wbits=_GZIP)
            return packer.compress(lines) + packer.flush()

        return member
    return bytes


class Read(Struct, frozen=True):
    """A piece of what a file holds. ``ends_at``: so many bytes of the file hold all up to here; None within a frame."""

    data: bytes
    ends_at: int | None


def pieces(file: IO[bytes], compression: Compression) -> Iterator[Read]:
    """Read a file, piece by piece, uncompressed.

    Raises:
        ArchiveDamaged: it is not compressed like this, or breaks off within a frame.
    """
    if compression == "none":
        offset = 0
        while chunk := file.read(_CHUNK):
            offset += len(chunk)
            yield Read(chunk, offset)
        return
    offset = 0
    rest = b""
    while True:
        if not (rest := _more(rest, file)):
            return
        unpacker = zstandard.ZstdDecompressor().decompressobj() if compression == "zstd" else zlib.decompressobj(_GZIP)
        ended = False
        while not ended:
            if not (rest := _more(rest, file)):
                raise ArchiveDamaged("It breaks off: the end of the file is missing.")
            try:
                data = unpacker.decompress(rest)
            except (zstandard.ZstdError, zlib.error) as e:
                raise ArchiveDamaged(f"It is not compressed with {compression}, or damaged: {e}.") from e
            offset += len(rest) - len(unpacker.unused_data)
            rest = unpacker.unused_data
            ended = unpacker.eof
            yield Read(data, offset if ended else None)


def _more(rest: bytes, file: IO[bytes]) -> bytes:
    """Give what is left, or else the next bytes; empty means the end."""
    return rest or file.read(_CHUNK)


class Place(Struct, frozen=True):
    """How far a file is good: its bytes and lines up to a frame's end, the events there, how far they go, their digest.

    ``ended``: the line that ends an export is the last one.
    """

    bytes: int
    lines: int
    events: int
    positions: tuple[int, ...]
    digest: "hashlib._Hash"
    ended: bool


class Reader:
    """Reads a file of events from its beginning and checks that it is one; ``began`` is known after the first line.

    ``place`` is the last frame's end that was reached, None before the first; ``positions`` are those of the events so
    far, by partition.
    """

    def __init__(self, file: IO[bytes], compression: Compression) -> None:
        self._pieces = pieces(file, compression)
        self._compression = compression
        self._digest = hashlib.sha256()
        self._last_times: list[str] = []
        self.began: Began | None = None
        self.source = ""
        self.positions: list[int] = []
        self.line = 0
        self.events = 0
        self.ended = False
        self.place: Place | None = None
        self._beginning = b""

    def read(self) -> Iterator[list[CloudEvent]]:
        """Give the events, some at a time, in their order; the file is whole when this ends.

        Raises:
            ArchiveDamaged: says at which line, and what is wrong.
        """
        rest = b""
        try:
            for piece in self._pieces:
                *lines, rest = (rest + piece.data).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    raise ArchiveDamaged("The line is too long to be an event.")  # noqa: TRY301 - gets its number below
                self._beginning += piece.data[: len(_BEGINNING)]
                # What is good before a line that is not is given first.
                events: list[CloudEvent] = []
                wrong = self._take_all(lines, events)
                if wrong is None:
                    self._note(piece.ends_at, len(rest))
                yield events
                if wrong is not None:
                    raise wrong
            self.line += 1
            if rest:
                raise ArchiveDamaged("It breaks off within this line.")  # noqa: TRY301 - likewise
            if not self.ended:
                raise ArchiveDamaged("It breaks off: the line that ends an export is missing.")  # noqa: TRY301
        except ArchiveDamaged as e:
            raise ArchiveDamaged(f"Line {max(1, self.line):,}: {e}") from e

    def _take_all(self, lines: Sequence[bytes], events: list[CloudEvent]) -> ArchiveDamaged | None:
        """Check these lines and gather their events; give what is wrong with the first bad one."""
        for line in lines:
            self.line += 1
            try:
                if (event := self._take(line)) is not None:
                    events.append(event)
            except ArchiveDamaged as e:
                return e
        return None

    def begins_well(self, head: bytes) -> bool:
        """Tell whether a file that breaks off in its first line may be an export's; ``head``: its first bytes."""
        magic = _MAGIC[self._compression]
        return magic.startswith(head[: len(magic)]) and _BEGINNING.startswith(self._beginning[: len(_BEGINNING)])

    def _note(self, ends_at: int | None, unfinished: int) -> None:
        """Note how far the file is good. A frame that ends within a line is none of ours: nobody can go on after it."""
        if self.began is None or ends_at is None or (unfinished and self._compression != "none"):
            return
        self.place = Place(
            ends_at - unfinished, self.line, self.events, tuple(self.positions), self._digest.copy(), self.ended
        )

    def _take(self, line: bytes) -> CloudEvent | None:
        if self.began is None:
            self._begin(line)
            return None
        try:
            event = _event.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            self._end(line, e)
            return None
        self._check(event)
        self._digest.update(line)
        self._digest.update(b"\n")
        self.events += 1
        self.ended = False
        return event

    def _begin(self, line: bytes) -> None:
        try:
            first = _mark.decode(line)
            if first.type != BEGAN:
                raise ArchiveDamaged(f"It does not begin as an export does, but with {first.type!r}.")
            began = _began.decode(first.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise ArchiveDamaged(f"It does not begin as an export does: {e}.") from e
        if began.format != FORMAT or began.partitions < 1 or len(began.positions) != began.partitions:
            raise ArchiveDamaged(f"It is of format {began.format}; this release reads format {FORMAT}.")
        self.began = began
        self.source = first.source
        self.positions = list(began.positions)
        self._last_times = [""] * began.partitions

    def _end(self, line: bytes, error: Exception) -> None:
        try:
            last = _mark.decode(line)
            ended = _ended.decode(last.data) if last.type == ENDED else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            ended = None
        if ended is None:
            raise ArchiveDamaged(f"It is no event of an export: {error}.")
        if (ended.events, ended.positions) != (self.events, self.positions):
            raise ArchiveDamaged(f"There should be {ended.events:,} events before it; there are {self.events:,}.")
        if ended.sha256 != self._digest.hexdigest():
            raise ArchiveDamaged("The events before it are not those that were written: their digest is another.")
        self.ended = True

    def _check(self, event: CloudEvent) -> None:
        """Refuse an event that cannot stand here.

        Raises:
            ArchiveDamaged: says why.
        """
        assert self.began is not None  # noqa: S101 - the caller has looked
        partition = event.partition
        if event.source != self.source or event.id != f"{event.subject}@{event.streamversion}":
            raise ArchiveDamaged(f"{event.id} is of another export, or does not fit its own subject and version.")
        if not 0 <= partition < self.began.partitions:
            raise ArchiveDamaged(f"There is no partition {partition}.")
        if not self.began.pseudonymised and partition_of(event.subject, self.began.partitions) != partition:
            raise ArchiveDamaged(f"{event.subject} does not belong to partition {partition}.")
        if event.position != str(self.positions[partition] + 1):
            expected = self.positions[partition] + 1
            raise ArchiveDamaged(f"Position {expected} of partition {partition} is missing: here is {event.position}.")
        if event.time < self._last_times[partition]:
            raise ArchiveDamaged(f"The time runs backwards in partition {partition}: {event.time}.")
        if not isinstance(event.meta, str):
            raise ArchiveDamaged(f"{event.id} lacks its circumstances (meta): this is no export.")
        try:
            CODEC.check(event.type, event.text(), event.meta)
        except LogCorrupt as e:
            raise ArchiveDamaged(f"{event.id}: {e}") from e
        self.positions[partition] += 1
        self._last_times[partition] = event.time


def ended_line(source: str, at: datetime, events: int, positions: Sequence[int], sha256: str) -> bytes:
    """Write the line that ends an export."""
    return mark(ENDED, events, source, at, Ended(events, list(positions), sha256))
