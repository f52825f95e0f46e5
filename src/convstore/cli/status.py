"""``convstore status``: where the log and the read models stand, and whether all is well."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from convstore.cli.connection import present_store
from convstore.cli.loop import run
from convstore.config import Where
from convstore.database import SERVER_ROLE, connect
from convstore.delivery.outbox import Figures
from convstore.errors import ConfigError
from convstore.migrate import check_not_later
from convstore.overview import MAX_LAG, Overview, Standing, read_overview

UNWELL = 1

_COLOURS = {"stopped": "bold red", "building": "yellow", "behind": "yellow", "unattended": "dim", "following": "green"}
_COLUMNS = ("projection", "partition", "state", "position", "lag", "behind by", "events/s", "lease", "owner")
_NUMBERS = frozenset({"partition", "position", "lag", "behind by", "events/s", "lease"})


def status(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    json: Annotated[bool, Parameter(negative=())] = False,
    max_lag: float = MAX_LAG,
    over: float = 1.0,
) -> None:
    """Show where the log and each read model stand; beside a running server, or without one.

    Exit code 0 when all is well, 1 when a read model stands still, is missing, or lags more than --max-lag,
    2 when there is no store, or one of another release.

    Parameters
    ----------
    json
        One JSON object instead of a table.
    max_lag
        How many seconds a read model may be behind the log.
    over
        How many seconds to watch for events/s; 0 does without.
    """
    if max_lag < 0 or over < 0:
        raise ConfigError("max-lag and over are seconds: 0 or more.")
    overview = run(_watch(where, max_lag, over))
    if json:
        print(msgspec.json.encode(overview).decode())  # noqa: T201
    else:
        _show(overview)
    if not overview.healthy:
        sys.exit(UNWELL)


async def _watch(where: Where, max_lag: float, over: float) -> Overview:
    """Look once, or twice to see how fast things move.

    Raises:
        ConfigError: there is no store, or one of another release, whose tables may say what is not known here.
    """
    async with present_store(where.dsn, where.data_dir) as dsn:
        await check_not_later(dsn)
        conn = await connect(dsn, role=SERVER_ROLE, application="convstore status")
        try:
            before = await read_overview(conn, max_lag=max_lag)
            if not over or all(each.state == "unattended" for each in before.projections):
                return before
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(over)
            after = await read_overview(conn, max_lag=max_lag)
            took = asyncio.get_running_loop().time() - began
        finally:
            await conn.close()
    positions = {(each.projection, each.partition): each.position for each in before.projections}
    moving = (
        msgspec.structs.replace(
            each,
            events_per_second=round(
                (each.position - positions.get((each.projection, each.partition), each.position)) / took, 1
            ),
        )
        for each in after.projections
    )
    return msgspec.structs.replace(after, projections=tuple(moving))


def _show(overview: Overview) -> None:
    """Print for people: a coloured table on a terminal, else aligned columns without lines around them."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"convstore {overview.release}, store {overview.store}: {_many(overview.events, 'event')} in "
        f"{_many(len(overview.partitions), 'partition')}, {_many(overview.snapshots, 'snapshot')}, "
        f"{_many(overview.keys, 'idempotency key')} kept"
    )
    for end in overview.partitions:
        last = "" if end.recorded_at is None else f", last event {end.recorded_at.isoformat(timespec='milliseconds')}"
        console.print(f"partition {end.partition}: head at position {end.head}{last}")
    console.print()
    rows = [_row(each) for each in overview.projections]
    if console.is_terminal:
        console.print(_table(overview, rows))
    else:
        widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
        for row in (_COLUMNS, *rows):
            print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201
    for each in overview.projections:
        if each.stopped is not None:
            console.print(Text(f"{each.projection}, partition {each.partition}, stands still: {each.stopped}", "red"))
            console.print(f"  when that is mended: convstore projection resume {each.projection}")
        if each.state == "building":
            console.print(Text(f"{each.projection} is being built: nobody is served before it is", "yellow"))
        if each.trouble is not None and each.troubled_at is not None:
            when = each.troubled_at.isoformat(timespec="seconds")
            console.print(f"{each.projection}, partition {each.partition}, had trouble at {when}: {each.trouble}")
    for name in overview.missing:
        console.print(Text(f"{name} is missing: run convstore rebuild", "red"))
    _show_deliveries(console, overview.deliveries)
    _show_subscriptions(console, overview)
    _show_webhooks(console, overview)
    _show_samples(console, overview)
    if overview.skipped:
        console.print(f"{_many(overview.skipped, 'event')} skipped on somebody's word: see convstore projection skips")


def _show_deliveries(console: Console, channels: Sequence[Figures]) -> None:
    """Say how e-mail and SMS stand."""
    for channel in channels:
        if channel.begun:
            _show_channel(console, channel)
        else:
            console.print(f"{channel.channel}: off")


def _show_channel(console: Console, channel: Figures) -> None:
    oldest = "" if channel.oldest_seconds is None else f", the oldest for {channel.oldest_seconds:.0f} s"
    console.print(
        f"{channel.channel}: {channel.waiting + channel.sending} to be sent{oldest}, "
        f"{channel.dead} never arrived, {_many(channel.lag, 'event')} of the log not looked at"
    )
    if channel.trouble is not None:
        console.print(Text(f"{channel.channel}: nothing is taken from us: {channel.trouble}", "yellow"))
    if channel.stopped is not None:
        console.print(Text(f"{channel.channel} stands still: {channel.stopped}", "red"))
        console.print("  convstore deliveries resume --at-end goes on at the end of the log")


def _show_subscriptions(console: Console, overview: Overview) -> None:
    """Say how far other systems have dealt with the log."""
    for each in overview.subscriptions:
        dead = f", {_many(each.dead_letters, 'dead letter')}" if each.dead_letters else ""
        console.print(
            f"subscription {each.subscription}: {_many(each.lag_events, 'event')} and {each.lag_seconds:.1f} s behind, "
            f"{_many(len(each.consumers), 'consumer')}{dead}"
        )
        if each.ahead_of_log:
            console.print(Text(f"{each.subscription} has followed another log than this one: it was restored", "red"))
            console.print(
                f"  when it is clear what it lacks: convstore subscription reset {each.subscription} --after …"
            )


def _show_webhooks(console: Console, overview: Overview) -> None:
    """Say which webhooks push, and why others do not."""
    for each in overview.webhooks:
        if each.state == "pushing":
            console.print(f"webhook {each.subscription}: pushing to {each.receiver}")
            continue
        since = "" if each.since is None else f" since {each.since.isoformat(timespec='seconds')}"
        console.print(Text(f"webhook {each.subscription}: {each.state}{since}: {each.reason}", "yellow"))
        if each.state == "paused":
            console.print(f"  to push again: convstore webhook resume {each.subscription}")
        elif each.state == "failing":
            console.print(
                f"  {_many(each.failing_slots, 'slot')} of 64, tried {each.attempts} times; "
                f"convstore webhook test {each.subscription} shows what the receiver says"
            )


def _show_samples(console: Console, overview: Overview) -> None:
    """Say what samples have found; nothing when there were none."""
    if not overview.samples:
        return
    last = max(each.sampled_at for each in overview.samples).isoformat(timespec="seconds")
    replayed = max(each.conversations for each in overview.samples)
    verdict = "some differ" if any(each.differing for each in overview.samples) else "none differed"
    console.print(f"{_many(replayed, 'sample')} compared, {verdict}; the last at {last}")
    for each in overview.samples:
        if each.differed_at is not None:
            when = each.differed_at.isoformat(timespec="seconds")
            # Counts of a person are of no one conversation.
            of = each.last_conversation or "somebody's counts"
            named = f"--conversation {each.last_conversation}" if each.last_conversation else each.projection
            what = f"the last: {of} in {each.last_table}, at {when}"
            many = _many(each.differing, "sample")
            console.print(Text(f"{each.projection} is not what the log says in {many}; {what}", "red"))
            console.print(f"  which rows: convstore verify projections {named}")
            console.print(f"  to mend it: convstore rebuild {each.projection}")


def _table(overview: Overview, rows: list[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for each, row in zip(overview.projections, rows, strict=True):
        table.add_row(*(Text(text, _COLOURS[each.state]) if text == each.state else text for text in row))
    return table


def _row(each: Standing) -> tuple[str, ...]:
    """Give the texts of one line, in the order of the columns."""
    rate = "" if each.events_per_second is None else f"{each.events_per_second:.0f}"
    lease = "idle" if each.lease_seconds is not None and each.lease_seconds <= 0 else f"{each.lease_seconds or 0:.1f} s"
    return (
        each.projection,
        str(each.partition),
        each.state,
        str(each.position),
        str(each.lag_events),
        f"{each.lag_seconds:.1f} s",
        rate,
        lease if each.owner else "",
        each.owner,
    )


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
