"""Why a copy is unread, or is there at all: the reasons agree with the rules after whatever people did."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import reduce

from hypothesis import given as whatever
from hypothesis import strategies as st
from test_any_history import PEOPLE, some_commands, told

from convstore.audit.explain import Copy, Message, follow
from convstore.audit.sight import Seen
from convstore.domain.commands import ConversationCommand
from convstore.domain.conversation import evolve, initial
from convstore.domain.events import (
    ConversationEvent,
    ConversationRead,
    ConversationUnread,
    FollowUpCleared,
    FollowUpFlagged,
    MessagePosted,
    ParticipantsAdded,
)
from convstore.domain.uid import Uid, UserId
from convstore.log.recorded import Recorded
from words import (
    ANN,
    BOB,
    CID,
    CONVERSATION,
    Told,
    conversation_read,
    conversation_unread,
    follow_up_flagged,
    history,
    participant_removed,
    participants_added,
    posted,
    posted_internally,
    started,
)

AT = datetime(2026, 11, 23, tzinfo=UTC)


def seen(version: int, event: ConversationEvent) -> Seen:
    return Seen(version, Recorded(0, version, CONVERSATION, version, event, AT, "{}"))


def about(event: ConversationEvent, person: UserId) -> bool:
    """Tell whether an event is the thread's, or this person's own."""
    match event:
        case ConversationRead(reader=who) | ConversationUnread(reader=who):
            return who == person
        case FollowUpFlagged(participant=who) | FollowUpCleared(participant=who):
            return who == person
        case _:
            return True


async def explained(events: Sequence[ConversationEvent], person: UserId, *, with_internal: bool = False) -> Copy:
    copy = Copy(person, with_internal)

    async def pages() -> AsyncIterator[list[Seen]]:
        yield [seen(version, event) for version, event in enumerate(events, 1) if about(event, person)]

    await follow(pages(), CONVERSATION, [copy])
    return copy


async def reasons(*what: Told, person: UserId = BOB, with_internal: bool = False) -> tuple[int | None, list[int]]:
    """Give the versions of the event that gave him his copy, or took it, and of those that make it unread."""
    copy = await explained(history(*what), person, with_internal=with_internal)
    membership = None if copy.membership is None else copy.membership.recorded.version
    return membership, [each.recorded.version for each in copy.unread]


async def test_a_new_copy_is_unread_because_it_was_given_and_because_of_each_message() -> None:
    assert (2, [2, 3, 4]) == await reasons(started(ANN, BOB), posted(by=ANN))


async def test_what_came_before_the_last_reading_is_no_reason() -> None:
    assert (2, [5]) == await reasons(started(ANN, BOB), conversation_read(by=BOB), posted(by=ANN))
    assert (2, [4]) == await reasons(started(ANN, BOB), posted(by=ANN), conversation_read(by=BOB, up_to=3))


async def test_ones_own_message_is_no_reason_and_marking_unread_is_one() -> None:
    assert (2, []) == await reasons(started(ANN, BOB), conversation_read(by=BOB), posted(by=BOB))
    assert (2, [5]) == await reasons(started(ANN, BOB), conversation_read(by=BOB), conversation_unread(by=BOB))


async def test_an_internal_message_is_a_reason_for_those_who_see_it() -> None:
    told = (started(ANN, BOB, CID), conversation_read(by=BOB), posted_internally(BOB, by=CID))
    assert (2, [5]) == await reasons(*told, with_internal=True)
    assert (2, []) == await reasons(*told, with_internal=False)


async def test_whoever_was_taken_out_or_came_again_is_told_by_which_event() -> None:
    assert (4, []) == await reasons(started(ANN, BOB), participant_removed(BOB))
    assert (5, [5]) == await reasons(started(ANN, BOB), participant_removed(BOB), participants_added(BOB))
    assert (None, []) == await reasons(started(ANN, BOB), person=CID)


async def test_follow_up_is_explained_by_the_event_that_set_it() -> None:
    copy = await explained(history(started(ANN, BOB), follow_up_flagged(by=BOB), posted(by=ANN)), BOB)
    assert copy.flag is not None
    assert 4 == copy.flag.recorded.version


async def test_of_very_many_reasons_the_latest_are_told_and_the_others_counted() -> None:
    copy = await explained(history(started(ANN, BOB), *(posted(by=ANN) for _ in range(100))), BOB)
    assert list(range(54, 104)) == [each.recorded.version for each in copy.unread]
    assert 52 == copy.unread_more


@whatever(some_commands, st.sampled_from(PEOPLE), st.booleans())
async def test_there_is_a_reason_for_unread_exactly_when_it_is_unread(
    commands: list[ConversationCommand],
    person: UserId,
    with_internal: bool,  # noqa: FBT001 - drawn
) -> None:
    events = told(commands)
    state = reduce(evolve, events, initial(CONVERSATION))

    copy = await explained(events, person, with_internal=with_internal)

    assert state.is_unread(person, with_internal=with_internal) == bool(copy.unread)
    if person in state.roster:
        assert copy.membership is not None
        assert (
            (copy.settled is None) or not copy.unread or copy.settled.recorded.version < copy.unread[0].recorded.version
        )
        assert all(
            isinstance(each.recorded.event, MessagePosted | ParticipantsAdded | ConversationUnread)
            for each in copy.unread
        )


@whatever(some_commands)
async def test_a_message_can_be_seen_by_the_participants_of_that_time(commands: list[ConversationCommand]) -> None:
    events = told(commands)
    for end in range(1, len(events) + 1):
        message = Message(Uid("B4gqUrXnRlX"))

        async def pages(to: int = end) -> AsyncIterator[list[Seen]]:
            yield [seen(version, event) for version, event in enumerate(events[:to], 1)]

        state, _ = await follow(pages(), CONVERSATION, [message])
        assert set(state.roster) == set(message.copies)
