"""What happened, as the events of the stream tell it: the log's own words, but for what may be withheld.

Subjects, texts and the names of files are None where the reader may not be given them.
"""

from typing import Final

import msgspec
from msgspec import Struct

from convstore.domain.access import ExplanationViewed, HistoryViewed, InboxViewed
from convstore.domain.events import (
    AssigneeCleared,
    AssigneeSet,
    ConversationDeleted,
    ConversationRead,
    ConversationUnread,
    Event,
    FollowUpCleared,
    FollowUpFlagged,
    ParticipantRemoved,
    ParticipantsAdded,
    PrioritySet,
    StatusSet,
)
from convstore.domain.types import Addressed, MessageType, Priority, Status
from convstore.domain.uid import Uid, UserId

__all__ = [
    "Addressed",
    "AssigneeCleared",
    "AssigneeSet",
    "ConversationDeleted",
    "ConversationRead",
    "ConversationStarted",
    "ConversationUnread",
    "Data",
    "Event",
    "ExplanationViewed",
    "File",
    "FollowUpCleared",
    "FollowUpFlagged",
    "HistoryViewed",
    "InboxViewed",
    "Known",
    "MessagePosted",
    "ParticipantRemoved",
    "ParticipantsAdded",
    "PrioritySet",
    "StatusSet",
    "Unknown",
    "read_data",
]


class ConversationStarted(Event, frozen=True, kw_only=True, tag="conversation-started"):
    """A conversation began. A ``sender`` is its first participant; without one, a system began it."""

    message_type: MessageType
    subject: str | None = None
    status: Status = Status.NONE
    priority: Priority = Priority.NONE
    sender: UserId | None = None
    created_by: UserId | None = None
    external_id: str | None = None
    addressed: Addressed = Addressed()
    forced: bool = False


class File(Struct, frozen=True, kw_only=True):
    """A file of a message; ``length`` in bytes."""

    id: Uid
    name: str | None = None
    content_type: str
    length: int


class MessagePosted(Event, frozen=True, kw_only=True, tag="message-posted"):
    """A message joined the thread; ``internal``: for those who look after tickets only."""

    message_id: Uid
    sender: UserId | None = None
    text: str | None = None
    internal: bool = False
    unread_for: tuple[UserId, ...] = ()
    attachments: tuple[File, ...] = ()
    user_agent: str | None = None


class Unknown(Struct, frozen=True):
    """Something that this version of the client has no words for: a newer server's event, as it came."""

    json: bytes


Known = (
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
    | InboxViewed
    | HistoryViewed
    | ExplanationViewed
)
Data = Known | Unknown

_known: Final[msgspec.json.Decoder[Known]] = msgspec.json.Decoder(Known)


def read_data(json: bytes) -> Data:
    """Read the data of an event; what is not known is kept as it is, so that a newer server stops no consumer."""
    try:
        return _known.decode(json)
    except msgspec.ValidationError:
        return Unknown(json)
