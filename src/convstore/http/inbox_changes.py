"""What changed in one person's inbox after a place in the log: for clients that were away, and for those that follow.

A place is a position for each partition. From each, what changed is taken in the order in which it did, as far as the
read models have come, and given turn by turn, so that a busy partition does not hold up the others. A copy that changes
again while somebody goes through the pages comes again, later: nothing is passed over.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final

from aiohttp import web
from msgspec import Struct

from convstore.backend import Backend
from convstore.database import Conn
from convstore.domain import policy
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId
from convstore.errors import BadQuery, CursorExpired, CursorInvalid
from convstore.http.keys import CALLER
from convstore.log import cursor
from convstore.projections import load
from convstore.sql import Statements

SQL: Final = Statements(files(__package__) / "delta.sql")
POSITIONS: Final = Statements(files(__package__) / "conversations.sql").positions

# Who is told of a change must find it: in his list, and in the thread.
READ_MODELS: Final = [load("inbox").id, load("thread").id]


class Viewer(Struct, frozen=True):
    """Whose inbox it is, and whether he sees internal messages in it: what changed depends on both."""

    reader: UserId
    internal: bool

    @classmethod
    def of_caller(cls, request: web.Request) -> "Viewer":
        """Give the view of whoever asks, by his present rights."""
        return cls.of(request[CALLER].actor())

    @classmethod
    def of(cls, actor: Actor) -> "Viewer":
        """Give somebody's view of his own inbox, by his present rights."""
        return cls(actor.id, policy.sees_internal(actor))

    @property
    def mark(self) -> bytes:
        """What cursors of this view are marked with, so that no other view takes them."""
        return _mark(f"inbox of {self.reader}{'/internal' if self.internal else ''}")

    def mark_of_list(self, *, all_tickets: bool) -> bytes:
        """Give what the cursor of a list is marked with, which may show tickets that this person has no copy of."""
        return ALL_TICKETS if all_tickets else self.mark


class Changed(Struct, frozen=True):
    """One conversation that changed for somebody, or is not his any more; the place after it."""

    id: Uid
    gone: bool
    positions: tuple[int, ...]


class Changes(Struct, frozen=True):
    """Some changes, in the order to be taken over, each conversation once; ``positions``: the place after them.

    ``reached``: how far the read models had come. ``more``: there are more right now.
    """

    changed: list[Changed]
    positions: tuple[int, ...]
    reached: tuple[int, ...]
    more: bool


async def read_changes(conn: Conn, view: Viewer, after: Sequence[int], limit: int) -> Changes:
    """Give the first changes after a place, at most so many.

    A place that the read models have not come to yet has no changes after it.

    Raises:
        CursorExpired: what changed since is not known any more.
    """
    rows = await conn.fetch(SQL.since, view.reader, list(after), READ_MODELS, limit + 1, view.internal)
    if any(row["expired"] for row in rows):
        raise CursorExpired
    reached = list(after)
    found: defaultdict[int, list[tuple[int, Uid, bool]]] = defaultdict(list)
    for row in rows:
        reached[row["partition"]] = row["reached"]
        if row["position"] is not None:
            found[row["partition"]].append((row["position"], Uid(row["conversation_id"]), row["gone"]))
    turns = sorted((turn, partition) for partition, here in found.items() for turn in range(len(here)))[:limit]
    positions = list(after)
    changed = []
    for turn, partition in turns:
        position, uid, gone = found[partition][turn]
        positions[partition] = position
        changed.append(Changed(uid, gone, tuple(positions)))
    left = {partition for partition, here in found.items() if (len(here) - 1, partition) not in set(turns)}
    for partition, position in enumerate(reached):
        if partition not in left:
            positions[partition] = max(positions[partition], position)
    return Changes(changed, tuple(positions), tuple(reached), more=bool(left))


async def read_place(conn: Conn) -> tuple[int, ...]:
    """Give the place that the read models have come to."""
    return tuple(await conn.fetchval(POSITIONS.format("$1::text[]"), READ_MODELS))


def encode(backend: Backend, view: Viewer, positions: Sequence[int]) -> str:
    """Give the cursor of a place in somebody's view: ``decode`` takes it from nobody else."""
    return cursor.encode(positions, backend.store.id, view.mark)


def decode(backend: Backend, view: Viewer, text: str) -> tuple[int, ...]:
    """Give the place that a cursor of changes, or of a list of one's inbox, stands for; or one of the log's events.

    Raises:
        CursorInvalid: it is none, or another person's.
        CursorExpired: it is of the view that he had before his right to see internal messages changed.
        BadQuery: it is of a list that had more than his own conversations.
    """
    positions, mark = cursor.decode_marked(text, backend.store.partitions, backend.store.id)
    if mark == Viewer(view.reader, not view.internal).mark:
        raise CursorExpired(
            "Since this cursor your right to see internal messages has changed: read the list again, and go on "
            "from its cursor."
        )
    if mark == ALL_TICKETS:
        raise BadQuery(
            "This cursor is of a list of all tickets, and changes tells of your own conversations only: begin with a "
            "list of these"
        )
    if mark not in (b"", view.mark):
        raise CursorInvalid
    return positions


@lru_cache(maxsize=10_000)
def _mark(view: str) -> bytes:
    return hashlib.sha256(view.encode()).digest()[: cursor.MARK]


ALL_TICKETS: Final = _mark("all tickets")
"""What cursors of lists are marked with that show tickets to managers who have no copy of them."""
