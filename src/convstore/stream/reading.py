"""Reads events of the log for those who follow it, page by page, over all partitions.

Order holds within each partition, and so for each conversation. A cursor is a position in each partition; after any
event of a page stands one from which nothing is missed and nothing comes twice.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

from msgspec import Struct

from convstore.database import Conn
from convstore.domain import uid
from convstore.errors import CursorAhead
from convstore.log import read
from convstore.projections import load
from convstore.sql import Statements
from convstore.stream.choice import Choice
from convstore.stream.telling import Given

SLOTS: Final = 64
"""Parts that conversations are shared out in: SHA-256 of the uid modulo this (design section 7)."""

# A page looks at so many events of a partition at most, however few of them are chosen.
_EXAMINED: Final = 20_000
# And has so many bytes of data at most, beside one event of each partition: texts may be long.
_BYTES: Final = 4_000_000

_inbox = load("inbox")
_sql = Statements(files(__package__) / "events.sql")
_CHOSEN: Final = _sql.chosen.format(
    _inbox.queries["has_copy"].format("$8", "e.stream"), _inbox.queries["had_copy"].format("$8", "e.stream")
)
_PAGE: Final = _sql.page.format(_CHOSEN, _sql.gone, _sql.all_of_it, "position")
_PAGE_OF_STREAM: Final = _sql.page.format(_CHOSEN, _sql.gone, _sql.of_stream, "version")


class Page(Struct, frozen=True, kw_only=True):
    """Some events, as they were recorded, each partition in order. ``reached``: everything up to there was looked at.

    ``bounds``: how far the log could be read at the time.
    """

    events: Sequence[Given]
    reached: tuple[int, ...]
    bounds: tuple[int, ...]

    @property
    def more(self) -> bool:
        """Whether there may be more to read at once."""
        return any(map(int.__lt__, self.reached, self.bounds))


async def read_bounds(conn: Conn, choice: Choice) -> tuple[int, ...]:
    """Say how far the log can be read for this choice, by partition.

    Somebody's own inbox is known as far as the read model has come, and no further.
    """
    if choice.rights.own is None:
        return tuple(await read.heads(conn))
    return tuple(row["position"] for row in await conn.fetch(_sql.taken_in, _inbox.id))


async def read_page(
    conn: Conn,
    choice: Choice,
    positions: Sequence[int],
    limit: int,
    *,
    bounds: Sequence[int] | None = None,
    places: Sequence[Sequence[int | None]] | None = None,
) -> Page:
    """Give the next events after these positions, one per partition, at most so many.

    An empty page with ``more`` means that none were chosen of those looked at. ``places``, by partition and slot: only
    events of slots that have one, and after it.

    Raises:
        CursorAhead: the log does not reach as far as one of the positions.
        LogCorrupt: an event cannot be decoded; says which.
    """
    bounds = tuple(await read_bounds(conn, choice) if bounds is None else bounds)
    if choice.rights.own is None and any(map(int.__gt__, positions, bounds)):
        raise CursorAhead
    spans = list(_spans(choice, positions, bounds, limit))
    arguments = (
        [span.partition for span in spans],
        [span.after for span in spans],
        [span.until for span in spans],
        [span.most for span in spans],
        list(choice.rights.types),
        choice.rights.internal,
        choice.rights.texts,
        choice.rights.own,
        None if places is None else [place for span in spans for place in places[span.partition]],
        _BYTES // max(1, len(spans)),
    )
    if not spans:
        rows = []
    elif choice.conversation is None:
        rows = await conn.fetch(_PAGE, *arguments)
    else:
        rows = await conn.fetch(_PAGE_OF_STREAM, *arguments, choice.conversation)
    found: list[Given] = []
    # Where nothing can be chosen, everything was looked at.
    reached = list(map(max, positions, bounds)) if choice.conversation is not None else list(positions)
    for span in spans:
        here = [row for row in rows if row["partition"] == span.partition]
        events = read.decoded([row[1:7] for row in here], span.partition)
        found += [
            Given(event, texts=choice.rights.texts and not row["gone"]) for event, row in zip(events, here, strict=True)
        ]
        whole = not here or len(here) == here[0]["found"] < span.most
        reached[span.partition] = span.until if whole else events[-1].position
    return Page(events=sorted(found, key=_recorded_at), reached=tuple(reached), bounds=bounds)


async def read_at(conn: Conn, choice: Choice, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Given]:
    """Give single events, by partition and position; those that are not chosen are left out.

    Raises:
        LogCorrupt: one cannot be decoded; says which.
    """
    positions = [position for _, position in wanted]
    rows = await conn.fetch(
        _PAGE,
        [partition for partition, _ in wanted],
        [position - 1 for position in positions],
        positions,
        [1] * len(wanted),
        list(choice.rights.types),
        choice.rights.internal,
        choice.rights.texts,
        choice.rights.own,
        None,
        _BYTES,
    )
    found = (
        Given(event, texts=choice.rights.texts and not row["gone"])
        for row in rows
        for event in read.decoded([row[1:7]], row["partition"])
    )
    return {(given.recorded.partition, given.recorded.position): given for given in found}


def slot_of(stream: str) -> int:
    """Say which slot a stream belongs to: SHA-256 modulo 64, which is the last six bits of the last byte."""
    return hashlib.sha256(stream.encode()).digest()[-1] % SLOTS


class _Span(Struct, frozen=True):
    """A run of positions of one partition to be looked at, and how many events of it are wanted at most."""

    partition: int
    after: int
    until: int
    most: int


def _spans(choice: Choice, positions: Sequence[int], bounds: Sequence[int], limit: int) -> Iterator[_Span]:
    """Share a page out to the partitions that have more: by how much more they have."""
    left = {number: bound - after for number, (after, bound) in enumerate(zip(positions, bounds, strict=True))}
    if choice.conversation is not None:
        only = uid.partition_of(choice.conversation, len(bounds))
        if left[only] > 0:
            yield _Span(only, positions[only], bounds[only], limit)
        return
    total = sum(count for count in left.values() if count > 0)
    # The longest first: with fewer events wanted than there are partitions, the others wait for their turn.
    for number, count in sorted(left.items(), key=lambda each: -each[1])[:limit]:
        if count > 0:
            after = positions[number]
            yield _Span(number, after, after + min(count, _EXAMINED), max(1, limit * count // total))


def _recorded_at(given: Given) -> datetime:
    return given.recorded.recorded_at
