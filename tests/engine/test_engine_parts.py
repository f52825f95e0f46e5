"""Parts of the engine that need no database."""

import socket
import subprocess
import sys
from datetime import UTC, datetime

import asyncpg
import pytest

from convstore.domain.events import ConversationEvent
from convstore.domain.uid import Uid
from convstore.engine.owner import is_gone, new_owner
from convstore.engine.page import cut
from convstore.engine.progress import Progress
from convstore.errors import LogCorrupt
from convstore.faults import described, is_transient
from convstore.log.recorded import Recorded
from convstore.projections import discover
from seeding import people
from words import CONVERSATION, participants_added, posted


def _raise(text: str) -> None:
    raise ValueError(text)


def _recorded(position: int, event: ConversationEvent) -> Recorded:
    return Recorded(0, position, CONVERSATION, position, event, datetime(2026, 11, 23, tzinfo=UTC), "{}")


def test_a_process_that_ended_is_gone_and_this_one_is_not() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_gone(f"{socket.gethostname()}/{ended.pid}/0a")
    assert not is_gone(new_owner())


def test_of_a_process_elsewhere_nothing_is_known() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_gone(f"another-host/{ended.pid}/0a")
    assert not is_gone("nonsense")
    assert not is_gone("")


def test_two_engines_of_one_process_have_two_names() -> None:
    assert new_owner() != new_owner()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DeadlockDetectedError("x"),
        asyncpg.SerializationError("x"),
        asyncpg.ConnectionDoesNotExistError("x"),
        asyncpg.AdminShutdownError("x"),
        asyncpg.CannotConnectNowError("x"),
        asyncpg.TooManyConnectionsError("x"),
        asyncpg.LockNotAvailableError("x"),
        asyncpg.InterfaceError("x"),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_goes_away_by_itself_is_no_fault_of_an_event(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CheckViolationError("x"),
        asyncpg.NumericValueOutOfRangeError("x"),
        asyncpg.UndefinedColumnError("x"),
        asyncpg.DataError("a parameter that does not fit"),
        KeyError("x"),
        LogCorrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_comes_again_each_time_is_a_fault(error: Exception) -> None:
    assert not is_transient(error)


def test_an_error_is_named_without_its_text() -> None:
    with pytest.raises(ValueError, match="Dear Ann") as raised:
        _raise("Dear Ann")
    assert described(raised.value).startswith("ValueError at engine/test_engine_parts.py:")
    assert "CheckViolationError (SQLSTATE 23514)" == described(asyncpg.CheckViolationError("Dear Ann"))


def test_a_page_ends_before_it_adds_too_many_people() -> None:
    events = [_recorded(n, participants_added(*people(1_000, first=n * 1_000))) for n in range(1, 151)]
    assert 100 == len(cut(events))
    assert 50 == len(cut(events[100:]))


def test_one_event_is_a_page_however_many_people_it_adds() -> None:
    events = [_recorded(1, participants_added(*people(100_001))), _recorded(2, participants_added(*people(1)))]
    assert 1 == len(cut(events))


def test_the_fold_of_nothing_is_nothing() -> None:
    assert [] == [change for projection in discover() for change in projection.fold([])]


async def test_who_waits_is_told_when_his_position_is_reached() -> None:
    progress = Progress("inbox_v1", 0)
    fifth, third = progress.wait(5), progress.wait(3)
    progress.reached(4)
    assert (False, True) == (fifth.done(), third.done())
    assert await third
    progress.reached(5)
    assert await fifth


async def test_who_waits_for_what_stops_is_told_so() -> None:
    progress = Progress("inbox_v1", 0)
    waiting = progress.wait(5)
    progress.stop("a reason")
    assert not await waiting
    assert progress.hopeless


def test_streams_of_one_page_are_kept_apart() -> None:
    other = Uid("GDBqVfkmnp2")
    page = [
        _recorded(1, posted()),
        Recorded(0, 2, other, 1, posted(), datetime(2026, 11, 23, tzinfo=UTC), "{}"),
    ]
    thread = next(projection for projection in discover() if projection.name == "thread")
    (change,) = thread.fold(page)
    assert [CONVERSATION, other] == change.args[0]
