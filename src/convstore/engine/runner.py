"""Carries one partition of the log into all read models, page by page, as far as this process has their leases.

Read models that stand at the same position take a page in together: it is read and decoded once, and one transaction
changes all of them. Each has a checkpoint of its own all the same, and may stop, be skipped past an event, be rebuilt
or fall behind alone; one that is far behind catches up beside the others and joins them again.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog

from convstore.database import Conn
from convstore.engine.checkpoint import Held, Seen, acquire, check_history, look, skips, sql
from convstore.engine.feed import Feed, Source
from convstore.engine.member import Member
from convstore.engine.page import take_in
from convstore.engine.progress import Progress
from convstore.engine.shared import Borrow
from convstore.engine.stops import LeaseLost, ProjectionStopped
from convstore.faults import described, is_transient
from convstore.log.recorded import Recorded
from convstore.projections import Projection

log = structlog.get_logger(__name__)

# Back-off after an error that may go away: doubled each time between these, in seconds.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
# A read model that is more events behind the others than this catches up beside them; a nearer one is brought up by one
# page while they wait.
_NEAR: Final = 1_000


class Runner:
    """One partition, for as long as the process lives: leads where it has the lease, looks on where others have.

    ``took_in`` is told of every step that this process made, so that others learn of it; ``age`` gives the seconds
    since an event was recorded, by the database's clock.
    """

    def __init__(
        self,
        projections: Sequence[tuple[Projection, Progress]],
        partition: int,
        *,
        owner: str,
        borrow: Borrow,
        source: Source,
        age: Callable[[datetime], float],
        took_in: Callable[[Sequence[str], int, int], None],
    ) -> None:
        self._members = [Member(projection, progress, owner) for projection, progress in projections]
        self._partition = partition
        self._owner = owner
        self._borrow = borrow
        self._source = source
        self._feed = Feed(borrow, partition, source)
        self._age = age
        self._took_in = took_in
        self._catching_up: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._end = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._wake.set()

    def finish(self) -> None:
        """Ask to end after the page in hand."""
        self._end.set()
        self._wake.set()

    def seen(self, rows: Sequence[Seen]) -> None:
        """Take over what a look at the database shows of this partition, and act on it if there is something to do."""
        by_name = {row.projection: row for row in rows}
        for member in self._members:
            member.seen(by_name.get(member.projection.id))
            if member.wants_lease or (member.at_work and member.progress.head > member.position):
                self.wake()

    async def run(self) -> None:
        """Follow, or lead: until ``finish`` is called."""
        pause = _FIRST_PAUSE
        while not self._end.is_set():
            self._wake.clear()
            try:
                busy = await self._step()
                pause = _FIRST_PAUSE
            except LeaseLost as lost:
                self._lost(lost)
                busy = True
            except Exception as error:  # noqa: BLE001 - one partition in trouble must not end the others' runners
                await self._back_off(error, self._members, pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                busy = True
            if not busy:
                await self._wake.wait()
        await asyncio.gather(*self._catching_up)
        await self._feed.close()

    async def _step(self) -> bool:
        """Do one page of work, or try to get leases; false when there is nothing to do before the next wake."""
        if any(member.wants_lease for member in self._members):
            await self._take_over()
        while group := self._hindmost():
            front = self._front()
            if front - group[0].position <= _NEAR:
                head = group[0].progress.head
                return await self._carry(group, head if group[0].position == front else front, self._feed)
            self._send_ahead(group)
        return False

    def _front(self) -> int:
        """Give the position that those have who are furthest; 0 when there are none."""
        return max((member.position for member in self._members if member.in_line), default=0)

    def _hindmost(self) -> list[Member]:
        """Give those who are furthest behind of all that are carried together: all of them, as a rule."""
        line = [member for member in self._members if member.in_line]
        last = min((member.position for member in line), default=0)
        return [member for member in line if member.position == last]

    def _send_ahead(self, group: list[Member]) -> None:
        """Let some catch up by themselves."""
        for member in group:
            member.apart = True
        task = asyncio.create_task(self._catch_up(group))
        self._catching_up.add(task)
        task.add_done_callback(self._catching_up.discard)

    async def _catch_up(self, group: list[Member]) -> None:
        """Carry some who are far behind until they are near the others, or there are no others."""
        feed = Feed(self._borrow, self._partition, self._source)
        try:
            while (at_work := [member for member in group if member.at_work]) and not self._end.is_set():
                hindmost = min(member.position for member in at_work)
                front = self._front()
                if front - hindmost <= _NEAR:
                    break
                await self._carry([member for member in at_work if member.position == hindmost], front, feed)
        except LeaseLost as lost:
            self._lost(lost)
        except Exception as error:  # noqa: BLE001 - as in run()
            await self._back_off(error, group, _FIRST_PAUSE)
        finally:
            await feed.close()
            for member in group:
                member.apart = False
            self.wake()

    async def _carry(self, group: list[Member], until: int, feed: Feed) -> bool:
        """Take the next page, up to a position, into read models that stand at the same one; false if there is none."""
        at = group[0].position
        try:
            page, position = await feed.next(at, until, frozenset().union(*(member.skips for member in group)))
        except ProjectionStopped as stopped:
            await feed.close()
            for member in group:
                await self._stop(member, str(stopped))
            return True
        if position == at:
            for member in group:
                member.progress.behind(None)
            return False
        if page:
            age = self._age(page[0].recorded_at)
            for member in group:
                member.progress.behind(age)
        else:
            # An event that some were told to leave out: they step over it, and the others take it in next.
            group = [member for member in group if position in member.skips]
        await self._take(group, page, position)
        return True

    async def _take(self, group: list[Member], page: Sequence[Recorded], position: int) -> None:
        """Take a page in. When it fails for what is in it, each read model takes it in by itself; the one that cannot
        finds the event by halves, and stops before it with all that comes before taken in.
        """  # noqa: D205 - one sentence would not say it
        started = time.monotonic()
        # While the page was read, a look may have shown that somebody else carries one of them now; and one whose lease
        # was had again since then may stand elsewhere.
        after = page[0].position - 1 if page else position - 1
        leased = [(member, held) for member in group if (held := member.held) is not None and held.position == after]
        if not leased:
            return
        group = [member for member, _ in leased]
        leases = [(member.projection, held) for member, held in leased]
        try:
            async with self._borrow() as conn:
                await take_in(conn, leases, page, position)
        except LeaseLost:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            await self._take_apart(group, page, position, error)
            return
        for member in group:
            progress = member.progress
            progress.took_in(position, len(page))
            progress.behind(self._age(page[-1].recorded_at) if page and position < progress.head else None)
        names = [member.projection.id for member in group]
        self._took_in(names, self._partition, position)
        log.debug(
            "projection.advanced", projections=names, partition=self._partition, position=position, events=len(page),
            took_ms=round((time.monotonic() - started) * 1000, 1),
        )  # fmt: skip

    async def _take_apart(self, group: list[Member], page: Sequence[Recorded], position: int, error: Exception) -> None:
        """Find whose fault it was that a page could not be taken in, and which event's."""
        if len(group) > 1:
            for member in group:
                await self._take([member], page, position)
        elif len(page) > 1:
            half = len(page) // 2
            await self._take(group, page[:half], page[half - 1].position)
            if group[0].at_work:
                await self._take(group, page[half:], position)
        elif page:
            at = page[0]
            place = f"position {at.position} ({at.stream}@{at.version})"
            await self._stop(group[0], f"{place} cannot be taken in: {described(error)}")
        else:
            await self._stop(group[0], described(error))

    async def _take_over(self) -> None:
        """Get the leases that may be had."""
        wanted = {member.projection.id: member for member in self._members if member.wants_lease}
        stopped: list[tuple[Member, str]] = []
        async with self._borrow() as conn:
            rows = [row for row in await look(conn, list(wanted)) if row.partition == self._partition]
            by_name = {row.projection: row for row in rows}
            free = []
            for name, member in wanted.items():
                member.seen(by_name.get(name))
                if member.wants_lease:
                    free.append(by_name[name])
                    member.wants_lease = False
            if not free:
                return
            leases = await acquire(conn, free, self._owner)
            for held in leases:
                member = wanted[held.projection]
                if (trouble := await check_history(conn, held.projection, self._partition)) is not None:
                    stopped.append((member, trouble))
                member.skips = await skips(conn, held.projection, self._partition)
                self._lead(member, held, before=by_name[held.projection].owner)
            await self._note_trouble(conn, [wanted[held.projection] for held in leases])
        for member, trouble in stopped:
            await self._stop(member, trouble)

    def _lead(self, member: Member, held: Held, *, before: str) -> None:
        member.lead(held)
        log.info(
            "projection.leading", projection=held.projection, partition=self._partition, position=held.position,
            epoch=held.epoch, before=before,
        )  # fmt: skip

    async def _note_trouble(self, conn: Conn, members: Sequence[Member]) -> None:
        """Leave what went wrong and went away for ``convstore status``, which knows no process's memory."""
        by_error: dict[str, list[str]] = {}
        for member in members:
            if member.progress.error is not None:
                by_error.setdefault(member.progress.error, []).append(member.projection.id)
        for error, names in by_error.items():
            await conn.execute(sql.note_trouble, names, self._partition, error)

    async def _stop(self, member: Member, reason: str) -> None:
        """Let a read model stand still until somebody says to go on: in memory at once, then in its checkpoint.

        If that cannot be written, everything is tried again when the database answers, and it stops again.
        """
        log.error("projection.stopped", projection=member.projection.id, partition=self._partition, reason=reason)
        member.progress.stop(reason)
        if member.held is not None:
            async with self._borrow() as conn:
                await conn.execute(sql.stop, member.projection.id, self._partition, member.held.epoch, reason)

    def _lost(self, lost: LeaseLost) -> None:
        for member in self._members:
            if member.projection.id in lost.projections:
                log.info("projection.lease_lost", projection=member.projection.id, partition=self._partition)
                member.let_go()
        self.wake()

    async def _back_off(self, error: Exception, members: Sequence[Member], pause: float) -> None:
        """Tell of an error that may go away, wait a while, and have the leases taken again."""
        concerned = [member for member in members if member.held is not None or member.wants_lease]
        for member in concerned:
            member.progress.error = described(error)
        log.warning(
            "projection.retrying", projections=[member.projection.id for member in concerned],
            partition=self._partition, error=described(error), pause=pause,
        )  # fmt: skip
        for member in concerned:
            member.let_go()
        # Spread, so that the runners of one database that went away do not come back all at once.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        self.wake()
