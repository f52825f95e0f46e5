"""Events as the log stores them. A tag or a sample in here is never changed: logs hold them for ever."""

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from convstore.domain.access import Access, ExplanationViewed, HistoryViewed, InboxViewed, LoggedEvent, View
from convstore.domain.events import (
    AssigneeCleared,
    AssigneeSet,
    ConversationDeleted,
    ConversationRead,
    ConversationStarted,
    ConversationUnread,
    Event,
    FollowUpCleared,
    FollowUpFlagged,
    MessagePosted,
    ParticipantRemoved,
    ParticipantsAdded,
    PrioritySet,
    StatusSet,
    tag_of,
)
from convstore.domain.types import Addressed, Attachment, MessageType, Priority, Status
from convstore.domain.uid import Uid
from words import ANN, BOB, CID, EVE

TAGS = {
    "conversation-started": ConversationStarted,
    "participants-added": ParticipantsAdded,
    "message-posted": MessagePosted,
    "participant-removed": ParticipantRemoved,
    "conversation-read": ConversationRead,
    "conversation-unread": ConversationUnread,
    "follow-up-flagged": FollowUpFlagged,
    "follow-up-cleared": FollowUpCleared,
    "status-set": StatusSet,
    "priority-set": PrioritySet,
    "assignee-set": AssigneeSet,
    "assignee-cleared": AssigneeCleared,
    "conversation-deleted": ConversationDeleted,
    "inbox-viewed": InboxViewed,
    "history-viewed": HistoryViewed,
    "explanation-viewed": ExplanationViewed,
}

# What each line of samples/schema-1.jsonl means, in the order of the lines.
MEANT: list[LoggedEvent] = [
    ConversationStarted(message_type=MessageType.PRIVATE, subject="Mortality data reporting"),
    ConversationStarted(
        message_type=MessageType.TICKET,
        subject="Réseau en panne, \N{ETHIOPIC SYLLABLE SA}",
        status=Status.OPEN,
        priority=Priority.HIGH,
        sender=ANN,
        created_by=ANN,
        external_id="run-7",
        addressed=Addressed(users=(BOB,), groups=(Uid("ZoHNWQajIoe"),), units=(Uid("DiszpKrYNg8"),)),
        forced=True,
    ),
    ParticipantsAdded(participants=(BOB, CID)),
    MessagePosted(message_id=Uid("B4gqUrXnRlX")),
    MessagePosted(
        message_id=Uid("k7dyUc9rNmQ"),
        sender=EVE,
        text='He said "yes"\nand left',
        internal=True,
        unread_for=(BOB, CID),
        attachments=(Attachment(id=Uid("fTpI4GOmujz"), name="a.png", content_type="image/png", length=1234),),
        user_agent="curl/8.5.0",
    ),
    ParticipantRemoved(participant=BOB),
    ConversationRead(reader=ANN, up_to=7),
    ConversationUnread(reader=ANN),
    FollowUpFlagged(participant=ANN),
    FollowUpCleared(participant=ANN),
    StatusSet(old=Status.OPEN, new=Status.SOLVED),
    PrioritySet(old=Priority.NONE, new=Priority.MEDIUM),
    AssigneeSet(assignee=BOB),
    AssigneeSet(assignee=CID, previous=BOB),
    AssigneeCleared(previous=CID),
    ConversationDeleted(),
    InboxViewed(person=BOB, view=View.LIST),
    InboxViewed(person=BOB, view=View.PROPERTY, conversation_id=Uid("ZjHHSjyyeJ2"), as_of="U4mhcZ4ZGQ"),
    HistoryViewed(conversation_id=Uid("ZjHHSjyyeJ2"), person=BOB, as_of="U4mhcZ4ZGQ"),
    ExplanationViewed(
        conversation_id=Uid("ZjHHSjyyeJ2"), person=BOB, message_id=Uid("B4gqUrXnRlX"), as_of="U4mhcZ4ZGQ"
    ),
]
KEPT = (Path(__file__).parent / "samples" / "schema-1.jsonl").read_bytes().splitlines()
SAMPLES = list(zip(KEPT, MEANT, strict=True))
OURS = {Event.__module__, Access.__module__}


def test_the_tags_are_these() -> None:
    assert TAGS == {tag_of(event): event for event in get_args(LoggedEvent)}


def test_every_event_has_its_place_in_the_union() -> None:
    # Other tests make events of their own, to see what an older log would hold.
    ours = {event for event in [*Event.__subclasses__(), *Access.__subclasses__()] if event.__module__ in OURS} - {
        Access
    }

    assert ours == set(get_args(LoggedEvent))


def test_an_instance_has_the_tag_of_its_class() -> None:
    assert tag_of(ConversationDeleted()) == "conversation-deleted"


def test_there_is_a_sample_of_every_event() -> None:
    assert TAGS.keys() == {tag_of(event) for event in MEANT}


def test_some_sample_fills_every_field() -> None:
    for event in get_args(LoggedEvent):
        filled = {
            field
            for sample in MEANT
            if isinstance(sample, event)
            for field in event.__struct_fields__
            if field in msgspec.to_builtins(sample)
        }
        assert set(event.__struct_fields__) == filled


@pytest.mark.parametrize(("raw", "event"), SAMPLES, ids=[tag_of(event) for event in MEANT])
class TestSample:
    def test_means_what_it_meant(self, raw: bytes, event: LoggedEvent) -> None:
        assert event == msgspec.json.decode(raw, type=LoggedEvent)

    def test_is_written_as_it_was(self, raw: bytes, event: LoggedEvent) -> None:
        assert raw == msgspec.json.encode(event)


def test_a_field_that_a_later_release_added_is_passed_over() -> None:
    raw = b'{"type":"conversation-deleted","reason":"later"}'
    assert ConversationDeleted() == msgspec.json.decode(raw, type=LoggedEvent)


def test_an_unknown_tag_is_told() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"type":"conversation-forgotten"}', type=LoggedEvent)
