from convstore.domain.events import MessagePosted
from convstore.errors import AccessDenied, ConversationNotFound, InternalNotAllowed
from scenario import given
from words import (
    ANN,
    ANOTHER_MESSAGE,
    BOB,
    CID,
    DAN,
    EVE,
    PICTURE,
    conversation_deleted,
    manager,
    participant_removed,
    posted,
    posted_internally,
    reply,
    started,
    superuser,
    system_message,
    ticket,
)


def test_a_participant_replies() -> None:
    given(started(ANN, BOB)).when(reply(by=BOB, text="Fine", attachments=(PICTURE,), user_agent="curl/8")).then(
        posted(by=BOB, text="Fine", attachments=(PICTURE,), user_agent="curl/8", message=ANOTHER_MESSAGE)
    )


def test_a_long_user_agent_is_cut_in_replies_too() -> None:
    (message,) = given(started(ANN, BOB)).when(reply(by=BOB, user_agent="x" * 300)).decided()
    assert isinstance(message, MessagePosted)
    assert message.user_agent == "x" * 243


def test_a_stranger_is_refused() -> None:
    given(started(ANN, BOB)).when(reply(by=CID)).then_refused(AccessDenied)


def test_whoever_was_removed_is_refused() -> None:
    given(started(ANN, BOB), participant_removed(BOB)).when(reply(by=BOB)).then_refused(AccessDenied)


def test_a_superuser_replies_anywhere_and_does_not_join() -> None:
    given(started(ANN, BOB)).when(reply(by=superuser(EVE))).then(posted(by=EVE))


def test_a_ticket_manager_replies_to_any_ticket() -> None:
    given(ticket(ANN)).when(reply(by=manager(EVE))).then(posted(by=EVE))


def test_a_ticket_manager_has_no_access_to_private_messages_of_others() -> None:
    given(started(ANN, BOB)).when(reply(by=manager(EVE))).then_refused(AccessDenied)


def test_nobody_replies_to_what_was_never_started() -> None:
    given().when(reply(by=superuser(EVE))).then_refused(ConversationNotFound)


def test_nobody_replies_to_what_was_deleted() -> None:
    given(started(ANN, BOB), conversation_deleted()).when(reply(by=ANN)).then_refused(ConversationNotFound)


def test_an_internal_reply_is_unread_for_the_managers_among_the_participants_but_its_sender() -> None:
    given(ticket(ANN, DAN, CID, BOB)).when(reply(by=manager(BOB), internal=True, managers=[DAN, BOB, CID, EVE])).then(
        posted_internally(CID, DAN, by=BOB)
    )


def test_an_internal_reply_names_nobody_who_was_removed() -> None:
    given(ticket(ANN, BOB, CID), participant_removed(CID)).when(
        reply(by=manager(BOB), internal=True, managers=[BOB, CID])
    ).then(posted_internally(by=BOB))


def test_a_public_reply_names_nobody() -> None:
    given(ticket(ANN, BOB)).when(reply(by=ANN, managers=[BOB])).then(posted(by=ANN))


def test_an_internal_reply_by_anybody_else_is_refused() -> None:
    given(ticket(ANN, BOB)).when(reply(by=ANN, internal=True)).then_refused(InternalNotAllowed)


def test_an_internal_reply_is_possible_on_every_type() -> None:
    given(system_message(BOB)).when(reply(by=manager(BOB), internal=True, managers=[BOB])).then(
        posted_internally(by=BOB)
    )


def test_a_manager_without_access_may_not_reply_internally() -> None:
    given(started(ANN, BOB)).when(reply(by=manager(EVE), internal=True)).then_refused(AccessDenied)


def test_existence_is_checked_before_the_right_to_write_internally() -> None:
    given().when(reply(by=ANN, internal=True)).then_refused(ConversationNotFound)


def test_the_right_to_write_internally_is_checked_before_access() -> None:
    given(started(ANN, BOB)).when(reply(by=CID, internal=True)).then_refused(InternalNotAllowed)
