"""Takes a run of events into a read model: the one place where live runners and replays do the same."""

import asyncio
from collections.abc import Sequence
from typing import Final

from convstore.database import Conn
from convstore.domain.events import ParticipantsAdded
from convstore.engine.checkpoint import Held, move
from convstore.log.recorded import Recorded
from convstore.projections import Change, Projection

# Events taken in by one transaction at most: beyond, pages grow in memory and time and gain nothing.
EVENTS: Final = 2_000
# People added by one transaction at most (and at least one event): each becomes a row.
_PEOPLE: Final = 100_000
# A fold of more than so many rows would keep the server's other requests waiting: it runs in a thread.
_LONG: Final = 1_000


def cut(events: Sequence[Recorded]) -> Sequence[Recorded]:
    """Give the first of these events, as many as one transaction should take in: all, unless they add very many people."""
    people = 0
    for count, recorded in enumerate(events):
        if isinstance(recorded.event, ParticipantsAdded):
            people += len(recorded.event.participants)
            if people > _PEOPLE and count:
                return events[:count]
    return events


async def take_in(conn: Conn, projection: Projection, held: Held, events: Sequence[Recorded], position: int) -> None:
    """Carry events into a read model and move its checkpoint to this position, in one transaction.

    Raises:
        LeaseLost: nothing was changed, for somebody else moves this checkpoint now.
    """
    changes = await _fold(projection, events)
    async with conn.transaction():
        await move(conn, held, position)
        for change in changes:
            await conn.execute(projection.apply[change.statement], *change.args)
    held.position = position


async def _fold(projection: Projection, events: Sequence[Recorded]) -> list[Change]:
    rows = sum(
        len(recorded.event.participants) if isinstance(recorded.event, ParticipantsAdded) else 1 for recorded in events
    )
    if rows > _LONG:
        return await asyncio.to_thread(lambda: list(projection.fold(events)))
    return list(projection.fold(events))
