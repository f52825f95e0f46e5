"""Puts events into a log without asking the rules: for what follows from events, whatever led to them."""

import uuid
from collections.abc import Sequence

from convstore.database import Conn
from convstore.domain.events import ConversationEvent
from convstore.domain.uid import Uid, UserId
from convstore.log.codec import encode, encode_meta
from convstore.log.recorded import Meta
from words import CONVERSATION, Told, history

_APPEND = """
SELECT base_position + cardinality($4::text[]), stale_groups
  FROM append($1, $2, NULL, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '{}', '{}', '{}', '{}', '{}')
"""


async def append(conn: Conn, events: Sequence[tuple[Uid, ConversationEvent]], *, partition: int = 0) -> int:
    """Append these events as one batch, through the database's own function, and give the position of the last."""
    known = await conn.fetch("SELECT stream, version FROM stream WHERE partition = $1", partition)
    versions = {row["stream"]: row["version"] for row in known}
    base: dict[Uid, int] = {}
    reached: dict[Uid, int] = {}
    event_versions = []
    for stream, _ in events:
        base.setdefault(stream, versions.get(stream, 0))
        reached[stream] = reached.get(stream, base[stream]) + 1
        event_versions.append(reached[stream])
    encoded = [encode(event) for _, event in events]
    position: int
    row = await conn.fetchrow(
        _APPEND.replace("cardinality($4::text[])", str(len(events))),
        partition,
        uuid.uuid4(),
        [0] * len(base),
        list(base),
        list(base.values()),
        list(reached.values()),
        [0] * len(events),
        [stream for stream, _ in events],
        event_versions,
        [tag for tag, _ in encoded],
        [data for _, data in encoded],
        [encode_meta(Meta())] * len(events),
    )
    assert row is not None
    position, stale = row
    assert not stale
    return position


async def tell(conn: Conn, *told: Told, conversation: Uid = CONVERSATION, partition: int = 0) -> int:
    """Append a history of one conversation, as ``words`` tells it, and give the position of its last event."""
    version = await conn.fetchval(
        "SELECT version FROM stream WHERE partition = $1 AND stream = $2", partition, conversation
    )
    return await append(
        conn, [(conversation, event) for event in history(*told, after=version or 0)], partition=partition
    )


def people(number: int, first: int = 0) -> tuple[UserId, ...]:
    """Give so many people's ids."""
    return tuple(UserId(f"U{n:010}") for n in range(first, first + number))
