"""Where a store stands, for people and programs who watch it: ``convstore status`` and ``/api/health``."""

from datetime import datetime
from importlib.resources import files
from typing import Final

from msgspec import Struct

import convstore
from convstore.database import Conn
from convstore.delivery.outbox import Figures, figures
from convstore.engine import ProjectionStatus, read_status, sample
from convstore.engine.owner import is_gone
from convstore.log.create import facts
from convstore.projections import discover
from convstore.sql import Statements
from convstore.stream import subscriptions
from convstore.webhook import targets

sql: Final = Statements(files(__package__) / "overview.sql")

# A read model that is further behind than this is not well, in seconds, unless the asker says otherwise.
MAX_LAG: Final = 10.0


class Standing(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where one read model stands in one partition.

    ``state``: ``stopped`` at an event that it cannot take in; ``building``: it has never been at the end of the log, so
    nobody is served from it; ``behind`` by more than is well; ``unattended``, no process carries it; else
    ``following``. ``lag_seconds``: the age of the oldest event not taken in.
    ``events_per_second``: None when unknown. ``stopped``: why. ``error``: trouble that may go away by itself, as far as
    known here; ``trouble`` and ``troubled_at``: the last that did, as it was noted in the database. ``owner``: host,
    process and a name of the engine that carries it; ``lease_seconds``: what its lease has left, less than 0 for a
    holder that has had nothing to do.
    """

    projection: str
    partition: int
    state: str
    position: int
    head: int
    lag_events: int
    lag_seconds: float
    events_per_second: float | None
    stopped: str | None
    error: str | None
    trouble: str | None
    troubled_at: datetime | None
    owner: str
    lease_seconds: float | None

    @property
    def well(self) -> bool:
        """Whether nobody needs to look after it."""
        return self.state not in ("stopped", "building", "behind")


class Sampled(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the samples of running servers have found of a read model.

    ``conversations``: those replayed and compared, and people whose counts were made again.
    ``differing``: those that the read model shows otherwise; the last of them, in which table, and when.
    """

    projection: str
    conversations: int
    differing: int
    sampled_at: datetime
    last_conversation: str | None
    last_table: str | None
    differed_at: datetime | None

    @property
    def well(self) -> bool:
        """Whether nobody needs to look after it: no conversation differed since the read model was last rebuilt."""
        return not self.differing


class Following(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a subscription to the log stands: how many events are after what it has dealt with, and for how long.

    ``dead_letters``: what its consumers could not deal with. ``consumers``: those that are there. ``ahead_of_log``: the
    log is not the one that it followed.
    """

    subscription: str
    lag_events: int
    lag_seconds: float
    dead_letters: int
    consumers: tuple[str, ...]
    ahead_of_log: bool


class Pushing(Struct, frozen=True, kw_only=True, rename="camel"):
    """How the webhook of a subscription goes; ``receiver``: scheme, host and port, for the rest may be secret.

    ``state``: ``paused``, by somebody or because the receiver wants no more; ``halted``, nothing can be pushed;
    ``failing``, some slots stand at an event that the receiver did not take yet; else ``pushing``. ``attempts``: the
    most at one of these events.
    """

    subscription: str
    receiver: str
    state: str
    reason: str | None
    since: datetime | None
    failing_slots: int
    attempts: int

    @property
    def well(self) -> bool:
        """Whether nobody needs to look after it."""
        return self.state != "halted"


class End(Struct, frozen=True, kw_only=True, rename="camel"):
    """The end of one partition of the log: its last position, and when that was recorded; None while it is empty."""

    partition: int
    head: int
    recorded_at: datetime | None


class Overview(Struct, frozen=True, kw_only=True, rename="camel"):
    """A whole store, as its tables show it. ``missing``: read models of this release that have no checkpoints.

    ``deliveries``: e-mail and SMS, as far as they were ever on.
    """

    healthy: bool
    release: str
    store: str
    events: int
    snapshots: int
    keys: int
    skipped: int
    partitions: tuple[End, ...]
    projections: tuple[Standing, ...]
    missing: tuple[str, ...]
    deliveries: tuple[Figures, ...]
    samples: tuple[Sampled, ...]
    subscriptions: tuple[Following, ...]
    webhooks: tuple[Pushing, ...]


def following(found: subscriptions.Standing) -> Following:
    """Tell where a subscription stands, in few words."""
    return Following(
        subscription=found.subscription.name,
        lag_events=found.behind,
        lag_seconds=round(found.seconds, 3),
        dead_letters=found.dead,
        consumers=found.consumers,
        ahead_of_log=found.ahead,
    )


def pushing(webhook: targets.Webhook) -> Pushing:
    """Tell how a webhook goes, without anything secret."""
    return Pushing(
        subscription=webhook.name,
        receiver=webhook.receiver,
        state=webhook.state,
        reason=webhook.why,
        since=webhook.since_when,
        failing_slots=webhook.failing,
        attempts=webhook.attempts,
    )


def standing(status: ProjectionStatus, *, max_lag: float = MAX_LAG, rate: float | None = None) -> Standing:
    """Judge where a read model stands; ``rate`` is for callers who measured it themselves."""
    if status.stopped is not None:
        state = "stopped"
    elif not status.ready:
        state = "building"
    elif status.seconds > max_lag:
        state = "behind"
    else:
        state = "unattended" if not status.owner or is_gone(status.owner) else "following"
    return Standing(
        projection=status.projection,
        partition=status.partition,
        state=state,
        position=status.position,
        head=status.head,
        lag_events=status.events,
        lag_seconds=round(status.seconds, 3),
        events_per_second=rate if rate is not None else status.rate,
        stopped=status.stopped,
        error=status.error,
        trouble=status.trouble,
        troubled_at=status.troubled_at,
        owner=status.owner,
        lease_seconds=None if status.lease is None else round(status.lease, 3),
    )


async def read_overview(conn: Conn, *, max_lag: float = MAX_LAG) -> Overview:
    """Give where everything stands, from tables alone: with or without a server beside it.

    Raises:
        ConfigError: there is no store in this database.
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        known = await facts(conn)
        ends = tuple(
            End(partition=row["partition"], head=row["position"], recorded_at=row["recorded_at"])
            for row in await conn.fetch(sql.ends)
        )
        kept = await conn.fetchrow(sql.kept)
        projections = tuple(standing(status, max_lag=max_lag) for status in await read_status(conn))
        deliveries = tuple(await figures(conn))
        followed = tuple(following(each) for each in await subscriptions.standings(conn))
        pushed = tuple(pushing(each) for each in await targets.listed(conn))
        samples = tuple(Sampled(**row) for row in await conn.fetch(sample.sql.found))
    assert kept is not None  # noqa: S101 - it is one row of counts
    there = {(each.projection, each.partition) for each in projections}
    missing = tuple(
        projection.id
        for projection in discover()
        if any((projection.id, partition) not in there for partition in range(known.partitions))
    )
    return Overview(
        healthy=not missing
        and all(each.well for each in projections)
        and all(each.well for each in deliveries)
        and all(each.well for each in samples)
        and not any(each.ahead_of_log for each in followed)
        and all(each.well for each in pushed),
        release=convstore.__version__,
        store=known.id,
        events=sum(end.head for end in ends),
        snapshots=kept["snapshots"],
        keys=kept["keys"],
        skipped=kept["skipped"],
        partitions=ends,
        projections=projections,
        missing=missing,
        deliveries=deliveries,
        samples=samples,
        subscriptions=followed,
        webhooks=pushed,
    )
