"""Carries commands to the log: per partition one batch at a time, the next one filling while that one commits.

The size of a batch follows the load by itself: an idle appender sends a lone command at once, a busy one sends what has
gathered. There is no timer. Nothing of a caller runs between the lock on the partition's head and the commit: what was
decided travels in one call.

When an answer is lost, nobody knows whether the batch is in. It is sent again under the same id, and the append
function tells, under the head's lock. Should the first one arrive only after that, it is harmless: whatever it would
append was decided on versions that have passed.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

import asyncpg
import structlog

from convstore.database import Conn, Pool
from convstore.domain.commands import (
    AddParticipants,
    ConversationCommand,
    Reply,
    SendMessage,
    SendSystemMessage,
    SendTicket,
    SendValidationResult,
    Start,
)
from convstore.domain.conversation import Conversation, initial
from convstore.domain.events import MessagePosted, ParticipantsAdded
from convstore.domain.uid import Uid
from convstore.errors import Busy, LogCorrupt
from convstore.log.batch import Answer, Batch, Request, Settled
from convstore.log.counters import Counters
from convstore.log.outcome import IdempotencyKey, Outcome
from convstore.log.read import sql
from convstore.log.recorded import Recorded
from convstore.log.states import States
from convstore.log.tail import Tail

log = structlog.get_logger(__name__)

# A batch takes no more than this many commands, and no more bytes; a single request may be larger and then goes alone.
_BATCH_COMMANDS: Final = 500
_BATCH_BYTES: Final = 1_000_000
# Others may be faster this many times before a command's caller is told to come again.
_ATTEMPTS: Final = 50
# A database that cannot be reached is tried again for so long, in seconds, before those who wait are told.
_PATIENCE: Final = 10.0
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
# Limits of the client, in seconds. The server's own (statements.sql, limits) come first; these are for a network that
# swallows the answer.
_CONNECT_TIMEOUT: Final = 5.0
_CLIENT_TIMEOUT: Final = 40.0
# A large request gives the loop a turn after so many commands.
_BREATH: Final = 200

# SQLSTATE classes after which the same call may succeed: connection, resources, operator, rollback, lock timeout.
_TRANSIENT_CLASSES: Final = frozenset({"08", "53", "57", "40", "55"})
_READ_ONLY: Final = "25006"  # a standby that is not promoted yet
_UNIQUE: Final = "23505"

# Estimates of memory, in bytes.
_COMMAND_BYTES: Final = 400
_RECORDED_BYTES: Final = 600
_UID_BYTES: Final = 70

_T = TypeVar("_T")


def is_transient(error: BaseException) -> bool:
    """Tell whether the same call may succeed later, on a new connection if this one is gone. By SQLSTATE only."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in _TRANSIENT_CLASSES or state == _READ_ONLY
    # asyncpg reports a server that died between two messages as an error of its own state machine.
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | TimeoutError)


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
        self._pool = pool
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
        self._conn: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._run(), name=f"append to partition {partition}")

    @property
    def waiting(self) -> int:
        """How many commands are in the queue."""
        return self._waiting_commands

    async def submit(self, commands: Sequence[ConversationCommand], meta: str, key: IdempotencyKey | None) -> Outcome:
        """Carry these out together or not at all, and say what became of them.

        Raises:
            Refused: a rule says no to one of them.
            KeyReused: the key was used with another request.
            Busy: the queue is full, the conversation too contended, or the database out of reach. In the last case it
                is not known whether they were carried out; a key tells.
        """
        size = sum(map(_size, commands))
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
        conn, self._conn = self._conn, None
        if conn is not None:
            await self._pool.release(conn, timeout=_CONNECT_TIMEOUT)

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
                # What is wrong with one of them shall hurt no other.
                for request in requests:
                    await self._carry_out_alone(request)

    async def _carry_out_alone(self, request: Request) -> None:
        again = [request]
        try:
            while again:
                again = await self._carry_out(again)
        except asyncio.CancelledError:
            request.fail(Busy("The server is stopping."))
            raise
        except Exception as e:  # noqa: BLE001 - told to the caller, and logged above
            request.fail(e)

    async def _carry_out(self, requests: Sequence[Request]) -> list[Request]:
        """Decide, append and answer; give those that must be decided again because somebody else was faster.

        Raises only while nothing of it is in the log, or nobody can know (Busy).
        """
        batch = Batch(self.partition, await self._known(requests))
        commands = 0
        for request in requests:
            batch.add(request)
            commands += len(request.commands)
            if commands >= _BREATH:
                commands = 0
                await asyncio.sleep(0)
        if not batch:
            return []
        answer = await self._append(batch)
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
            self._tail.push(settled.recorded, sum(map(_recorded_size, settled.recorded)))
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
                request.fail(Busy("This conversation is being changed too often; try again in a moment."))
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
                if uid in self._moved:
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
            found, due = await self._persist(lambda conn, _: self._states.refresh(conn, self.partition, missing))
            known |= found
            self._moved -= missing
            for uid in due:
                self._snapshot_due(uid)
        return known

    async def _append(self, batch: Batch) -> Answer:
        arguments = batch.arguments()

        async def send(conn: Conn, attempt: int) -> Answer:
            sent_after = self.head if attempt else None
            rows = await conn.fetch(
                sql.append, self.partition, batch.id, sent_after, *arguments, timeout=_CLIENT_TIMEOUT
            )
            return Answer(*rows[0])

        try:
            answer = await self._persist(send)
        except asyncpg.PostgresError as e:
            if e.sqlstate == _UNIQUE:
                raise LogCorrupt(f"Partition {self.partition}: a stream's row does not match its events.") from e
            raise
        return answer

    async def _persist(self, call: Callable[[Conn, int], Awaitable[_T]]) -> _T:
        """Make a call on the connection, and again on a new one when it was lost; the call is told which time it is.

        Raises:
            Busy: the database was out of reach for too long.
        """
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        pause = _FIRST_PAUSE
        for attempt in itertools.count():
            try:
                return await call(await self._connected(), attempt)
            except Exception as e:
                if not is_transient(e):
                    raise
                await self._disconnect()
                self.counters.reconnects += 1
                deadline = deadline or loop.time() + _PATIENCE
                log.warning("append.repeated", partition=self.partition, attempt=attempt + 1, reason=repr(e))
                if loop.time() + pause > deadline:
                    raise Busy("The database cannot be reached.", retry_after=5) from e
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise AssertionError("counting never ends")

    async def _connected(self) -> Conn:
        if self._conn is None:
            conn = await self._pool.acquire(timeout=_CONNECT_TIMEOUT)
            self._conn = conn
            await conn.execute(sql.limits)
        return self._conn

    async def _disconnect(self) -> None:
        """Let go of the connection, in whatever state it is."""
        conn, self._conn = self._conn, None
        if conn is not None:
            # The pool may have noticed first, and have taken it back: then it is not ours to end.
            with contextlib.suppress(asyncpg.InterfaceError):
                conn.terminate()
            await self._pool.release(conn)

    def _fail_waiting(self, error: Exception) -> None:
        _fail(self._queue, error)
        self._queue.clear()
        self._waiting_commands = self._waiting_bytes = 0


def _fail(requests: Iterable[Request], error: Exception) -> None:
    for request in requests:
        request.fail(error)


def _size(command: ConversationCommand) -> int:
    """Estimate what a command weighs in the queue and in a batch, in bytes."""
    size = _COMMAND_BYTES
    match command:
        case Reply() | SendMessage() | SendTicket() | SendSystemMessage() | SendValidationResult():
            size += len(command.text or "")
    match command:
        case SendMessage() | SendTicket() | SendSystemMessage() | SendValidationResult():
            size += _UID_BYTES * len(command.recipients)
        case AddParticipants():
            size += _UID_BYTES * len(command.participants)
    return size


def _recorded_size(recorded: Recorded) -> int:
    """Estimate the memory that an event takes, in bytes."""
    event = recorded.event
    size = _RECORDED_BYTES
    if isinstance(event, MessagePosted):
        size += len(event.text or "")
    elif isinstance(event, ParticipantsAdded):
        size += _UID_BYTES * len(event.participants)
    return size
