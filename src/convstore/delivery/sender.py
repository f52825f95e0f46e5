"""Sends what is due by one channel, and writes down what became of each.

A row is marked ``sending`` before anything is said to a mail server, and its outcome is written as soon as it is known.
So a process that dies leaves a trace of exactly what may have been sent: that is sent once more under the same
Message-ID, and so is what the other side took in without a word. Nothing else ever is, and nothing a third time.
"""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import structlog

from convstore.database import Conn, Pool
from convstore.delivery.leader import Lead, sql
from convstore.delivery.letter import Letter, Letters, Reader, Row, read_people
from convstore.delivery.recorder import Recorder, Result
from convstore.delivery.verdict import Deferred, InDoubt, NotSent, Skipped, State, Unavailable
from convstore.directory import Directory
from convstore.domain.uid import UserId
from convstore.engine.stops import LeaseLost
from convstore.faults import described, is_transient
from convstore.log.store import Store
from convstore.patience import Patience

log = structlog.get_logger(__name__)

# A mail server that is away is asked again after so many seconds at most.
_LONGEST_REST: Final = 300.0
_FIRST_REST: Final = 1.0
# Taken at once: enough to keep the connections busy, few enough that a crash leaves little in doubt.
_CHUNK: Final = 20
# Rows that others made due (a retry by hand) are seen after so many seconds.
_LOOK: Final = 1.0
_FIRST_PAUSE: Final = 0.05


class Channel(Protocol):
    """A way to people: a mail server, an SMS gateway. ``connections``: how many may be sent at once."""

    name: str
    setting: str
    connections: int
    rate: float

    async def send(self, worker: int, row: Row, letter: Letter, reader: Reader) -> None:
        """Send one; ``worker`` counts from 0, each has a connection of his own.

        Raises:
            NotSent: it was not; the kind says what to do with it.
        """

    async def rest(self) -> None:
        """Give connections up that are not needed for a while."""


class Sender:
    """The sending of one channel, as long as this process leads it. ``counted``: outcomes since the start."""

    def __init__(
        self,
        pool: Pool,
        store: Store,
        directory: Directory,
        lead: Lead,
        *,
        channel: Channel,
        patience: Patience,
        counted: Counter[str],
        recorder: Recorder,
    ) -> None:
        self._pool = pool
        self._store = store
        self._directory = directory
        self._lead = lead
        self._channel = channel
        self._patience = patience
        self._counted = counted
        self._recorder = recorder
        self._letters = Letters()
        self._end = asyncio.Event()
        self._more = asyncio.Event()
        self._next_turn = 0.0
        # While the mail server takes nothing: why, and for how long it is left alone.
        self._rest = 0.0
        self._trouble: str | None = None
        # Whether the database may say that it takes nothing: the leader before may have died in trouble.
        self._noted = True

    def wake(self) -> None:
        """Say that there may be more to send."""
        self._more.set()

    def finish(self) -> None:
        """Ask to end after what is in hand."""
        self._end.set()
        self._more.set()

    async def run(self) -> None:
        """Send until ``finish`` is called.

        Raises:
            LeaseLost: another process leads the channel now.
        """
        try:
            while not self._end.is_set():
                self._more.clear()
                rows = await self._claim()
                if rows:
                    await self._send_all(rows)
                else:
                    await self._channel.rest()
                    await self._wait(await self._idle())
                if self._trouble is not None:
                    await self._wait(self._rest)
            await self._recorder.written()
        finally:
            await self._channel.rest()

    async def _claim(self) -> list[Row]:
        size = max(_CHUNK, 4 * self._channel.connections)
        rows = await self._pool.fetch(sql.claim, self._channel.name, self._lead.epoch, size)
        return [Row(**row) for row in rows]

    async def _idle(self) -> float:
        seconds = await self._pool.fetchval(sql.next_due, self._channel.name)
        return _LOOK if seconds is None else min(max(seconds, 0.0), _LOOK)

    async def _wait(self, seconds: float) -> None:
        """Wait until there is more, at most so long; while the mail server rests, until it is asked again."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for((self._end if self._trouble is not None else self._more).wait(), seconds)

    async def _send_all(self, rows: Sequence[Row]) -> None:
        """Send some at once, and come back when all of them are written down."""
        started = time.monotonic()
        before = self._counted.copy()
        try:
            async with self._pool.acquire() as conn:
                jobs = iter(await self._prepare(conn, rows))
        except Exception as error:
            if is_transient(error):
                # Nothing was said to anybody yet: they are simply still to be sent.
                self._give_back(rows, "database")
                raise
            await self._send_apart(rows, error)
            return
        except asyncio.CancelledError:
            self._give_back(rows, "interrupted")
            raise
        self._trouble = None
        try:
            async with asyncio.TaskGroup() as group:
                for worker in range(min(self._channel.connections, len(rows))):
                    group.create_task(self._work(worker, jobs))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._give_back([row for row, _, _ in jobs], "interrupted")
        await self._recorder.written()
        await self._tell_trouble()
        outcomes = {name: number for name, number in (self._counted - before).items() if number}
        log.info(
            "delivery.sent", channel=self._channel.name, took_ms=round((time.monotonic() - started) * 1000), **outcomes
        )

    async def _send_apart(self, rows: Sequence[Row], error: Exception) -> None:
        """Send one by one what cannot be read together, so that the one that is to blame holds nobody else up."""
        if len(rows) > 1:
            for row in rows:
                await self._send_all([row])
            return
        log.error("delivery.defect", channel=self._channel.name, message=rows[0].message_id, error=described(error))
        self._note(Result(rows[0], State.FAILED, "defect"))

    def _give_back(self, rows: Sequence[Row], reason: str) -> None:
        for row in rows:
            self._note(Result(row, State.WAITING, reason, untried=True))

    async def _prepare(self, conn: Conn, rows: Sequence[Row]) -> list[tuple[Row, Letter, Reader]]:
        """Give what is to be sent, with all that it takes; what is not to be sent any more is written down as such."""
        by_partition: defaultdict[int, list[Row]] = defaultdict(list)
        for row in rows:
            by_partition[row.partition].append(row)
        people = await read_people(conn, {row.user_id for row in rows}, self._channel.setting)
        states = await self._store.states({row.conversation_id for row in rows})
        managers = await self._directory.ticket_managers()
        jobs = []
        for partition, here in by_partition.items():
            letters = await self._letters.read(conn, partition, {row.place for row in here})
            for row in here:
                letter, reader = letters[row.place], people.get(row.user_id)
                state = states.get(row.conversation_id)
                there = state is not None and row.user_id in state.roster
                try:
                    reader = _still_to_be_sent(row, letter, reader, managers, there=there)
                except Skipped as why:
                    self._note(Result(row, State.SKIPPED, why.reason))
                    continue
                if row.age > self._patience.give_up:
                    self._note(Result(row, State.EXPIRED, "too old"))
                    continue
                jobs.append((row, letter, reader))
        return jobs

    async def _work(self, worker: int, jobs: Iterator[tuple[Row, Letter, Reader]]) -> None:
        """Send one after another, until there are no more; give back what is not sent after all."""
        for row, letter, reader in jobs:
            if self._end.is_set() or self._trouble is not None:
                self._note(Result(row, State.WAITING, self._trouble, untried=True))
                continue
            await self._turn()
            if not self._lead.held:
                raise LeaseLost(f"{self._lead.channel}, epoch {self._lead.epoch}")
            self._note(await self._send(worker, row, letter, reader))

    async def _send(self, worker: int, row: Row, letter: Letter, reader: Reader) -> Result:
        try:
            await self._channel.send(worker, row, letter, reader)
        except NotSent as why:
            return self._judge(row, why)
        except Exception as error:  # noqa: BLE001 - one that cannot be written must not hold up everybody else's
            log.error("delivery.defect", channel=self._channel.name, message=row.message_id, error=described(error))  # noqa: TRY400 - a traceback quotes texts
            return Result(row, State.FAILED, "defect")
        return Result(row, State.SENT)

    def _judge(self, row: Row, why: NotSent) -> Result:
        match why:
            case Skipped():
                return Result(row, State.SKIPPED, why.reason)
            case Unavailable():
                self._trouble = why.reason
                return Result(row, State.WAITING, why.reason, untried=True)
            case Deferred() | InDoubt():
                return self._again(row, why)
            case _:
                return Result(row, State.FAILED, why.reason)

    def _again(self, row: Row, why: Deferred | InDoubt) -> Result:
        """Put one off; what may have been sent once more only, and neither for ever."""
        doubtful = isinstance(why, InDoubt)
        pause = self._patience.pause(row.attempts) if why.after is None else why.after
        if (doubtful and row.repeated) or row.age + pause > self._patience.give_up:
            return Result(row, State.UNCERTAIN if doubtful or row.repeated else State.EXPIRED, why.reason)
        return Result(row, State.WAITING, why.reason, pause, repeated=doubtful)

    async def _turn(self) -> None:
        """Wait for this one's turn, so that there are no more a second than there may be."""
        now = time.monotonic()
        turn = max(self._next_turn, now)
        self._next_turn = turn + 1 / self._channel.rate
        await asyncio.sleep(turn - now)

    async def _tell_trouble(self) -> None:
        """Write down that the mail server takes nothing, or takes mails again."""
        if self._trouble is None and not self._noted:
            return
        if self._trouble is None:
            if self._rest:
                log.info("delivery.available", channel=self._channel.name)
            self._rest = 0.0
        else:
            # Twice as long each time; but the first time no longer than one mail would be put off.
            first = min(_FIRST_REST, self._patience.first_pause)
            self._rest = min(max(2 * self._rest, first), _LONGEST_REST)
            log.warning("delivery.unavailable", channel=self._channel.name, reason=self._trouble, pause=self._rest)
            await self._channel.rest()
        await self._pool.execute(sql.note_trouble, self._channel.name, self._lead.epoch, self._trouble, self._rest)
        self._noted = self._trouble is not None

    def _note(self, result: Result) -> None:
        self._recorder.note(self._lead.epoch, result)


def _still_to_be_sent(
    row: Row, letter: Letter, reader: Reader | None, managers: frozenset[UserId], *, there: bool
) -> Reader:
    """Look again, now that it is sent: much may have happened since the message was posted.

    Raises:
        Skipped: he is not to get it any more.
    """
    if reader is None:
        raise Skipped("no account")
    if reader.disabled:
        raise Skipped("account closed")
    if not there:
        raise Skipped("not in the conversation")
    if not (row.forced or reader.wants):
        raise Skipped("switched off")
    if letter.internal and reader.id not in managers:
        raise Skipped("internal")
    return reader
