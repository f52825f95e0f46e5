"""``convstore log tail``, ``show`` and ``stats``, and ``convstore replay``."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time

from operating import convstore

from convstore.database import connect
from convstore.log import cursor
from convstore.log.create import facts
from seeding import tell
from words import BOB, CONVERSATION, SUBJECT, TEXT, posted

_PATIENCE = 60.0


def test_tail_prints_the_last_events_of_a_type_or_conversation_without_letters(told: str) -> None:
    def tail(*arguments: str) -> list[dict[str, object]]:
        done = convstore("log", "tail", *arguments, dsn=told)
        assert 0 == done.returncode, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    assert [6, 7] == [line["position"] for line in tail("-n", "2")]
    posted = tail("--type", "message-posted", "--conversation", CONVERSATION)
    assert [3, 6] == [line["position"] for line in posted]
    assert {f"({len(TEXT)} characters)"} == {line["event"]["text"] for line in posted}  # type: ignore[index]
    assert TEXT == tail("--type", "message-posted", "--texts", "-n", "1")[0]["event"]["text"]  # type: ignore[index]


async def test_tail_follows_what_is_appended(told: str) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - the test waits for its lines
        [sys.executable, "-m", "convstore", "log", "tail", "-f", "-n", "1", "--dsn", told, "--type", "message-posted"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert 6 == json.loads(process.stdout.readline())["position"]
        conn = await connect(told, role=None)
        try:
            await tell(conn, posted(by=BOB))
        finally:
            await conn.close()
        assert 8 == json.loads(process.stdout.readline())["position"]
    finally:
        process.kill()
        process.communicate()


async def test_show_finds_an_event_by_position_version_and_cursor(told: str) -> None:
    conn = await connect(told, role=None)
    try:
        at = cursor.encode([4], (await facts(conn)).id)
    finally:
        await conn.close()

    shown = [convstore("log", "show", name, dsn=told).stdout for name in ("4", f"{CONVERSATION}@4", at)]

    assert 1 == len(set(shown))
    event = json.loads(shown[0])
    assert {"type": "status-set", "old": "NONE", "new": "OPEN"} == event["event"]
    assert (1, 7) == (event["batch"]["first_position"], event["batch"]["last_position"])
    for name, says in (("99", "has no event 99"), ("what", "names no event")):
        done = convstore("log", "show", name, dsn=told)
        assert (1, "") == (done.returncode, done.stdout)
        assert says in done.stderr


def test_stats_count_by_type_and_day(told: str) -> None:
    found = json.loads(convstore("log", "stats", "--json", dsn=told).stdout)
    shown = convstore("log", "stats", "--days", "1", dsn=told).stdout

    assert {"message-posted": 2, "status-set": 1} == {
        each["type"]: each["events"] for each in found["days"] if each["type"] in ("message-posted", "status-set")
    }
    assert 7 == sum(each["events"] for each in found["days"])
    assert {"event", "batch"} < {each["name"] for each in found["sizes"]}
    assert re.search(r"message-posted +2 ", shown)
    assert re.search(r"in all +7 ", shown)


def test_replay_prints_each_event_with_what_it_changed(told: str) -> None:
    done = convstore("replay", CONVERSATION, "--step", dsn=told)  # no terminal: all at once

    assert 0 == done.returncode, done.stderr
    assert "status: None → Open" in done.stdout
    assert "participants: Ann Doe → 3: Ann Doe, Bob Doe, CidCidCid03 (no account)" in done.stdout
    assert "unread for: 2: Bob Doe, CidCidCid03 (no account) → CidCidCid03 (no account)" in done.stdout
    assert SUBJECT not in done.stdout
    assert SUBJECT in convstore("replay", CONVERSATION, "--texts", dsn=told).stdout


class Terminal:
    """A terminal that a command runs in; what it showed since the last look, without colours."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self._seen = ""
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "convstore", *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)

    def until(self, text: str) -> str:
        """Read on until this text comes; give what was shown up to its end."""
        end = time.monotonic() + _PATIENCE
        while text not in self._seen:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} never came; there was {self._seen!r}"
            shown = os.read(self._master, 65_536).decode("utf-8", "replace")
            self._seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
        before, _, self._seen = self._seen.partition(text)
        return before + text

    def strike(self, keys: str) -> None:
        """Strike these keys."""
        os.write(self._master, keys.encode())

    def close(self) -> None:
        """End the command, whatever it does."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


def test_replay_step_by_step_goes_on_and_back_and_leaves(told: str) -> None:
    terminal = Terminal("replay", CONVERSATION, "--step", "--dsn", told)
    try:
        first = terminal.until("event 1 of 7")
        assert "event 2" not in first
        terminal.until("leave")
        terminal.strike("n")
        terminal.until("Ann Doe, Bob Doe")
        terminal.strike(" ")
        terminal.until("message-posted")
        terminal.until("leave")
        terminal.strike("b")
        terminal.until("event 2 of 7")
        terminal.strike("\x1b[F")
        assert SUBJECT not in terminal.until("event 7 of 7")
        terminal.strike("q")
        assert 0 == terminal.process.wait(_PATIENCE)
    finally:
        terminal.close()
