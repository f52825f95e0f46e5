"""What can be asked of a conversation. New ids and the acting person, with his rights, come in with the command.

What a rule needs from the directory (who the recipients are, who manages tickets) is resolved before and frozen here.
"""

from msgspec import Struct

from convstore.domain.types import Actor, Addressed, Attachment, Priority, Status
from convstore.domain.uid import Uid, UserId


class Command(Struct, frozen=True, kw_only=True):
    """Base of all commands: the conversation concerned, and who asks."""

    conversation_id: Uid
    actor: Actor


class SendMessage(Command, frozen=True, kw_only=True):
    """Start a private conversation (contract section 3.2). ``recipients`` may hold the sender and duplicates."""

    message_id: Uid
    subject: str | None
    text: str | None
    recipients: tuple[UserId, ...]
    addressed: Addressed = Addressed()
    attachments: tuple[Attachment, ...] = ()
    user_agent: str | None = None


class SendTicket(Command, frozen=True, kw_only=True):
    """Start a ticket (contract section 3.3); ``recipients`` are the feedback group's members, maybe none."""

    message_id: Uid
    subject: str | None
    text: str | None
    recipients: tuple[UserId, ...]
    addressed: Addressed = Addressed()
    user_agent: str | None = None


class SendSystemMessage(Command, frozen=True, kw_only=True):
    """Start a conversation that a system originates (contract section 3.4). ``sender`` only for those that have one."""

    message_id: Uid
    subject: str | None
    text: str | None
    recipients: tuple[UserId, ...]
    addressed: Addressed = Addressed()
    sender: UserId | None = None
    external_id: str | None = None
    forced: bool = False


class SendValidationResult(Command, frozen=True, kw_only=True):
    """Post validation results (contract section 3.4): status OPEN, the highest of the rules' priorities."""

    message_id: Uid
    subject: str | None
    text: str | None
    recipients: tuple[UserId, ...]
    priorities: tuple[Priority, ...] = ()
    addressed: Addressed = Addressed()
    external_id: str | None = None


class Reply(Command, frozen=True, kw_only=True):
    """Add a message (contract section 3.5). ``ticket_managers`` is needed only for an internal one: all there are."""

    message_id: Uid
    text: str
    internal: bool = False
    ticket_managers: frozenset[UserId] = frozenset()
    attachments: tuple[Attachment, ...] = ()
    user_agent: str | None = None


class AddParticipants(Command, frozen=True, kw_only=True):
    """Give people a copy who have none (contract section 3.6)."""

    participants: tuple[UserId, ...]


class RemoveParticipant(Command, frozen=True, kw_only=True):
    """Take a person's copy away (contract section 3.7); of somebody else only by a superuser."""

    participant: UserId


class MarkRead(Command, frozen=True, kw_only=True):
    """Ask that a conversation no longer counts as unread for one person (contract section 3.8).

    ``up_to`` limits it to what had been posted up to that version of the stream; None means all there is.
    """

    reader: UserId
    up_to: int | None = None


class MarkUnread(Command, frozen=True, kw_only=True):
    """Ask that a conversation counts as unread for one person."""

    reader: UserId


class FlagFollowUp(Command, frozen=True, kw_only=True):
    """Mark one person's copy for follow-up (contract section 3.9)."""

    participant: UserId


class ClearFollowUp(Command, frozen=True, kw_only=True):
    """Take the follow-up mark from one person's copy."""

    participant: UserId


class SetStatus(Command, frozen=True, kw_only=True):
    """Overwrite the status (contract section 3.10)."""

    status: Status


class SetPriority(Command, frozen=True, kw_only=True):
    """Overwrite the priority."""

    priority: Priority


class Assign(Command, frozen=True, kw_only=True):
    """Make somebody responsible; for a ticket he must be a member of the feedback group."""

    assignee: UserId
    assignee_in_feedback_group: bool


class Unassign(Command, frozen=True, kw_only=True):
    """Make nobody responsible."""


class DeleteConversation(Command, frozen=True, kw_only=True):
    """Delete the conversation for everybody (contract section 3.13)."""


Start = SendMessage | SendTicket | SendSystemMessage | SendValidationResult

ConversationCommand = (
    SendMessage
    | SendTicket
    | SendSystemMessage
    | SendValidationResult
    | Reply
    | AddParticipants
    | RemoveParticipant
    | MarkRead
    | MarkUnread
    | FlagFollowUp
    | ClearFollowUp
    | SetStatus
    | SetPriority
    | Assign
    | Unassign
    | DeleteConversation
)
