"""The race that is shipped: a consumer of the log misses nothing, and the race would have shown it if he did."""

import subprocess
import sys

import asyncpg
import pytest

from convstore.cli.race import _throwaway, race
from convstore.config import Where
from convstore.log.race import Race, race_log, race_sequence


async def test_a_consumer_of_the_log_misses_nothing_while_a_slow_transaction_is_open(dsn: str) -> None:
    ran = await race_log(dsn, writers=6, seconds=1, slow=0.1)
    assert ran.slow > 0
    assert ran.written > ran.slow
    assert (ran.written, 0, 0) == (ran.read, ran.missed, ran.out_of_order)
    assert ran.clean


async def test_the_same_race_on_a_sequence_misses_what_was_committed_late(dsn: str) -> None:
    ran = await race_sequence(dsn, writers=6, seconds=1, slow=0.1)
    assert ran.slow > 0
    assert ran.missed > 0
    assert ran.written == ran.read + ran.missed
    assert not ran.clean


def test_events_out_of_order_are_no_clean_race_either() -> None:
    assert not Race(written=9, read=9, missed=0, out_of_order=1, slow=1, seconds=1).clean


@pytest.mark.parametrize("arguments", [["--writers", "0"], ["--slow", "5"], ["--seconds", "0"]])
def test_an_impossible_race_is_refused(arguments: list[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "convstore", "race", *arguments], capture_output=True, text=True, check=False
    )
    assert 2 == told.returncode
    assert "A race needs" in told.stderr


def test_the_command_runs_on_any_dsn(server: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "convstore", "race", "--dsn", server, "--seconds", "0.5", "--slow", "0.1", "-n", "4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == told.returncode, told.stderr
    log = next(line for line in told.stdout.splitlines() if line.startswith("convstore's log"))
    written, read, missed, out_of_order, _ = map(int, log.split()[2:])
    assert written > 0
    assert (written, 0, 0) == (read, missed, out_of_order)


async def test_what_it_was_run_in_is_gone_afterwards(server: str) -> None:
    async with _throwaway(server) as dsn:
        conn = await asyncpg.connect(dsn)
        await conn.close()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(dsn)


def test_the_command_fails_when_the_consumer_missed_something(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    async def lost(_dsn: str, **_: float) -> Race:
        return Race(written=9, read=8, missed=1, out_of_order=0, slow=1, seconds=1)

    monkeypatch.setattr("convstore.cli.race.race_log", lost)
    with pytest.raises(SystemExit) as ended:
        race(where=Where(dsn=server), writers=6, seconds=0.3, slow=0.1)
    assert 1 == ended.value.code
