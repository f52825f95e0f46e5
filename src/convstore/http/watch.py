"""Wakes those who follow their own inboxes, when something has changed there: one question to the database for all.

One task asks, when a read model has come further, in whose inboxes anything changed since it last asked. So who is told
of a change finds it when he looks, and an idle follower costs a place in a dictionary.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from convstore.database import Pool
from convstore.domain.uid import UserId
from convstore.faults import described
from convstore.http.inbox_changes import POSITIONS, READ_MODELS, SQL
from convstore.waking import Signal

_MOVED: Final = SQL.moved.format(POSITIONS.format("$3::text[]"))
# Of the time, at most one part in so many is spent asking, however busy the log is; and a breath between at least, in
# seconds, so that what happens together is asked about once.
_SHARE: Final = 5
_BREATH: Final = 0.01
# How long to wait after a failure, in seconds.
_PAUSE: Final = 0.5

log = structlog.get_logger(__name__)


class Watch:
    """Who follows his inbox in this process; ``advanced`` fires when a read model has come further in any process."""

    def __init__(self, pool: Pool, advanced: Signal, partitions: int) -> None:
        self._pool = pool
        self._advanced = advanced
        self._followers: defaultdict[UserId, set[Signal]] = defaultdict(set)
        # Who came since the last question was asked: its answer may be older than his first look.
        self._new: set[Signal] = set()
        self._asked: tuple[int, ...] = (0,) * partitions
        self._task: asyncio.Task[None] | None = None

    @property
    def followers(self) -> int:
        """How many follow their inboxes now."""
        return sum(map(len, self._followers.values()))

    @contextmanager
    def followed(self, reader: UserId, woken: Signal) -> Iterator[None]:
        """Fire ``woken`` whenever something may have changed in this person's inbox, as long as this lasts."""
        self._followers[reader].add(woken)
        self._new.add(woken)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="watch inboxes")
        try:
            yield
        finally:
            self._new.discard(woken)
            self._followers[reader].discard(woken)
            if not self._followers[reader]:
                del self._followers[reader]
            if not self._followers:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            seen = self._advanced.count
            began = loop.time()
            try:
                await self._ask()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next question is about this time too
                log.warning("watch.retrying", error=described(error), pause=_PAUSE)
                await asyncio.sleep(_PAUSE)
                continue
            await asyncio.sleep(max(_BREATH, (loop.time() - began) * (_SHARE - 1)))
            await self._advanced.after(seen)

    async def _ask(self) -> None:
        new, self._new = self._new, set()
        row = await self._pool.fetchrow(_MOVED, list(self._followers), list(self._asked), READ_MODELS)
        assert row is not None  # noqa: S101 - a statement without a table has one row
        self._asked = tuple(row["reached"])
        for woken in new:
            woken.fire()
        self._wake(row["readers"])

    def _wake(self, readers: Sequence[UserId]) -> None:
        for reader in readers:
            # Some may have gone meanwhile.
            for woken in self._followers.get(reader, ()):
                woken.fire()
