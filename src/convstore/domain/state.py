"""What the rules know of a conversation, and what each event changes of it. No text of any message is kept.

Unread
    A participant's copy is unread when it was given to him or marked unread and not read since, or when somebody else
    posted a message after what he has read. In the view of those who see internal messages it is also unread when an
    internal message that names him came after that. One's own messages change nothing about one's own copy: what was
    unread before them stays so.
"""

from typing import Any, assert_never

import msgspec
from msgspec import Struct

from convstore.domain import policy
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
from convstore.domain.roster import Mark, Roster
from convstore.domain.types import Actor, MessageType, Priority, Status
from convstore.domain.uid import Uid, UserId

# Bytes of a state without its roster, roughly.
_BYTES_ALONE = 600


class Conversation(Struct, frozen=True, kw_only=True):
    """What the rules know of one conversation at one version of its stream.

    ``version`` is 0 before it was started; what stands in ``message_type`` then means nothing. A deleted one keeps its
    version and forgets everybody. The last three answer "did somebody else than X post after version N?" for every X
    without a list of messages: the latest public message, who sent it (None: a system), and the latest public one by
    anybody else than that sender; versions, 0 when there is none.
    """

    id: Uid
    version: int = 0
    deleted: bool = False
    message_type: MessageType = MessageType.PRIVATE
    status: Status = Status.NONE
    priority: Priority = Priority.NONE
    assignee: UserId | None = None
    roster: Roster = Roster()
    last_posted: int = 0
    last_sender: UserId | None = None
    last_by_another: int = 0

    @property
    def exists(self) -> bool:
        """Whether it was started and not deleted."""
        return self.version > 0 and not self.deleted

    def allows(self, actor: Actor) -> bool:
        """Tell whether a person has access to it (contract section 4)."""
        return policy.has_access(actor, participant=actor.id in self.roster, message_type=self.message_type)

    def is_unread(self, person: UserId, *, with_internal: bool) -> bool:
        """Tell whether a person's copy is unread, in the view with or without internal messages; False without one."""
        mark = self.roster.get(person)
        if mark is None:
            return False
        posted = self.last_by_another if person == self.last_sender else self.last_posted
        return mark.unread_since > 0 or posted > mark.read or (with_internal and mark.internal > mark.read)


def initial(conversation_id: Uid) -> Conversation:
    """Give the state of a conversation that nothing has happened to."""
    return Conversation(id=conversation_id)


def weight(state: Conversation) -> int:
    """Estimate the memory that a state takes, in bytes, for a cache bounded by weight."""
    return _BYTES_ALONE + state.roster.weight()


def evolve(state: Conversation, event: LoggedEvent) -> Conversation:  # noqa: C901, PLR0911, PLR0912 - one case each, flat
    """Give the state after one more event of the stream, the one whose version is the state's plus one.

    What happened is not judged again: an event about somebody who is no participant changes the version only. A stream
    of accesses is no conversation at any version: whatever is asked of it finds none.
    """
    version = state.version + 1
    match event:
        case MessagePosted(internal=True):
            return _evolved(state, version, roster=state.roster.with_internal(event.unread_for, version))
        case MessagePosted():
            another = state.last_by_another if event.sender == state.last_sender else state.last_posted
            return _evolved(state, version, last_posted=version, last_sender=event.sender, last_by_another=another)
        case ConversationRead():
            return _marked(state, version, event.reader, read=event.up_to, unread_since=0)
        case ConversationUnread():
            return _marked(state, version, event.reader, unread_since=version)
        case FollowUpFlagged():
            return _marked(state, version, event.participant, follow_up=True)
        case FollowUpCleared():
            return _marked(state, version, event.participant, follow_up=False)
        case ParticipantsAdded():
            return _evolved(state, version, roster=state.roster.added(event.participants, Mark(unread_since=version)))
        case ParticipantRemoved():
            return _evolved(state, version, roster=state.roster.without(event.participant))
        case ConversationStarted():
            return Conversation(
                id=state.id,
                version=version,
                message_type=event.message_type,
                status=event.status,
                priority=event.priority,
                roster=Roster() if event.sender is None else Roster({event.sender: Mark(read=version)}),
            )
        case StatusSet():
            return _evolved(state, version, status=event.new)
        case PrioritySet():
            return _evolved(state, version, priority=event.new)
        case AssigneeSet():
            return _evolved(state, version, assignee=event.assignee)
        case AssigneeCleared():
            return _evolved(state, version, assignee=None)
        case ConversationDeleted() | Access():
            return Conversation(id=state.id, version=version, deleted=True)
        case _:
            assert_never(event)


def _evolved(state: Conversation, version: int, **changes: Any) -> Conversation:
    return msgspec.structs.replace(state, version=version, **changes)


def _marked(state: Conversation, version: int, person: UserId, **changes: Any) -> Conversation:
    mark = state.roster.get(person)
    if mark is None:
        return _evolved(state, version)
    return _evolved(state, version, roster=state.roster.marked(person, msgspec.structs.replace(mark, **changes)))
