from convstore.domain.types import Actor
from convstore.errors import AccessDenied, ConversationNotFound, DeleteNotAllowed
from scenario import folded, given
from words import (
    ANN,
    BOB,
    CID,
    EVE,
    conversation_deleted,
    delete_conversation,
    importer,
    manager,
    started,
    superuser,
    ticket,
)


def test_a_superuser_deletes_any_conversation() -> None:
    given(started(ANN, BOB)).when(delete_conversation(by=superuser(EVE))).then(conversation_deleted())


def test_an_importer_deletes_what_he_takes_part_in() -> None:
    given(started(ANN, BOB)).when(delete_conversation(by=importer(BOB))).then(conversation_deleted())


def test_an_importer_without_access_does_not() -> None:
    given(started(ANN, BOB)).when(delete_conversation(by=importer(CID))).then_refused(AccessDenied)


def test_an_importer_who_manages_tickets_deletes_tickets() -> None:
    both = Actor(id=CID, may_delete=True, ticket_manager=True)
    given(ticket(ANN, BOB)).when(delete_conversation(by=both)).then(conversation_deleted())


def test_its_sender_does_not() -> None:
    given(started(ANN, BOB)).when(delete_conversation(by=ANN)).then_refused(DeleteNotAllowed)


def test_a_ticket_manager_does_not() -> None:
    given(ticket(ANN, BOB)).when(delete_conversation(by=manager(BOB))).then_refused(DeleteNotAllowed)


def test_the_authority_is_asked_for_before_existence_is_told() -> None:
    given().when(delete_conversation(by=ANN)).then_refused(DeleteNotAllowed)


def test_existence_is_checked_before_access() -> None:
    given().when(delete_conversation(by=importer(CID))).then_refused(ConversationNotFound)


def test_it_is_deleted_once() -> None:
    given(started(ANN, BOB), conversation_deleted()).when(delete_conversation(by=superuser(EVE))).then_refused(
        ConversationNotFound
    )


def test_a_deleted_conversation_remembers_nobody() -> None:
    state = folded(started(ANN, BOB), conversation_deleted())
    assert (4, True, 0) == (state.version, state.deleted, len(state.roster))
