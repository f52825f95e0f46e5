"""Status, priority and assignee."""

import pytest

from convstore.domain.commands import ConversationCommand
from convstore.domain.types import MessageType, Priority, Status
from convstore.domain.uid import UserId
from convstore.errors import AccessDenied, ConversationNotFound, NotInFeedbackGroup
from scenario import given
from words import (
    ANN,
    BOB,
    CID,
    EVE,
    Who,
    assign,
    assignee_cleared,
    assignee_set,
    begun,
    conversation_deleted,
    manager,
    participants_added,
    priority_set,
    set_priority,
    set_status,
    started,
    status_set,
    superuser,
    ticket,
    unassign,
)


def test_the_status_is_set() -> None:
    given(ticket(ANN, BOB)).when(set_status(Status.SOLVED, by=BOB)).then(status_set(Status.OPEN, Status.SOLVED))


def test_to_what_it_is_already_it_is_nothing() -> None:
    given(ticket(ANN, BOB)).when(set_status(Status.OPEN, by=BOB)).then_nothing()


def test_any_status_follows_any_other() -> None:
    given(ticket(ANN), status_set(Status.OPEN, Status.SOLVED)).when(set_status(Status.NONE, by=ANN)).then(
        status_set(Status.SOLVED, Status.NONE)
    )


def test_private_messages_have_a_status_too() -> None:
    given(started(ANN, BOB)).when(set_status(Status.PENDING)).then(status_set(Status.NONE, Status.PENDING))


def test_the_priority_is_set() -> None:
    given(ticket(ANN)).when(set_priority(Priority.HIGH)).then(priority_set(Priority.NONE, Priority.HIGH))


def test_the_priority_it_started_with_is_known() -> None:
    given(begun(message_type=MessageType.VALIDATION_RESULT, priority=Priority.HIGH), participants_added(BOB)).when(
        set_priority(Priority.HIGH, by=BOB)
    ).then_nothing()


def test_the_priority_is_set_again() -> None:
    given(ticket(ANN), priority_set(Priority.NONE, Priority.HIGH)).when(set_priority(Priority.LOW)).then(
        priority_set(Priority.HIGH, Priority.LOW)
    )


def test_somebody_is_made_responsible() -> None:
    given(ticket(ANN, BOB)).when(assign(BOB, by=BOB)).then(assignee_set(BOB))


def test_somebody_else_is_made_responsible() -> None:
    given(ticket(ANN, BOB), assignee_set(BOB)).when(assign(CID)).then(assignee_set(CID, previous=BOB))


def test_whoever_is_responsible_already_stays_so() -> None:
    given(ticket(ANN, BOB), assignee_set(BOB)).when(assign(BOB)).then_nothing()


def test_a_ticket_is_assigned_to_members_of_the_feedback_group_only() -> None:
    given(ticket(ANN, BOB)).when(assign(CID, in_feedback_group=False)).then_refused(NotInFeedbackGroup)


def test_even_to_him_who_has_it_but_left_the_group() -> None:
    given(ticket(ANN, BOB), assignee_set(BOB)).when(assign(BOB, in_feedback_group=False)).then_refused(
        NotInFeedbackGroup
    )


@pytest.mark.parametrize("message_type", [each for each in MessageType if each is not MessageType.TICKET])
def test_other_conversations_are_assigned_to_anybody(message_type: MessageType) -> None:
    given(begun(message_type=message_type)).when(assign(CID, in_feedback_group=False)).then(assignee_set(CID))


def test_access_is_checked_before_the_assignee() -> None:
    given(ticket(ANN, BOB)).when(assign(CID, by=CID, in_feedback_group=False)).then_refused(AccessDenied)


def test_the_assignee_does_not_become_a_participant() -> None:
    given(started(ANN, BOB), assignee_set(CID)).when(set_status(Status.OPEN, by=CID)).then_refused(AccessDenied)


def test_nobody_is_made_responsible() -> None:
    given(ticket(ANN, BOB), assignee_set(BOB)).when(unassign()).then(assignee_cleared(BOB))


def test_where_nobody_is_it_is_nothing() -> None:
    given(ticket(ANN, BOB)).when(unassign()).then_nothing()


def test_and_twice_neither() -> None:
    given(ticket(ANN, BOB), assignee_set(BOB), assignee_cleared(BOB)).when(unassign()).then_nothing()


def of_each_kind(by: Who) -> list[ConversationCommand]:
    return [set_status(Status.SOLVED, by=by), set_priority(Priority.LOW, by=by), assign(BOB, by=by), unassign(by=by)]


def by_name(command: object) -> str:
    return type(command).__name__


@pytest.mark.parametrize("command", of_each_kind(CID), ids=by_name)
def test_a_stranger_is_refused(command: ConversationCommand) -> None:
    given(ticket(ANN, BOB), assignee_set(ANN)).when(command).then_refused(AccessDenied)


@pytest.mark.parametrize(
    "by", [ANN, manager(UserId("CidCidCid03")), superuser(EVE)], ids=["sender", "manager", "super"]
)
def test_whoever_has_access_to_a_ticket_may(by: Who) -> None:
    for command in of_each_kind(by):
        assert given(ticket(ANN), assignee_set(ANN)).when(command).decided()


@pytest.mark.parametrize("command", of_each_kind(manager(EVE)), ids=by_name)
def test_a_ticket_manager_may_not_where_it_is_no_ticket(command: ConversationCommand) -> None:
    given(started(ANN, BOB)).when(command).then_refused(AccessDenied)


@pytest.mark.parametrize("command", of_each_kind(superuser(EVE)), ids=by_name)
class TestWithoutAConversation:
    def test_never_started(self, command: ConversationCommand) -> None:
        given().when(command).then_refused(ConversationNotFound)

    def test_deleted(self, command: ConversationCommand) -> None:
        given(ticket(ANN, BOB), conversation_deleted()).when(command).then_refused(ConversationNotFound)
