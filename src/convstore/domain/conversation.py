"""The rules of a conversation: ``decide`` says what a command makes happen, ``evolve`` what that changes.

Both are pure. Rules come from contract section 3, rights from ``policy``. Refusals are raised in the order of the
contract's columns: does it exist, may he write internally, has he access, and then the rest. How conversations start
is told in ``start``, what the rules know of one in ``state``.
"""

from typing import assert_never

from convstore.domain import policy
from convstore.domain.commands import (
    AddParticipants,
    Assign,
    ClearFollowUp,
    Command,
    ConversationCommand,
    DeleteConversation,
    FlagFollowUp,
    MarkRead,
    MarkUnread,
    RemoveParticipant,
    Reply,
    SendMessage,
    SendSystemMessage,
    SendTicket,
    SendValidationResult,
    SetPriority,
    SetStatus,
    Unassign,
)
from convstore.domain.events import (
    AssigneeCleared,
    AssigneeSet,
    ConversationDeleted,
    ConversationEvent,
    ConversationRead,
    ConversationUnread,
    FollowUpCleared,
    FollowUpFlagged,
    MessagePosted,
    ParticipantRemoved,
    PrioritySet,
    StatusSet,
)
from convstore.domain.roster import Mark
from convstore.domain.start import (
    fitting_user_agent,
    participants_added,
    send_message,
    send_system_message,
    send_ticket,
    send_validation_result,
)
from convstore.domain.state import Conversation, evolve, initial, weight
from convstore.domain.types import MessageType
from convstore.domain.uid import UserId
from convstore.errors import (
    AccessDenied,
    ConversationNotFound,
    DeleteNotAllowed,
    InternalNotAllowed,
    NotInFeedbackGroup,
)

__all__ = ["Conversation", "decide", "evolve", "initial", "weight"]


def decide(state: Conversation, command: ConversationCommand) -> list[ConversationEvent]:  # noqa: C901, PLR0911, PLR0912 - one case each, flat
    """Say what a command makes happen, in order; empty means that there is nothing to do.

    Raises:
        Refused: one of its leaves, when a rule says no.
    """
    match command:
        case SendMessage():
            return send_message(state, command)
        case SendTicket():
            return send_ticket(state, command)
        case SendSystemMessage():
            return send_system_message(state, command)
        case SendValidationResult():
            return send_validation_result(state, command)
        case Reply():
            return reply(state, command)
        case AddParticipants():
            return add_participants(state, command)
        case RemoveParticipant():
            return remove_participant(state, command)
        case MarkRead():
            return mark_read(state, command)
        case MarkUnread():
            return mark_unread(state, command)
        case FlagFollowUp():
            return flag_follow_up(state, command)
        case ClearFollowUp():
            return clear_follow_up(state, command)
        case SetStatus():
            return set_status(state, command)
        case SetPriority():
            return set_priority(state, command)
        case Assign():
            return assign(state, command)
        case Unassign():
            return unassign(state, command)
        case DeleteConversation():
            return delete_conversation(state, command)
        case _:
            assert_never(command)


def reply(state: Conversation, command: Reply) -> list[ConversationEvent]:
    """Add a message to the thread; the participants stay who they are (contract section 3.5).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        InternalNotAllowed: the message is internal and he is no ticket manager.
        AccessDenied: he has no access.
    """
    _check_exists(state)
    if command.internal and not policy.may_reply_internally(command.actor):
        raise InternalNotAllowed
    _check_access(state, command)
    sender = command.actor.id
    return [
        MessagePosted(
            message_id=command.message_id,
            sender=sender,
            text=command.text,
            internal=command.internal,
            unread_for=state.roster.among(command.ticket_managers - {sender}) if command.internal else (),
            attachments=command.attachments,
            user_agent=fitting_user_agent(command.user_agent),
        )
    ]


def add_participants(state: Conversation, command: AddParticipants) -> list[ConversationEvent]:
    """Give a copy to those of these people who have none (contract section 3.6).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access.
    """
    _check_exists(state)
    _check_access(state, command)
    return participants_added(person for person in command.participants if person not in state.roster)


def remove_participant(state: Conversation, command: RemoveParticipant) -> list[ConversationEvent]:
    """Take a person's copy away; nothing, if he has none (contract section 3.7).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access, or asks for another person without being a superuser.
    """
    if _copy_of(state, command, command.participant) is None:
        return []
    return [ParticipantRemoved(participant=command.participant)]


def mark_read(state: Conversation, command: MarkRead) -> list[ConversationEvent]:
    """Note that a participant has read everything, or everything up to a version (contract section 3.8).

    Nothing happens when nothing was unread in his view, with or without internal messages as the actor's rights say;
    nor when what he says to have read is older than what he had read, or than the copy's coming or becoming unread by
    hand. A superuser acts on another's copy in the widest view, for he does not know that person's rights.

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access, or asks for another person without being a superuser.
    """
    mark = _copy_of(state, command, command.reader)
    if mark is None or not state.is_unread(command.reader, with_internal=policy.sees_internal(command.actor)):
        return []
    up_to = state.version if command.up_to is None else min(command.up_to, state.version)
    if up_to <= mark.read or up_to < mark.unread_since:
        return []
    return [ConversationRead(reader=command.reader, up_to=up_to)]


def mark_unread(state: Conversation, command: MarkUnread) -> list[ConversationEvent]:
    """Make a participant's copy unread; nothing, if it is so in his view already (contract section 3.8).

    A superuser acts on another's copy in the narrowest view, so that afterwards it is unread whatever that person sees.

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access, or asks for another person without being a superuser.
    """
    if _copy_of(state, command, command.reader) is None:
        return []
    own = command.actor.id == command.reader
    if state.is_unread(command.reader, with_internal=own and policy.sees_internal(command.actor)):
        return []
    return [ConversationUnread(reader=command.reader)]


def flag_follow_up(state: Conversation, command: FlagFollowUp) -> list[ConversationEvent]:
    """Mark a participant's copy for follow-up; nothing, if it is (contract section 3.9).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access, or asks for another person without being a superuser.
    """
    mark = _copy_of(state, command, command.participant)
    if mark is None or mark.follow_up:
        return []
    return [FollowUpFlagged(participant=command.participant)]


def clear_follow_up(state: Conversation, command: ClearFollowUp) -> list[ConversationEvent]:
    """Take the follow-up mark from a participant's copy; nothing, if it has none (contract section 3.9).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access, or asks for another person without being a superuser.
    """
    mark = _copy_of(state, command, command.participant)
    if mark is None or not mark.follow_up:
        return []
    return [FollowUpCleared(participant=command.participant)]


def set_status(state: Conversation, command: SetStatus) -> list[ConversationEvent]:
    """Overwrite the status, whatever the type; nothing, if it is the same (contract section 3.10).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access.
    """
    _check_exists(state)
    _check_access(state, command)
    return [] if command.status == state.status else [StatusSet(old=state.status, new=command.status)]


def set_priority(state: Conversation, command: SetPriority) -> list[ConversationEvent]:
    """Overwrite the priority, whatever the type; nothing, if it is the same (contract section 3.10).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access.
    """
    _check_exists(state)
    _check_access(state, command)
    return [] if command.priority == state.priority else [PrioritySet(old=state.priority, new=command.priority)]


def assign(state: Conversation, command: Assign) -> list[ConversationEvent]:
    """Make somebody responsible, who does not become a participant by that (contract section 3.10).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access.
        NotInFeedbackGroup: it is a ticket, and the assignee does not belong to those who work on tickets.
    """
    _check_exists(state)
    _check_access(state, command)
    if state.message_type is MessageType.TICKET and not command.assignee_in_feedback_group:
        raise NotInFeedbackGroup
    if command.assignee == state.assignee:
        return []
    return [AssigneeSet(assignee=command.assignee, previous=state.assignee)]


def unassign(state: Conversation, command: Unassign) -> list[ConversationEvent]:
    """Make nobody responsible; nothing, if nobody is (contract section 3.10).

    Raises:
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access.
    """
    _check_exists(state)
    _check_access(state, command)
    return [] if state.assignee is None else [AssigneeCleared(previous=state.assignee)]


def delete_conversation(state: Conversation, command: DeleteConversation) -> list[ConversationEvent]:
    """Delete it for everybody, for ever (contract section 3.13 and section 1.5, row 19, for the order of checks).

    Raises:
        DeleteNotAllowed: he lacks the authority.
        ConversationNotFound: it was never started, or was deleted.
        AccessDenied: he has no access.
    """
    if not policy.may_delete(command.actor):
        raise DeleteNotAllowed
    _check_exists(state)
    _check_access(state, command)
    return [ConversationDeleted()]


def _check_exists(state: Conversation) -> None:
    if not state.exists:
        raise ConversationNotFound(state.id)


def _check_access(state: Conversation, command: Command) -> None:
    if not state.allows(command.actor):
        raise AccessDenied


def _copy_of(state: Conversation, command: Command, person: UserId) -> Mark | None:
    """Give the copy that a command wants to change, None when the person has none, after all checks."""
    _check_exists(state)
    _check_access(state, command)
    if not policy.may_act_for(command.actor, person):
        raise AccessDenied
    return state.roster.get(person)
