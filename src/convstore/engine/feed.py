"""Gives a runner or a replay the next page of a partition: from memory if it can, else from the log, reading ahead."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from convstore.engine.page import EVENTS, cut, weight
from convstore.engine.shared import Borrow, SharedReads
from convstore.engine.stops import ProjectionStopped
from convstore.faults import described, is_transient
from convstore.log.read import read_partition
from convstore.log.recorded import Recorded

# The first page read has so many events. While pages come full they grow, up to EVENTS, as long as they take about so
# many bytes of memory: two are held at once, one read ahead, and there may be as many feeds as partitions and models.
_FIRST_LIMIT: Final = 1_000
_BYTES: Final = 6_000_000


class Source(Protocol):
    """What the engine needs of the store that appends in this process."""

    @property
    def partitions(self) -> int:
        """How many partitions the log has."""

    @property
    def on_append(self) -> list[Callable[[int, int], None]]:
        """Whom it tells of each batch: partition and position."""

    def recent(self, partition: int, after: int, limit: int) -> Sequence[Recorded] | None:
        """Give the events after a position, at most so many, if this process appended them lately; else None."""


class Feed:
    """The pages of one partition, in order. Reads ahead while pages come full: then there is more, and it is wanted."""

    def __init__(
        self, borrow: Borrow, partition: int, source: Source | None = None, shared: SharedReads | None = None
    ) -> None:
        self._borrow = borrow
        self._partition = partition
        self._source = source
        self._shared = shared
        self._limit = _FIRST_LIMIT
        self._rest: Sequence[Recorded] = ()
        self._ahead: asyncio.Task[Sequence[Recorded]] | None = None
        self._ahead_of = 0

    async def next(self, after: int, until: int, left_out: frozenset[int]) -> tuple[Sequence[Recorded], int]:
        """Give some events after a position, up to another at most, in order; and the position that one is at then.

        It is ``after`` again when there are none. Those left out are stepped over, one at a time with an empty page,
        and not even read: they may be ones that cannot be decoded.

        Raises:
            ProjectionStopped: the next one cannot be decoded.
        """
        if until <= after:
            return (), after
        stop = min((position for position in left_out if position > after), default=until + 1)
        if stop == after + 1:
            return (), stop
        page = await self._page(after, min(until, stop - 1))
        return page, page[-1].position if page else after

    async def _page(self, after: int, until: int) -> Sequence[Recorded]:
        events = self._kept(after) or self._recent(after) or await self._read(after)
        page = events if events and events[-1].position <= until else events[: until - after]
        page = cut(page)
        self._rest = events[len(page) :]
        return page

    async def close(self) -> None:
        """Read no further."""
        self._rest = ()
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
            self._ahead = None
        if self._shared is not None:
            self._shared.leave(self, self._partition)

    def _kept(self, after: int) -> Sequence[Recorded]:
        """Give what the last page left over."""
        return self._rest if self._rest and self._rest[0].position == after + 1 else ()

    def _recent(self, after: int) -> Sequence[Recorded]:
        events = self._source.recent(self._partition, after, EVENTS) if self._source is not None else None
        return events if events and events[0].position == after + 1 else ()

    async def _read(self, after: int) -> Sequence[Recorded]:
        events: Sequence[Recorded] = ()
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            if self._ahead_of == after:
                events = await ahead
            else:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
        # Nothing ahead then does not mean nothing now.
        events = events or await self._read_some(after)
        if len(events) >= self._limit:
            self._limit = max(1, min(EVENTS, self._limit * 4, len(events) * _BYTES // weight(events)))
            self._ahead_of = events[-1].position
            self._ahead = asyncio.create_task(self._read_some(self._ahead_of))
        return events

    async def _read_some(self, after: int) -> Sequence[Recorded]:
        """Read a page, a smaller one when an event in it cannot be decoded: what comes before it is still given."""
        limit = self._limit
        while True:
            try:
                if self._shared is not None:
                    return await self._shared.read(self._borrow, self, self._partition, after, limit)
                async with self._borrow() as conn:
                    return await read_partition(conn, self._partition, after, limit)
            except Exception as error:
                if is_transient(error):
                    raise
                if limit == 1:
                    raise ProjectionStopped(f"position {after + 1} cannot be read: {described(error)}") from error
                limit //= 2
