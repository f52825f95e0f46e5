import pytest

from convstore.errors import AccessDenied, ConversationNotFound
from scenario import folded, given
from words import (
    ANN,
    BOB,
    CID,
    EVE,
    Asking,
    clear_follow_up,
    conversation_deleted,
    conversation_read,
    flag_follow_up,
    follow_up_cleared,
    follow_up_flagged,
    manager,
    posted,
    started,
    superuser,
    ticket,
)


def test_a_copy_is_flagged() -> None:
    given(started(ANN, BOB)).when(flag_follow_up(by=BOB)).then(follow_up_flagged(by=BOB))


def test_twice_is_noted_once() -> None:
    given(started(ANN, BOB), follow_up_flagged(by=BOB)).when(flag_follow_up(by=BOB)).then_nothing()


def test_each_copy_has_its_own_flag() -> None:
    given(started(ANN, BOB), follow_up_flagged(by=BOB)).when(flag_follow_up(by=ANN)).then(follow_up_flagged(by=ANN))


def test_a_flag_is_cleared() -> None:
    given(started(ANN, BOB), follow_up_flagged(by=BOB)).when(clear_follow_up(by=BOB)).then(follow_up_cleared(by=BOB))


def test_where_there_is_none_clearing_is_nothing() -> None:
    given(started(ANN, BOB)).when(clear_follow_up(by=BOB)).then_nothing()


def test_after_clearing_it_can_be_flagged_again() -> None:
    given(started(ANN, BOB), follow_up_flagged(by=BOB), follow_up_cleared(by=BOB)).when(flag_follow_up(by=BOB)).then(
        follow_up_flagged(by=BOB)
    )


def test_reading_and_new_messages_leave_it() -> None:
    history = (started(ANN, BOB), follow_up_flagged(by=BOB), conversation_read(by=BOB), posted(by=ANN))
    given(*history).when(clear_follow_up(by=BOB)).then(follow_up_cleared(by=BOB))


def test_a_flag_leaves_what_is_unread() -> None:
    assert folded(started(ANN, BOB), follow_up_flagged(by=BOB)).is_unread(BOB, with_internal=False)


@pytest.mark.parametrize("change", [flag_follow_up, clear_follow_up])
class TestWho:
    def test_nobody_flags_what_was_never_started(self, change: Asking) -> None:
        given().when(change(by=superuser(EVE))).then_refused(ConversationNotFound)

    def test_nobody_flags_what_was_deleted(self, change: Asking) -> None:
        given(started(ANN, BOB), conversation_deleted()).when(change(by=ANN)).then_refused(ConversationNotFound)

    def test_a_stranger_is_refused(self, change: Asking) -> None:
        given(started(ANN, BOB)).when(change(by=CID)).then_refused(AccessDenied)

    def test_a_participant_does_not_touch_anothers_copy(self, change: Asking) -> None:
        given(started(ANN, BOB)).when(change(by=ANN, of=BOB)).then_refused(AccessDenied)

    def test_a_ticket_manager_does_not_either(self, change: Asking) -> None:
        given(ticket(ANN, BOB)).when(change(by=manager(BOB), of=ANN)).then_refused(AccessDenied)

    def test_a_ticket_manager_without_a_copy_has_nothing_to_flag(self, change: Asking) -> None:
        given(ticket(ANN, BOB)).when(change(by=manager(EVE))).then_nothing()

    def test_a_superuser_has_nothing_to_flag_for_somebody_without_a_copy(self, change: Asking) -> None:
        given(started(ANN, BOB)).when(change(by=superuser(EVE), of=CID)).then_nothing()


def test_a_superuser_flags_anothers_copy() -> None:
    given(started(ANN, BOB)).when(flag_follow_up(by=superuser(EVE), of=BOB)).then(follow_up_flagged(by=BOB))


def test_a_superuser_clears_anothers_flag() -> None:
    given(started(ANN, BOB), follow_up_flagged(by=BOB)).when(clear_follow_up(by=superuser(EVE), of=BOB)).then(
        follow_up_cleared(by=BOB)
    )
