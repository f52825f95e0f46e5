"""Carries one partition of the log into one read model while this process has the lease; looks on while others do."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog

from convstore.engine.checkpoint import Held, Seen, acquire, check_history, look, skips, sql
from convstore.engine.faults import LeaseLost, ProjectionStopped, described, is_transient
from convstore.engine.feed import Borrow, Feed, Source
from convstore.engine.owner import is_gone
from convstore.engine.page import take_in
from convstore.engine.progress import Progress
from convstore.log.recorded import Recorded
from convstore.projections import Projection

log = structlog.get_logger(__name__)

# Back-off after an error that may go away: doubled each time between these, in seconds.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
# A lease that ran out is taken from its holder only if he left work undone for so long, in seconds: he may be idle.
_GRACE: Final = 0.5


class _Poison(Exception):
    """Carries what failed, and why, from the search for it to the stop."""

    def __init__(self, recorded: Recorded, cause: Exception) -> None:
        super().__init__()
        self.recorded = recorded
        self.cause = cause


class Runner:
    """One read model in one partition, for as long as the process lives.

    ``took_in`` is told of every step that this process made, so that others learn of it; ``age`` gives the seconds
    since an event was recorded, by the database's clock.
    """

    def __init__(
        self,
        projection: Projection,
        progress: Progress,
        *,
        owner: str,
        borrow: Borrow,
        source: Source,
        age: Callable[[datetime], float],
        took_in: Callable[[Progress], None],
    ) -> None:
        self._projection = projection
        self._progress = progress
        self._partition = progress.partition
        self._owner = owner
        self._borrow = borrow
        self._feed = Feed(borrow, progress.partition, source)
        self._age = age
        self._took_in = took_in
        self._held: Held | None = None
        self._skips: frozenset[int] = frozenset()
        self._wake = asyncio.Event()
        self._end = asyncio.Event()
        # A process that starts tries again what had stopped: the cause may be mended.
        self._tries_stopped = True
        # When a holder was first seen to do nothing, and where.
        self._idle_since = 0.0
        self._idle_at: tuple[int, int] | None = None

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._wake.set()

    def finish(self) -> None:
        """Ask to end after the page in hand."""
        self._end.set()
        self._wake.set()

    def seen(self, row: Seen) -> None:
        """Take over what a look at the database shows, and act on it if there is something to do."""
        self._progress.seen(row)
        if self._held is not None:
            stopped = self._progress.stopped is not None
            resumed = stopped and row.stopped is None
            log_went_back = not stopped and row.head < self._held.position
            if row.epoch > self._held.epoch or resumed or log_went_back:
                self._let_go()
        if row.head != row.position or row.owner in ("", self._owner):
            self.wake()

    async def run(self) -> None:
        """Follow, or lead: until ``finish`` is called."""
        pause = _FIRST_PAUSE
        while not self._end.is_set():
            self._wake.clear()
            try:
                busy = await self._step()
                pause = _FIRST_PAUSE
            except LeaseLost:
                log.info("projection.lease_lost", projection=self._projection.id, partition=self._partition)
                self._let_go()
                busy = True
            except Exception as error:  # noqa: BLE001 - one read model in trouble must not end the others' runners
                if self._held is not None and not is_transient(error):
                    await self._stop(self._reason(error))
                    continue
                self._progress.error = described(error)
                log.warning(
                    "projection.retrying", projection=self._projection.id, partition=self._partition,
                    error=described(error), pause=pause,
                )  # fmt: skip
                self._let_go()
                # Spread, so that the runners of one database that went away do not come back all at once.
                await self._rest(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                pause = min(pause * 2, _LONGEST_PAUSE)
                busy = True
            if not busy:
                await self._wake.wait()
        await self._feed.close()

    async def _step(self) -> bool:
        """Do one page of work, or try to get the lease; false when there is nothing to do before the next wake."""
        if self._held is None and not await self._take_over():
            return False
        if self._progress.stopped is not None or self._held is None:
            return False
        page, position = await self._feed.next(self._held.position, self._progress.head, self._skips)
        if position == self._held.position:
            self._progress.behind(None)
            return False
        if page:
            self._progress.behind(self._age(page[0].recorded_at))
        await self._take(page, position)
        return True

    async def _take(self, page: Sequence[Recorded], position: int) -> None:
        """Take a page in; when it fails for what is in it, find the event by halves, with all before it taken in."""
        assert self._held is not None  # noqa: S101 - only called while leading
        started = time.monotonic()
        try:
            async with self._borrow() as conn:
                await take_in(conn, self._projection, self._held, page, position)
        except LeaseLost:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            if len(page) <= 1:
                raise (_Poison(page[0], error) if page else error) from error
            half = len(page) // 2
            await self._take(page[:half], page[half - 1].position)
            await self._take(page[half:], position)
            return
        self._progress.took_in(position, len(page))
        self._progress.behind(self._age(page[-1].recorded_at) if page and position < self._progress.head else None)
        self._took_in(self._progress)
        log.debug(
            "projection.advanced", projection=self._projection.id, partition=self._partition, position=position,
            events=len(page), took_ms=round((time.monotonic() - started) * 1000, 1),
        )  # fmt: skip

    async def _take_over(self) -> bool:
        """Get the lease if it may be had. True when this process has it now and may lead."""
        async with self._borrow() as conn:
            rows = await look(conn, [self._projection.id])
            seen = next((row for row in rows if row.partition == self._partition), None)
            if seen is None:
                self._progress.stop("it has no checkpoint: run 'convstore migrate'")
                return False
            self._progress.seen(seen)
            if not self._may_have(seen) or (held := await acquire(conn, seen, self._owner)) is None:
                return False
            trouble = await check_history(conn, self._projection.id, self._partition)
            self._skips = await skips(conn, self._projection.id, self._partition)
        self._held = held
        self._tries_stopped = False
        self._progress.local = True
        self._progress.stopped = None
        self._progress.owner = self._owner
        self._progress.reached(held.position)
        log.info(
            "projection.leading", projection=self._projection.id, partition=self._partition, position=held.position,
            epoch=held.epoch, before=seen.owner,
        )  # fmt: skip
        if trouble is not None:
            raise ProjectionStopped(trouble)
        return True

    def _may_have(self, seen: Seen) -> bool:
        """Judge whether the lease may be taken: it is free, or its holder is dead or left work undone for too long."""
        if seen.stopped is not None and not self._tries_stopped:
            return False
        if seen.owner in ("", self._owner) or is_gone(seen.owner):
            return True
        if not seen.lease_over or seen.head == seen.position:
            self._idle_at = None
            return False
        if self._idle_at != (seen.position, seen.epoch):
            self._idle_at = (seen.position, seen.epoch)
            self._idle_since = time.monotonic()
            return False
        return time.monotonic() - self._idle_since >= _GRACE

    async def _stop(self, reason: str) -> None:
        """Stand still until somebody says to go on: in memory at once, in the checkpoint when it can be written."""
        log.error("projection.stopped", projection=self._projection.id, partition=self._partition, reason=reason)
        self._progress.stop(reason)
        await self._feed.close()
        pause = _FIRST_PAUSE
        while self._held is not None and not self._end.is_set():
            try:
                async with self._borrow() as conn:
                    await conn.execute(sql.stop, self._projection.id, self._partition, self._held.epoch, reason)
                break
            except Exception as error:
                if not is_transient(error):
                    raise
                await self._rest(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        while self._progress.stopped is not None and not self._end.is_set():
            self._wake.clear()
            await self._wake.wait()

    def _let_go(self) -> None:
        """Forget the lease, as far as this process goes: it has to be taken again before the next page."""
        self._held = None
        self._progress.local = False
        self._progress.stopped = None
        self._idle_at = None
        self.wake()

    def _reason(self, error: Exception) -> str:
        """Say where and why it stopped, without any text of the event."""
        if isinstance(error, ProjectionStopped):
            return str(error)
        if isinstance(error, _Poison):
            at = error.recorded
            return f"position {at.position} ({at.stream}@{at.version}) cannot be taken in: {described(error.cause)}"
        return described(error)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not longer than until the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), seconds)
