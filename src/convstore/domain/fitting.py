"""Whether an event can have come next: what the rules let happen fits, and what somebody put into a log may not.

``evolve`` takes whatever happened as it is. This is for those who check a whole log: an event that does not fit was
never decided on the state before it.
"""

from typing import assert_never

from convstore.domain.access import Access, LoggedEvent, is_access_stream
from convstore.domain.events import (
    PARTICIPANTS_PER_EVENT,
    AssigneeCleared,
    AssigneeSet,
    ConversationDeleted,
    ConversationEvent,
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
from convstore.domain.state import Conversation
from convstore.domain.uid import UserId


def misfit(state: Conversation, event: LoggedEvent) -> str | None:
    """Say why an event cannot have come after this state; None, it can. Texts and people are not quoted."""
    if isinstance(event, Access) or is_access_stream(state.id):
        return (
            None if isinstance(event, Access) and is_access_stream(state.id) else "it belongs to another kind of stream"
        )
    if state.version == 0:
        return None if isinstance(event, ConversationStarted) else "the conversation has not begun"
    if state.deleted:
        return "the conversation is deleted"
    return _misfit(state, event)


def _misfit(state: Conversation, event: ConversationEvent) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one case each, flat
    match event:
        case ConversationStarted():
            return "the conversation has begun already"
        case ParticipantsAdded(participants=people):
            if len(people) > PARTICIPANTS_PER_EVENT or len(set(people)) < len(people):
                return "it names too many people, or somebody twice"
            return "somebody has a copy already" if any(person in state.roster for person in people) else None
        case MessagePosted(unread_for=people):
            return (
                None if all(person in state.roster for person in people) else "it is unread for somebody without a copy"
            )
        case ConversationRead(reader=person):
            mark = state.roster.get(person)
            if mark is None:
                return _NO_COPY
            return (
                None if mark.read < event.up_to <= state.version else "he had read as far, or reads what is not there"
            )
        case ConversationUnread(reader=person):
            return _of_a_copy(state, person)
        case FollowUpFlagged(participant=person) | FollowUpCleared(participant=person):
            mark = state.roster.get(person)
            if mark is None:
                return _NO_COPY
            return None if mark.follow_up is isinstance(event, FollowUpCleared) else "his follow-up mark is so already"
        case ParticipantRemoved(participant=person):
            return _of_a_copy(state, person)
        case StatusSet():
            return _changes(event.old == state.status != event.new)
        case PrioritySet():
            return _changes(event.old == state.priority != event.new)
        case AssigneeSet():
            return _changes(event.previous == state.assignee != event.assignee)
        case AssigneeCleared():
            return _changes(event.previous == state.assignee)
        case ConversationDeleted():
            return None
        case _:
            assert_never(event)


_NO_COPY = "it is about somebody without a copy"


def _of_a_copy(state: Conversation, person: UserId) -> str | None:
    return None if person in state.roster else _NO_COPY


def _changes(fits: bool) -> str | None:  # noqa: FBT001 - the comparison is written where it is asked
    return None if fits else "the value before was another, or is the same"
