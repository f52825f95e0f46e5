"""Conversations as the REST API shows them to a person: his inbox."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from convstore.domain.types import MessageType, Priority, Status


class Person(Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody, and what he is called by now."""

    id: str
    display_name: str | None = None


class Attached(Struct, frozen=True, kw_only=True, rename="camel"):
    """A file of a message; ``content_length`` in bytes."""

    id: str
    name: str | None = None
    content_type: str | None = None
    content_length: int | None = None


class Message(Struct, frozen=True, kw_only=True, rename="camel"):
    """A message of a thread; one without ``sender`` is a system's."""

    id: str
    text: str
    created: datetime
    internal: bool = False
    sender: Person | None = None
    attachments: tuple[Attached, ...] = ()


class Conversation(Struct, frozen=True, kw_only=True, rename="camel"):
    """A conversation as its reader has it. Times are UTC, without zone, as the API has them.

    ``messages`` come with a single conversation only, oldest first.
    """

    id: str
    subject: str
    message_type: MessageType
    status: Status
    priority: Priority
    read: bool
    follow_up: bool
    message_count: int
    created: datetime
    last_message: datetime | None = None
    assignee: Person | None = None
    messages: tuple[Message, ...] = ()


class ConversationPage(Struct, frozen=True, kw_only=True):
    """Some conversations of a list. ``cursor``, of its first page, is the place from which ``changes`` go on."""

    conversations: tuple[Conversation, ...]
    cursor: str


class Changes(Struct, frozen=True, kw_only=True, rename="camel"):
    """What changed in an inbox: conversations as they are now, and the uids of those that are in it no more.

    ``more``: there is more right now, after ``cursor``.
    """

    cursor: str
    more: bool
    message_conversations: tuple[Conversation, ...]
    removed: tuple[str, ...]


class Count(Struct, frozen=True, kw_only=True):
    """A number of conversations, and how many of them are unread."""

    unread: int
    total: int


class Counts(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a person has in all, and of each type."""

    unread: int
    total: int
    message_types: Mapping[MessageType, Count]


class InboxEvent(StrEnum):
    """What a live inbox tells: from now on nothing is missed; this changed; this went; begin with a list again."""

    READY = "ready"
    CHANGED = "changed"
    REMOVED = "removed"
    RESET = "reset"


class InboxChange(Struct, frozen=True, kw_only=True):
    """Something that happened in an inbox, and how many are unread by now; ``cursor``: the place after it."""

    event: InboxEvent
    unread: int
    cursor: str
    conversation: str | None = None


LISTED: Final = (
    "id,subject,messageType,status,priority,read,followUp,messageCount,created,lastMessage,assignee[id,displayName]"
)
WHOLE: Final = (
    f"{LISTED},messages[id,text,created,internal,sender[id,displayName],attachments[id,name,contentType,contentLength]]"
)
