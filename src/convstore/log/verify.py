"""Checks that the log is what was appended: chain, positions, versions, times, heads; and that every stream folds.

Every event can be read, and fits the state that those before it made: it can have been decided.

Who changes a byte, a row or the order of events without redoing all hashes after it is found at the batch that he
touched. Who cuts the tail is found by the head row; who resets that too, by any cursor or checkpoint that is ahead.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Final

from msgspec import Struct

from convstore.database import Conn
from convstore.domain.conversation import evolve, initial
from convstore.domain.fitting import misfit
from convstore.domain.uid import Uid, partition_of
from convstore.errors import LogCorrupt
from convstore.log.codec import CODEC, Codec
from convstore.sql import Statements

_sql: Final = Statements(files(__package__) / "verify.sql")

# A page of the chain's check: so many batches, of up to 500 events each.
_BATCHES: Final = 1_000
_TEXTS: Final = 5_000
# A log that is broken throughout need not be listed throughout.
_FINDINGS: Final = 100

# Called with how many events are checked, and how many there are to check.
Progress = Callable[[int, int], None]


class Finding(Struct, frozen=True):
    """One thing that is wrong, and where: positions of a partition, or a stream of it."""

    partition: int
    first_position: int
    last_position: int
    what: str

    def __str__(self) -> str:
        return f"partition {self.partition}, positions {self.first_position} to {self.last_position}: {self.what}"


class Checked(Struct, frozen=True):
    """What was checked, and what is wrong: nothing, when ``findings`` is empty; at most the first hundred."""

    events: int
    batches: int
    findings: tuple[Finding, ...]


class _Head(Struct, frozen=True):
    partition: int
    position: int


# What the columns of ``chain_page`` say when they are false.
_CHAIN_CHECKS: Final = {
    "follows": "does not begin where the batch before it ends",
    "is_dense": "events are missing",
    "is_timely": "times are not the batch's, or run backwards",
    "is_sealed": "the hash is not that of the events and the batch before",
}


async def verify(
    conn: Conn,
    progress: Progress | None = None,
    *,
    cursors: Iterable[Sequence[int]] = (),
    texts: bool = True,
    codec: Codec = CODEC,
) -> Checked:
    """Check the whole log, while others go on appending to it.

    ``cursors`` are places that somebody kept outside, as ``Store.positions`` gives them: the log must reach as far.
    ``texts``: also decode every event and fold every stream, which takes longer. ``conn`` may be the server's, or the
    owner's.
    """
    await conn.execute(_sql.snapshot)
    try:
        heads, findings = await _heads(conn)
        findings += _behind_cursors(heads, cursors)
        total = sum(head.position for head in heads) * (2 if texts else 1)
        done = 0
        batches = 0

        def advance(events: int) -> None:
            nonlocal done
            done += events
            if progress is not None:
                progress(done, total)

        for head in heads:
            count, found = await _check_chain(conn, head, advance)
            batches += count
            findings += found
            findings += await _check_rows(conn, head)
            if texts:
                findings += await _check_streams(conn, head, len(heads), codec, advance)
    finally:
        await conn.execute(_sql.done)
    return Checked(sum(head.position for head in heads), batches, tuple(findings[:_FINDINGS]))


async def _heads(conn: Conn) -> tuple[list[_Head], list[Finding]]:
    heads: list[_Head] = []
    findings: list[Finding] = []
    for partition, position, hash_, time, last, last_hash, last_time in await conn.fetch(_sql.heads):
        heads.append(_Head(partition, position))
        if position != (last or 0):
            first, end = sorted((position, last or 0))
            findings.append(Finding(partition, first + 1, end, "the log does not end where its head row says"))
        elif last is not None and (hash_, time) != (last_hash, last_time):
            findings.append(Finding(partition, last, last, "the head row has another hash or time than the last batch"))
    return heads, findings


def _behind_cursors(heads: Sequence[_Head], cursors: Iterable[Sequence[int]]) -> Iterator[Finding]:
    for positions in cursors:
        for head, position in zip(heads, positions, strict=True):
            if position > head.position:
                yield Finding(head.partition, head.position + 1, position, "a cursor was here: the tail is cut off")


async def _check_chain(conn: Conn, head: _Head, advance: Callable[[int], None]) -> tuple[int, list[Finding]]:
    """Check the batches of a partition one page after another; give how many there are."""
    findings: list[Finding] = []
    batches, position, hash_, time = 0, 0, b"", None
    while page := await conn.fetch(_sql.chain_page, head.partition, position, hash_, time, _BATCHES):
        for row in page:
            wrong = [what for check, what in _CHAIN_CHECKS.items() if not row[check]]
            if wrong:
                first, last = row["first_position"], row["last_position"]
                findings.append(Finding(head.partition, first, last, "; ".join(wrong)))
        batches += len(page)
        last = page[-1]
        advance(last["last_position"] - position)
        position, hash_, time = last["last_position"], last["hash"], last["recorded_at"]
    return batches, findings


async def _check_rows(conn: Conn, head: _Head) -> list[Finding]:
    """Check what no batch covers: events outside, versions of streams, checkpoints."""
    findings = [
        Finding(head.partition, position, position, "an event outside the log")
        for (position,) in await conn.fetch(_sql.strays, head.partition, head.position)
    ]
    findings += [
        Finding(head.partition, 1, head.position, f"the versions of {stream} are not dense, or not its row's")
        for (stream,) in await conn.fetch(_sql.streams, head.partition)
    ]
    findings += [
        Finding(head.partition, position, position, f"the checkpoint of {projection} is from another history")
        for projection, position in await conn.fetch(_sql.checkpoints, head.partition, head.position)
    ]
    return findings


async def _check_streams(
    conn: Conn, head: _Head, partitions: int, codec: Codec, advance: Callable[[int], None]
) -> list[Finding]:
    """Decode all events of a partition and fold them, one stream after another, keeping one state at a time.

    What is wrong with a stream from one event on is named once.
    """
    findings: list[Finding] = []
    state = initial(Uid(""))
    broken = False
    cursor = await conn.cursor(_sql.by_stream, head.partition, head.position)
    while page := await cursor.fetch(_TEXTS):
        for position, stream, version, type_, data, meta in page:
            if stream != state.id:
                state = initial(stream)
                broken = partition_of(stream, partitions) != head.partition
                if broken:
                    findings.append(Finding(head.partition, position, position, f"{stream} is of another partition"))
            try:
                event = codec.check(type_, data, meta)
            except LogCorrupt as e:
                findings.append(Finding(head.partition, position, position, str(e)))
                broken = True
                continue
            if broken:
                continue
            if (what := misfit(state, event)) is not None:
                text = f"{stream}@{version}, {type_}, does not follow from what came before: {what}"
                findings.append(Finding(head.partition, position, position, text))
                broken = True
                continue
            state = evolve(state, event)
        advance(len(page))
        await asyncio.sleep(0)
    return findings
