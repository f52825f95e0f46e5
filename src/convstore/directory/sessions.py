"""Sessions: what a browser shows instead of a password, after somebody has logged in with it.

They lie in the database, so all server processes know them. One ends when it is not used for a while, when its owner
logs out, and when its account is closed, deleted, or gets another password, by whatever hand: see migrations/0004.
"""

import secrets
import time
from collections.abc import Callable
from importlib.resources import files

from convstore.database import Pool
from convstore.directory.keyring import CHANNEL, Keyring, digest
from convstore.domain.uid import UserId
from convstore.sql import Statements

MOST = 100
"""How many sessions an account may have; the one unused for longest goes first."""

_SWEPT_AT_ONCE = 100
_BYTES = 32

_sql = Statements(files(__package__) / "sessions.sql")


class Sessions:
    """The sessions of one store. ``heard`` tells whether this process hears of every one that ends elsewhere."""

    def __init__(self, pool: Pool, heard: Callable[[], bool], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._heard = heard
        self.known: Keyring[UserId] = Keyring(clock=clock)

    async def open(self, user_id: UserId, password_hash: str, *, idle: float) -> str | None:
        """Open a session that lasts ``idle`` seconds without being used, and give what the browser is to show.

        ``password_hash`` is the one that the password was just verified with; None when the account has another one
        by now, or was closed.
        """
        token = secrets.token_urlsafe(_BYTES)
        async with self._pool.acquire() as conn:
            if await conn.fetchval(_sql.open, digest(token), user_id, password_hash, idle) is None:
                return None
            await conn.execute(_sql.sweep, user_id, MOST, _SWEPT_AT_ONCE)
        return token

    async def find(self, token: str) -> UserId | None:
        """Give the person whose session this is, and note that it is in use; None when there is none (any more)."""
        key = digest(token)
        if self._heard() and (user_id := self.known.get(key)) is not None:
            return user_id
        epoch = self.known.epoch
        row = await self._pool.fetchrow(_sql.find, key)
        if row is None:
            return None
        seconds = row["seconds"]
        if row["stale"]:
            seconds = await self._pool.fetchval(_sql.touch, key)
            if seconds is None:
                return None
        user_id = UserId(row["user_id"])
        self.known.put(key, user_id, seconds=seconds, epoch=epoch)
        return user_id

    async def lasts(self, token: str) -> float | None:
        """Say for how many seconds a session lasts if nobody uses it; asking is no use. None when it has ended."""
        seconds: float | None = await self._pool.fetchval(_sql.lasts, digest(token))
        return seconds

    async def close(self, token: str) -> None:
        """End a session, in all processes; nothing happens when there is none."""
        key = digest(token)
        await self._pool.execute(_sql.close, key, CHANNEL)
        self.known.drop(key)
