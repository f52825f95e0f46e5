"""What the rules let happen fits what came before it; what they would never let happen does not."""

from functools import reduce

import pytest
from hypothesis import given as whatever
from test_any_history import some_commands, told

from convstore.domain.access import HistoryViewed, access_stream
from convstore.domain.commands import ConversationCommand
from convstore.domain.conversation import evolve, initial
from convstore.domain.fitting import misfit
from convstore.domain.types import Priority, Status
from words import (
    ANN,
    BOB,
    CID,
    CONVERSATION,
    Told,
    assignee_cleared,
    assignee_set,
    begun,
    conversation_deleted,
    conversation_read,
    conversation_unread,
    follow_up_cleared,
    follow_up_flagged,
    history,
    participant_removed,
    participants_added,
    posted,
    posted_internally,
    priority_set,
    started,
    status_set,
)

LOOKED = HistoryViewed(conversation_id=CONVERSATION)


@whatever(some_commands)
def test_whatever_was_decided_fits(commands: list[ConversationCommand]) -> None:
    state = initial(CONVERSATION)
    for event in told(commands):
        assert misfit(state, event) is None
        state = evolve(state, event)


@pytest.mark.parametrize(
    "last",
    [
        begun(),
        participants_added(BOB),
        participants_added(CID, CID),
        participant_removed(CID),
        conversation_read(by=CID, up_to=2),
        conversation_read(by=BOB, up_to=4),
        conversation_read(by=ANN, up_to=1),
        conversation_unread(by=CID),
        follow_up_flagged(by=CID),
        follow_up_cleared(by=BOB),
        status_set(Status.OPEN, Status.SOLVED),
        status_set(Status.NONE, Status.NONE),
        priority_set(Priority.LOW, Priority.HIGH),
        assignee_set(ANN, previous=BOB),
        assignee_cleared(ANN),
        posted_internally(CID, by=ANN),
    ],
)
def test_what_the_rules_would_not_let_happen_does_not(last: Told) -> None:
    state = reduce(evolve, history(started(ANN, BOB)), initial(CONVERSATION))
    (event,) = history(last, after=state.version)
    assert misfit(state, event) is not None


def test_nothing_comes_before_the_start_or_after_the_end() -> None:
    assert misfit(initial(CONVERSATION), posted()) is not None
    ended = reduce(evolve, history(started(ANN, BOB), conversation_deleted()), initial(CONVERSATION))
    assert misfit(ended, posted()) is not None


def test_accesses_are_in_streams_of_their_own() -> None:
    assert misfit(initial(access_stream(ANN)), LOOKED) is None
    assert misfit(initial(access_stream(ANN)), begun()) is not None
    assert misfit(initial(CONVERSATION), LOOKED) is not None
