"""Dead letters: events that the consumers of a subscription could not deal with, and why."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from convstore.database import Conn, Pool
from convstore.domain.uid import Uid
from convstore.stream.subscriptions import sql


class Letter(Struct, frozen=True, kw_only=True, rename="camel"):
    """An event that was rejected ``attempts`` times, last at ``failed_at``; ``due``: it is to be given once more."""

    id: int
    partition: int
    position: int
    stream: Uid
    version: int
    type: str
    reason: str
    attempts: int
    failed_at: datetime
    due: bool


async def letters(conn: Conn | Pool, name: str, *, after: int = 0, limit: int = 100) -> list[Letter]:
    """Give the dead letters of a subscription after one of them, oldest first, at most so many."""
    return [Letter(**row) for row in await conn.fetch(sql.letters, name, after, limit)]


async def redeliver(conn: Conn | Pool, name: str, ids: Sequence[int] | None = None) -> int:
    """Have dead letters given once more, all of them when none is named; say how many there were."""
    return len(await conn.fetch(sql.redeliver, name, ids))


async def discard(conn: Conn | Pool, name: str, ids: Sequence[int] | None = None) -> int:
    """Forget dead letters, all of them when none is named; say how many there were."""
    return len(await conn.fetch(sql.discard, name, ids))
