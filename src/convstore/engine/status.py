"""Where each read model stands: for ``convstore status``, metrics and health."""

from datetime import datetime

from msgspec import Struct

from convstore.database import Conn
from convstore.engine.checkpoint import look
from convstore.projections import discover


class ProjectionStatus(Struct, frozen=True, kw_only=True):
    """Where one read model stands in one partition.

    ``seconds``: how long ago the oldest event was recorded that it has not taken in, 0 when it has taken in all.
    ``rate``: events a second lately, None when another process carries them. ``stopped``: why it stands still, None
    when it does not. ``error``: the last trouble that may go away by itself, None when there is none. ``owner``: the
    process that carries the events, empty when there is none; ``mine``: it is this one. ``lease``: the seconds that its
    lease had left when last looked at; an idle holder lets it run out and stays the holder. ``taken_in``: the events
    that this process has taken in since it started. ``ready``: it has been at the end of the log once; before that
    nobody is served from it. ``trouble``: the last error that went away by itself, as it was noted in the database, and
    when; None when there never was one.
    """

    projection: str
    partition: int
    position: int
    head: int
    seconds: float
    rate: float | None
    stopped: str | None
    error: str | None
    owner: str
    mine: bool
    lease: float | None
    taken_in: int
    ready: bool
    trouble: str | None = None
    troubled_at: datetime | None = None

    @property
    def events(self) -> int:
        """How many events it has yet to take in."""
        return max(0, self.head - self.position)


async def read_status(conn: Conn) -> list[ProjectionStatus]:
    """Give where the read models of this release stand, from the database alone: without an engine in this process."""
    return [
        ProjectionStatus(
            projection=row.projection,
            partition=row.partition,
            position=row.position,
            head=row.head,
            seconds=row.lag or 0.0,
            rate=None,
            stopped=row.stopped,
            error=None,
            owner=row.owner,
            mine=False,
            lease=row.lease,
            taken_in=0,
            ready=row.ready,
            trouble=row.trouble,
            troubled_at=row.troubled_at,
        )
        for row in await look(conn, [projection.id for projection in discover()])
    ]
