"""Who works on a store: any number of processes that append at once, or one import alone.

Each holds an advisory lock for as long as it works: those that append a shared one, an import the whole. The lock ends
with its connection, so nothing is left of a process that died. Whoever holds it sees what was committed before, so an
import that has begun, and is not finished, is seen by every server, even by one that started at the same moment.
"""

import asyncio
from typing import Final, Self

import structlog

from convstore.database import SERVER_ROLE, Conn, connect
from convstore.errors import ConfigError
from convstore.faults import DATABASE_ERRORS, described
from convstore.log.create import facts

log = structlog.get_logger(__name__)

# Beside the one of migrations.
_KEY: Final = 7_271_038_115
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
# How long an import waits for others to go, and a leaving process for its farewell, in seconds.
PATIENCE = 2.0
_ASK_AGAIN: Final = 0.05

_UNDER_WAY: Final = "A log is being imported into this store: wait until `convstore log import` has finished."
_UNFINISHED: Final = "An import into this store is unfinished: finish it with `convstore log import`."


async def take_alone(conn: Conn) -> bool:
    """Keep all others from this store for as long as this connection lives; false when somebody works on it.

    The session of a process that was just killed may end its statement first: it is waited for, a little. By asking
    again, not in the lock's queue, where a server would meet it that has all right to begin.
    """
    end = asyncio.get_running_loop().time() + PATIENCE
    while not await conn.fetchval("SELECT pg_try_advisory_lock($1)", _KEY):
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(_ASK_AGAIN)
    return True


class Presence:
    """Says that this process works on a store, from entering to leaving, over as many lost connections as it takes.

    While the connection is lost an import may begin: then ``stop`` is set, for this process must end.
    """

    def __init__(self, dsn: str, stop: asyncio.Event | None = None) -> None:
        self._dsn = dsn
        self._stop = stop
        self._conn: Conn | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._banned: ConfigError | None = None

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            ConfigError: there is no store, or a log is being carried into it.
        """
        self._conn = await self._enter()
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._conn is not None and not self._conn.is_closed():
            await _leave(self._conn)

    def check(self) -> None:
        """Raise what the operator has to know, when this process had to end.

        Raises:
            ConfigError: an import began while the database could not be reached.
        """
        if self._banned is not None:
            raise self._banned

    async def _enter(self) -> Conn:
        conn = await connect(self._dsn, role=SERVER_ROLE, application="convstore presence")
        try:
            await _begin(conn)
        except BaseException:
            conn.terminate()
            raise
        return conn

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while self._conn is not None:
            lost = asyncio.Event()
            self._conn.add_termination_listener(lambda _, lost=lost: lost.set())
            if not self._conn.is_closed():
                await lost.wait()
            self._conn = None
            while self._conn is None:
                try:
                    self._conn = await self._enter()
                    pause = _FIRST_PAUSE
                except ConfigError as error:
                    log.critical("presence.banned", reason=str(error))
                    self._banned = error
                    if self._stop is not None:
                        self._stop.set()
                    return
                except Exception as error:  # noqa: BLE001 - the database is away: everybody waits for it
                    log.warning("presence.retrying", error=described(error), pause=pause)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)


async def _leave(conn: Conn) -> None:
    """Give the lock back now: the end of a session is noticed a moment after its connection's."""
    try:
        async with asyncio.timeout(PATIENCE):
            await conn.execute("SELECT pg_advisory_unlock_shared($1)", _KEY)
    except DATABASE_ERRORS as error:
        log.info("presence.left_silently", error=described(error))
    finally:
        conn.terminate()


async def _begin(conn: Conn) -> None:
    if not await conn.fetchval("SELECT pg_try_advisory_lock_shared($1)", _KEY):
        raise ConfigError(_UNDER_WAY)
    if (await facts(conn)).importing:
        raise ConfigError(_UNFINISHED)
