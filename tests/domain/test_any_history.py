"""Whatever people ask in whatever order: the rules that hold always, and a plain model of what is unread."""

from functools import reduce

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from convstore.domain.commands import ConversationCommand, Reply
from convstore.domain.conversation import Conversation, decide, evolve, initial
from convstore.domain.events import (
    ConversationDeleted,
    ConversationEvent,
    ConversationRead,
    ConversationStarted,
    ConversationUnread,
    MessagePosted,
    ParticipantRemoved,
    ParticipantsAdded,
)
from convstore.domain.snapshot import decode_state, encode_state
from convstore.domain.types import Priority, Status
from convstore.domain.uid import UserId
from convstore.errors import Refused
from words import (
    ANN,
    BOB,
    CID,
    CONVERSATION,
    DAN,
    EVE,
    Asking,
    Who,
    add_participants,
    assign,
    clear_follow_up,
    delete_conversation,
    flag_follow_up,
    importer,
    manager,
    mark_read,
    mark_unread,
    remove_participant,
    reply,
    send_message,
    send_system_message,
    send_ticket,
    send_validation_result,
    set_priority,
    set_status,
    superuser,
    unassign,
)

PEOPLE = (ANN, BOB, CID, DAN, EVE)
MANAGERS = (CID, DAN)
ABOUT_A_COPY: list[Asking] = [mark_read, mark_unread, flag_follow_up, clear_follow_up]

# ANN and BOB are anybody, CID manages tickets, DAN does and may delete, EVE is a superuser.
person = st.sampled_from(PEOPLE)
people = st.lists(person, min_size=2, max_size=8)
actor: st.SearchStrategy[Who] = st.sampled_from([ANN, BOB, manager(CID), manager(DAN), importer(DAN), superuser(EVE)])

start: st.SearchStrategy[ConversationCommand] = st.one_of(
    st.builds(lambda to, by: send_message(*to, by=by), people, st.just(ANN)),
    st.builds(lambda to, by: send_ticket(*to, by=by), people, st.just(BOB)),
    st.builds(lambda to, sender: send_system_message(*to, sender=sender), people, st.one_of(st.none(), person)),
    st.builds(lambda to: send_validation_result(*to), people),
)
version = st.one_of(st.none(), st.integers(0, 25))
# What concerns reading is asked most, and mostly of one's own copy: all else is refused to all but one of them.
asked_of_ones_own_copy: list[st.SearchStrategy[ConversationCommand]] = [
    st.builds(lambda by, up_to: mark_read(by=by, up_to=up_to), actor, version),
    st.builds(lambda by: mark_read(by=by), actor),
    st.builds(lambda by: mark_unread(by=by), actor),
    st.builds(lambda by: mark_unread(by=by), actor),
    st.builds(lambda by: flag_follow_up(by=by), actor),
    st.builds(lambda by: clear_follow_up(by=by), actor),
    st.builds(lambda by, internal: reply(by=by, internal=internal, managers=MANAGERS), actor, st.booleans()),
    st.builds(lambda by: reply(by=by), actor),
]
asked_of_anothers_copy: list[st.SearchStrategy[ConversationCommand]] = [
    st.builds(lambda ask, by, of: ask(by=by, of=of), st.sampled_from(ABOUT_A_COPY), actor, person),
    st.builds(lambda of, up_to: mark_read(by=superuser(EVE), of=of, up_to=up_to), person, version),
    st.builds(lambda who, by: remove_participant(who, by=by), person, actor),
]
asked_of_all: list[st.SearchStrategy[ConversationCommand]] = [
    st.builds(lambda to, by: add_participants(*to, by=by), people, actor),
    st.builds(lambda by, to: set_status(to, by=by), actor, st.sampled_from(Status)),
    st.builds(lambda by, to: set_priority(to, by=by), actor, st.sampled_from(Priority)),
    st.builds(lambda by, to, member: assign(to, by=by, in_feedback_group=member), actor, person, st.booleans()),
    st.builds(lambda by: unassign(by=by), actor),
]
ordinary = st.one_of(*asked_of_ones_own_copy, *asked_of_anothers_copy, *asked_of_all)
rare: st.SearchStrategy[ConversationCommand] = st.one_of(start, st.builds(lambda by: delete_conversation(by=by), actor))
some_commands = st.builds(
    lambda first, then, last: [first, *then, *last],
    start,
    st.lists(ordinary, min_size=10, max_size=50),
    st.lists(rare, max_size=2),
)


def in_it(events: list[ConversationEvent]) -> set[UserId]:
    """Give the participants by a plain walk through all events."""
    present: set[UserId] = set()
    for event in events:
        match event:
            case ConversationStarted(sender=sender) if sender is not None:
                present.add(sender)
            case ParticipantsAdded(participants=added):
                assert not present & set(added)
                present |= set(added)
            case ParticipantRemoved(participant=gone):
                present.remove(gone)
            case ConversationDeleted():
                present.clear()
    return present


def unread(events: list[ConversationEvent], who: UserId, *, with_internal: bool) -> bool:
    """Tell whether a copy is unread by a plain walk through all events, with lists of messages and readings."""
    messages: list[tuple[int, MessagePosted]] = []
    readings: list[int] = []
    by_hand = False
    for version, event in enumerate(events, start=1):
        match event:
            case MessagePosted():
                messages.append((version, event))
            case ParticipantsAdded(participants=added) if who in added:
                readings, by_hand = [], True
            case ConversationStarted(sender=sender) if sender == who:
                readings, by_hand = [version], False
            case ConversationRead(reader=reader, up_to=up_to) if reader == who:
                readings.append(up_to)
                by_hand = False
            case ConversationUnread(reader=reader) if reader == who:
                by_hand = True
    return who in in_it(events) and (
        by_hand
        or any(
            who in message.unread_for and with_internal if message.internal else message.sender != who
            for version, message in messages
            if version > max(readings, default=0)
        )
    )


def tried(state: Conversation, command: ConversationCommand) -> list[ConversationEvent]:
    """Give what happens, nothing for what is refused."""
    try:
        return decide(state, command)
    except Refused:
        return []


def told(commands: list[ConversationCommand]) -> list[ConversationEvent]:
    """Give the history that these commands make."""
    events: list[ConversationEvent] = []
    state = initial(CONVERSATION)
    for command in commands:
        new = tried(state, command)
        events += new
        state = reduce(evolve, new, state)
    return events


@whatever(some_commands)
def test_the_state_evolved_step_by_step_is_the_one_folded_or_kept_in_a_snapshot(
    commands: list[ConversationCommand],
) -> None:
    events: list[ConversationEvent] = []
    state = initial(CONVERSATION)
    for command in commands:
        kept = decode_state(encode_state(state))
        assert kept == state
        new = tried(state, command)
        assert new == tried(kept, command)
        events += new
        state = reduce(evolve, new, state)
        assert len(events) == state.version
    assert reduce(evolve, events, initial(CONVERSATION)) == state


@whatever(some_commands)
def test_what_is_unread_is_what_the_plain_model_says_after_each_event(commands: list[ConversationCommand]) -> None:
    events = told(commands)
    state = initial(CONVERSATION)
    for count, event in enumerate(events, start=1):
        state = evolve(state, event)
        assert in_it(events[:count]) == set(state.roster)
        for who in PEOPLE:
            for with_internal in (False, True):
                expected = unread(events[:count], who, with_internal=with_internal)
                assert expected == state.is_unread(who, with_internal=with_internal)


@whatever(some_commands, ordinary)
def test_nothing_happens_twice(commands: list[ConversationCommand], last: ConversationCommand) -> None:
    state = reduce(evolve, told(commands), initial(CONVERSATION))
    new = tried(state, last)
    if not isinstance(last, Reply):
        assert tried(reduce(evolve, new, state), last) == []


@whatever(some_commands, ordinary)
def test_what_is_asked_for_one_copy_changes_no_other(
    commands: list[ConversationCommand], last: ConversationCommand
) -> None:
    before = reduce(evolve, told(commands), initial(CONVERSATION))
    after = reduce(evolve, tried(before, last), before)
    own = getattr(last, "reader", getattr(last, "participant", None))
    if own is None:
        return
    marks = {**before.roster.marks()}, {**after.roster.marks()}
    for each in marks:
        each.pop(own, None)
    assert marks[0] == marks[1]


@whatever(some_commands)
def test_whoever_marks_all_as_read_has_nothing_unread_in_his_view(commands: list[ConversationCommand]) -> None:
    state = reduce(evolve, told(commands), initial(CONVERSATION))
    for who in (ANN, manager(CID)):
        command = mark_read(by=who)
        after = reduce(evolve, tried(state, command), state)
        if after.exists and command.reader in after.roster:
            assert not after.is_unread(command.reader, with_internal=command.actor.ticket_manager)


@whatever(some_commands, ordinary)
def test_only_those_with_access_make_anything_happen(
    commands: list[ConversationCommand], last: ConversationCommand
) -> None:
    state = reduce(evolve, told(commands), initial(CONVERSATION))
    if not state.exists or not state.allows(last.actor):
        with pytest.raises(Refused):
            decide(state, last)


@whatever(some_commands)
def test_after_its_end_everything_is_refused(commands: list[ConversationCommand]) -> None:
    state = evolve(reduce(evolve, told(commands), initial(CONVERSATION)), ConversationDeleted())
    for command in commands:
        with pytest.raises(Refused):
            decide(state, command)
