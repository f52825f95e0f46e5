"""Who sends by a channel: one process at a time, by a lease that runs out, fenced by an epoch.

Unlike a read model's, this lease is renewed on its own: whoever sends may be long at it without moving a checkpoint.
"""

import time
from importlib.resources import files
from typing import Final

import structlog

from convstore.database import Conn
from convstore.engine.owner import is_gone
from convstore.engine.stops import LeaseLost
from convstore.sql import Statements

sql: Final = Statements(files(__package__) / "statements.sql")

log = structlog.get_logger(__name__)

# How long a leader may be silent before another one takes over, and how often he says that he is there, in seconds.
LEASE: Final = 15.0
RENEW: Final = 4.0
# He stops by himself this long before others may think him gone, in seconds.
_MARGIN: Final = 3.0


class Lead:
    """The lead of one channel, as one process has it or wants it."""

    def __init__(self, channel: str, owner: str) -> None:
        self.channel = channel
        self.epoch = 0
        self.clean = True
        """Whether the leader before surely sends nothing any more: he resigned, or his process is gone."""
        self._owner = owner
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether this process may act as the leader now, by its own clock."""
        return time.monotonic() < self._until

    async def take(self, conn: Conn) -> bool:
        """Take the lead if it is to be had."""
        now = time.monotonic()
        row = await conn.fetchrow(sql.leader, self.channel)
        if row is None:
            await conn.execute(sql.introduce, self.channel)
            return await self.take(conn)
        gone = row["owner"] if row["owner"] and is_gone(row["owner"]) else ""
        epoch = await conn.fetchval(sql.lead, self.channel, self._owner, gone, LEASE)
        if epoch is None:
            return False
        self.epoch, self._until = epoch, now + LEASE - _MARGIN
        self.clean = row["owner"] in ("", gone, self._owner)
        log.info("delivery.leading", channel=self.channel, epoch=epoch, before=row["owner"])
        return True

    async def renew(self, conn: Conn) -> None:
        """Stay the leader.

        Raises:
            LeaseLost: somebody else is.
        """
        now = time.monotonic()
        if await conn.fetchval(sql.renew, self.channel, self.epoch, LEASE) is None:
            self._until = 0.0
            raise LeaseLost(f"{self.channel}, epoch {self.epoch}")
        self._until = now + LEASE - _MARGIN

    async def fence(self, conn: Conn) -> None:
        """Keep others from taking the lead until the transaction ends.

        Raises:
            LeaseLost: somebody else has it.
        """
        if await conn.fetchval(sql.fence, self.channel, self.epoch) is None:
            self._until = 0.0
            raise LeaseLost(f"{self.channel}, epoch {self.epoch}")

    async def resign(self, conn: Conn) -> None:
        """Give the lead back."""
        self._until = 0.0
        await conn.execute(sql.resign, self.channel, self.epoch)
