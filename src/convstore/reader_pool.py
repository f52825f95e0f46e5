"""A pool whose connections are lent thousands of times a second: each answer of the API borrows one for a moment."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy

if TYPE_CHECKING:  # only the checker's stubs are generic
    _Pool = asyncpg.Pool[asyncpg.Record]
    _Lent = PoolConnectionProxy[asyncpg.Record]
    _Context = PoolAcquireContext[asyncpg.Record]
else:
    _Pool, _Lent, _Context = asyncpg.Pool, PoolConnectionProxy, PoolAcquireContext


class ReaderPool(_Pool):
    """Keeps connections that come back at hand, and lends them again as they are.

    asyncpg's own way back makes a task each time, which brings a connection from whatever state it is in to a known
    one. One that was read from without trouble is in none. All others, and those that somebody waits for, go that way.
    """

    def __init__(self, dsn: str, **options: Any) -> None:
        super().__init__(dsn, **options)
        self._at_hand: list[_Lent] = []
        # How many wait for a connection that is not at hand; or will take none any more, when the pool closes.
        self._waiting = 0

    def acquire(self, *, timeout: float | None = None) -> "Loan":
        """Borrow a connection for a block."""
        return Loan(self, timeout)

    def get_idle_size(self) -> int:
        """Give the number of connections that nobody has borrowed."""
        return super().get_idle_size() + len(self._at_hand)

    async def close(self) -> None:
        """Close all connections, once those that are lent have come back."""
        self._waiting += 1
        while self._at_hand:
            await self.release(self._at_hand.pop())
        await super().close()

    async def lend(self, timeout: float | None) -> _Lent:  # noqa: ASYNC109 - what asyncpg's acquire() takes
        """Give a connection that works, as far as is known; a new one within ``timeout`` seconds."""
        while self._at_hand:
            conn = self._at_hand.pop()
            if not _lost(conn):
                return conn
            await self.release(conn)
        self._waiting += 1
        try:
            return await super().acquire(timeout=timeout)
        finally:
            self._waiting -= 1

    def keep(self, conn: _Lent) -> bool:
        """Take a connection back at once; false when it has to go asyncpg's way."""
        if self._waiting or _lost(conn):
            return False
        self._at_hand.append(conn)
        return True


class Loan(_Context):
    """Lends a connection of a ``ReaderPool`` for a block."""

    __slots__ = ("_lender", "_lent")

    def __init__(self, lender: ReaderPool, timeout: float | None) -> None:
        super().__init__(lender, timeout)
        self._lender = lender

    def __await__(self) -> Generator[Any, None, _Lent]:
        """Lend it until ``release``: one at hand as well, which asyncpg by itself would wait for."""
        self.done = True
        return self._lender.lend(self.timeout).__await__()

    async def __aenter__(self) -> _Lent:
        self._lent = await self._lender.lend(self.timeout)
        return self._lent

    async def __aexit__(self, *error: object) -> None:
        if error[0] is not None or not self._lender.keep(self._lent):
            await self._lender.release(self._lent)


def _lost(conn: _Lent) -> bool:
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool noticed it first, and has taken it back
