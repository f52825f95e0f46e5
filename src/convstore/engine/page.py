"""Takes a run of events into a read model: the one place where live runners and replays do the same."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import asyncpg
from msgspec import Struct

from convstore.database import Conn
from convstore.domain.events import MessagePosted, ParticipantsAdded
from convstore.engine.checkpoint import Held, move
from convstore.log.recorded import Recorded
from convstore.projections import Projection, Rows


class Write(Struct, frozen=True):
    """A statement with its parameters, and where they go when nothing is there yet that they could meet."""

    statement: str
    args: tuple[Any, ...]
    rows: Rows | None = None


# In the order in which they must run.
Writes: TypeAlias = list[Write]

# Of the connections that take events in.
SETTINGS: Final = {
    # Read models are derived: what a crash takes away is replayed from the log, from where their checkpoints then are.
    "synchronous_commit": "off",
    # The statements take arrays, whose length the planner does not know, and look rows up by their keys. Left to itself
    # it would read whole tables and indexes while they are small, and keep that plan while they grow
    # (findings.md section 4.2).
    "enable_seqscan": "off",
    "enable_mergejoin": "off",
    "enable_hashjoin": "off",
    "enable_bitmapscan": "off",
}

# Events taken in by one transaction at most. The more, the less often a row is written that changes often, which is
# what catching up costs most (bench/catch_up.py); but the lease must not run out meanwhile.
EVENTS: Final = 10_000
# People added by one transaction at most (and at least one event): each becomes a row.
_PEOPLE: Final = 100_000
# A fold of more than so many rows would keep the server's other requests waiting: it runs in a thread.
_LONG: Final = 1_000
# Roughly, for ``weight``: an event without its text, and the id of one person.
_BYTES_OF_EVENT: Final = 500
_BYTES_OF_PERSON: Final = 68


def cut(events: Sequence[Recorded]) -> Sequence[Recorded]:
    """Give the first of these events, as many as one transaction should take in: all, unless they add many people."""
    people = 0
    for count, recorded in enumerate(events):
        if isinstance(recorded.event, ParticipantsAdded):
            people += len(recorded.event.participants)
            if people > _PEOPLE and count:
                return events[:count]
    return events


def weight(events: Sequence[Recorded]) -> int:
    """Estimate the memory that events take, in bytes."""
    total = 0
    for recorded in events:
        event = recorded.event
        if isinstance(event, MessagePosted):
            total += _BYTES_OF_EVENT + len(event.text or "")
        elif isinstance(event, ParticipantsAdded):
            total += _BYTES_OF_EVENT + _BYTES_OF_PERSON * len(event.participants)
        else:
            total += _BYTES_OF_EVENT
    return total


async def take_in(
    conn: Conn, leases: Sequence[tuple[Projection, Held]], events: Sequence[Recorded], position: int
) -> None:
    """Carry events into read models that stand at the same position, and move their checkpoints, in one transaction.

    Raises:
        LeaseLost: nothing was changed, for somebody else moves one of these checkpoints now.
    """
    changes = await fold([projection for projection, _ in leases], events)
    await write(conn, [held for _, held in leases], changes, position)


async def fold(projections: Sequence[Projection], events: Sequence[Recorded]) -> Writes:
    """Give the statements that a run of events comes to, with their parameters."""

    def work() -> Writes:
        return [
            Write(projection.apply[change.statement], change.args, projection.rows.get(change.statement))
            for projection in projections
            for change in projection.fold(events)
        ]

    rows = sum(
        len(recorded.event.participants) if isinstance(recorded.event, ParticipantsAdded) else 1 for recorded in events
    )
    return await asyncio.to_thread(work) if rows > _LONG else work()


async def write(conn: Conn, held: Sequence[Held], writes: Writes, position: int, *, afresh: bool = False) -> None:
    """Run what a fold came to and move the checkpoints to this position, in one transaction.

    ``afresh``: the tables hold what these checkpoints say and no more, so rows that are added meet none of theirs.

    Raises:
        LeaseLost: nothing was changed, for somebody else moves one of these checkpoints now.
    """
    if writes:
        async with conn.transaction():
            await move(conn, held, position)
            for each in writes:
                if not (afresh and each.rows is not None and await _copy(conn, each.rows, each.args)):
                    await conn.execute(each.statement, *each.args)
    else:
        # One statement is a transaction by itself: two round trips fewer for what no read model takes notice of.
        await move(conn, held, position)
    for one in held:
        one.position = position


async def _copy(conn: Conn, rows: Rows, args: Sequence[Any]) -> bool:
    """Add rows in the cheapest way there is; False when one is there already: none was added."""
    columns = [arg if isinstance(arg, list) else itertools.repeat(arg) for arg in args]
    try:
        async with conn.transaction():
            await conn.copy_records_to_table(rows.table, records=zip(*columns, strict=False), columns=rows.columns)
    except asyncpg.UniqueViolationError:
        return False
    return True
