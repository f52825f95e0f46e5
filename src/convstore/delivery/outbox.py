"""The outbox as people look into it: what became of mails and SMS, and sending again what never arrived."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from convstore.database import Conn, Pool
from convstore.delivery.leader import sql
from convstore.delivery.verdict import State
from convstore.domain.uid import Uid, UserId


class Entry(Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of one message to one person by one channel. ``due``: when it is tried next, while it waits."""

    conversation_id: Uid
    message_id: Uid
    user_id: UserId
    channel: str
    state: str
    reason: str | None
    attempts: int
    due: datetime
    created: datetime
    changed: datetime


class Figures(Struct, frozen=True, kw_only=True, rename="camel"):
    """One channel at a glance.

    ``waiting`` and ``sending`` are on their way, the oldest of them since ``oldest_seconds``; ``dead``: never arrived.
    ``lag``: events of the log not looked at yet; ``trouble``: why the mail server or gateway takes nothing;
    ``stopped``: why it goes no further in the log; ``begun``: it is switched on; ``owner``: the process that sends.
    """

    channel: str
    owner: str
    begun: bool
    lag: int
    waiting: int
    sending: int
    dead: int
    oldest_seconds: float | None
    trouble: str | None
    stopped: str | None

    @property
    def well(self) -> bool:
        """Whether nobody needs to look after it."""
        return not self.begun or (self.trouble is None and self.stopped is None)


async def listed(
    pool: Pool, *, conversation: str | None, states: Sequence[State], channel: str | None, limit: int
) -> list[Entry]:
    """Give what became of them, those that changed last first."""
    rows = await pool.fetch(sql.listed, conversation, list(states), channel, limit)
    return [Entry(**row) for row in rows]


async def retry(pool: Pool, *, conversation: str | None, user: str | None, channel: str | None) -> int:
    """Have sent again what never arrived, narrowed to a conversation, a person, a channel; says how many."""
    return len(await pool.fetch(sql.retry, conversation, user, channel))


async def resume(pool: Pool, *, at_end: bool) -> int:
    """Let channels go on that have stopped, where they stand or at the end of the log; says in how many partitions."""
    return len(await pool.fetch(sql.skip_to_end if at_end else sql.resume))


async def figures(conn: Conn | Pool) -> list[Figures]:
    """Give all channels that were ever on."""
    return [Figures(**row) for row in await conn.fetch(sql.figures)]
