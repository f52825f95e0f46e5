import pytest

from convstore.domain.commands import ConversationCommand
from convstore.domain.events import ParticipantsAdded
from convstore.domain.uid import UserId
from convstore.errors import AccessDenied, ConversationNotFound
from scenario import folded, given
from words import (
    ANN,
    BOB,
    CID,
    DAN,
    EVE,
    add_participants,
    begun,
    conversation_deleted,
    follow_up_flagged,
    manager,
    participant_removed,
    participants_added,
    posted,
    remove_participant,
    started,
    superuser,
    ticket,
)


def test_only_those_are_added_who_are_not_in_it_and_each_once() -> None:
    given(started(ANN, BOB)).when(add_participants(CID, BOB, DAN, ANN, CID, by=BOB)).then(participants_added(CID, DAN))


def test_adding_those_who_are_in_it_is_nothing() -> None:
    given(started(ANN, BOB)).when(add_participants(BOB, ANN)).then_nothing()


def test_adding_nobody_is_nothing() -> None:
    given(started(ANN, BOB)).when(add_participants()).then_nothing()


def test_many_are_added_in_events_of_a_thousand() -> None:
    many = [UserId(f"Person{n:05}") for n in range(1_001)]
    decided = given(started(ANN, BOB)).when(add_participants(*many)).decided()
    assert [1_000, 1] == [len(event.participants) for event in decided if isinstance(event, ParticipantsAdded)]


def test_whoever_was_removed_comes_back_with_a_fresh_copy() -> None:
    history = (started(ANN, BOB), follow_up_flagged(by=BOB), participant_removed(BOB))
    given(*history).when(add_participants(BOB)).then(participants_added(BOB))
    mark = folded(*history, participants_added(BOB)).roster.get(BOB)
    assert mark is not None
    assert (0, 6, 0, False) == (mark.read, mark.unread_since, mark.internal, mark.follow_up)


def test_a_stranger_may_not_add() -> None:
    given(started(ANN, BOB)).when(add_participants(CID, by=CID)).then_refused(AccessDenied)


def test_a_ticket_manager_adds_to_any_ticket() -> None:
    given(ticket(ANN)).when(add_participants(BOB, by=manager(EVE))).then(participants_added(BOB))


def test_nobody_adds_to_what_is_not_there() -> None:
    given().when(add_participants(BOB, by=superuser(EVE))).then_refused(ConversationNotFound)


def test_one_leaves() -> None:
    given(started(ANN, BOB)).when(remove_participant(BOB)).then(participant_removed(BOB))


def test_the_last_one_leaves() -> None:
    given(begun(by=ANN), posted(by=ANN)).when(remove_participant(ANN)).then(participant_removed(ANN))


def test_after_the_last_one_left_it_still_exists() -> None:
    given(started(ANN), participant_removed(ANN)).when(add_participants(BOB, by=superuser(EVE))).then(
        participants_added(BOB)
    )


def test_a_participant_does_not_remove_another() -> None:
    given(started(ANN, BOB)).when(remove_participant(BOB, by=ANN)).then_refused(AccessDenied)


def test_a_ticket_manager_does_not_remove_another() -> None:
    given(ticket(ANN, BOB)).when(remove_participant(ANN, by=manager(BOB))).then_refused(AccessDenied)


def test_a_superuser_removes_another() -> None:
    given(started(ANN, BOB)).when(remove_participant(BOB, by=superuser(EVE))).then(participant_removed(BOB))


def test_removing_whoever_is_not_in_it_is_nothing() -> None:
    given(started(ANN, BOB)).when(remove_participant(CID, by=superuser(EVE))).then_nothing()


def test_a_ticket_manager_who_is_not_in_a_ticket_has_nothing_to_leave() -> None:
    given(ticket(ANN, BOB)).when(remove_participant(EVE, by=manager(EVE))).then_nothing()


def test_whoever_left_has_no_access_to_leave_again() -> None:
    given(started(ANN, BOB), participant_removed(BOB)).when(remove_participant(BOB)).then_refused(AccessDenied)


@pytest.mark.parametrize("command", [remove_participant(ANN), add_participants(CID, by=ANN)], ids=["remove", "add"])
def test_a_deleted_conversation_has_no_participants_to_change(command: ConversationCommand) -> None:
    given(started(ANN, BOB), conversation_deleted()).when(command).then_refused(ConversationNotFound)
