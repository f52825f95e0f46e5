"""How processes learn that the directory changed: a revision in the database, and a notification with each change.

A process that listens may rely on what it remembers. One that does not (a command, a server whose connection broke)
asks for the revision before it relies on anything.
"""

import asyncio
from collections.abc import Callable, Mapping
from importlib.resources import files

import structlog

from convstore.database import Conn, Pool
from convstore.faults import DATABASE_ERRORS
from convstore.sql import Statements

CHANNEL = "convstore_directory"
# How often the listening connection is tried: a network that swallows packets tells nobody.
_PROBE_SECONDS = 10.0
_PROBE_TIMEOUT = 5.0
_RETRY_SECONDS = 1.0

_sql = Statements(files(__package__) / "queries.sql")
_log = structlog.get_logger(__name__)


async def lock(conn: Conn) -> None:
    """Wait for the turn of this transaction to change the directory: one writer at a time."""
    await conn.execute(_sql.lock)


async def announce(conn: Conn) -> int:
    """Count a change of the directory and tell all processes, when this transaction commits. Gives the revision.

    Ends what no account stands for any more: sessions of accounts that were closed, deleted or got another password,
    and tokens of deleted accounts.
    """
    await conn.execute(_sql.end_void_sessions)
    await conn.execute(_sql.drop_orphaned_tokens)
    revision: int = await conn.fetchval(_sql.announce, CHANNEL)
    return revision


async def current(conn: Conn | Pool) -> int:
    """Give the revision of the directory as the database has it."""
    revision: int = await conn.fetchval(_sql.revision)
    return revision


class Changes:
    """Listens on a connection of the pool until stopped, and calls back whenever the directory may have changed.

    ``others`` are called with what is said on other channels, by the same connection; when that is lost and found
    again, ``on_change`` stands for whatever was missed there too.
    """

    def __init__(
        self, pool: Pool, on_change: Callable[[], None], others: Mapping[str, Callable[[str], None]] | None = None
    ) -> None:
        self._pool = pool
        self._on_change = on_change
        self._others = others or {}
        self._task: asyncio.Task[None] | None = None
        self.heard = False
        """Whether every change is heard of: only then may anything be remembered without asking."""

    async def start(self) -> None:
        """Begin to listen; returns when it does.

        Raises:
            OSError: the database cannot be reached.
        """
        listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(listening), name="directory changes")
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Stop listening and give the connection back; to be awaited before the pool is closed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _run(self, listening: "asyncio.Future[None]") -> None:
        while True:
            try:
                await self._listen(listening)
            except DATABASE_ERRORS as problem:
                if not listening.done():
                    raise
                _log.warning("directory.listener_lost", problem=str(problem) or type(problem).__name__)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, listening: "asyncio.Future[None]") -> None:
        async with self._pool.acquire() as conn:
            lost = asyncio.Event()
            conn.add_termination_listener(lambda _conn: lost.set())
            for channel in (CHANNEL, *self._others):
                await conn.add_listener(channel, self._notified)
            try:
                # Whatever changed before the listener was there is caught by starting empty.
                self._on_change()
                self.heard = True
                if not listening.done():
                    listening.set_result(None)
                await self._until_lost(conn, lost)
            finally:
                self.heard = False
                self._on_change()
                if not conn.is_closed():
                    for channel in (CHANNEL, *self._others):
                        await conn.remove_listener(channel, self._notified)

    @staticmethod
    async def _until_lost(conn: Conn, lost: asyncio.Event) -> None:
        while not lost.is_set():
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    await lost.wait()
            except TimeoutError:
                try:
                    await conn.fetchval(_sql.revision, timeout=_PROBE_TIMEOUT)
                except TimeoutError:
                    conn.terminate()  # a polite goodbye would wait for an answer as well
                    raise

    def _notified(self, _conn: object, _pid: int, channel: str, payload: object) -> None:
        if (other := self._others.get(channel)) is not None:
            other(str(payload))
        else:
            self._on_change()
