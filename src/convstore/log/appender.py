"""Carries commands to the log: per partition one batch at a time, the next one filling while that one commits.

The size of a batch follows the load by itself: an idle appender sends a lone command at once, a busy one sends what has
gathered. There is no timer. Nothing of a caller runs between the lock on the partition's head and the commit: what was
decided travels in one call. What another process has outrun meanwhile is decided again.

When an answer is lost, nobody knows whether the batch is in. It is sent again under the same id, and the append
function tells, under the head's lock. Should the first one arrive only after that, it is harmless: whatever it would
append was decided on versions that have passed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg
import structlog

from convstore.database import Conn, Pool
from convstore.domain.commands import Start
from convstore.domain.conversation import Conversation, initial
from convstore.domain.uid import Uid
from convstore.errors import Busy, LogCorrupt
from convstore.faults import is_transient
from convstore.log.batch import Answer, Batch, LogCommand, Request, Settled
from convstore.log.counters import Counters
from convstore.log.link import Link
from convstore.log.outcome import IdempotencyKey, Outcome
from convstore.log.read import sql
from convstore.log.sizes import size_of_command, size_of_recorded
from convstore.log.states import States
from convstore.log.tail import Tail

log = structlog.get_logger(__name__)

# A batch takes no more than this many commands, and no more bytes; a single request may be larger and then goes alone.
_BATCH_COMMANDS: Final = 500
_BATCH_BYTES: Final = 1_000_000
# Others may be faster this many times; then the head is held for a request.
_HOLD_AFTER: Final = 3
# More than this cannot be anybody's speed.
_ATTEMPTS: Final = 10
# Seconds. The server's own limits (statements.sql) come first; this one is for a network that swallows the answer.
_CLIENT_TIMEOUT: Final = 40.0
# A large request gives the loop a turn after so many commands.
_BREATH: Final = 200

_UNIQUE: Final = "23505"


class Appender:
    """Appends to one partition. ``submit`` may be called by many at once."""

    def __init__(
        self,
        pool: Pool,
        partition: int,
        head: int,
        states: States,
        *,
        tail: Tail,
        queue_commands: int,
        queue_bytes: int,
        appended: Callable[[int, int], None],
        snapshot_due: Callable[[Uid], None],
    ) -> None:
        self.partition = partition
        self.head = head
        self.counters = Counters()
        self._link = Link(pool, partition, self.counters)
        self._states = states
        self._tail = tail
        self._appended = appended
        self._snapshot_due = snapshot_due
        self._queue_commands = queue_commands
        self._queue_bytes = queue_bytes
        self._queue: deque[Request] = deque()
        self._waiting_commands = 0
        self._waiting_bytes = 0
        # Streams that were found to have moved: to be looked at before anything is decided on them.
        self._moved: set[Uid] = set()
        # Somebody else appended between the last two batches, and so will again: look at the log before deciding.
        self._others_append = False
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._run(), name=f"append to partition {partition}")

    @property
    def waiting(self) -> int:
        """How many commands are in the queue."""
        return self._waiting_commands

    async def submit(self, commands: Sequence[LogCommand], meta: str, key: IdempotencyKey | None) -> Outcome:
        """Carry these out together or not at all, and say what became of them.

        Raises:
            Refused: a rule says no to one of them.
            KeyReused: the key was used with another request.
            Busy: the queue is full, or the database out of reach. Then it is not known whether they were carried out; a
                key tells.
        """
        size = sum(map(size_of_command, commands))
        full = (
            self._waiting_commands + len(commands) > self._queue_commands
            or self._waiting_bytes + size > self._queue_bytes
        )
        # One that is larger than the whole queue gets its turn when nothing else waits.
        if full and self._queue:
            self.counters.refused_busy += 1
            raise Busy
        request = Request(commands, meta, key, size, asyncio.get_running_loop().create_future())
        self._enqueue(request)
        return await request.answer

    async def drain(self) -> None:
        """Wait until everything that was submitted has its answer."""
        await self._idle.wait()

    async def close(self) -> None:
        """Stop; who still waits is told to come again."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._fail_waiting(Busy("The server is stopping."))
        await self._link.close()

    def _enqueue(self, request: Request) -> None:
        self._queue.append(request)
        self._waiting_commands += len(request.commands)
        self._waiting_bytes += request.size
        self._filled.set()
        self._idle.clear()

    def _take(self) -> list[Request]:
        """Take what goes into the next batch off the queue; callers that have gone away are left out."""
        taken: list[Request] = []
        commands = size = 0
        while self._queue:
            request = self._queue[0]
            if taken and (commands + len(request.commands) > _BATCH_COMMANDS or size + request.size > _BATCH_BYTES):
                break
            self._queue.popleft()
            self._waiting_commands -= len(request.commands)
            self._waiting_bytes -= request.size
            if not request.answer.cancelled():
                taken.append(request)
                commands += len(request.commands)
                size += request.size
        return taken

    async def _run(self) -> None:
        again: list[Request] = []
        while True:
            if not (again or self._queue):
                self._idle.set()
                self._filled.clear()
                await self._filled.wait()
            requests = [*again, *self._take()]
            again = []
            try:
                again = await self._carry_out(requests)
            except asyncio.CancelledError:
                _fail(requests, Busy("The server is stopping."))
                raise
            except Busy as e:
                _fail(requests, e)
                self._fail_waiting(e)
            except Exception:
                log.exception("append.failed", partition=self.partition, requests=len(requests))
                await self._carry_out_one_by_one(requests)

    async def _carry_out_one_by_one(self, requests: Iterable[Request]) -> None:
        """Do each alone: what is wrong with one of them shall hurt no other. What ends this is told to all the rest."""
        rest = deque(requests)
        try:
            while rest:
                # One that followed another by its key has that one's answer by now.
                if not rest[0].answer.done():
                    await self._carry_out_alone(rest[0])
                rest.popleft()
        except asyncio.CancelledError:
            _fail(rest, Busy("The server is stopping."))
            raise
        except Busy as e:
            _fail(rest, e)
            self._fail_waiting(e)

    async def _carry_out_alone(self, request: Request) -> None:
        again = [request]
        try:
            while again:
                again = await self._carry_out(again)
        except Busy:
            raise
        except Exception as e:  # noqa: BLE001 - told to the caller, and logged above
            request.fail(e)

    async def _carry_out(self, requests: Sequence[Request]) -> list[Request]:
        """Decide, append and answer; give those that must be decided again because somebody else was faster.

        Raises only while nothing of it is in the log, or nobody can know (Busy).
        """
        if any(request.attempts >= _HOLD_AFTER for request in requests):
            batch, answer = await self._append_holding(requests)
        else:
            batch = await self._decided(requests, await self._known(requests))
            answer = await self._append(batch) if batch else None
        if answer is None:
            return []
        self._others_append = answer.base_position > self.head
        try:
            settled = batch.settle(answer)
            self._take_in(settled)
        except Exception as e:
            # It is appended: whatever failed now, it must not be done again.
            log.exception("append.unsettled", partition=self.partition, position=answer.base_position)
            _fail(requests, e)
            return []
        self.counters.batch(sum(len(request.commands) for request in requests))
        self.counters.requests += len(batch) - len(settled.stale)
        self.counters.stale += len(settled.stale)
        return self._still_patient(settled.stale)

    def _take_in(self, settled: Settled) -> None:
        for state, cost in settled.states:
            if state.version > 0 and self._states.put(state, cost):
                self._snapshot_due(state.id)
        if settled.recorded:
            self.head = settled.recorded[-1].position
            self.counters.events += len(settled.recorded)
            self._tail.push(settled.recorded, sum(map(size_of_recorded, settled.recorded)))
            self._appended(self.partition, settled.recorded[-1].position)
        for request in settled.stale:
            self._moved.update(command.conversation_id for command in request.commands)

    def _still_patient(self, stale: Sequence[Request]) -> list[Request]:
        again = []
        for request in stale:
            request.attempts += 1
            if request.attempts < _ATTEMPTS:
                again.append(request)
            else:
                # The head was held for it: nobody has outrun it, its streams are not what their rows say.
                request.fail(LogCorrupt(f"Partition {self.partition}: versions of streams do not match their events."))
        return again

    async def _known(self, requests: Sequence[Request]) -> dict[Uid, Conversation]:
        """Give a state for each conversation concerned; those not at hand or known to have moved come from the log."""
        known: dict[Uid, Conversation] = {}
        missing: set[Uid] = set()
        for request in requests:
            for command in request.commands:
                uid = command.conversation_id
                if uid in known or uid in missing:
                    continue
                if uid in self._moved or (self._others_append and not isinstance(command, Start)):
                    missing.add(uid)
                elif (state := self._states.get(uid)) is not None:
                    known[uid] = state
                    self.counters.found += 1
                elif isinstance(command, Start):
                    # A new uid has no stream; the append verifies it like any other guess.
                    known[uid] = initial(uid)
                else:
                    missing.add(uid)
        if missing:
            self.counters.missed += len(missing)
            found, due = await self._link.call(lambda conn, _: self._states.refresh(conn, self.partition, missing))
            known |= found
            self._moved -= missing
            for uid in due:
                self._snapshot_due(uid)
        return known

    async def _decided(self, requests: Sequence[Request], known: Mapping[Uid, Conversation]) -> Batch:
        batch = Batch(self.partition, known)
        commands = 0
        for request in requests:
            batch.add(request)
            commands += len(request.commands)
            if commands >= _BREATH:
                commands = 0
                await asyncio.sleep(0)
        return batch

    async def _append(self, batch: Batch, *, sent: bool = False) -> Answer:
        """Send a batch; ``sent``: it may be in already."""
        arguments = batch.arguments()
        return await self._link.call(
            lambda conn, attempt: self._send(conn, batch, arguments, again=sent or attempt > 0)
        )

    async def _append_holding(self, requests: Sequence[Request]) -> tuple[Batch, Answer | None]:
        """Decide and append while the head is held, so that nobody can be faster.

        The last resort of requests that others have outrun again and again: a process that has to look at the log first
        would lose against one that has not, for ever. No answer when there was nothing to send.
        """

        async def hold(conn: Conn, _: int) -> tuple[Conn, dict[Uid, Conversation], list[Uid]]:
            await conn.execute(sql.begin)
            await conn.execute(sql.hold, self.partition)
            uids = {command.conversation_id for request in requests for command in request.commands}
            return conn, *await self._states.refresh(conn, self.partition, uids)

        try:
            conn, known, due = await self._link.call(hold)
        except Busy:
            raise
        except Exception as e:
            # Its transaction may be open: what is sent on this connection next would be in no log.
            await self._link.drop(e)
            raise
        for uid in due:
            self._snapshot_due(uid)
        batch: Batch | None = None
        try:
            batch = await self._decided(requests, known)
            answer = await self._send(conn, batch, batch.arguments(), again=False) if batch else None
            await conn.execute(sql.commit)
        except Exception as e:
            await self._link.drop(e)
            if batch is None or not is_transient(e):
                raise
            return batch, await self._append(batch, sent=True)
        return batch, answer

    async def _send(self, conn: Conn, batch: Batch, arguments: Sequence[Any], *, again: bool) -> Answer:
        sent_after = self.head if again else None
        try:
            rows = await conn.fetch(
                sql.append, self.partition, batch.id, sent_after, *arguments, timeout=_CLIENT_TIMEOUT
            )
        except asyncpg.PostgresError as e:
            if e.sqlstate == _UNIQUE:
                raise LogCorrupt(f"Partition {self.partition}: a stream's row does not match its events.") from e
            raise
        return Answer(*rows[0])

    def _fail_waiting(self, error: Exception) -> None:
        _fail(self._queue, error)
        self._queue.clear()
        self._waiting_commands = self._waiting_bytes = 0


def _fail(requests: Iterable[Request], error: Exception) -> None:
    for request in requests:
        request.fail(error)
