"""What all followers in a process share: a signal, and a ring of the last events."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from convstore.domain.events import ConversationDeleted, ConversationEvent
from convstore.domain.uid import Uid
from convstore.log.recorded import Recorded
from convstore.stream import hub as hubs
from convstore.stream.hub import Ring
from convstore.waking import Signal
from eventually import eventually
from words import CONVERSATION, OTHER_CONVERSATION, posted

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(
    position: int, *, partition: int = 0, event: ConversationEvent | None = None, stream: Uid = CONVERSATION
) -> Recorded:
    told = event if event is not None else posted(by=None)
    return Recorded(partition, position, stream, position, told, NOW + timedelta(seconds=position), "{}")


def positions(ring: Ring, place: int) -> list[int]:
    return [each.position for each in ring.since(place)]


async def test_what_happens_while_somebody_looks_is_not_missed() -> None:
    signal = Signal()
    seen = signal.count
    signal.fire()
    signal.fire()

    assert await signal.after(seen, 0)
    assert not await signal.after(signal.count, 0.01)
    waiting = [asyncio.create_task(signal.after(signal.count)) for _ in range(3)]
    await eventually(lambda: signal.waiting == 3)
    signal.fire()
    assert [True] * 3 == await asyncio.gather(*waiting)
    assert 0 == signal.waiting


def test_a_signal_tells_those_who_asked_for_it_as_long_as_they_want() -> None:
    signal, told = Signal(), []
    with signal.telling(lambda: told.append(1)):
        signal.fire()
    signal.fire()

    assert [1] == told


def test_the_ring_lets_the_oldest_events_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "_EVENTS", 3)
    ring = Ring([10, 20])
    ring.push([recorded(11), recorded(21, partition=1), recorded(12)])
    assert ((0, 3), (12, 21), [10, 20]) == ((ring.first, ring.end), ring.positions, ring.base)

    ring.push([recorded(13), recorded(14)])

    assert ((2, 5), (14, 21), [11, 21]) == ((ring.first, ring.end), ring.positions, ring.base)
    assert [13, 14] == positions(ring, 3)
    assert [] == positions(ring, 5)


def test_the_ring_is_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "_BYTES", 10_000)
    ring = Ring([0])
    for position in range(1, 20):
        ring.push([recorded(position, event=posted(by=None, text="x" * 3_000))])

    assert 2 == ring.end - ring.first


def test_the_ring_knows_what_was_deleted_while_it_has_events_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "_EVENTS", 2)
    ring = Ring([0])
    ring.push([recorded(1), recorded(2, event=ConversationDeleted())])
    assert ring.was_deleted(CONVERSATION)
    assert not ring.was_deleted(OTHER_CONVERSATION)

    ring.push([recorded(3, stream=OTHER_CONVERSATION), recorded(4, stream=OTHER_CONVERSATION)])

    assert not ring.was_deleted(CONVERSATION)
