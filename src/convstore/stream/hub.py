"""The last events of the log, read once for all who follow it in this process.

One task reads what is new, when it is known that something is, and keeps it for a while: a ring. Who has seen all of it
waits, and is woken only when there is something for him; a thousand idle followers cost no question to the database.
Who cannot keep up falls off the ring, and reads the log itself at his own pace: nothing is kept for him.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import structlog

from convstore.database import Pool
from convstore.domain.events import ConversationDeleted, tag_of
from convstore.domain.uid import Uid
from convstore.engine.feed import Source
from convstore.faults import described
from convstore.log.read import read_partition
from convstore.log.recorded import Recorded
from convstore.log.sizes import size_of_recorded
from convstore.waking import Signal

# What the ring holds at most: events, and bytes of what they were stored as.
_EVENTS: Final = 5_000
_BYTES: Final = 8_000_000
# Events of one partition that are read at once.
_PAGE: Final = 500
# What comes within so many seconds wakes a follower once.
_BREATH: Final = 0.005
# How long to wait after a failure, in seconds.
_PAUSE: Final = 0.5

log = structlog.get_logger(__name__)


class Follower(Protocol):
    """Somebody who has seen the whole ring."""

    def may_want(self, tags: frozenset[str], streams: frozenset[Uid]) -> bool:
        """Tell whether there may be something for him among events of these types and streams."""

    def pass_over(self, place: int, positions: tuple[int, ...]) -> None:
        """Note that there was nothing for him up to here."""

    def wake(self) -> None:
        """Come: there may be something."""


class Heads(Protocol):
    """Says how far the log is known to reach, by partition."""

    def __call__(self) -> tuple[int, ...]:
        """Give the last positions."""


class Ring:
    """A run of events of all partitions, each partition in order and without a gap.

    Places count the events since the start, from 0: the ring has those from ``first`` to before ``end``. ``base`` are
    the positions before its first event, ``positions`` those after its last.
    """

    def __init__(self, positions: Sequence[int]) -> None:
        self._events: deque[tuple[Recorded, int]] = deque()
        self._bytes = 0
        self._deleted: Counter[Uid] = Counter()
        self.first = 0
        self.base = list(positions)
        self.positions = tuple(positions)

    @property
    def end(self) -> int:
        """The place after the last event."""
        return self.first + len(self._events)

    def since(self, place: int) -> Iterator[Recorded]:
        """Give the events from a place on, which is not before ``first``."""
        for index in range(place - self.first, len(self._events)):
            yield self._events[index][0]

    def was_deleted(self, stream: Uid) -> bool:
        """Tell whether the ring knows that a conversation was deleted; what is in the ring may be older than that."""
        return stream in self._deleted

    def push(self, events: Sequence[Recorded]) -> None:
        """Take new events in, and let the oldest go when there are too many."""
        positions = list(self.positions)
        for recorded in events:
            size = size_of_recorded(recorded)
            self._events.append((recorded, size))
            self._bytes += size
            positions[recorded.partition] = recorded.position
            if isinstance(recorded.event, ConversationDeleted):
                self._deleted[recorded.stream] += 1
        self.positions = tuple(positions)
        while self._events and (len(self._events) > _EVENTS or self._bytes > _BYTES):
            recorded, size = self._events.popleft()
            self._bytes -= size
            self.first += 1
            self.base[recorded.partition] = recorded.position
            if isinstance(recorded.event, ConversationDeleted):
                # Whatever else the ring has of it came before, and is gone too.
                del self._deleted[recorded.stream]


class Hub:
    """Reads the log for all who follow it in this process, as long as anybody does."""

    def __init__(self, pool: Pool, source: Source, grown: Signal, heads: Heads) -> None:
        self._pool = pool
        self._source = source
        self._grown = grown
        self._heads = heads
        self.ring = Ring(heads())
        self._followers = 0
        self._idle: set[Follower] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def followers(self) -> int:
        """How many follow the log now."""
        return self._followers

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Keep the ring up to date meanwhile."""
        if self._task is None:
            # Nobody read what came since the last one went.
            self.ring = Ring(self._heads())
            self._task = asyncio.create_task(self._run(), name="read the log for followers")
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                self._task.cancel()
                self._task = None

    def wait(self, follower: Follower) -> None:
        """Wake somebody who has seen the whole ring when there may be something for him; until then pass him on."""
        self._idle.add(follower)

    def leave(self, follower: Follower) -> None:
        """Do not wake him any more."""
        self._idle.discard(follower)

    async def _run(self) -> None:
        while True:
            seen = self._grown.count
            try:
                found = await self._read()
            except Exception as error:  # noqa: BLE001 - whatever it is: who follows reads the log himself meanwhile
                log.warning("stream.hub_retrying", error=described(error), pause=_PAUSE)
                await asyncio.sleep(_PAUSE)
                continue
            if found:
                self._hand_out(found)
                await asyncio.sleep(_BREATH)
            else:
                await self._grown.after(seen)

    async def _read(self) -> list[Recorded]:
        """Read what is new, some of each partition; each in order, and all about as they were recorded."""
        found: list[Recorded] = []
        for partition, (position, head) in enumerate(zip(self.ring.positions, self._heads(), strict=True)):
            if head <= position:
                continue
            events = self._source.recent(partition, position, _PAGE)
            if not events or events[0].position != position + 1:
                async with self._pool.acquire() as conn:
                    events = await read_partition(conn, partition, position, _PAGE)
            found += events
        found.sort(key=lambda recorded: recorded.recorded_at)
        return found

    def _hand_out(self, events: Sequence[Recorded]) -> None:
        self.ring.push(events)
        tags = frozenset(tag_of(recorded.event) for recorded in events)
        streams = frozenset(recorded.stream for recorded in events)
        for follower in tuple(self._idle):
            if follower.may_want(tags, streams):
                self._idle.discard(follower)
                follower.wake()
            else:
                follower.pass_over(self.ring.end, self.ring.positions)
