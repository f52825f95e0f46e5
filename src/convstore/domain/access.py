"""Who looked at what another person sees: events beside those of conversations, each in a stream of the viewer.

They change no conversation, and no read model takes them in; they are there for auditors. Who looks at his own leaves
none: this is no record of people reading their mail.
"""

from enum import StrEnum
from typing import Final

from convstore.domain.commands import Command
from convstore.domain.events import ConversationEvent, Event
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId

# The viewer of somebody who works at the terminal of the server: he has no account. No account can have this id, for
# ids of accounts are uids, which are longer.
TERMINAL: Final = UserId("terminal")

_STREAM: Final = "access-"


class View(StrEnum):
    """What kind of answer was looked at."""

    LIST = "list"
    OBJECT = "object"
    PROPERTY = "property"
    COUNTS = "counts"
    UNREAD = "unread"


class Access(Event, frozen=True, kw_only=True):
    """Base of these events. Who looked stands in the record's meta, and in the name of the stream.

    ``as_of``: the cursor of the past that was looked at; None for the present.
    """

    as_of: str | None = None


class InboxViewed(Access, frozen=True, kw_only=True, tag="inbox-viewed"):
    """Somebody looked at another person's inbox, or at one conversation as that person sees it."""

    person: UserId
    view: View
    conversation_id: Uid | None = None


class HistoryViewed(Access, frozen=True, kw_only=True, tag="history-viewed"):
    """Somebody looked at all that happened in a conversation that he takes no part in, or at all of what others did."""

    conversation_id: Uid
    person: UserId | None = None


class ExplanationViewed(Access, frozen=True, kw_only=True, tag="explanation-viewed"):
    """Somebody asked why another person sees a conversation as he does, or who could see a message of it."""

    conversation_id: Uid
    person: UserId | None = None
    message_id: Uid | None = None


AccessEvent = InboxViewed | HistoryViewed | ExplanationViewed

# All that the log holds.
LoggedEvent = ConversationEvent | AccessEvent


class NoteAccess(Command, frozen=True, kw_only=True):
    """Ask that an access is noted; ``conversation_id`` is the viewer's stream. There is no rule to say no."""

    event: AccessEvent


def access_stream(viewer: UserId) -> Uid:
    """Give the stream that holds what this person looked at.

    It can never be a conversation's: those are uids, letters and digits only, and this has a hyphen. So nothing that a
    client can name, and no uid that is generated or derived, is such a stream; and the partition follows from it as
    from any other.
    """
    return Uid(_STREAM + viewer)


def is_access_stream(stream: str) -> bool:
    """Tell a stream of what a person looked at from a conversation's."""
    return stream.startswith(_STREAM)


def note_access(event: AccessEvent, viewer: UserId | None) -> NoteAccess:
    """Make the command that notes an access; ``viewer`` is None for somebody at the terminal."""
    who = TERMINAL if viewer is None else viewer
    return NoteAccess(conversation_id=access_stream(who), actor=Actor(id=who), event=event)
