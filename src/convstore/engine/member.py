"""One read model of a partition, as the runner of this process has it: its lease, if it has it, and how far it is."""

import time
from typing import Final

from convstore.engine.checkpoint import Held, Seen
from convstore.engine.owner import is_gone
from convstore.engine.progress import Progress
from convstore.projections import Projection

# A lease that ran out is taken from its holder only if he left work undone for so long, in seconds: he may be idle.
_GRACE: Final = 0.5


class Member:
    """A read model among those that a runner carries together.

    ``apart``: it is far behind, and catches up by itself for now. ``wants_lease``: its lease can be had, as far as was
    seen. ``skips``: positions of the events that it was told to leave out.
    """

    def __init__(self, projection: Projection, progress: Progress, owner: str) -> None:
        self.projection = projection
        self.progress = progress
        self.held: Held | None = None
        self.skips: frozenset[int] = frozenset()
        self.apart = False
        self.wants_lease = False
        self._owner = owner
        # A process that starts tries again what had stopped: the cause may be mended.
        self._tries_stopped = True
        # When a holder was first seen to do nothing, and where.
        self._idle_since = 0.0
        self._idle_at: tuple[int, int] | None = None

    @property
    def position(self) -> int:
        """How far it has come by this process's hand."""
        return self.held.position if self.held is not None else 0

    @property
    def at_work(self) -> bool:
        """Whether this process carries it, and it does not stand still."""
        return self.held is not None and self.progress.stopped is None

    @property
    def in_line(self) -> bool:
        """Whether it is carried together with the others."""
        return self.at_work and not self.apart

    def seen(self, row: Seen | None) -> None:
        """Take over what a look at the database shows; None: it has no checkpoint there."""
        if row is None:
            self.let_go()
            self.wants_lease = False
            self.progress.stop("it has no tables in this database: run 'convstore rebuild'")
            return
        self.progress.seen(row)
        if self.held is None:
            self.wants_lease = not self.apart and self._may_have(row)
            return
        stopped = self.progress.stopped is not None
        resumed = stopped and row.stopped is None
        log_went_back = not stopped and row.head < self.held.position
        if row.epoch > self.held.epoch or resumed or log_went_back:
            self.let_go()

    def lead(self, held: Held) -> None:
        """Note that this process has the lease now."""
        self.held = held
        self.wants_lease = False
        self._tries_stopped = False
        self.progress.lead(self._owner, held.position)

    def let_go(self) -> None:
        """Forget the lease, as far as this process goes: it has to be taken again before the next page."""
        self.held = None
        self.wants_lease = True
        self.progress.local = False
        self.progress.stopped = None
        self._idle_at = None

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
