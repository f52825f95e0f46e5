"""What the log stores of an event, and how what was stored long ago is read."""

import json

import pytest
from msgspec import Struct

from convstore.domain.events import Event, MessagePosted, StatusSet
from convstore.domain.types import Status
from convstore.errors import BadText, LogCorrupt
from convstore.log.codec import CODEC, RETIRED, Codec, encode, encode_meta
from convstore.log.recorded import Meta
from words import ANN, MESSAGE, posted


class ConversationArchived(Event, frozen=True, kw_only=True, tag="conversation-archived"):
    """An event of an imagined earlier release, which today says that the status was set."""

    reason: str = ""


def solved(old: ConversationArchived) -> StatusSet:
    return StatusSet(old=Status.OPEN, new=Status.SOLVED if old.reason == "solved" else Status.INVALID)


def test_what_is_stored_names_its_kind_and_leaves_out_defaults() -> None:
    tag, data = encode(MessagePosted(message_id=MESSAGE, sender=ANN, text="Ça va ?"))
    assert "message-posted" == tag
    assert {"type": "message-posted", "message_id": MESSAGE, "sender": ANN, "text": "Ça va ?"} == json.loads(data)
    assert "Ça va ?" in data


def test_what_was_encoded_is_decoded() -> None:
    event = posted(by=ANN)
    assert event == CODEC.decode(encode(event)[1])


def test_a_retired_event_is_read_in_todays_words() -> None:
    codec = Codec({ConversationArchived: solved})
    assert StatusSet(old=Status.OPEN, new=Status.SOLVED) == codec.decode(
        '{"type":"conversation-archived","reason":"solved"}'
    )
    assert posted(by=ANN) == codec.decode(encode(posted(by=ANN))[1])


def test_a_retired_event_is_checked_by_the_tag_that_it_had() -> None:
    codec = Codec({ConversationArchived: solved})
    codec.check("conversation-archived", '{"type":"conversation-archived"}', "{}")
    with pytest.raises(LogCorrupt):
        codec.check("status-set", '{"type":"conversation-archived"}', "{}")


@pytest.mark.parametrize(
    "data",
    ['{"type":"never-heard-of"}', '{"type":"message-posted"}', "{}", "not JSON", '{"type":"status-set","old":1}'],
)
def test_what_is_no_event_is_corrupt(data: str) -> None:
    with pytest.raises(LogCorrupt):
        CODEC.decode(data)


def test_the_error_does_not_quote_the_letter() -> None:
    with pytest.raises(LogCorrupt) as error:
        CODEC.decode('{"type":"message-posted","message_id":7,"text":"my secret"}')
    assert "secret" not in str(error.value)


def test_circumstances_that_cannot_be_read_are_corrupt() -> None:
    with pytest.raises(LogCorrupt):
        CODEC.check("message-posted", encode(posted(by=ANN))[1], '{"actor":1}')


@pytest.mark.parametrize("text", ["\x00", "a\\\x00", "\\\\\x00", "\\u0000\x00", "\ud83d"])
def test_nul_and_lone_surrogates_are_refused_in_any_string(text: str) -> None:
    with pytest.raises(BadText):
        encode(MessagePosted(message_id=MESSAGE, text=text))
    with pytest.raises(BadText):
        encode_meta(Meta(user_agent=text))


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "u0000", "\x01", "\U0001f600", "\\"])
def test_texts_that_only_look_like_it_are_stored(text: str) -> None:
    event = MessagePosted(message_id=MESSAGE, text=text)
    assert event == CODEC.decode(encode(event)[1])


def test_the_registry_of_this_release_holds_structs_that_are_no_events_of_today() -> None:
    assert all(issubclass(retired, Struct) for retired in RETIRED)
