"""The last events that this process appended to a partition, so that its own read models need not read them back."""

from collections import deque
from collections.abc import Sequence

from convstore.log.recorded import Recorded


class Tail:
    """A run of events without a gap, ending with the last one; the oldest go when there are too many.

    What another process appended in between is a gap: then the run begins anew. ``limit`` counts events, ``size`` bytes
    of what they were stored as.
    """

    def __init__(self, limit: int, size: int) -> None:
        self._limit = limit
        self._size = size
        self._pages: deque[tuple[Sequence[Recorded], int]] = deque()
        self._events = 0
        self._bytes = 0
        self._last = -1

    def push(self, events: Sequence[Recorded], size: int) -> None:
        """Take in what one append recorded, of one partition, in order; ``size`` in bytes."""
        if not events:
            return
        if events[0].position != self._last + 1:
            self._pages.clear()
            self._events = self._bytes = 0
        self._pages.append((events, size))
        self._events += len(events)
        self._bytes += size
        self._last = events[-1].position
        while self._pages and (self._events > self._limit or self._bytes > self._size):
            page, page_size = self._pages.popleft()
            self._events -= len(page)
            self._bytes -= page_size

    def after(self, position: int, limit: int) -> list[Recorded] | None:
        """Give the events right after a position, at most ``limit``; None when they are not here: read the log.

        Never empty: that this process has appended nothing more does not mean that nobody has.
        """
        if position >= self._last:
            return None
        wanted: list[Sequence[Recorded]] = []
        for page, _ in reversed(self._pages):
            wanted.append(page)
            if page[0].position <= position + 1:
                break
        else:
            return None
        found: list[Recorded] = []
        for page in reversed(wanted):
            start = max(0, position + 1 - page[0].position)
            found += page[start : start + limit - len(found)]
            if len(found) == limit:
                break
        return found
