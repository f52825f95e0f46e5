"""A conversation's history as documents: each event with who did it, for whom, when, and the change in words."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import assert_never

from msgspec import Struct, field, structs

from convstore.audit.sight import Seen
from convstore.audit.telling import Called, people_in, told
from convstore.directory.person import UserRef
from convstore.domain.access import Access, LoggedEvent
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
from convstore.domain.uid import Uid, UserId
from convstore.log.recorded import Recorded

Names = Mapping[UserId, UserRef]


class Who(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Somebody; without a name he has no account any more."""

    id: UserId
    display_name: str | None = None


class Change(Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """What an event changed, as far as it has it.

    ``property`` went from ``old`` to ``new``; ``person`` is whose copy it is about, ``people`` are those who got one;
    ``message`` was posted, ``internal`` or not, with so many ``attachments``; ``up_to`` is the version that was read.
    """

    property: str | None = None
    old: str | Who | None = None
    new: str | Who | None = None
    person: Who | None = None
    people: list[Who] = field(default_factory=list)
    message: Uid | None = None
    sender: Who | None = None
    internal: bool = False
    attachments: int = 0
    up_to: int | None = None


class Entry(Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """One event of a history.

    ``number`` counts what the asker may see. ``time`` is UTC. From ``version`` on, auditors only: its version in the
    stream and its place in the log, on whose behalf it was done, by which program and in which request, and what made
    it happen when no request did. No ``actor``: the system.
    """

    number: int
    type: str
    time: datetime
    words: str
    actor: Who | None = None
    change: Change | None = None
    version: int = 0
    partition: int | None = None
    position: int = 0
    on_behalf_of: Who | None = None
    user_agent: str | None = None
    request_id: str | None = None
    causation: str | None = None


def entry(seen: Seen, names: Names, *, everything: bool) -> Entry:
    """Describe one event; ``everything``: with what only auditors see."""
    record = seen.recorded
    meta = record.meta
    plain = Entry(
        number=seen.number,
        type=tag_of(record.event),
        time=record.recorded_at,
        words=told(record, calling(names)),
        actor=_who(meta.actor, names),
        change=_change(record.event, names, everything=everything),
    )
    if not everything:
        return plain
    return structs.replace(
        plain,
        version=record.version,
        partition=record.partition,
        position=record.position,
        on_behalf_of=_who(meta.on_behalf_of, names),
        user_agent=meta.user_agent,
        request_id=meta.request_id,
        causation=meta.causation,
    )


def mentioned(records: Iterable[Recorded]) -> set[UserId]:
    """Name everybody whose name it takes to describe these events."""
    return {person for record in records for person in people_in(record)}


def calling(names: Names) -> Called:
    """Give what calls people by their names, and those who have no account any more by their ids."""
    return lambda person: found.name if (found := names.get(person)) is not None else f"{person} (no account)"


def who(person: UserId, names: Names) -> Who:
    """Give a person with his name."""
    found = names.get(person)
    return Who(person, None if found is None else found.name)


def _who(person: UserId | None, names: Names) -> Who | None:
    return None if person is None else who(person, names)


def _change(event: LoggedEvent, names: Names, *, everything: bool) -> Change | None:  # noqa: C901, PLR0911 - one case each, flat
    match event:
        case ParticipantsAdded(participants=people):
            return Change(people=[who(person, names) for person in people])
        case ParticipantRemoved(participant=person) | FollowUpFlagged(participant=person):
            return Change(person=who(person, names))
        case FollowUpCleared(participant=person) | ConversationUnread(reader=person):
            return Change(person=who(person, names))
        case ConversationRead():
            # A version: it would tell others how many events they do not see.
            return Change(person=who(event.reader, names), up_to=event.up_to if everything else None)
        case MessagePosted():
            return Change(
                message=event.message_id,
                sender=_who(event.sender, names),
                internal=event.internal,
                attachments=len(event.attachments),
            )
        case StatusSet():
            return Change(property="status", old=event.old, new=event.new)
        case PrioritySet():
            return Change(property="priority", old=event.old, new=event.new)
        case AssigneeSet():
            return Change(property="assignee", old=_who(event.previous, names), new=who(event.assignee, names))
        case AssigneeCleared():
            return Change(property="assignee", old=who(event.previous, names))
        case ConversationStarted() | ConversationDeleted() | Access():
            return None
        case _:
            assert_never(event)
