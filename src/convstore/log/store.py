"""The store: where commands become events, and where the state that they are decided on comes from."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final, Self

import structlog

from convstore.database import Pool
from convstore.domain import uid as uids
from convstore.domain.access import AccessEvent, note_access
from convstore.domain.commands import ConversationCommand
from convstore.domain.conversation import Conversation
from convstore.domain.snapshot import encode_state
from convstore.domain.uid import Uid
from convstore.errors import BadText, Busy, ConfigError, KeyReused
from convstore.log import cursor, read
from convstore.log.appender import Appender
from convstore.log.batch import decode_result
from convstore.log.codec import encode_meta
from convstore.log.counters import Counters
from convstore.log.create import facts
from convstore.log.outcome import Decided, IdempotencyKey, Outcome
from convstore.log.read import sql
from convstore.log.recorded import Meta, Recorded
from convstore.log.states import Kept, States
from convstore.log.tail import Tail

__all__ = ["Counters", "Decided", "IdempotencyKey", "Kept", "Outcome", "Store"]

log = structlog.get_logger(__name__)

_KEYS_KEPT: Final = timedelta(days=7)
_FORGET_EVERY: Final = 3600.0
_FORGET_AT_ONCE: Final = 5_000
# A stop waits so long, in seconds, for what was submitted before it.
_DRAIN: Final = 15.0


class Store:
    """The log of one database, as one process writes it. Open it with ``Store.open``, end it with ``close``.

    ``partitions``, ``id`` and ``secret`` (32 bytes) were fixed when the store was created. ``on_append`` are called
    with partition and position right after events of this process were committed: they must be quick, and not wait.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        partitions: int,
        store_id: str,
        secret: bytes,
        heads: Sequence[int],
        cache_bytes: int,
        tail_events: int,
        tail_bytes: int,
        queue_commands: int,
        queue_bytes: int,
    ) -> None:
        self.partitions = partitions
        self.id = store_id
        self.secret = secret
        self.on_append: list[Callable[[int, int], None]] = []
        self._pool = pool
        self._states = States(cache_bytes)
        self._closing = False
        self._due: dict[Uid, None] = {}
        self._due_filled = asyncio.Event()
        self._tails = [Tail(tail_events, tail_bytes // partitions) for _ in range(partitions)]
        self._appenders = [
            Appender(
                pool,
                partition,
                heads[partition],
                self._states,
                tail=self._tails[partition],
                queue_commands=queue_commands,
                queue_bytes=queue_bytes,
                appended=self._appended,
                snapshot_due=self._snapshot_due,
            )
            for partition in range(partitions)
        ]
        self._background = [
            asyncio.create_task(self._write_snapshots(), name="write snapshots"),
            asyncio.create_task(self._forget_keys(), name="forget idempotency keys"),
        ]

    @classmethod
    async def open(
        cls,
        pool: Pool,
        *,
        cache_bytes: int = 64_000_000,
        tail_events: int = 10_000,
        tail_bytes: int = 16_000_000,
        queue_commands: int = 16_000,
        queue_bytes: int = 32_000_000,
    ) -> "Store":
        """Open the store of the pool's database. It keeps one connection per partition that it has appended to.

        ``cache_bytes`` bounds the states kept, ``tail_*`` the recent events kept for this process's read models,
        ``queue_*`` the commands that wait per partition: beyond, ``submit`` raises Busy.

        Raises:
            ConfigError: there is no store in the database, an import into it is unfinished, or the pool has too few
                connections for it.
        """
        async with pool.acquire() as conn:
            settled = await facts(conn)
            if settled.importing:
                raise ConfigError("An import into this store is unfinished: finish it with `convstore log import`.")
            heads = await read.heads(conn)
        partitions = settled.partitions
        if pool.get_max_size() <= partitions:
            raise ConfigError(f"A store of {partitions} partitions needs more than {pool.get_max_size()} connections.")
        return cls(
            pool,
            partitions=partitions,
            store_id=settled.id,
            secret=settled.secret,
            heads=heads,
            cache_bytes=cache_bytes,
            tail_events=tail_events,
            tail_bytes=tail_bytes,
            queue_commands=queue_commands,
            queue_bytes=queue_bytes,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Take no more commands, answer those that wait, and give the connections back."""
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN):
                await asyncio.gather(*(appender.drain() for appender in self._appenders))
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        closed = await asyncio.gather(*(appender.close() for appender in self._appenders), return_exceptions=True)
        for partition, error in enumerate(closed):
            if error is not None:
                log.warning("append.not_closed", partition=partition, reason=repr(error))

    def partition_of(self, uid: Uid) -> int:
        """Say which partition a conversation belongs to, from 0."""
        return uids.partition_of(uid, self.partitions)

    async def submit(
        self, commands: Sequence[ConversationCommand], meta: Meta, key: IdempotencyKey | None = None
    ) -> Outcome:
        """Carry commands out, together or not at all, and say what became of each; durable when this returns.

        All must concern conversations of one partition. Every verdict, a refusal and "nothing to do" included, was
        given on a state that no other process had changed.

        Raises:
            Refused: a rule says no to one of them.
            KeyReused: the key was used before, with another request.
            BadText: a string holds NUL or a lone surrogate.
            Busy: too much is waiting, or the database is out of reach.
        """
        if self._closing:
            raise Busy("The server is stopping.")
        if not commands:
            raise ValueError("no commands")
        _check_text(*(command.conversation_id for command in commands))
        partition = self.partition_of(commands[0].conversation_id)
        for command in commands[1:]:
            if self.partition_of(command.conversation_id) != partition:
                raise ValueError("commands of one submit concern one partition")
        if key is not None:
            _check_text(key.account, key.key)
        return await self._appenders[partition].submit(commands, encode_meta(meta), key)

    async def record(self, event: AccessEvent, meta: Meta) -> Outcome:
        """Note that ``meta.actor`` looked at what another person sees, in his own stream; durable when this returns.

        None as the actor is somebody at the terminal. One event per call, however often he looks: an auditor wants to
        know that, and who asks for another person's data every second shall see what it costs.

        Raises:
            BadText: a string holds NUL or a lone surrogate.
            Busy: too much is waiting, or the database is out of reach: then what was looked at must not be shown.
        """
        if self._closing:
            raise Busy("The server is stopping.")
        command = note_access(event, meta.actor)
        _check_text(command.conversation_id)
        partition = self.partition_of(command.conversation_id)
        return await self._appenders[partition].submit([command], encode_meta(meta), None)

    async def recall(self, key: IdempotencyKey) -> dict[int, Outcome]:
        """Give what became of a request when it was carried out, by partition; empty: it was not, as far as is known.

        For callers who would otherwise check a repeated request on what its first time left behind. ``submit`` has the
        last word: it finds out, too, what was carried out in between.

        Raises:
            KeyReused: the key was used before, with another request.
            BadText: the account or the key holds NUL or a lone surrogate.
        """
        _check_text(key.account, key.key)
        rows = await self._pool.fetch(sql.recall, key.account, key.key, self.partitions)
        if any(row["digest"] != key.digest for row in rows):
            raise KeyReused
        return {
            row["partition"]: Outcome(
                row["partition"], row["position"], (), decode_result(row["result"]), replayed=True
            )
            for row in rows
        }

    async def states(self, wanted: Iterable[Uid]) -> dict[Uid, Conversation]:
        """Give the states of these conversations as the log has them now; unknown and deleted ones are left out.

        Raises:
            BadText: a uid holds NUL or a lone surrogate.
        """
        wanted = list(wanted)
        _check_text(*wanted)
        by_partition: defaultdict[int, dict[Uid, None]] = defaultdict(dict)
        for uid in wanted:
            by_partition[self.partition_of(uid)][uid] = None
        found: dict[Uid, Conversation] = {}
        async with self._pool.acquire() as conn:
            for partition, here in by_partition.items():
                states, due = await self._states.refresh(conn, partition, here)
                found |= {uid: state for uid, state in states.items() if state.exists}
                for uid in due:
                    self._snapshot_due(uid)
        return found

    def recent(self, partition: int, after_position: int, limit: int) -> list[Recorded] | None:
        """Give the events right after a position, if this process appended them lately; None: read the log.

        Never empty, and without a gap: what other processes appended in between makes it None.
        """
        return self._tails[partition].after(after_position, limit)

    def cursor(self, positions: Sequence[int]) -> str:
        """Give the cursor of these positions (index = partition)."""
        return cursor.encode(positions, self.id)

    def positions(self, text: str) -> tuple[int, ...]:
        """Give the positions of a cursor, one per partition.

        Raises:
            CursorInvalid: it is no cursor of this store.
        """
        return cursor.decode(text, self.partitions, self.id)

    def counters(self) -> list[Counters]:
        """Give what was appended since the start, per partition, for metrics."""
        return [appender.counters for appender in self._appenders]

    def queues(self) -> list[int]:
        """Say how many commands wait now, per partition."""
        return [appender.waiting for appender in self._appenders]

    def waiting(self) -> int:
        """Say how many commands wait in the queues now."""
        return sum(self.queues())

    def kept(self) -> Kept:
        """Say what the cache of states holds now."""
        return self._states.kept()

    def _appended(self, partition: int, position: int) -> None:
        for callback in self.on_append:
            try:
                callback(partition, position)
            except Exception:
                log.exception("append.callback_failed", partition=partition, position=position)

    def _snapshot_due(self, uid: Uid) -> None:
        self._due[uid] = None
        self._due_filled.set()

    async def _write_snapshots(self) -> None:
        """Write the snapshots that are due, one after another, of what is kept by then."""
        while True:
            await self._due_filled.wait()
            while self._due:
                uid = next(iter(self._due))
                del self._due[uid]
                if (state := self._states.get(uid)) is not None:
                    await self._write_snapshot(state)
            self._due_filled.clear()

    async def _write_snapshot(self, state: Conversation) -> None:
        # Noted before it is written: events that come meanwhile count for the next one.
        self._states.snapshot_taken(state.id)
        try:
            raw = encode_state(state)
            await self._pool.execute(sql.keep_snapshot, self.partition_of(state.id), state.id, state.version, raw)
        except Exception:
            # It would have been a convenience; the next one is due after as many events.
            log.exception("snapshot.not_written", conversation=state.id, version=state.version)

    async def _forget_keys(self) -> None:
        while True:
            for partition in range(self.partitions):
                try:
                    while (
                        await self._pool.fetchval(sql.forget_keys, partition, _KEYS_KEPT, _FORGET_AT_ONCE)
                        == _FORGET_AT_ONCE
                    ):
                        pass
                except Exception:
                    log.exception("keys.not_forgotten", partition=partition)
            await asyncio.sleep(_FORGET_EVERY)


def _check_text(*texts: str) -> None:
    """Refuse what a text column cannot hold.

    Raises:
        BadText: NUL or a lone surrogate.
    """
    for text in texts:
        if "\x00" in text or not text.isascii():
            _check_unicode(text)


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise BadText from e
    if "\x00" in text:
        raise BadText
