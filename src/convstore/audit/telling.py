"""Says events in words, and names the people in them. Subjects and texts are people's letters, and not repeated."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, assert_never

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
)
from convstore.domain.types import MessageType, Priority, Status
from convstore.domain.uid import UserId
from convstore.log.recorded import Recorded

# Gives what a person is called.
Called = Callable[[UserId], str]

SYSTEM: Final = "The system"
"""Who did what nobody is named for."""

_KINDS: Final = {
    MessageType.PRIVATE: "private conversation",
    MessageType.SYSTEM: "system message",
    MessageType.VALIDATION_RESULT: "validation result",
    MessageType.TICKET: "ticket",
    MessageType.SYSTEM_VERSION_UPDATE: "notice of a new version",
}

# People whom a sentence names; more would make no better sentence.
_NAMED: Final = 3


def told(record: Recorded, called: Called) -> str:  # noqa: C901, PLR0911, PLR0912 - one case each, flat
    """Say in one sentence, without a full stop, what happened and who did it."""
    actor = record.meta.actor
    by = SYSTEM if actor is None else called(actor)
    match event := record.event:
        case ConversationStarted():
            return f"{by} started a {_KINDS[event.message_type]}{_standing(event.status, event.priority)}"
        case ParticipantsAdded():
            return f"{by} gave a copy to {_people(event.participants, called)}"
        case ParticipantRemoved(participant=who):
            return f"{by} left the conversation" if who == actor else f"{by} took {called(who)} out of the conversation"
        case MessagePosted():
            return _posted(event, actor, by, called)
        case ConversationRead(reader=who):
            return f"{by} marked the conversation read{_for(who, actor, called)}"
        case ConversationUnread(reader=who):
            return f"{by} marked the conversation unread{_for(who, actor, called)}"
        case FollowUpFlagged(participant=who):
            return f"{by} flagged the conversation for follow-up{_for(who, actor, called)}"
        case FollowUpCleared(participant=who):
            return f"{by} cleared the flag for follow-up{_for(who, actor, called)}"
        case StatusSet():
            return f"{by} set the status from {word(event.old)} to {word(event.new)}"
        case PrioritySet():
            return f"{by} set the priority from {word(event.old)} to {word(event.new)}"
        case AssigneeSet():
            instead = "" if event.previous is None else f" instead of {called(event.previous)}"
            return f"{by} assigned the conversation to {called(event.assignee)}{instead}"
        case AssigneeCleared():
            return f"{by} took the conversation from {called(event.previous)}: nobody is assigned"
        case ConversationDeleted():
            return f"{by} deleted the conversation for everybody"
        case Access():
            return f"{by} looked at what others see"
        case _:
            assert_never(event)


def people_in(record: Recorded) -> Iterator[UserId]:
    """Name everybody whom an event and its circumstances mention, some maybe twice."""
    meta = record.meta
    yield from (who for who in (meta.actor, meta.on_behalf_of) if who is not None)
    yield from people_of(record.event)


def people_of(event: LoggedEvent) -> Sequence[UserId]:  # noqa: PLR0911 - one case each, flat
    """Name everybody whom an event is about."""
    match event:
        case ParticipantsAdded(participants=people):
            return people
        case ParticipantRemoved(participant=who) | FollowUpFlagged(participant=who) | FollowUpCleared(participant=who):
            return (who,)
        case ConversationRead(reader=who) | ConversationUnread(reader=who):
            return (who,)
        case ConversationStarted(sender=sender) | MessagePosted(sender=sender):
            return () if sender is None else (sender,)
        case AssigneeSet(assignee=assignee, previous=previous):
            return (assignee,) if previous is None else (assignee, previous)
        case AssigneeCleared(previous=previous):
            return (previous,)
        case StatusSet() | PrioritySet() | ConversationDeleted() | Access():
            return ()
        case _:
            assert_never(event)


def word(value: Status | Priority) -> str:
    """Say a status or a priority as people do: ``Open``."""
    return value.capitalize()


def counted(number: int, what: str) -> str:
    """Say how many there are: ``1 event``, ``1,000 events``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _standing(status: Status, priority: Priority) -> str:
    parts = [
        f"{name} {word(value)}"
        for name, value, usual in (("status", status, Status.NONE), ("priority", priority, Priority.NONE))
        if value is not usual
    ]
    return f" with {' and '.join(parts)}" if parts else ""


def _posted(event: MessagePosted, actor: UserId | None, by: str, called: Called) -> str:
    kind = "an internal message" if event.internal else "a message"
    files = f" with {counted(len(event.attachments), 'attachment')}" if event.attachments else ""
    if event.sender == actor:
        return f"{by} posted {kind}{files}"
    signed = "that nobody signed" if event.sender is None else f"signed by {called(event.sender)}"
    return f"{by} posted {kind}{files} {signed}"


def _for(who: UserId, actor: UserId | None, called: Called) -> str:
    return "" if who == actor else f" for {called(who)}"


def _people(people: Sequence[UserId], called: Called) -> str:
    if len(people) > _NAMED:
        return f"{', '.join(map(called, people[:_NAMED]))} and {len(people) - _NAMED:,} more"
    *first, last = map(called, people)
    return f"{', '.join(first)} and {last}" if first else last
