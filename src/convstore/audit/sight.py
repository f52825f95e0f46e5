"""What of a conversation's history somebody may see, and the events of it, read straight from the stream.

Everybody with access sees what happens to the thread and to his own copy; that others read it, flagged it and when is
theirs, and for auditors. Internal messages are for those who may see them, and nothing here tells others that there are
any: what a person sees is numbered from 1 without gaps, and versions, which would have gaps, are for auditors.
"""

from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Final

from msgspec import Struct

from convstore.database import Conn
from convstore.domain import policy
from convstore.domain.events import (
    AssigneeCleared,
    AssigneeSet,
    ConversationDeleted,
    ConversationRead,
    ConversationStarted,
    ConversationUnread,
    FollowUpCleared,
    FollowUpFlagged,
    MessagePosted,
    ParticipantRemoved,
    ParticipantsAdded,
    PrioritySet,
    StatusSet,
    tag_of,
)
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId
from convstore.log.read import decoded
from convstore.log.recorded import Recorded
from convstore.sql import Statements

_sql: Final = Statements(files(__package__) / "statements.sql")

THREAD: Final = frozenset(
    tag_of(event)
    for event in (
        ConversationStarted,
        ParticipantsAdded,
        ParticipantRemoved,
        StatusSet,
        PrioritySet,
        AssigneeSet,
        AssigneeCleared,
        ConversationDeleted,
    )
)
"""What everybody with access sees."""
MARKS: Final = frozenset(
    tag_of(event) for event in (ConversationRead, ConversationUnread, FollowUpFlagged, FollowUpCleared)
)
"""What is one person's own."""
MESSAGES: Final = frozenset({tag_of(MessagePosted)})
"""What everybody sees unless it is internal."""

# Events fetched at once when a stream is walked from end to end.
_PAGE: Final = 1_000


class Sight(Struct, frozen=True):
    """Whose marks somebody sees beside the thread (None: nobody's), and whether internal messages; or all there is."""

    person: UserId | None
    internal: bool
    everything: bool = False


EVERYTHING: Final = Sight(person=None, internal=True, everything=True)


class Seen(Struct, frozen=True):
    """One event, and its number among those that the asker may see, dense from 1; of everything, its version."""

    number: int
    recorded: Recorded


def sight_of(actor: Actor) -> Sight:
    """Give what somebody may see of the conversations that he has access to."""
    return Sight(person=actor.id, internal=policy.sees_internal(actor), everything=policy.sees_circumstances(actor))


async def page(
    conn: Conn, partition: int, uid: Uid, sight: Sight, *, after: int = 0, limit: int, until: int | None = None
) -> list[Seen]:
    """Give events of a conversation after a number, in order, at most so many; empty means that there are no more.

    ``until`` is the last position in the partition that counts; None is the present.

    Raises:
        LogCorrupt: one cannot be decoded; says which.
    """
    if sight.everything:
        rows = await conn.fetch(_sql.everything, partition, uid, after, until, limit)
    else:
        rows = await conn.fetch(
            _sql.seen,
            *(partition, uid, after, until, limit, sight.person),
            *(list(THREAD), list(MARKS), list(MESSAGES), sight.internal),
        )
    return [Seen(number, event) for number, event in enumerate(decoded(rows, partition), after + 1)]


async def walk(
    conn: Conn, partition: int, uid: Uid, sight: Sight, *, until: int | None = None
) -> AsyncIterator[list[Seen]]:
    """Give all that somebody may see of a conversation, a page after another, from one snapshot of the log.

    Raises:
        LogCorrupt: an event cannot be decoded; says which.
    """
    statement = _sql.everything if sight.everything else _sql.seen
    arguments = [partition, uid, 0, until, None]
    if not sight.everything:
        arguments += [sight.person, list(THREAD), list(MARKS), list(MESSAGES), sight.internal]
    number = 0
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        cursor = await conn.cursor(statement, *arguments)
        while rows := await cursor.fetch(_PAGE):
            yield [Seen(number, event) for number, event in enumerate(decoded(rows, partition), number + 1)]
            number += len(rows)
