from collections.abc import Callable

import pytest

from convstore.domain.conversation import Conversation, decide, initial
from convstore.domain.snapshot import decode_state, encode_state
from convstore.domain.types import Priority, Status
from convstore.domain.uid import Uid, UserId
from convstore.errors import SnapshotUnreadable
from scenario import folded
from words import (
    ANN,
    BOB,
    CID,
    DAN,
    assignee_set,
    conversation_deleted,
    conversation_read,
    conversation_unread,
    follow_up_flagged,
    manager,
    mark_read,
    participant_removed,
    posted,
    posted_internally,
    priority_set,
    started,
    status_set,
    ticket,
)

MANY = tuple(UserId(f"Person{n:05}") for n in range(500))

STATES = {
    "nothing": initial(Uid("ZjHHSjyyeJ2")),
    "all fields": folded(
        ticket(ANN, BOB, CID, DAN),
        posted(by=BOB),
        posted_internally(CID, by=BOB),
        conversation_read(by=CID, up_to=4),
        conversation_unread(by=ANN),
        follow_up_flagged(by=DAN),
        participant_removed(ANN),
        status_set(Status.OPEN, Status.PENDING),
        priority_set(Priority.NONE, Priority.HIGH),
        assignee_set(BOB),
    ),
    "large": folded(started(ANN, *MANY), *(conversation_read(by=person) for person in MANY[::3])),
    "deleted": folded(started(ANN, BOB), conversation_deleted()),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_a_state_comes_back_as_it_was(state: Conversation) -> None:
    assert state == decode_state(encode_state(state))


def test_what_comes_back_decides_the_same() -> None:
    state = STATES["all fields"]
    command = mark_read(by=manager(CID))
    assert [conversation_read(by=CID, up_to=state.version)] == decide(decode_state(encode_state(state)), command)


def test_a_release_that_shapes_it_otherwise_is_told() -> None:
    with pytest.raises(SnapshotUnreadable):
        decode_state(b"\x02" + encode_state(STATES["large"])[1:])


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: b"", lambda raw: raw[:1], lambda raw: raw + b"x"])
def test_damage_is_told(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(SnapshotUnreadable):
        decode_state(damage(encode_state(STATES["large"])))


def test_most_of_a_large_audience_are_kept_as_texts_alone() -> None:
    assert len(encode_state(folded(started(ANN, *MANY)))) < 13 * len(MANY)
