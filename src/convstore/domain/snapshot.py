"""A state as bytes, so that a long stream need not be folded from its start. Disposable: the log has it all.

The first byte is the format: it changes with the shape of a state *and* with what ``evolve`` means, for a snapshot is
the work of the release that made it. After it comes MessagePack. Participants with the same mark stand together,
because most of a large audience have the same one: 100,000 of them are then one list of texts.
"""

from typing import Final

import msgspec
from msgspec import Struct

from convstore.domain.roster import Mark, Roster
from convstore.domain.state import Conversation
from convstore.domain.types import MessageType, Priority, Status
from convstore.domain.uid import Uid, UserId
from convstore.errors import SnapshotUnreadable

_FORMAT: Final = b"\x01"

# Fewer people with the same mark are cheaper one by one: a list each would be a hundred thousand small lists at worst.
_FEW: Final = 8


class _Kept(Struct, frozen=True, array_like=True):
    id: Uid
    version: int
    deleted: bool
    message_type: MessageType
    status: Status
    priority: Priority
    assignee: UserId | None
    last_posted: int
    last_sender: UserId | None
    last_by_another: int
    shared: list[tuple[Mark, list[UserId]]]
    single: dict[UserId, Mark]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Kept)


def encode_state(state: Conversation) -> bytes:
    """Give the bytes that ``decode_state`` makes the same state of."""
    groups: dict[Mark, list[UserId]] = {}
    for person, mark in state.roster.marks().items():
        groups.setdefault(mark, []).append(person)
    shared = [(mark, people) for mark, people in groups.items() if len(people) >= _FEW]
    single = {person: mark for mark, people in groups.items() if len(people) < _FEW for person in people}
    kept = _Kept(
        state.id,
        state.version,
        state.deleted,
        state.message_type,
        state.status,
        state.priority,
        state.assignee,
        state.last_posted,
        state.last_sender,
        state.last_by_another,
        shared,
        single,
    )
    return _FORMAT + _encoder.encode(kept)


def decode_state(raw: bytes) -> Conversation:
    """Give the state that was encoded.

    Raises:
        SnapshotUnreadable: another release made it, or it is damaged; fold the log instead.
    """
    if raw[:1] != _FORMAT:
        raise SnapshotUnreadable
    try:
        kept = _decoder.decode(raw[1:])
    except msgspec.DecodeError as e:
        raise SnapshotUnreadable from e
    marks = kept.single
    for mark, people in kept.shared:
        marks.update(dict.fromkeys(people, mark))
    return Conversation(
        id=kept.id,
        version=kept.version,
        deleted=kept.deleted,
        message_type=kept.message_type,
        status=kept.status,
        priority=kept.priority,
        assignee=kept.assignee,
        roster=Roster(marks),
        last_posted=kept.last_posted,
        last_sender=kept.last_sender,
        last_by_another=kept.last_by_another,
    )
