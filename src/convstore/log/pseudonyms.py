"""Makes of a log one that tells nothing of the people in it, for a report about a defect: same shape, other words.

Everybody, everything with a uid, and every program and request get other names, the same throughout one export and
others in the next: they are derived with a random key that is forgotten. Texts become filler of about their length.
What rules and read models work by is kept: types, versions, times, statuses, priorities, common kinds of files.
"""

import hashlib
import hmac
import mimetypes
import secrets
import uuid
from functools import lru_cache
from typing import Final, assert_never

import msgspec
from msgspec import structs

from convstore.domain.access import (
    TERMINAL,
    ExplanationViewed,
    HistoryViewed,
    InboxViewed,
    LoggedEvent,
    access_stream,
    is_access_stream,
)
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
from convstore.domain.start import SUBJECT_LENGTH
from convstore.domain.types import Addressed, Attachment
from convstore.domain.uid import Uid, UserId, derive_uid
from convstore.log.codec import CODEC, encode, encode_meta
from convstore.log.recorded import Meta

_KEY: Final = 32
# Pseudonyms remembered: making one takes some microseconds.
_REMEMBERED: Final = 200_000

# Kinds of files that are no secret, being known to everybody (Python's own list).
_KINDS: Final = frozenset(mimetypes.MimeTypes().types_map[True].values())
_ANY_KIND: Final = "application/octet-stream"

_meta: Final = msgspec.json.Decoder(Meta)


class Pseudonyms:
    """The disguise of one export."""

    def __init__(self, key: bytes | None = None) -> None:
        """Begin anew, with a key that nobody knows unless it is given."""
        self._key = key or secrets.token_bytes(_KEY)
        self.source = uuid.UUID(bytes=hashlib.sha256(self._key).digest()[:16]).urn
        self._uid = lru_cache(_REMEMBERED)(self._derived)

    def stream(self, stream: str) -> str:
        """Give another name for a stream; of accesses, that of their viewer's other name."""
        if is_access_stream(stream):
            return access_stream(self._person(UserId(stream.removeprefix(access_stream(UserId(""))))))
        return self._uid(stream)

    def texts(self, data: str, meta: str) -> tuple[str, str]:
        """Give what is stored of an event and its circumstances, disguised.

        Raises:
            LogCorrupt: it cannot be decoded.
        """
        return encode(self._event(CODEC.decode(data)))[1], encode_meta(self._circumstances(_meta.decode(meta)))

    def _event(self, event: LoggedEvent) -> LoggedEvent:  # noqa: C901, PLR0911 - one case each, flat
        match event:
            case ConversationStarted():
                return structs.replace(
                    event,
                    subject=_filler(event.subject)[:SUBJECT_LENGTH],
                    sender=self._maybe(event.sender),
                    created_by=self._maybe(event.created_by),
                    external_id=self._word("external", event.external_id),
                    addressed=self._addressed(event.addressed),
                )
            case MessagePosted():
                return structs.replace(
                    event,
                    message_id=self._uid(event.message_id),
                    sender=self._maybe(event.sender),
                    text=None if event.text is None else _filler(event.text),
                    unread_for=tuple(map(self._person, event.unread_for)),
                    attachments=tuple(map(self._attachment, event.attachments)),
                    user_agent=self._word("agent", event.user_agent),
                )
            case ParticipantsAdded():
                return structs.replace(event, participants=tuple(map(self._person, event.participants)))
            case ParticipantRemoved() | FollowUpFlagged() | FollowUpCleared():
                return structs.replace(event, participant=self._person(event.participant))
            case ConversationRead() | ConversationUnread():
                return structs.replace(event, reader=self._person(event.reader))
            case AssigneeSet():
                return structs.replace(
                    event, assignee=self._person(event.assignee), previous=self._maybe(event.previous)
                )
            case AssigneeCleared():
                return structs.replace(event, previous=self._person(event.previous))
            case InboxViewed():
                conversation = None if event.conversation_id is None else self._uid(event.conversation_id)
                return structs.replace(
                    event, person=self._person(event.person), conversation_id=conversation, as_of=None
                )
            case HistoryViewed():
                return structs.replace(
                    event,
                    conversation_id=self._uid(event.conversation_id),
                    person=self._maybe(event.person),
                    as_of=None,
                )
            case ExplanationViewed():
                return structs.replace(
                    event,
                    conversation_id=self._uid(event.conversation_id),
                    person=self._maybe(event.person),
                    message_id=None if event.message_id is None else self._uid(event.message_id),
                    as_of=None,
                )
            case StatusSet() | PrioritySet() | ConversationDeleted():
                return event
            case _:
                assert_never(event)

    def _circumstances(self, meta: Meta) -> Meta:
        return structs.replace(
            meta,
            actor=self._maybe(meta.actor),
            on_behalf_of=self._maybe(meta.on_behalf_of),
            request_id=self._word("request", meta.request_id),
            user_agent=self._word("agent", meta.user_agent),
            causation=self._word("cause", meta.causation),
        )

    def _addressed(self, addressed: Addressed) -> Addressed:
        return Addressed(
            users=tuple(map(self._person, addressed.users)),
            groups=tuple(map(self._uid, addressed.groups)),
            units=tuple(map(self._uid, addressed.units)),
        )

    def _attachment(self, attachment: Attachment) -> Attachment:
        return Attachment(
            id=self._uid(attachment.id),
            name=self._word("file", attachment.name) or "",
            # What a client wrote, perhaps with the file's name in it.
            content_type=attachment.content_type if attachment.content_type in _KINDS else _ANY_KIND,
            length=_class_of(attachment.length),
        )

    def _person(self, person: UserId) -> UserId:
        return person if person == TERMINAL else UserId(self._uid(person))

    def _maybe(self, person: UserId | None) -> UserId | None:
        return None if person is None else self._person(person)

    def _derived(self, uid: str) -> Uid:
        return derive_uid(self._key, uid)

    def _word(self, kind: str, word: str | None) -> str | None:
        """Give another word for one that is told apart by being equal or not."""
        if not word:
            return word
        return f"{kind}-{hmac.new(self._key, f'{kind} {word}'.encode(), hashlib.sha256).hexdigest()[:16]}"


def _class_of(length: int) -> int:
    """Give the end of the class that a length is in: 0, or a power of two."""
    return 0 if length == 0 else 1 << (length - 1).bit_length()


def _filler(text: str) -> str:
    """Give words of x, as long as the class of the text's length."""
    length = _class_of(len(text))
    return ("xxxx " * (length // 5 + 1))[:length]
