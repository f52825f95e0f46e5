import tracemalloc

import msgspec
import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from convstore.domain.conversation import evolve, weight
from convstore.domain.events import ConversationRead, ParticipantsAdded
from convstore.domain.roster import Mark, Roster
from convstore.domain.uid import UserId
from scenario import folded
from words import ANN, BOB, CID, conversation_read, started

FRESH = Mark(unread_since=2)
READ = Mark(read=7)
PEOPLE = [UserId(f"Person{n:05}") for n in range(20)]

Marks = dict[UserId, Mark]


def test_a_person_has_the_mark_he_was_given() -> None:
    roster = Roster().added([ANN, BOB], FRESH).marked(ANN, READ)
    assert (READ, FRESH, None) == (roster.get(ANN), roster.get(BOB), roster.get(CID))


def test_whoever_left_is_not_in_it() -> None:
    roster = Roster().added([ANN, BOB], FRESH).without(ANN)
    assert ANN not in roster
    assert roster.get(ANN) is None
    assert [BOB] == list(roster)


def test_what_was_before_stays_as_it_was() -> None:
    before = Roster().added([ANN, BOB], FRESH)
    before.without(ANN)
    before.marked(BOB, READ)
    before.added([CID], READ)
    assert {ANN: FRESH, BOB: FRESH} == before.marks()


def test_those_among_others_are_sorted_and_each_once() -> None:
    roster = Roster().added([CID, BOB, ANN], FRESH).without(BOB)
    assert (ANN, CID) == roster.among([CID, BOB, ANN, CID])


def test_an_internal_message_is_noted_for_participants_only_and_beside_their_other_marks() -> None:
    roster = Roster().added([ANN], Mark(read=3, unread_since=4, follow_up=True)).with_internal([ANN, BOB], 9)
    assert {ANN: Mark(read=3, unread_since=4, internal=9, follow_up=True)} == roster.marks()


def test_adding_nobody_is_the_same_roster() -> None:
    roster = Roster().added([ANN], FRESH)
    assert roster is roster.added([], READ)


def _changed(roster: Roster, model: Marks, who: UserId, mark: Mark | None) -> tuple[Roster, Marks]:
    if mark is None:
        return roster.without(who), {person: kept for person, kept in model.items() if person != who}
    return roster.marked(who, mark), {**model, who: mark}


@whatever(
    first=st.lists(st.sampled_from(PEOPLE)),
    changes=st.lists(
        st.tuples(st.sampled_from(PEOPLE), st.one_of(st.none(), st.builds(Mark, read=st.integers(0, 9)))), max_size=80
    ),
)
def test_it_is_a_plain_mapping_whatever_happens(first: list[UserId], changes: list[tuple[UserId, Mark | None]]) -> None:
    roster, model = Roster().added(first, FRESH), dict.fromkeys(first, FRESH)
    passed = [(roster, model)]
    for who, mark in changes:
        roster, model = _changed(roster, model, who, mark)
        passed.append((roster, model))
    for then, told in passed:
        assert told == then.marks()
        assert Roster(told) == then
        assert len(told) == len(then)
        assert [told.get(each) for each in PEOPLE] == [then.get(each) for each in PEOPLE]


def test_rosters_that_differ_in_one_mark_are_not_equal() -> None:
    assert Roster({ANN: FRESH}) != Roster({ANN: READ})
    assert Roster({ANN: FRESH}) != {ANN: FRESH}


@pytest.mark.parametrize("people", [10, 1_000, 30_000])
def test_a_change_looks_at_few_layers_however_many_there_were(people: int) -> None:
    many = [UserId(f"Person{n:05}") for n in range(people)]
    roster = Roster().added(many, FRESH)
    for person in many:
        roster = roster.marked(person, READ)
        assert len(roster._upper) <= people.bit_length()
    assert dict.fromkeys(many, READ) == roster.marks()


def test_marking_one_read_copies_no_large_layer() -> None:
    """Counted in memory, not in time: a copy of 100,000 entries takes megabytes."""
    many = tuple(UserId(f"Person{n:05}") for n in range(100_000))
    state = evolve(folded(started()), ParticipantsAdded(participants=many))
    tracemalloc.start()
    evolve(state, ConversationRead(reader=many[500], up_to=state.version))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000


@pytest.mark.parametrize("read", [0, 3_000, 20_000])
def test_the_weight_of_a_state_is_about_what_it_takes(read: int) -> None:
    names = [UserId(f"Person{n:05}") for n in range(20_000)]
    stored = [
        msgspec.json.encode(ParticipantsAdded(participants=tuple(names[n : n + 1_000])))
        for n in range(0, 20_000, 1_000)
    ]
    tracemalloc.start()
    state = folded(started())
    for raw in stored:
        state = evolve(state, msgspec.json.decode(raw, type=ParticipantsAdded))
    for n in range(read):
        state = evolve(state, conversation_read(by=UserId(f"Person{n:05}"), up_to=state.version))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / 2 < weight(state) < taken * 2.5
