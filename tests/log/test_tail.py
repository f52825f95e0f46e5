"""The recent events of one process: a run without a gap, or nothing."""

from datetime import UTC, datetime

from convstore.domain.uid import Uid
from convstore.log.recorded import Meta, Recorded
from convstore.log.store import Store
from convstore.log.tail import Tail
from words import ANN, BOB, CONVERSATION, posted, reply, send_message


def events(first: int, last: int) -> list[Recorded]:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return [
        Recorded(0, position, Uid(CONVERSATION), position, posted(by=ANN), at, "{}")
        for position in range(first, last + 1)
    ]


def positions(found: list[Recorded] | None) -> list[int] | None:
    return None if found is None else [recorded.position for recorded in found]


def tail(*pages: list[Recorded], limit: int = 100, size: int = 1_000) -> Tail:
    made = Tail(limit, size)
    for page in pages:
        made.push(page, 10 * len(page))
    return made


def test_it_gives_what_comes_right_after_a_position() -> None:
    recent = tail(events(1, 3), events(4, 4), events(5, 9))
    assert [1, 2, 3, 4, 5, 6, 7, 8, 9] == positions(recent.after(0, 100))
    assert [3, 4] == positions(recent.after(2, 2))
    assert [9] == positions(recent.after(8, 100))


def test_it_does_not_say_that_there_is_nothing_more() -> None:
    assert tail().after(0, 10) is None
    assert tail(events(1, 3)).after(3, 10) is None
    assert tail(events(1, 3)).after(7, 10) is None


def test_it_begins_anew_after_a_gap() -> None:
    recent = tail(events(1, 3), events(5, 6))
    assert recent.after(2, 10) is None
    assert recent.after(3, 10) is None
    assert [5, 6] == positions(recent.after(4, 10))


def test_the_oldest_go_when_there_are_too_many() -> None:
    recent = tail(events(1, 3), events(4, 6), events(7, 9), limit=6)
    assert recent.after(2, 10) is None
    assert [4, 5, 6, 7, 8, 9] == positions(recent.after(3, 10))


def test_the_oldest_go_when_they_are_too_large() -> None:
    recent = tail(events(1, 3), events(4, 6), size=30)
    assert recent.after(0, 10) is None
    assert [4, 5, 6] == positions(recent.after(3, 10))


def test_one_page_that_is_too_large_is_not_kept() -> None:
    recent = tail(events(1, 3), events(4, 9), limit=5)
    assert recent.after(3, 10) is None
    recent.push(events(10, 10), 10)
    assert [10] == positions(recent.after(9, 10))


async def test_a_store_gives_what_it_appended_itself(store: Store, other: Store) -> None:
    meta = Meta(actor=ANN)
    await store.submit([send_message(BOB)], meta)
    first = await store.submit([reply()], meta)
    await other.submit([reply()], meta)
    assert list(first.recorded) == store.recent(0, 3, 10)

    second = await store.submit([reply()], meta)
    assert store.recent(0, 3, 10) is None
    assert list(second.recorded) == store.recent(0, 5, 10)
