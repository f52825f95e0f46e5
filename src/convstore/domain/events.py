"""What can have happened to a conversation. Tags are what the log stores: never changed, never reused.

Fields only grow, with defaults; a changed meaning is a new event (design section 4, *Evolution*). The time of an event
is the one the log records; who did it, and on whose behalf, stands in the record's meta.
"""

from msgspec import Struct

from convstore.domain.types import Addressed, Attachment, MessageType, Priority, Status
from convstore.domain.uid import Uid, UserId

# A participants-added event names at most this many people (design section 3).
PARTICIPANTS_PER_EVENT = 1_000


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of all events: ``type`` in the stored JSON is the tag."""


class ConversationStarted(Event, frozen=True, kw_only=True, tag="conversation-started"):
    """A conversation began. A ``sender`` is its first participant and has read it; without one, a system began it."""

    message_type: MessageType
    subject: str
    status: Status = Status.NONE
    priority: Priority = Priority.NONE
    sender: UserId | None = None
    created_by: UserId | None = None
    external_id: str | None = None
    addressed: Addressed = Addressed()
    forced: bool = False
    """Delivered by e-mail and SMS whatever the person's settings (contract section 3.4)."""


class ParticipantsAdded(Event, frozen=True, kw_only=True, tag="participants-added"):
    """People got a copy each, unread: none of them had one. At most ``PARTICIPANTS_PER_EVENT``."""

    participants: tuple[UserId, ...]


class MessagePosted(Event, frozen=True, kw_only=True, tag="message-posted"):
    """A message joined the thread.

    Unless ``internal``, it makes every participant but its sender unread; an internal one only those in ``unread_for``
    (the ticket managers among the participants, without the sender), and only in their own view.
    """

    message_id: Uid
    sender: UserId | None = None
    text: str | None = None
    internal: bool = False
    unread_for: tuple[UserId, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    user_agent: str | None = None


class ParticipantRemoved(Event, frozen=True, kw_only=True, tag="participant-removed"):
    """One person's copy went, with its marks; the thread stays."""

    participant: UserId


class ConversationRead(Event, frozen=True, kw_only=True, tag="conversation-read"):
    """One participant has seen everything up to this version of the stream; a message posted after it stays unread."""

    reader: UserId
    up_to: int


class ConversationUnread(Event, frozen=True, kw_only=True, tag="conversation-unread"):
    """One participant's copy counts as unread again."""

    reader: UserId


class FollowUpFlagged(Event, frozen=True, kw_only=True, tag="follow-up-flagged"):
    """One participant marked his copy for follow-up."""

    participant: UserId


class FollowUpCleared(Event, frozen=True, kw_only=True, tag="follow-up-cleared"):
    """One participant's follow-up mark went."""

    participant: UserId


class StatusSet(Event, frozen=True, kw_only=True, tag="status-set"):
    """The status changed."""

    old: Status
    new: Status


class PrioritySet(Event, frozen=True, kw_only=True, tag="priority-set"):
    """The priority changed."""

    old: Priority
    new: Priority


class AssigneeSet(Event, frozen=True, kw_only=True, tag="assignee-set"):
    """Somebody (else) was made responsible."""

    assignee: UserId
    previous: UserId | None = None


class AssigneeCleared(Event, frozen=True, kw_only=True, tag="assignee-cleared"):
    """Nobody is responsible any more."""

    previous: UserId


class ConversationDeleted(Event, frozen=True, kw_only=True, tag="conversation-deleted"):
    """The conversation is gone for everybody; its uid is never used again."""


ConversationEvent = (
    ConversationStarted
    | ParticipantsAdded
    | MessagePosted
    | ParticipantRemoved
    | ConversationRead
    | ConversationUnread
    | FollowUpFlagged
    | FollowUpCleared
    | StatusSet
    | PrioritySet
    | AssigneeSet
    | AssigneeCleared
    | ConversationDeleted
)


def tag_of(event: type[Event] | Event) -> str:
    """Give the tag that the log stores for an event or a class of events."""
    tag = event.__struct_config__.tag
    assert isinstance(tag, str)  # noqa: S101 - every subclass above has one; a test pins the list
    return tag
