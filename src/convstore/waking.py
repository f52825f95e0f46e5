"""Something that happens again and again, and whoever waits for the next time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Signal:
    """Counts how often something happened, and wakes all who wait for more of it; nobody asks the database.

    A waiter remembers the count, looks at what there is, and waits for a count that is another one: what happens while
    he looks is not missed. Many times at once may wake him once.
    """

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._told: set[Callable[[], None]] = set()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    def fire(self) -> None:
        """Say that it happened."""
        self.count += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)
        for tell in tuple(self._told):
            tell()

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have ``tell`` called each time it happens; it must be quick, and not raise."""
        self._told.add(tell)
        try:
            yield
        finally:
            self._told.discard(tell)

    async def after(self, seen: int, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - answers False
        """Wait until it has happened since the count was ``seen``; false when ``timeout`` seconds passed without."""
        if self.count != seen:
            return True
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True
