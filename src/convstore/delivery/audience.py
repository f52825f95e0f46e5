"""Who is told of a message by e-mail or SMS: contract section 6, *addressed users*.

Only what the log says; whether a person wants to be told is asked later.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from convstore.domain.events import ConversationStarted, MessagePosted, ParticipantRemoved, ParticipantsAdded
from convstore.domain.types import MessageType
from convstore.domain.uid import Uid, UserId
from convstore.log.recorded import Recorded

# The one kind of notice whose mails have no footer; DHIS2 knows it by its subject too.
_COMPLETENESS: Final = "Form registered as complete"


class Beginning(Struct, frozen=True):
    """How a conversation began: the event, and the version of its first message."""

    started: ConversationStarted
    first_version: int


class Notice(Struct, frozen=True):
    """One message and the people to be told of it; ``forced``: whatever their settings.

    ``internal``: it exists for ticket managers only.
    """

    conversation_id: Uid
    version: int
    message_id: Uid
    people: tuple[UserId, ...]
    forced: bool
    internal: bool


class Membership:
    """Who took part in a conversation at an earlier version, from who does now and what happened since."""

    def __init__(self, present: Collection[UserId], since: Iterable[Recorded]) -> None:
        """Take who takes part now, and the conversation's events after the earliest version that will be asked for."""
        self._present = present
        # Per person whom something happened to since: the versions, in order, and whether he came (True) or went.
        self._moves: dict[UserId, list[tuple[int, bool]]] = {}
        for recorded in since:
            if isinstance(recorded.event, ParticipantsAdded):
                for person in recorded.event.participants:
                    self._moves.setdefault(person, []).append((recorded.version, True))
            elif isinstance(recorded.event, ParticipantRemoved):
                self._moves.setdefault(recorded.event.participant, []).append((recorded.version, False))

    def still_there(self, version: int) -> list[UserId]:
        """Give those who took part at a version and do so now: nobody is told of what was said before he came."""
        if not self._moves:
            return list(self._present)
        return [person for person in self._present if self._was_there(person, version)]

    def _was_there(self, person: UserId, version: int) -> bool:
        """Look at what happened to him next: somebody who then came was not there, somebody who then went was."""
        following = next((came for at, came in self._moves.get(person, ()) if at > version), None)
        return following is not True


def notice(
    posted: Recorded,
    beginning: Beginning,
    there: Sequence[UserId],
    feedback: Collection[UserId],
) -> Notice:
    """Say who is told of a message. ``there``: who took part and still does; ``feedback``: who gets the tickets.

    Nobody is told of his own message, unless he is among those whom he wrote to.
    """
    message, started = posted.event, beginning.started
    assert isinstance(message, MessagePosted)  # noqa: S101 - the caller's choice
    first = posted.version == beginning.first_version
    people: Iterable[UserId]
    if message.internal:
        named = set(message.unread_for)
        people = (person for person in there if person in named)
    elif first and _wrote_to_himself(message, started, feedback):
        people = there
    else:
        people = (person for person in there if person != message.sender)
    return Notice(
        conversation_id=posted.stream,
        version=posted.version,
        message_id=message.message_id,
        people=tuple(people),
        forced=first and started.forced,
        internal=message.internal,
    )


def has_footer(started: ConversationStarted, *, first: bool) -> bool:
    """Tell whether a mail ends with the way to the conversation: of first messages, but completeness notices."""
    if not first:
        return False
    return not (started.message_type is MessageType.SYSTEM and started.subject == _COMPLETENESS)


def _wrote_to_himself(message: MessagePosted, started: ConversationStarted, feedback: Collection[UserId]) -> bool:
    match started.message_type:
        case MessageType.PRIVATE:
            return message.sender in started.addressed.users
        case MessageType.TICKET:
            return message.sender in feedback
        case _:
            # The sender of a notice takes part only as one of its recipients.
            return True


def by_stream(page: Sequence[Recorded]) -> Mapping[Uid, list[Recorded]]:
    """Give the messages of a page, by conversation."""
    found: dict[Uid, list[Recorded]] = {}
    for recorded in page:
        if isinstance(recorded.event, MessagePosted):
            found.setdefault(recorded.stream, []).append(recorded)
    return found
