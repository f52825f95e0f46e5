"""One reading of the log for several replays at once: each page is read and decoded once, and folded by all of them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

from convstore.database import Conn
from convstore.log.read import read_partition
from convstore.log.recorded import Recorded

Borrow: TypeAlias = Callable[[], AbstractAsyncContextManager[Conn]]

# So many pages are kept for those who have not come to them yet; who would read on then waits for them.
_KEPT: Final = 2
# Nobody waits for one who is further behind than so many events: such a one reads for himself.
_NEAR: Final = 100_000


class _Page:
    """A page that is being read, or was, and those who have not taken it yet."""

    __slots__ = ("after", "events", "wanted")

    def __init__(self, after: int, events: asyncio.Task[list[Recorded]], wanted: set[object]) -> None:
        self.after = after
        self.events = events
        self.wanted = wanted


class SharedReads:
    """The pages of a log for readers that go through it in the same steps, side by side.

    The one furthest behind never waits, so neither does everybody; a reader that ends has to say so (``leave``).
    """

    def __init__(self) -> None:
        self._at: dict[tuple[int, object], int] = {}
        self._pages: dict[tuple[int, int, int], _Page] = {}
        self._moved = asyncio.Event()

    async def read(self, borrow: Borrow, reader: object, partition: int, after: int, limit: int) -> Sequence[Recorded]:
        """Give the events of a partition after a position, at most so many, as ``read_partition`` does.

        Raises:
            LogCorrupt: one cannot be decoded; says which.
        """
        self._at[partition, reader] = after
        self._drop(reader, partition, after)
        key = (partition, after, limit)
        while key not in self._pages and self._is_ahead(partition, after):
            self._moved.clear()
            await self._moved.wait()
        page = self._pages.get(key)
        if page is None:
            wanted = {
                other
                for (there, other), at in self._at.items()
                if there == partition and after - _NEAR <= at <= after and other is not reader
            }
            page = _Page(after, asyncio.create_task(_read(borrow, partition, after, limit)), wanted)
            if wanted:
                self._pages[key] = page
        else:
            page.wanted.discard(reader)
            if not page.wanted:
                del self._pages[key]
                self._moved.set()
        try:
            # One who gives up takes nothing from the others.
            return await asyncio.shield(page.events)
        except Exception:
            # Whoever tries again has it read again.
            if self._pages.get(key) is page:
                del self._pages[key]
                self._moved.set()
            raise

    def leave(self, reader: object, partition: int) -> None:
        """Say that this reader wants no more of a partition."""
        self._at.pop((partition, reader), None)
        self._drop(reader, partition, None)

    def _drop(self, reader: object, partition: int, before: int | None) -> None:
        """Keep pages no longer for a reader who has passed them by, or has left."""
        for key, page in list(self._pages.items()):
            if key[0] == partition and (before is None or page.after < before):
                page.wanted.discard(reader)
                if not page.wanted:
                    del self._pages[key]
        self._moved.set()

    def _is_ahead(self, partition: int, after: int) -> bool:
        return sum(key[0] == partition and page.after < after for key, page in self._pages.items()) >= _KEPT


async def _read(borrow: Borrow, partition: int, after: int, limit: int) -> list[Recorded]:
    async with borrow() as conn:
        return await read_partition(conn, partition, after, limit)
