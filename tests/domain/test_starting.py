import pytest

from convstore.domain.commands import ConversationCommand
from convstore.domain.events import ConversationStarted, MessagePosted, ParticipantsAdded
from convstore.domain.types import Addressed, MessageType, Priority, Status
from convstore.domain.uid import Uid, UserId
from convstore.errors import (
    ConversationExists,
    ExternalIdTooLong,
    NoRecipients,
    SubjectRequired,
    SubjectTooLong,
    SystemSendNotAllowed,
)
from scenario import folded, given
from words import (
    ANN,
    BOB,
    CID,
    EVE,
    MESSAGE,
    PICTURE,
    Asking,
    begun,
    conversation_deleted,
    participants_added,
    person,
    posted,
    send_message,
    send_system_message,
    send_ticket,
    send_validation_result,
    started,
    superuser,
)

TO_A_GROUP = Addressed(users=(BOB,), groups=(Uid("ZoHNWQajIoe"),))

EVERY_KIND: list[ConversationCommand] = [
    send_message(BOB),
    send_ticket(BOB),
    send_system_message(BOB),
    send_validation_result(BOB),
]


def test_a_message_starts_a_private_conversation_of_sender_and_recipients() -> None:
    given().when(send_message(BOB, CID, by=ANN)).then(
        begun(by=ANN, addressed=Addressed(users=(BOB, CID))),
        participants_added(BOB, CID),
        posted(by=ANN, message=MESSAGE),
    )


def test_the_sender_among_the_recipients_and_people_named_twice_get_one_copy() -> None:
    given().when(send_message(CID, ANN, BOB, CID, by=ANN, addressed=TO_A_GROUP)).then(
        begun(by=ANN, addressed=TO_A_GROUP),
        participants_added(CID, BOB),
        posted(by=ANN, message=MESSAGE),
    )


def test_one_may_write_to_oneself_alone() -> None:
    given().when(send_message(ANN, by=ANN)).then(
        begun(by=ANN, addressed=Addressed(users=(ANN,))), posted(by=ANN, message=MESSAGE)
    )


def test_a_message_to_nobody_is_refused() -> None:
    given().when(send_message()).then_refused(NoRecipients)


def test_attachments_and_user_agent_go_with_the_message() -> None:
    given().when(send_message(BOB, attachments=(PICTURE,), user_agent="curl/8")).then(
        begun(addressed=Addressed(users=(BOB,))),
        participants_added(BOB),
        posted(message=MESSAGE, attachments=(PICTURE,), user_agent="curl/8"),
    )


def test_a_message_without_text_is_sent() -> None:
    *_, message = given().when(send_message(BOB, text=None)).decided()
    assert posted(text=None, message=MESSAGE) == message


@pytest.mark.parametrize("send", [send_message, send_ticket])
def test_a_long_user_agent_is_cut_to_what_dhis2_keeps(send: Asking) -> None:
    *_, message = given().when(send(BOB, user_agent="x" * 300)).decided()
    assert isinstance(message, MessagePosted)
    assert len("User-agent: " + (message.user_agent or "")) == 255


def test_many_recipients_come_in_events_of_a_thousand() -> None:
    many = [UserId(f"Person{n:05}") for n in range(2_500)]
    first, *added, message = given().when(send_message(*many)).decided()
    assert isinstance(first, ConversationStarted)
    assert isinstance(message, MessagePosted)
    sizes = [len(event.participants) for event in added if isinstance(event, ParticipantsAdded)]
    assert [1_000, 1_000, 500] == sizes
    assert many == [who for event in added if isinstance(event, ParticipantsAdded) for who in event.participants]


def test_a_ticket_starts_open_with_the_feedback_group() -> None:
    given().when(send_ticket(BOB, ANN, by=ANN, user_agent="curl/8")).then(
        begun(by=ANN, message_type=MessageType.TICKET, status=Status.OPEN),
        participants_added(BOB),
        posted(by=ANN, message=MESSAGE, user_agent="curl/8"),
    )


def test_a_ticket_that_nobody_works_on_is_sent_all_the_same() -> None:
    given().when(send_ticket(by=ANN)).then(
        begun(by=ANN, message_type=MessageType.TICKET, status=Status.OPEN), posted(by=ANN, message=MESSAGE)
    )


def test_a_system_message_has_no_sender_but_a_creator() -> None:
    given().when(send_system_message(BOB, CID, by=EVE, external_id="2.42", forced=True)).then(
        begun(by=None, created_by=EVE, message_type=MessageType.SYSTEM, external_id="2.42", forced=True),
        participants_added(BOB, CID),
        posted(by=None, message=MESSAGE),
    )


def test_the_sender_of_a_system_message_signs_it_and_gets_no_copy() -> None:
    given().when(send_system_message(BOB, by=EVE, sender=ANN)).then(
        begun(by=None, created_by=EVE, message_type=MessageType.SYSTEM),
        participants_added(BOB),
        posted(by=ANN, message=MESSAGE),
    )


def test_the_sender_of_a_system_message_gets_an_unread_copy_when_he_is_a_recipient() -> None:
    command = send_system_message(BOB, ANN, by=EVE, sender=ANN)
    state = folded(given().when(command).decided())
    assert state.is_unread(ANN, with_internal=False)


def test_a_validation_result_starts_open_with_the_highest_priority() -> None:
    priorities = (Priority.LOW, Priority.HIGH, Priority.MEDIUM)
    given().when(send_validation_result(BOB, by=EVE, priorities=priorities, external_id="run 7")).then(
        begun(
            by=None,
            created_by=EVE,
            message_type=MessageType.VALIDATION_RESULT,
            status=Status.OPEN,
            priority=Priority.HIGH,
            external_id="run 7",
        ),
        participants_added(BOB),
        posted(by=None, message=MESSAGE),
    )


def test_a_validation_result_of_no_priority_has_none() -> None:
    first, *_ = given().when(send_validation_result(BOB)).decided()
    assert isinstance(first, ConversationStarted)
    assert Priority.NONE is first.priority


@pytest.mark.parametrize("send", [send_system_message, send_validation_result])
class TestFromASystem:
    def test_to_nobody_is_refused(self, send: Asking) -> None:
        given().when(send()).then_refused(NoRecipients)

    def test_without_the_authority_it_is_refused(self, send: Asking) -> None:
        given().when(send(BOB, by=person(ANN))).then_refused(SystemSendNotAllowed)

    def test_the_authority_is_asked_for_before_anything_else_is_told(self, send: Asking) -> None:
        given(started(ANN, BOB)).when(send(by=person(ANN), subject=None)).then_refused(SystemSendNotAllowed)

    def test_a_superuser_may(self, send: Asking) -> None:
        assert given().when(send(BOB, by=superuser(ANN))).decided()

    def test_an_external_id_of_64_characters_fits(self, send: Asking) -> None:
        first, *_ = given().when(send(BOB, external_id="x" * 64)).decided()
        assert isinstance(first, ConversationStarted)
        assert first.external_id == "x" * 64

    def test_a_longer_external_id_is_refused(self, send: Asking) -> None:
        given().when(send(BOB, external_id="x" * 65)).then_refused(ExternalIdTooLong)

    def test_a_repeat_is_told_from_a_faulty_request(self, send: Asking) -> None:
        given(started(ANN, BOB)).when(send()).then_refused(ConversationExists)


@pytest.mark.parametrize("send", [send_message, send_ticket, send_system_message, send_validation_result])
class TestSubject:
    @pytest.mark.parametrize("subject", [None, ""])
    def test_is_required(self, send: Asking, subject: str | None) -> None:
        given().when(send(BOB, subject=subject)).then_refused(SubjectRequired)

    def test_of_255_characters_fits(self, send: Asking) -> None:
        subject = "\N{ETHIOPIC SYLLABLE SA}" * 255
        first, *_ = given().when(send(BOB, subject=subject)).decided()
        assert isinstance(first, ConversationStarted)
        assert subject == first.subject

    def test_of_256_characters_is_refused(self, send: Asking) -> None:
        given().when(send(BOB, subject="x" * 256)).then_refused(SubjectTooLong)


def test_recipients_are_asked_for_before_the_subject() -> None:
    given().when(send_message(subject=None)).then_refused(NoRecipients)


@pytest.mark.parametrize("command", EVERY_KIND, ids=lambda command: type(command).__name__)
class TestTakenUid:
    def test_an_existing_conversation_is_not_started_again(self, command: ConversationCommand) -> None:
        given(started(ANN, BOB)).when(command).then_refused(ConversationExists)

    def test_a_deleted_one_neither(self, command: ConversationCommand) -> None:
        given(started(ANN, BOB), conversation_deleted()).when(command).then_refused(ConversationExists)


def test_the_sender_has_read_what_he_sent_and_the_others_have_not() -> None:
    state = folded(given().when(send_message(BOB, by=ANN)).decided())
    assert not state.is_unread(ANN, with_internal=True)
    assert state.is_unread(BOB, with_internal=False)
