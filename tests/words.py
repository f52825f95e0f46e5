"""The words that tests speak in: people and their rights, a builder per command, and one per event after them.

``by`` is who acts: a person's id, or an ``Actor`` made by ``superuser``, ``manager``… where rights matter.
"""

from collections.abc import Callable, Iterable

import msgspec

from convstore.domain.commands import (
    AddParticipants,
    Assign,
    ClearFollowUp,
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
from convstore.domain.types import Actor, Addressed, Attachment, MessageType, Priority, Status
from convstore.domain.uid import Uid, UserId

ANN = UserId("AnnAnnAnn01")
BOB = UserId("BobBobBob02")
CID = UserId("CidCidCid03")
DAN = UserId("DanDanDan04")
EVE = UserId("EveEveEve05")

CONVERSATION = Uid("ZjHHSjyyeJ2")
OTHER_CONVERSATION = Uid("GDBqVfkmnp2")
MESSAGE = Uid("B4gqUrXnRlX")
ANOTHER_MESSAGE = Uid("k7dyUc9rNmQ")
SUBJECT = "Mortality data reporting"
TEXT = "How are you?"
PICTURE = Attachment(id=Uid("fTpI4GOmujz"), name="a.png", content_type="image/png", length=1234)

# Stands for "everything there is at this place of the history"; ``history`` puts the version in.
EVERYTHING = -1

Who = Actor | UserId
# A builder of one command, for tests that hold for several.
Asking = Callable[..., ConversationCommand]
Told = ConversationEvent | Iterable[ConversationEvent]


def person(who: Who) -> Actor:
    """Give somebody without any right of his own, unless he comes with rights."""
    return who if isinstance(who, Actor) else Actor(id=who)


def superuser(who: UserId) -> Actor:
    """Give a holder of ``ALL``, with all that follows from it."""
    return Actor(id=who, superuser=True, ticket_manager=True, may_delete=True, may_send_system=True)


def manager(who: UserId) -> Actor:
    """Give a member of the feedback group."""
    return Actor(id=who, ticket_manager=True)


def importer(who: UserId) -> Actor:
    """Give a holder of ``F_METADATA_IMPORT``, who may delete what he has access to."""
    return Actor(id=who, may_delete=True)


def service(who: UserId) -> Actor:
    """Give a service account, who may send in a system's name."""
    return Actor(id=who, may_send_system=True)


def send_message(
    *to: UserId,
    by: Who = ANN,
    subject: str | None = SUBJECT,
    text: str | None = TEXT,
    addressed: Addressed | None = None,
    attachments: tuple[Attachment, ...] = (),
    user_agent: str | None = None,
    conversation: Uid = CONVERSATION,
    message: Uid = MESSAGE,
) -> SendMessage:
    return SendMessage(
        conversation_id=conversation,
        actor=person(by),
        message_id=message,
        subject=subject,
        text=text,
        recipients=to,
        addressed=Addressed(users=to) if addressed is None else addressed,
        attachments=attachments,
        user_agent=user_agent,
    )


def send_ticket(
    *to: UserId,
    by: Who = ANN,
    subject: str | None = SUBJECT,
    text: str | None = TEXT,
    user_agent: str | None = None,
    conversation: Uid = CONVERSATION,
    message: Uid = MESSAGE,
) -> SendTicket:
    return SendTicket(
        conversation_id=conversation,
        actor=person(by),
        message_id=message,
        subject=subject,
        text=text,
        recipients=to,
        user_agent=user_agent,
    )


def send_system_message(
    *to: UserId,
    by: Who = EVE,
    sender: UserId | None = None,
    subject: str | None = SUBJECT,
    text: str | None = TEXT,
    external_id: str | None = None,
    forced: bool = False,
    conversation: Uid = CONVERSATION,
    message: Uid = MESSAGE,
) -> SendSystemMessage:
    return SendSystemMessage(
        conversation_id=conversation,
        actor=service(by) if isinstance(by, str) else by,
        message_id=message,
        subject=subject,
        text=text,
        recipients=to,
        sender=sender,
        external_id=external_id,
        forced=forced,
    )


def send_validation_result(
    *to: UserId,
    by: Who = EVE,
    subject: str | None = SUBJECT,
    text: str | None = TEXT,
    priorities: tuple[Priority, ...] = (),
    external_id: str | None = None,
    conversation: Uid = CONVERSATION,
    message: Uid = MESSAGE,
) -> SendValidationResult:
    return SendValidationResult(
        conversation_id=conversation,
        actor=service(by) if isinstance(by, str) else by,
        message_id=message,
        subject=subject,
        text=text,
        recipients=to,
        priorities=priorities,
        external_id=external_id,
    )


def reply(
    *,
    by: Who = ANN,
    text: str = TEXT,
    internal: bool = False,
    managers: Iterable[UserId] = (),
    attachments: tuple[Attachment, ...] = (),
    user_agent: str | None = None,
    conversation: Uid = CONVERSATION,
    message: Uid = ANOTHER_MESSAGE,
) -> Reply:
    return Reply(
        conversation_id=conversation,
        actor=person(by),
        message_id=message,
        text=text,
        internal=internal,
        ticket_managers=frozenset(managers),
        attachments=attachments,
        user_agent=user_agent,
    )


def add_participants(*people: UserId, by: Who = ANN, conversation: Uid = CONVERSATION) -> AddParticipants:
    return AddParticipants(conversation_id=conversation, actor=person(by), participants=people)


def remove_participant(who: UserId, *, by: Who | None = None, conversation: Uid = CONVERSATION) -> RemoveParticipant:
    return RemoveParticipant(conversation_id=conversation, actor=person(by or who), participant=who)


def mark_read(
    *, by: Who = ANN, of: UserId | None = None, up_to: int | None = None, conversation: Uid = CONVERSATION
) -> MarkRead:
    return MarkRead(conversation_id=conversation, actor=person(by), reader=of or person(by).id, up_to=up_to)


def mark_unread(*, by: Who = ANN, of: UserId | None = None, conversation: Uid = CONVERSATION) -> MarkUnread:
    return MarkUnread(conversation_id=conversation, actor=person(by), reader=of or person(by).id)


def flag_follow_up(*, by: Who = ANN, of: UserId | None = None, conversation: Uid = CONVERSATION) -> FlagFollowUp:
    return FlagFollowUp(conversation_id=conversation, actor=person(by), participant=of or person(by).id)


def clear_follow_up(*, by: Who = ANN, of: UserId | None = None, conversation: Uid = CONVERSATION) -> ClearFollowUp:
    return ClearFollowUp(conversation_id=conversation, actor=person(by), participant=of or person(by).id)


def set_status(status: Status, *, by: Who = ANN, conversation: Uid = CONVERSATION) -> SetStatus:
    return SetStatus(conversation_id=conversation, actor=person(by), status=status)


def set_priority(priority: Priority, *, by: Who = ANN, conversation: Uid = CONVERSATION) -> SetPriority:
    return SetPriority(conversation_id=conversation, actor=person(by), priority=priority)


def assign(
    assignee: UserId, *, by: Who = ANN, in_feedback_group: bool = True, conversation: Uid = CONVERSATION
) -> Assign:
    return Assign(
        conversation_id=conversation,
        actor=person(by),
        assignee=assignee,
        assignee_in_feedback_group=in_feedback_group,
    )


def unassign(*, by: Who = ANN, conversation: Uid = CONVERSATION) -> Unassign:
    return Unassign(conversation_id=conversation, actor=person(by))


def delete_conversation(*, by: Who, conversation: Uid = CONVERSATION) -> DeleteConversation:
    return DeleteConversation(conversation_id=conversation, actor=person(by))


def begun(
    *,
    by: UserId | None = ANN,
    message_type: MessageType = MessageType.PRIVATE,
    subject: str = SUBJECT,
    status: Status = Status.NONE,
    priority: Priority = Priority.NONE,
    created_by: UserId | None = None,
    external_id: str | None = None,
    addressed: Addressed | None = None,
    forced: bool = False,
) -> ConversationStarted:
    """Tell that a conversation started, and nothing of the people and the message that come with it."""
    return ConversationStarted(
        message_type=message_type,
        subject=subject,
        status=status,
        priority=priority,
        sender=by,
        created_by=created_by or by,
        external_id=external_id,
        addressed=addressed or Addressed(),
        forced=forced,
    )


def started(by: UserId = ANN, *to: UserId) -> list[ConversationEvent]:
    """Tell a whole private message: its sender, then the others."""
    return [begun(by=by, addressed=Addressed(users=to)), *_to(to), posted(by=by, message=MESSAGE)]


def ticket(by: UserId = ANN, *to: UserId) -> list[ConversationEvent]:
    """Tell a whole ticket: its sender, then the members of the feedback group."""
    return [
        begun(by=by, message_type=MessageType.TICKET, status=Status.OPEN),
        *_to(to),
        posted(by=by, message=MESSAGE),
    ]


def system_message(*to: UserId) -> list[ConversationEvent]:
    """Tell a whole message from a system, which has no sender."""
    return [
        begun(by=None, message_type=MessageType.SYSTEM, created_by=EVE),
        *_to(to),
        posted(by=None, message=MESSAGE),
    ]


def _to(people: tuple[UserId, ...]) -> list[ConversationEvent]:
    return [participants_added(*people)] if people else []


def participants_added(*people: UserId) -> ParticipantsAdded:
    return ParticipantsAdded(participants=people)


def posted(
    *,
    by: UserId | None = ANN,
    text: str | None = TEXT,
    internal: bool = False,
    unread_for: tuple[UserId, ...] = (),
    attachments: tuple[Attachment, ...] = (),
    user_agent: str | None = None,
    message: Uid = ANOTHER_MESSAGE,
) -> MessagePosted:
    return MessagePosted(
        message_id=message,
        sender=by,
        text=text,
        internal=internal,
        unread_for=unread_for,
        attachments=attachments,
        user_agent=user_agent,
    )


def posted_internally(*unread_for: UserId, by: UserId, message: Uid = ANOTHER_MESSAGE) -> MessagePosted:
    return posted(by=by, internal=True, unread_for=unread_for, message=message)


def participant_removed(who: UserId) -> ParticipantRemoved:
    return ParticipantRemoved(participant=who)


def conversation_read(*, by: UserId = ANN, up_to: int = EVERYTHING) -> ConversationRead:
    return ConversationRead(reader=by, up_to=up_to)


def conversation_unread(*, by: UserId = ANN) -> ConversationUnread:
    return ConversationUnread(reader=by)


def follow_up_flagged(*, by: UserId = ANN) -> FollowUpFlagged:
    return FollowUpFlagged(participant=by)


def follow_up_cleared(*, by: UserId = ANN) -> FollowUpCleared:
    return FollowUpCleared(participant=by)


def status_set(old: Status, new: Status) -> StatusSet:
    return StatusSet(old=old, new=new)


def priority_set(old: Priority, new: Priority) -> PrioritySet:
    return PrioritySet(old=old, new=new)


def assignee_set(assignee: UserId, *, previous: UserId | None = None) -> AssigneeSet:
    return AssigneeSet(assignee=assignee, previous=previous)


def assignee_cleared(previous: UserId) -> AssigneeCleared:
    return AssigneeCleared(previous=previous)


def conversation_deleted() -> ConversationDeleted:
    return ConversationDeleted()


def history(*told: Told, after: int = 0) -> list[ConversationEvent]:
    """Make one list of events and lists of them, in order, the first being number ``after`` + 1 of the stream.

    A ``conversation_read`` that does not say up to where gets the version of the event before it.
    """
    events: list[ConversationEvent] = []
    for part in told:
        for event in [part] if isinstance(part, msgspec.Struct) else part:
            if isinstance(event, ConversationRead) and event.up_to == EVERYTHING:
                events.append(ConversationRead(reader=event.reader, up_to=after + len(events)))
            else:
                events.append(event)
    return events
