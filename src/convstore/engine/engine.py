"""The engine of one process: a runner for each partition, and the answer to "has it been taken in?"."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from convstore.database import SERVER_ROLE, Pool, settings
from convstore.engine.checkpoint import look, sql
from convstore.engine.feed import Source
from convstore.engine.listener import Listener
from convstore.engine.owner import new_owner
from convstore.engine.page import SETTINGS
from convstore.engine.progress import Progress
from convstore.engine.runner import Runner
from convstore.engine.samples import Samples
from convstore.engine.status import ProjectionStatus
from convstore.errors import NotReady
from convstore.faults import DATABASE_ERRORS, described
from convstore.projections import Projection, discover
from convstore.waking import Signal

log = structlog.get_logger(__name__)

# How often to look at all checkpoints when nothing is heard, and while somebody waits for another process, in seconds.
_LOOK: Final = 1.0
_LOOK_AWAITED: Final = 0.02
# Runners share at most so many connections; each needs one only while it reads or writes a page.
_CONNECTIONS: Final = 4
# Pages in hand get this long to finish at the end, in seconds.
_PATIENCE: Final = 10.0


class Engine:
    """Carries the log into the read models, whichever process appended, as long as it is started.

    Several processes may run one: for each read model and partition one of them has the lease and works, the others
    look on and take over when it dies. All of them can ``wait``.
    """

    def __init__(self, pool: Pool, dsn: str, store: Source, projections: Sequence[Projection] | None = None) -> None:
        self._server_pool = pool
        self._dsn = dsn
        self._store = store
        self._projections = tuple(discover() if projections is None else projections)
        self._names = [projection.id for projection in self._projections]
        self.owner = new_owner()
        self.samples = Samples()
        self.grown = Signal()
        """Fires when the log is known to have more events: by this process's appends, by NOTIFY, by looking."""
        self.advanced = Signal()
        """Fires when a read model is known to have taken in more, whichever process carries it."""
        self._heads = [0] * store.partitions
        self._progress = {
            (projection.id, partition): Progress(projection.id, partition)
            for projection in self._projections
            for partition in range(store.partitions)
        }
        self._by_partition = [
            [self._progress[name, partition] for name in self._names] for partition in range(store.partitions)
        ]
        # By partition, while started.
        self._runners: list[Runner] = []
        self._listener = Listener(
            dsn, self.owner, appended=self._appended, taken_in=self._taken_in, look=self._look_soon
        )
        self._pool: Pool | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._look_now = asyncio.Event()
        self._end = asyncio.Event()
        # How far the database's clock is ahead of this one's, in seconds.
        self._clock_ahead = 0.0
        self._looked_at = time.monotonic()
        # Once all read models were, they are for good.
        self._ready = False

    async def start(self) -> None:
        """Begin to work. Read models that had stopped are tried again."""
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=1,
            max_size=min(_CONNECTIONS, max(2, len(self._progress))),
            server_settings=settings(
                role=SERVER_ROLE,
                application="convstore engine",
                **SETTINGS,
            ),
            # Nothing is left on a connection that the next runner would have to be kept from.
            reset=_leave_as_is,
        )
        self._runners = [
            Runner(
                [(projection, self._progress[projection.id, partition]) for projection in self._projections],
                partition,
                owner=self.owner,
                borrow=self._pool.acquire,
                source=self._store,
                age=self._age,
                took_in=self._say,
            )
            for partition in range(self._store.partitions)
        ]
        await self._look()
        self._store.on_append.append(self._appended)
        work = [self._listener.run(), self._keep_looking(), *(runner.run() for runner in self._runners)]
        self._tasks = [asyncio.create_task(each) for each in work]
        for task in self._tasks:
            task.add_done_callback(_report)
        for runner in self._runners:
            runner.wake()

    async def stop(self) -> None:
        """End after the pages in hand, give the leases back, and let nobody wait any longer."""
        if self._pool is None:
            return
        if self._appended in self._store.on_append:
            self._store.on_append.remove(self._appended)
        self._end.set()
        self._look_now.set()
        for runner in self._runners:
            runner.finish()
        await self._finished(self._tasks[1:])
        with contextlib.suppress(*DATABASE_ERRORS):
            # If it fails, the leases run out.
            await self._pool.execute(sql.release, self.owner)
        self._listener.finish()
        await self._finished(self._tasks[:1])
        self._tasks.clear()
        for progress in self._progress.values():
            progress.give_up()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pool.close(), _PATIENCE)
        self._pool = None

    async def wait(self, partition: int, position: int, timeout: float = 1.0) -> bool:  # noqa: ASYNC109 - answers False
        """Wait until all read models have taken this position in; true if they have, false after ``timeout`` seconds.

        False at once when one of them is known to stand still, or to be more than a second behind.
        """
        behind = [progress for progress in self._by_partition[partition] if progress.position < position]
        if any(progress.hopeless for progress in behind):
            return False
        waiting = [progress.wait(position) for progress in behind]
        if not all(progress.local for progress in behind):
            self._look_soon()
        try:
            async with asyncio.timeout(timeout):
                for future in waiting:
                    if not await future:
                        return False
        except TimeoutError:
            return False
        finally:
            for future in waiting:
                future.cancel()
        return True

    def status(self) -> list[ProjectionStatus]:
        """Give where each read model stands in each partition, as this process knows it: at most a second old."""
        return [
            ProjectionStatus(
                projection=progress.projection,
                partition=progress.partition,
                position=progress.position,
                head=progress.head,
                seconds=progress.lag,
                rate=progress.rate if progress.local else None,
                stopped=progress.stopped,
                error=progress.error,
                owner=progress.owner,
                mine=progress.local,
                lease=progress.lease,
                taken_in=progress.taken_in,
                ready=progress.ready,
            )
            for progress in self._progress.values()
        ]

    def check_ready(self) -> None:
        """Refuse to let anybody be served from a read model that has never been at the end of the log.

        Raises:
            NotReady: one has not: this release's version of it has no tables yet, or is still being built.
        """
        if self._ready:
            return
        for progress in self._progress.values():
            if not progress.ready:
                raise NotReady(_not_ready(progress))
        self._ready = True

    async def resume(self, projection: str) -> None:
        """Let a read model (such as ``inbox_v1``) try again where it stands still, in whichever process it runs."""
        await self._server_pool.execute(sql.resume, projection)
        self._look_soon()

    @property
    def seconds_since_look(self) -> float:
        """Say how old the last look at the database is; more than a few seconds: it does not answer."""
        return time.monotonic() - self._looked_at

    def positions(self) -> dict[str, tuple[int, ...]]:
        """Give the positions that each read model has reached, by partition."""
        return {
            name: tuple(self._progress[name, partition].position for partition in range(self._store.partitions))
            for name in self._names
        }

    @property
    def heads(self) -> tuple[int, ...]:
        """The last position of each partition, as this process knows it: at most a second old."""
        return tuple(self._heads)

    def _grew(self, partition: int, position: int) -> None:
        if position > self._heads[partition]:
            self._heads[partition] = position
            self.grown.fire()

    def _appended(self, partition: int, position: int) -> None:
        self._grew(partition, position)
        news = False
        for progress in self._by_partition[partition]:
            if position > progress.head:
                progress.appended(position)
                news = True
        if news and self._runners:
            self._runners[partition].wake()

    def _taken_in(self, projection: str, partition: int, position: int) -> None:
        progress = self._progress.get((projection, partition))
        if progress is not None and not progress.local:
            progress.reached(position)
            self.advanced.fire()

    def _say(self, projections: Sequence[str], partition: int, position: int) -> None:
        self._listener.say(projections, partition, position)
        self.advanced.fire()

    def _age(self, recorded_at: datetime) -> float:
        return time.time() + self._clock_ahead - recorded_at.timestamp()

    def _look_soon(self) -> None:
        self._look_now.set()

    async def _keep_looking(self) -> None:
        """Look at the checkpoints: every second, in case something was not heard; often while others are waited for."""
        while not self._end.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), _LOOK)
            self._look_now.clear()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed; runners tell the rest
                log.warning("engine.cannot_look", error=described(error))
                continue
            if any(progress.awaited and not progress.local for progress in self._progress.values()):
                await asyncio.sleep(_LOOK_AWAITED)
                self._look_now.set()

    async def _look(self) -> None:
        assert self._pool is not None  # noqa: S101 - only while started
        async with self._pool.acquire() as conn:
            rows = await look(conn, self._names)
        self._looked_at = time.monotonic()
        if rows:
            self._clock_ahead = rows[0].now.timestamp() - time.time()
        before = self.positions()
        for row in rows:
            self._grew(row.partition, row.head)
        for partition, runner in enumerate(self._runners):
            runner.seen([row for row in rows if row.partition == partition])
        if self.positions() != before:
            self.advanced.fire()

    async def _finished(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for tasks that were told to end; those that do not are cancelled."""
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _not_ready(progress: Progress) -> str:
    if progress.stopped is not None:
        why = f"it stands still: {progress.stopped}"
    else:
        why = f"it has taken in {progress.position} of {progress.head} events"
    return f"The read model {progress.projection} of this release is not built yet ({why}); see convstore rebuild."


async def _leave_as_is(_conn: object) -> None:
    pass


def _report(task: asyncio.Task[None]) -> None:
    """Tell of a task that ended by an error: nothing in it may end so, and silence would look like health."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("engine.task_failed", error=described(error))
