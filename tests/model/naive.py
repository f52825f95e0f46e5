"""What a store of conversations does, told as plainly as can be: lists, copied whole, searched from end to end.

Written from the contract (sections 3, 4 and 9.1), and not from the rules in ``domain/`` or the folds of the read
models: it shares with them the types of commands, values and refusals only. Every unseen message stands in a list of
its own for every person, where the rules compare a few version numbers.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

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
    Start,
    Unassign,
)
from convstore.domain.types import Actor, MessageType, Priority, Status
from convstore.domain.uid import Uid, UserId
from convstore.errors import (
    AccessDenied,
    ConversationExists,
    ConversationNotFound,
    DeleteNotAllowed,
    InternalNotAllowed,
    NoRecipients,
    NotInFeedbackGroup,
    Refused,
    SystemSendNotAllowed,
)

# What a command made happen: the tags of its events, in order.
Happened = list[str]

_TYPES = {
    SendMessage: MessageType.PRIVATE,
    SendTicket: MessageType.TICKET,
    SendSystemMessage: MessageType.SYSTEM,
    SendValidationResult: MessageType.VALIDATION_RESULT,
}


@dataclass
class Copy:
    """One person's copy. The lists hold versions of messages that he has not seen."""

    seen: int = 0
    new_since: int = 0
    unseen: list[int] = field(default_factory=list)
    unseen_internal: list[int] = field(default_factory=list)
    follow_up: bool = False

    def unread(self, *, internal_too: bool) -> bool:
        return bool(self.new_since or self.unseen or (internal_too and self.unseen_internal))


@dataclass
class Message:
    version: int
    id: Uid
    sender: UserId | None
    text: str | None
    internal: bool


@dataclass
class Talk:
    """One conversation. ``changed`` and ``changed_all``: version of the last change, for the two kinds of readers."""

    kind: MessageType
    subject: str
    status: Status
    priority: Priority
    created_by: UserId
    external_id: str | None
    assignee: UserId | None = None
    version: int = 1
    changed: int = 1
    changed_all: int = 1
    deleted: bool = False
    copies: dict[UserId, Copy] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)

    def visible(self, *, internal_too: bool) -> list[Message]:
        return [message for message in self.messages if internal_too or not message.internal]

    def open_to(self, actor: Actor) -> bool:
        if actor.id in self.copies or actor.superuser:
            return True
        return self.kind is MessageType.TICKET and actor.ticket_manager

    def happens(self, *, internal: bool = False) -> int:
        """Note one more event that others may see, and give its version."""
        self.version += 1
        self.changed_all = self.version
        if not internal:
            self.changed = self.version
        return self.version

    def enter(self, people: Iterable[UserId]) -> Happened:
        new = [person for person in people if person not in self.copies]
        if not new:
            return []
        version = self.happens()
        for person in new:
            self.copies[person] = Copy(new_since=version)
        return ["participants-added"]

    def post(
        self, message_id: Uid, sender: UserId | None, text: str | None, named: Sequence[UserId] | None
    ) -> Happened:
        """Add a message; ``named``: who is told of an internal one."""
        version = self.happens(internal=named is not None)
        self.messages.append(Message(version, message_id, sender, text, internal=named is not None))
        for person, copy_ in self.copies.items():
            if named is None and person != sender:
                copy_.unseen.append(version)
            if named is not None and person in named and person != sender:
                copy_.unseen_internal.append(version)
        return ["message-posted"]


class Naive:
    """All conversations, as a list-keeper would have them."""

    def __init__(self) -> None:
        self.talks: dict[Uid, Talk] = {}

    def living(self) -> dict[Uid, Talk]:
        return {uid: talk for uid, talk in self.talks.items() if not talk.deleted}

    def ask(self, commands: Sequence[ConversationCommand]) -> list[Happened] | type[Refused]:
        """Carry these out, together or not at all: what each made happen, or why not."""
        before = copy.deepcopy(self.talks)
        try:
            return [self._carry_out(command) for command in commands]
        except Refused as refused:
            self.talks = before
            return type(refused)

    def _carry_out(self, command: ConversationCommand) -> Happened:
        if isinstance(command, Start):
            return self._start(command)
        if isinstance(command, DeleteConversation) and not (command.actor.may_delete or command.actor.superuser):
            raise DeleteNotAllowed
        talk = self.living().get(command.conversation_id)
        if talk is None:
            raise ConversationNotFound(command.conversation_id)
        actor = command.actor
        if isinstance(command, Reply) and command.internal and not (actor.ticket_manager or actor.superuser):
            raise InternalNotAllowed
        if not talk.open_to(actor):
            raise AccessDenied
        return self._change(talk, command)

    def _start(self, command: Start) -> Happened:
        actor = command.actor
        by_system = isinstance(command, SendSystemMessage | SendValidationResult)
        if by_system and not (actor.may_send_system or actor.superuser):
            raise SystemSendNotAllowed
        if command.conversation_id in self.talks:
            raise ConversationExists
        if not command.recipients and not isinstance(command, SendTicket):
            raise NoRecipients
        opens = isinstance(command, SendTicket | SendValidationResult)
        order = [Priority.HIGH, Priority.MEDIUM, Priority.LOW, Priority.NONE]
        asked = command.priorities if isinstance(command, SendValidationResult) else ()
        talk = self.talks[command.conversation_id] = Talk(
            kind=_TYPES[type(command)],
            subject=command.subject or "",
            status=Status.OPEN if opens else Status.NONE,
            priority=next((priority for priority in order if priority in asked), Priority.NONE),
            created_by=actor.id,
            external_id=None if isinstance(command, SendMessage | SendTicket) else command.external_id,
        )
        sender: UserId | None = actor.id
        if by_system:
            sender = command.sender if isinstance(command, SendSystemMessage) else None
        else:
            talk.copies[actor.id] = Copy(seen=1)
        entered = talk.enter(command.recipients)
        return ["conversation-started", *entered, *talk.post(command.message_id, sender, command.text, None)]

    def _change(self, talk: Talk, command: ConversationCommand) -> Happened:  # noqa: C901, PLR0911, PLR0912 - a list of all
        match command:
            case Reply():
                named = [person for person in talk.copies if person in command.ticket_managers]
                return talk.post(
                    command.message_id, command.actor.id, command.text, named if command.internal else None
                )
            case AddParticipants():
                return talk.enter(command.participants)
            case RemoveParticipant():
                if _copy(talk, command, command.participant) is None:
                    return []
                del talk.copies[command.participant]
                talk.happens()
                return ["participant-removed"]
            case MarkRead():
                return _read(talk, command)
            case MarkUnread():
                return _unread(talk, command)
            case FlagFollowUp() | ClearFollowUp():
                flag = isinstance(command, FlagFollowUp)
                found = _copy(talk, command, command.participant)
                if found is None or found.follow_up == flag:
                    return []
                found.follow_up = flag
                talk.version += 1
                return ["follow-up-flagged" if flag else "follow-up-cleared"]
            case SetStatus():
                if talk.status == command.status:
                    return []
                talk.status = command.status
                talk.happens()
                return ["status-set"]
            case SetPriority():
                if talk.priority == command.priority:
                    return []
                talk.priority = command.priority
                talk.happens()
                return ["priority-set"]
            case Assign():
                if talk.kind is MessageType.TICKET and not command.assignee_in_feedback_group:
                    raise NotInFeedbackGroup
                if talk.assignee == command.assignee:
                    return []
                talk.assignee = command.assignee
                talk.happens()
                return ["assignee-set"]
            case Unassign():
                if talk.assignee is None:
                    return []
                talk.assignee = None
                talk.happens()
                return ["assignee-cleared"]
            case DeleteConversation():
                talk.deleted = True
                talk.copies.clear()
                talk.messages.clear()
                talk.version += 1
                return ["conversation-deleted"]
            case _:
                raise AssertionError(command)


def _copy(talk: Talk, command: Command, of: UserId) -> Copy | None:
    if of != command.actor.id and not command.actor.superuser:
        raise AccessDenied
    return talk.copies.get(of)


def _read(talk: Talk, command: MarkRead) -> Happened:
    found = _copy(talk, command, command.reader)
    up_to = talk.version if command.up_to is None else min(command.up_to, talk.version)
    if found is None or not found.unread(internal_too=command.actor.ticket_manager or command.actor.superuser):
        return []
    if up_to <= found.seen or up_to < found.new_since:
        return []
    found.seen = up_to
    found.new_since = 0
    found.unseen = [version for version in found.unseen if version > up_to]
    found.unseen_internal = [version for version in found.unseen_internal if version > up_to]
    talk.version += 1
    return ["conversation-read"]


def _unread(talk: Talk, command: MarkUnread) -> Happened:
    actor = command.actor
    found = _copy(talk, command, command.reader)
    own_view = actor.id == command.reader and (actor.ticket_manager or actor.superuser)
    if found is None or found.unread(internal_too=own_view):
        return []
    talk.version += 1
    found.new_since = talk.version
    return ["conversation-unread"]
