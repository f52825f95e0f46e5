"""One connection that an appender keeps, made anew when it is lost."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
import structlog

from convstore.database import Conn, Pool
from convstore.errors import Busy
from convstore.faults import is_transient
from convstore.log.counters import Counters
from convstore.log.read import sql

log = structlog.get_logger(__name__)

# A database that cannot be reached is tried again for so long, in seconds, before those who wait are told.
_PATIENCE: Final = 10.0
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
_CONNECT_TIMEOUT: Final = 5.0

_T = TypeVar("_T")


class Link:
    """A connection borrowed from the pool at the first call, and kept: its statements stay prepared."""

    def __init__(self, pool: Pool, partition: int, counters: Counters) -> None:
        self._pool = pool
        self._partition = partition
        self._counters = counters
        self._conn: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None

    async def call(self, work: Callable[[Conn, int], Awaitable[_T]]) -> _T:
        """Do some work on the connection, and again on a new one when it was lost; the work is told which time it is.

        Raises:
            Busy: the database was out of reach for too long. Nobody knows whether the work was done.
        """
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        pause = _FIRST_PAUSE
        for attempt in itertools.count():
            try:
                return await work(await self._connected(), attempt)
            except Exception as e:
                if not is_transient(e):
                    raise
                await self.drop(e)
                deadline = deadline or loop.time() + _PATIENCE
                if loop.time() + pause > deadline:
                    raise Busy("The database cannot be reached.", retry_after=5) from e
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise AssertionError("counting never ends")

    async def drop(self, why: Exception) -> None:
        """Let go of the connection, in whatever state it is; what it had begun is rolled back."""
        self._counters.reconnects += 1
        log.warning("append.connection_dropped", partition=self._partition, reason=repr(why))
        conn, self._conn = self._conn, None
        if conn is not None:
            # The pool may have noticed first, and have taken it back: then it is not ours to end.
            with contextlib.suppress(asyncpg.InterfaceError):
                conn.terminate()
            await self._pool.release(conn)

    async def close(self) -> None:
        """Give the connection back."""
        conn, self._conn = self._conn, None
        if conn is not None:
            # One that was lost while nothing was sent, the pool has taken back.
            with contextlib.suppress(asyncpg.InterfaceError):
                if conn.is_in_transaction():
                    conn.terminate()
            await self._pool.release(conn, timeout=_CONNECT_TIMEOUT)

    async def _connected(self) -> Conn:
        if self._conn is None:
            self._conn = await self._pool.acquire(timeout=_CONNECT_TIMEOUT)
            await self._conn.execute(sql.limits)
        return self._conn
