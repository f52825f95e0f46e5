"""How far one read model has come in one partition, as this process knows it, and who waits for it to come further."""

import asyncio
import heapq
import itertools
import time
from collections import deque

from convstore.engine.checkpoint import Seen

# A read model that is further behind than this is not waited for, in seconds (design section 5).
TOO_FAR_BEHIND = 1.0

# Over this many seconds the rate of a read model is taken.
_WINDOW = 5.0


class Progress:
    """How far a read model has come in a partition. Waiters are futures: nobody polls for what this process does.

    ``local`` tells whether this process moves it, so that ``reached`` is called at every step; otherwise what is known
    comes from other processes' notifications and from looking.
    """

    def __init__(self, projection: str, partition: int) -> None:
        self.projection = projection
        self.partition = partition
        self.position = 0
        self.head = 0
        self.local = False
        self.owner = ""
        self.stopped: str | None = None
        # Whether it has ever been at the end of the log: before that nobody is served from it.
        self.ready = False
        # The last error that went, or may go, away by itself.
        self.error: str | None = None
        # Seconds that the holder's lease still had when it was looked at; negative when it had run out.
        self.lease: float | None = None
        # Events that this process has taken in since it started.
        self.taken_in = 0
        # When this process moves it: the time of the oldest event not taken in; otherwise the lag as last seen.
        self._behind_since: float | None = None
        self._seen_lag = 0.0
        self._waiters: list[tuple[int, int, asyncio.Future[bool]]] = []
        self._order = itertools.count()
        self._steps: deque[tuple[float, int]] = deque()

    @property
    def lag(self) -> float:
        """Seconds since the oldest event known and not taken in was recorded; 0 when there is none."""
        if not self.local:
            return self._seen_lag
        return 0.0 if self._behind_since is None else max(0.0, time.monotonic() - self._behind_since)

    @property
    def awaited(self) -> bool:
        """Whether anybody waits for it."""
        while self._waiters and self._waiters[0][2].done():
            heapq.heappop(self._waiters)
        return bool(self._waiters)

    @property
    def hopeless(self) -> bool:
        """Whether waiting for it would be in vain: it stands still, or is too far behind."""
        return self.stopped is not None or self.lag > TOO_FAR_BEHIND

    @property
    def rate(self) -> float:
        """Events a second that this process has taken in over the last seconds."""
        self._forget(time.monotonic())
        return sum(events for _, events in self._steps) / _WINDOW

    def wait(self, position: int) -> asyncio.Future[bool]:
        """Give a future that becomes true when this position is taken in, false when that is not to be waited for."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (position, next(self._order), future))
        return future

    def appended(self, position: int) -> None:
        """Note that the log has come this far."""
        self.head = max(self.head, position)

    def behind(self, seconds: float | None) -> None:
        """Note how long ago the oldest event was recorded that is yet to be taken in here, None if there is none."""
        self._behind_since = None if seconds is None else time.monotonic() - seconds

    def lead(self, owner: str, position: int) -> None:
        """Note that this process moves it from now on, from this position."""
        self.local = True
        self.stopped = None
        self.owner = owner
        self.reached(position)

    def took_in(self, position: int, events: int) -> None:
        """Note that this process brought the read model this far, by so many events."""
        now = time.monotonic()
        self._steps.append((now, events))
        self.taken_in += events
        self._forget(now)
        self.error = None
        self.reached(position)

    def reached(self, position: int) -> None:
        """Note that the read model has come this far, and wake who waited for that."""
        self._seen_lag = 0.0
        if position > self.position:
            # It moves, whatever was seen before.
            self.stopped = None
        self.position = max(self.position, position)
        self.appended(self.position)
        self.ready = self.ready or self.position >= self.head
        while self._waiters and self._waiters[0][0] <= self.position:
            _, _, future = heapq.heappop(self._waiters)
            if not future.done():
                future.set_result(True)

    def stop(self, reason: str) -> None:
        """Note that it stands still; nobody waits any longer."""
        self.stopped = reason
        self.give_up()

    def give_up(self) -> None:
        """Tell all who wait that it was in vain."""
        for _, _, future in self._waiters:
            if not future.done():
                future.set_result(False)
        self._waiters.clear()

    def seen(self, row: Seen) -> None:
        """Take over what a look at the database shows."""
        self.owner = row.owner
        self.lease = row.lease
        self.ready = self.ready or row.ready
        self.appended(row.head)
        if self.local:
            return
        self.reached(row.position)
        self._seen_lag = row.lag or 0.0
        self.stopped = row.stopped
        if self.hopeless:
            self.give_up()

    def _forget(self, now: float) -> None:
        while self._steps and self._steps[0][0] < now - _WINDOW:
            self._steps.popleft()
