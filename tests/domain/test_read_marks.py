"""Who has read what. Versions in these histories: ``started(ANN, BOB)`` is 1 to 3, its message being 3."""

import pytest

from convstore.domain.types import Status
from convstore.errors import AccessDenied, ConversationNotFound
from scenario import folded, given
from words import (
    ANN,
    BOB,
    CID,
    EVE,
    Asking,
    conversation_deleted,
    conversation_read,
    conversation_unread,
    manager,
    mark_read,
    mark_unread,
    participant_removed,
    participants_added,
    posted,
    posted_internally,
    started,
    status_set,
    superuser,
    system_message,
    ticket,
)


def test_reading_a_new_message_is_noted() -> None:
    given(started(ANN, BOB), posted(by=BOB)).when(mark_read(by=ANN)).then(conversation_read(by=ANN, up_to=4))


def test_reading_it_twice_is_noted_once() -> None:
    given(started(ANN, BOB), posted(by=BOB), conversation_read(by=ANN)).when(mark_read(by=ANN)).then_nothing()


def test_a_fresh_copy_is_unread() -> None:
    given(started(ANN, BOB)).when(mark_read(by=BOB)).then(conversation_read(by=BOB, up_to=3))


def test_the_sender_of_the_first_message_has_read_it() -> None:
    given(started(ANN, BOB)).when(mark_read(by=ANN)).then_nothing()


def test_a_message_after_the_reading_is_unread() -> None:
    given(started(ANN, BOB), conversation_read(by=BOB), posted(by=ANN)).when(mark_read(by=BOB)).then(
        conversation_read(by=BOB, up_to=5)
    )


def test_ones_own_message_does_not_make_it_unread_for_oneself() -> None:
    given(started(ANN, BOB), posted(by=ANN), posted(by=ANN)).when(mark_read(by=ANN)).then_nothing()


def test_ones_own_older_unread_stays_unread_when_one_replies() -> None:
    given(started(ANN, BOB), posted(by=BOB), posted(by=ANN)).when(mark_read(by=ANN)).then(conversation_read(by=ANN))


def test_ones_own_messages_between_those_of_others_hide_nothing() -> None:
    history = (started(ANN, BOB, CID), posted(by=CID), posted(by=BOB), posted(by=ANN), posted(by=ANN))
    assert folded(*history).is_unread(ANN, with_internal=False)
    assert folded(*history).is_unread(BOB, with_internal=False)


def test_a_fresh_copy_stays_unread_when_its_owner_replies_without_reading() -> None:
    assert folded(started(ANN, BOB), posted(by=BOB)).is_unread(BOB, with_internal=False)


def test_messages_of_systems_are_by_somebody_else_for_everybody() -> None:
    history = (system_message(BOB), conversation_read(by=BOB), posted(by=None))
    assert folded(*history).is_unread(BOB, with_internal=False)


def test_what_happened_beside_messages_makes_nothing_unread() -> None:
    history = (
        started(ANN, BOB),
        conversation_read(by=BOB),
        status_set(Status.NONE, Status.OPEN),
        participants_added(CID),
    )
    given(*history).when(mark_read(by=BOB)).then_nothing()


class TestUpTo:
    def test_a_message_posted_after_it_stays_unread(self) -> None:
        history = (started(ANN, BOB), posted(by=BOB), posted(by=BOB))
        given(*history).when(mark_read(by=ANN, up_to=4)).then(conversation_read(by=ANN, up_to=4))
        assert folded(*history, conversation_read(by=ANN, up_to=4)).is_unread(ANN, with_internal=False)

    def test_all_that_was_posted_up_to_it_is_read(self) -> None:
        history = (started(ANN, BOB), posted(by=BOB), status_set(Status.NONE, Status.OPEN))
        assert not folded(*history, conversation_read(by=ANN, up_to=4)).is_unread(ANN, with_internal=False)

    def test_beyond_the_end_of_the_stream_it_is_the_end(self) -> None:
        given(started(ANN, BOB)).when(mark_read(by=BOB, up_to=99)).then(conversation_read(by=BOB, up_to=3))

    def test_said_twice_it_is_noted_once_though_a_later_message_is_unread(self) -> None:
        history = (started(ANN, BOB), posted(by=BOB), posted(by=BOB), conversation_read(by=ANN, up_to=4))
        given(*history).when(mark_read(by=ANN, up_to=4)).then_nothing()

    def test_older_than_what_was_read_it_is_nothing(self) -> None:
        history = (started(ANN, BOB), conversation_read(by=BOB, up_to=3), posted(by=ANN), posted(by=ANN))
        given(*history).when(mark_read(by=BOB, up_to=2)).then_nothing()

    @pytest.mark.parametrize("up_to", [0, -1])
    def test_before_the_beginning_it_is_nothing(self, up_to: int) -> None:
        given(started(ANN, BOB), posted(by=BOB)).when(mark_read(by=ANN, up_to=up_to)).then_nothing()

    def test_older_than_the_marking_as_unread_it_is_nothing(self) -> None:
        history = (started(ANN, BOB), posted(by=BOB), conversation_unread(by=ANN))
        given(*history).when(mark_read(by=ANN, up_to=4)).then_nothing()

    def test_the_marking_as_unread_is_undone_by_what_was_read_since(self) -> None:
        history = (started(ANN, BOB), conversation_unread(by=ANN))
        given(*history).when(mark_read(by=ANN, up_to=4)).then(conversation_read(by=ANN, up_to=4))
        assert not folded(*history, conversation_read(by=ANN, up_to=4)).is_unread(ANN, with_internal=True)

    def test_older_than_the_copy_it_is_nothing(self) -> None:
        given(started(ANN, BOB), posted(by=BOB), participants_added(CID)).when(
            mark_read(by=CID, up_to=4)
        ).then_nothing()


class TestInternal:
    """``ticket(ANN, BOB, CID)``: BOB and CID work on tickets, version 3 is the message."""

    told = (ticket(ANN, BOB, CID), conversation_read(by=BOB), conversation_read(by=CID), posted_internally(CID, by=BOB))

    def test_an_internal_message_is_unread_for_those_it_names_in_their_view(self) -> None:
        given(*self.told).when(mark_read(by=manager(CID))).then(conversation_read(by=CID, up_to=6))

    def test_and_read_for_them_when_they_have_lost_the_right(self) -> None:
        given(*self.told).when(mark_read(by=CID)).then_nothing()

    def test_its_sender_has_nothing_unread(self) -> None:
        given(*self.told).when(mark_read(by=manager(BOB))).then_nothing()

    def test_others_have_nothing_unread_even_with_the_right(self) -> None:
        given(*self.told).when(mark_read(by=manager(ANN))).then_nothing()

    def test_reading_ends_it(self) -> None:
        given(*self.told, conversation_read(by=CID)).when(mark_read(by=manager(CID))).then_nothing()

    def test_reading_up_to_before_it_does_not(self) -> None:
        history = (*self.told, conversation_read(by=CID, up_to=5))
        assert folded(*history).is_unread(CID, with_internal=True)

    def test_it_hides_no_public_message_that_is_unread(self) -> None:
        history = (*self.told, posted(by=ANN), posted_internally(BOB, by=CID))
        assert folded(*history).is_unread(CID, with_internal=False)
        assert folded(*history).is_unread(BOB, with_internal=False)
        assert not folded(*history).is_unread(ANN, with_internal=True)

    def test_a_copy_unread_by_an_internal_message_is_marked_unread_once_in_that_view(self) -> None:
        given(*self.told).when(mark_unread(by=manager(CID))).then_nothing()

    def test_and_can_be_marked_unread_in_the_other(self) -> None:
        given(*self.told).when(mark_unread(by=CID)).then(conversation_unread(by=CID))


class TestUnread:
    def test_a_read_copy_becomes_unread(self) -> None:
        given(started(ANN, BOB)).when(mark_unread(by=ANN)).then(conversation_unread(by=ANN))

    def test_and_is_unread_then(self) -> None:
        history = (started(ANN, BOB), conversation_unread(by=ANN))
        assert folded(*history).is_unread(ANN, with_internal=False)
        assert folded(*history).is_unread(ANN, with_internal=True)

    def test_twice_is_noted_once(self) -> None:
        given(started(ANN, BOB), conversation_unread(by=ANN)).when(mark_unread(by=ANN)).then_nothing()

    def test_a_copy_with_a_new_message_is_unread_already(self) -> None:
        given(started(ANN, BOB), posted(by=BOB)).when(mark_unread(by=ANN)).then_nothing()

    def test_of_one_copy_it_touches_no_other(self) -> None:
        history = (started(ANN, BOB), conversation_read(by=BOB), conversation_unread(by=ANN))
        assert not folded(*history).is_unread(BOB, with_internal=True)


@pytest.mark.parametrize("mark", [mark_read, mark_unread])
class TestWho:
    def test_nobody_marks_what_was_never_started(self, mark: Asking) -> None:
        given().when(mark(by=superuser(EVE))).then_refused(ConversationNotFound)

    def test_nobody_marks_what_was_deleted(self, mark: Asking) -> None:
        given(started(ANN, BOB), conversation_deleted()).when(mark(by=ANN)).then_refused(ConversationNotFound)

    def test_a_stranger_is_refused(self, mark: Asking) -> None:
        given(started(ANN, BOB)).when(mark(by=CID)).then_refused(AccessDenied)

    def test_whoever_was_removed_is_refused(self, mark: Asking) -> None:
        given(started(ANN, BOB), participant_removed(BOB)).when(mark(by=BOB)).then_refused(AccessDenied)

    def test_a_participant_does_not_mark_anothers_copy(self, mark: Asking) -> None:
        given(started(ANN, BOB)).when(mark(by=ANN, of=BOB)).then_refused(AccessDenied)

    def test_a_ticket_manager_does_not_either(self, mark: Asking) -> None:
        given(ticket(ANN, BOB)).when(mark(by=manager(BOB), of=ANN)).then_refused(AccessDenied)

    def test_not_even_one_that_does_not_exist(self, mark: Asking) -> None:
        given(started(ANN, BOB)).when(mark(by=ANN, of=CID)).then_refused(AccessDenied)

    def test_a_ticket_manager_without_a_copy_has_nothing_to_mark(self, mark: Asking) -> None:
        given(ticket(ANN, BOB)).when(mark(by=manager(EVE))).then_nothing()

    def test_a_superuser_has_nothing_to_mark_for_somebody_without_a_copy(self, mark: Asking) -> None:
        given(started(ANN, BOB)).when(mark(by=superuser(EVE), of=CID)).then_nothing()


class TestForAnother:
    def test_a_superuser_marks_read(self) -> None:
        given(started(ANN, BOB)).when(mark_read(by=superuser(EVE), of=BOB)).then(conversation_read(by=BOB))

    def test_a_superuser_marks_unread(self) -> None:
        given(started(ANN, BOB)).when(mark_unread(by=superuser(EVE), of=ANN)).then(conversation_unread(by=ANN))

    def test_read_is_judged_in_the_widest_view(self) -> None:
        given(*TestInternal.told).when(mark_read(by=superuser(EVE), of=CID)).then(conversation_read(by=CID))

    def test_unread_is_judged_in_the_narrowest_view(self) -> None:
        given(*TestInternal.told).when(mark_unread(by=superuser(EVE), of=CID)).then(conversation_unread(by=CID))
