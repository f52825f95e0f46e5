"""Races writers and a deliberately slow transaction against a consumer that keeps a checkpoint: does it miss anything?

A consumer that reads "everything after the position that I was at" misses an event for good when a lower position
becomes visible only after a higher one. That is what happens where positions come from a sequence: they are given out
when a row is written, not when it is committed. The same race is run on this store's log and on such a table.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.resources import files
from typing import Final, TypeAlias

from msgspec import Struct

from convstore.database import SERVER_ROLE, Conn, connect, open_pool
from convstore.domain.commands import Reply, SendMessage
from convstore.domain.events import MessagePosted
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid, partition_of
from convstore.log import read
from convstore.log.codec import encode, encode_meta
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.sql import Statements

_naive: Final = Statements(files(__package__) / "race.sql")

_PAGE: Final = 500
_ALL: Final = 10_000
# How long a consumer that has everything waits before it looks again, in seconds.
_LOOK_AGAIN: Final = 0.002
_SOMEBODY: Final = UserId("RaceRaceRa1")
_META: Final = Meta(actor=_SOMEBODY, causation="race")
_TEXT: Final = "Who comes first? " * 10

# What a consumer gets of an event: its position, its stream, its version there.
_Seen: TypeAlias = tuple[int, str, int]
_Page: TypeAlias = Callable[[Conn, int, int], Awaitable[Sequence[_Seen]]]


class Race(Struct, frozen=True, kw_only=True):
    """How a race ended, in events. ``slow`` transactions of those were held open on purpose.

    ``missed``: committed, but not among what the consumer read. ``out_of_order``: read after a later one of its stream.
    """

    written: int
    read: int
    missed: int
    out_of_order: int
    slow: int
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether the consumer had everything, in order."""
        return not (self.missed or self.out_of_order)


class _Consumer:
    """Reads one partition or table from its checkpoint, page by page, and never looks back."""

    def __init__(self, conn: Conn, page: _Page) -> None:
        self._conn = conn
        self._page = page
        self._checkpoint = 0
        self._versions: dict[str, int] = {}
        self.out_of_order = 0
        self.seen: set[int] = set()
        self.no_more_comes = asyncio.Event()

    async def run(self) -> None:
        """Read until everybody has stopped writing and nothing more is found."""
        while True:
            last = self.no_more_comes.is_set()
            events = await self._page(self._conn, self._checkpoint, _PAGE)
            for position, stream, version in events:
                self.seen.add(position)
                self.out_of_order += version <= self._versions.get(stream, 0)
                self._versions[stream] = version
                self._checkpoint = position
            if not events:
                if last:
                    return
                await asyncio.sleep(_LOOK_AGAIN)


async def race_log(dsn: str, *, writers: int, seconds: float, slow: float) -> Race:
    """Race on a store's log, whose owner's DSN this is: writers in two processes' stores, two of them a conversation.

    ``slow`` seconds is how long a transaction that has appended stays open, again and again; under 4, or appends would
    give up waiting for it. The log is not cleaned up afterwards.
    """
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(2):
            pool = await stack.enter_async_context(await open_pool(dsn, application="convstore race"))
            stores.append(await stack.enter_async_context(await Store.open(pool)))
        uids = [_in_first_partition(stores[0].partitions) for _ in range(writers // 2 + 2)]
        for uid in uids:
            await stores[0].submit([_start(uid)], _META)

        async def write(number: int) -> None:
            await stores[number % 2].submit([_reply(uids[number // 2])], _META)

        slowly = await stack.enter_async_context(_connected(dsn))
        version = (await stores[0].states([uids[-1]]))[uids[-1]].version

        async def write_slowly() -> None:
            nonlocal version
            version += 1
            tag, data = encode(MessagePosted(message_id=new_uid(), sender=_SOMEBODY, text=_TEXT))
            streams = [0], [uids[-1]], [version - 1], [version]
            events = [0], [uids[-1]], [version], [tag], [data], [encode_meta(_META)]
            await slowly.execute(read.sql.begin)
            await slowly.fetch(read.sql.append, 0, uuid.uuid4(), None, *streams, *events, [], [], [], [], [])
            await asyncio.sleep(slow)
            await slowly.execute(read.sql.commit)

        return await _race(dsn, _log_page, [write] * writers, write_slowly, seconds=seconds, slow=slow)


async def race_sequence(dsn: str, *, writers: int, seconds: float, slow: float) -> Race:
    """Race on a table whose positions come from a sequence, made in the database of this DSN; it stays there."""
    async with AsyncExitStack() as stack:
        conns = [await stack.enter_async_context(_connected(dsn, role=None)) for _ in range(writers + 1)]
        await conns[0].execute(_naive.create)
        _, data = encode(MessagePosted(message_id=new_uid(), sender=_SOMEBODY, text=_TEXT))
        versions = [0] * len(conns)

        async def write(number: int) -> None:
            versions[number] += 1
            await conns[number].execute(_naive.append, str(number), versions[number], data)

        async def write_slowly() -> None:
            async with conns[-1].transaction():
                await write(writers)
                await asyncio.sleep(slow)

        return await _race(dsn, _naive_page, [write] * writers, write_slowly, seconds=seconds, slow=slow)


async def _race(
    dsn: str,
    page: _Page,
    writers: Sequence[Callable[[int], Awaitable[None]]],
    write_slowly: Callable[[], Awaitable[None]],
    *,
    seconds: float,
    slow: float,
) -> Race:
    """Let everybody run for so long, let the consumer finish, and count what he has against what is there."""
    began = time.monotonic()
    end = began + seconds
    slow_ones = 0

    async def keep_writing(number: int, write: Callable[[int], Awaitable[None]]) -> None:
        while time.monotonic() < end:
            await write(number)

    async def keep_writing_slowly() -> None:
        nonlocal slow_ones
        while time.monotonic() < end:
            await write_slowly()
            slow_ones += 1
            # Where a slow transaction holds up all others, they get their turn now.
            await asyncio.sleep(slow)

    async with _connected(dsn, role=None) as conn:
        consumer = _Consumer(conn, page)
        consuming = asyncio.create_task(consumer.run())
        try:
            await asyncio.gather(*(keep_writing(*each) for each in enumerate(writers)), keep_writing_slowly())
            took = time.monotonic() - began
            consumer.no_more_comes.set()
            await consuming
        finally:
            consuming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await consuming
        written: set[int] = set()
        while events := await page(conn, max(written, default=0), _ALL):
            written |= {position for position, _, _ in events}
    return Race(
        written=len(written),
        read=len(consumer.seen),
        missed=len(written - consumer.seen),
        out_of_order=consumer.out_of_order,
        slow=slow_ones,
        seconds=took,
    )


@asynccontextmanager
async def _connected(dsn: str, role: str | None = SERVER_ROLE) -> AsyncIterator[Conn]:
    conn = await connect(dsn, role=role, application="convstore race")
    try:
        yield conn
    finally:
        await conn.close()


async def _log_page(conn: Conn, after: int, limit: int) -> Sequence[_Seen]:
    return [(each.position, each.stream, each.version) for each in await read.read_partition(conn, 0, after, limit)]


async def _naive_page(conn: Conn, after: int, limit: int) -> Sequence[_Seen]:
    return [(position, stream, version) for position, stream, version in await conn.fetch(_naive.page, after, limit)]


def _in_first_partition(partitions: int) -> Uid:
    while partition_of(uid := new_uid(), partitions):
        pass
    return uid


def _start(uid: Uid) -> SendMessage:
    return SendMessage(
        conversation_id=uid,
        actor=Actor(id=_SOMEBODY),
        message_id=new_uid(),
        subject="Race",
        text=_TEXT,
        recipients=(_SOMEBODY,),
    )


def _reply(uid: Uid) -> Reply:
    return Reply(conversation_id=uid, actor=Actor(id=_SOMEBODY), message_id=new_uid(), text=_TEXT)
