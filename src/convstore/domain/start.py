"""How conversations start: who gets a copy, with which type, status and priority (contract sections 3.2 to 3.4)."""

from collections.abc import Iterable
from typing import Final

from convstore.domain import policy
from convstore.domain.commands import SendMessage, SendSystemMessage, SendTicket, SendValidationResult, Start
from convstore.domain.events import (
    PARTICIPANTS_PER_EVENT,
    ConversationEvent,
    ConversationStarted,
    MessagePosted,
    ParticipantsAdded,
)
from convstore.domain.state import Conversation
from convstore.domain.types import Actor, MessageType, Priority, Status
from convstore.domain.uid import UserId
from convstore.errors import (
    ConversationExists,
    ExternalIdTooLong,
    NoRecipients,
    SubjectRequired,
    SubjectTooLong,
    SystemSendNotAllowed,
)

# In characters, as DHIS2's columns have them (contract sections 2.2 and 2.3).
SUBJECT_LENGTH: Final = 255
EXTERNAL_ID_LENGTH: Final = 64
_META_DATA_LENGTH: Final = 255
_META_DATA_PREFIX: Final = "User-agent: "


def send_message(state: Conversation, command: SendMessage) -> list[ConversationEvent]:
    """Start a private conversation; writing to oneself alone is allowed (contract section 3.2).

    Raises:
        ConversationExists: the uid is taken.
        NoRecipients: it is addressed to nobody.
        SubjectRequired, SubjectTooLong: the subject is missing or empty, or has over 255 characters.
    """
    _check_new(state)
    _check_recipients(command)
    sender = command.actor.id
    return [
        ConversationStarted(
            message_type=MessageType.PRIVATE,
            subject=_subject(command),
            sender=sender,
            created_by=sender,
            addressed=command.addressed,
        ),
        *participants_added(person for person in command.recipients if person != sender),
        MessagePosted(
            message_id=command.message_id,
            sender=sender,
            text=command.text,
            attachments=command.attachments,
            user_agent=fitting_user_agent(command.user_agent),
        ),
    ]


def send_ticket(state: Conversation, command: SendTicket) -> list[ConversationEvent]:
    """Start an open ticket; it is sent even when there is nobody yet to work on it (contract section 3.3).

    Raises:
        ConversationExists: the uid is taken.
        SubjectRequired, SubjectTooLong: the subject is missing or empty, or has over 255 characters.
    """
    _check_new(state)
    sender = command.actor.id
    return [
        ConversationStarted(
            message_type=MessageType.TICKET,
            subject=_subject(command),
            status=Status.OPEN,
            sender=sender,
            created_by=sender,
            addressed=command.addressed,
        ),
        *participants_added(person for person in command.recipients if person != sender),
        MessagePosted(
            message_id=command.message_id,
            sender=sender,
            text=command.text,
            user_agent=fitting_user_agent(command.user_agent),
        ),
    ]


def send_system_message(state: Conversation, command: SendSystemMessage) -> list[ConversationEvent]:
    """Start a conversation that a system originates (contract section 3.4).

    A sender, where there is one (who completed a form, say), signs the message and no more: he has a copy only when he
    is among the recipients, and then an unread one like theirs.

    Raises:
        SystemSendNotAllowed: the account may not.
        ConversationExists: the uid is taken.
        NoRecipients: it is addressed to nobody.
        SubjectRequired, SubjectTooLong: the subject is missing or empty, or has over 255 characters.
        ExternalIdTooLong: the external id has over 64 characters.
    """
    _check_system(command.actor)
    _check_new(state)
    _check_recipients(command)
    return [
        ConversationStarted(
            message_type=MessageType.SYSTEM,
            subject=_subject(command),
            created_by=command.actor.id,
            external_id=_external_id(command.external_id),
            addressed=command.addressed,
            forced=command.forced,
        ),
        *participants_added(command.recipients),
        MessagePosted(message_id=command.message_id, sender=command.sender, text=command.text),
    ]


def send_validation_result(state: Conversation, command: SendValidationResult) -> list[ConversationEvent]:
    """Post validation results: open, with the highest of the rules' priorities (contract section 3.4).

    Raises:
        SystemSendNotAllowed: the account may not.
        ConversationExists: the uid is taken.
        NoRecipients: it is addressed to nobody.
        SubjectRequired, SubjectTooLong: the subject is missing or empty, or has over 255 characters.
        ExternalIdTooLong: the external id has over 64 characters.
    """
    _check_system(command.actor)
    _check_new(state)
    _check_recipients(command)
    return [
        ConversationStarted(
            message_type=MessageType.VALIDATION_RESULT,
            subject=_subject(command),
            status=Status.OPEN,
            priority=max(command.priorities, key=list(Priority).index, default=Priority.NONE),
            created_by=command.actor.id,
            external_id=_external_id(command.external_id),
            addressed=command.addressed,
        ),
        *participants_added(command.recipients),
        MessagePosted(message_id=command.message_id, text=command.text),
    ]


def participants_added(people: Iterable[UserId]) -> list[ConversationEvent]:
    """Give these people a copy each, none twice, in the order given, in events that are not too long."""
    each = tuple(dict.fromkeys(people))
    return [
        ParticipantsAdded(participants=each[first : first + PARTICIPANTS_PER_EVENT])
        for first in range(0, len(each), PARTICIPANTS_PER_EVENT)
    ]


def fitting_user_agent(user_agent: str | None) -> str | None:
    """Cut a user agent so that what DHIS2 makes of it (``User-agent: …``) has at most 255 characters."""
    return None if user_agent is None else user_agent[: _META_DATA_LENGTH - len(_META_DATA_PREFIX)]


def _check_system(actor: Actor) -> None:
    if not policy.may_send_system(actor):
        raise SystemSendNotAllowed


def _check_new(state: Conversation) -> None:
    # A deleted one too: its uid is never used again.
    if state.version > 0:
        raise ConversationExists


def _check_recipients(command: Start) -> None:
    if not command.recipients:
        raise NoRecipients


def _subject(command: Start) -> str:
    if not command.subject:
        raise SubjectRequired
    if len(command.subject) > SUBJECT_LENGTH:
        raise SubjectTooLong
    return command.subject


def _external_id(external_id: str | None) -> str | None:
    if external_id is not None and len(external_id) > EXTERNAL_ID_LENGTH:
        raise ExternalIdTooLong
    return external_id
