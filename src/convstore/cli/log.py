"""``convstore log``: look at the log from a terminal."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import cyclopts
import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from convstore.cli.connection import present_store, store_dsn
from convstore.cli.loop import run
from convstore.cli.printing import Show, line_of, print_json, printer
from convstore.config import Where
from convstore.database import SERVER_ROLE, Conn, connect
from convstore.domain.events import tag_of
from convstore.domain.uid import Uid
from convstore.errors import ConfigError
from convstore.log import look, read
from convstore.log.create import facts
from convstore.log.look import OfDay, Statistics
from convstore.log.recorded import Recorded

app = cyclopts.App(name="log", help="Look at the log of events; carry it to a file, and from one.")
app.command("convstore.cli.transfer:export_log", name="export")
app.command("convstore.cli.transfer:import_log", name="import")

_PAGE = 1_000
# NOTIFY only wakes; this often, in seconds, the log is looked at all the same.
_LOOK_AGAIN = 1.0

Wanted = Callable[[Recorded], bool]


@app.command
def tail(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative=())] = False,
    lines: Annotated[int, Parameter(name=["--lines", "-n"])] = 10,
    type: Annotated[tuple[str, ...], Parameter(negative=())] = (),  # noqa: A002 - the option's name
    conversation: str | None = None,
    texts: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Print the last events, oldest first: one JSON object a line, or coloured columns on a terminal.

    Parameters
    ----------
    follow
        Go on printing what is appended, until interrupted.
    lines
        How many events to begin with.
    type
        Only these types, such as message-posted; may be given several times.
    conversation
        Only this conversation's events.
    texts
        Show subjects and texts too; otherwise only how long they are.
    """
    if lines < 0:
        raise ConfigError("lines: 0 or more.")
    stream = None if conversation is None else Uid(conversation)
    run(_tail(where, follow=follow, lines=lines, types=frozenset(type), stream=stream, show=printer(texts=texts)))


async def _tail(
    where: Where, *, follow: bool, lines: int, types: frozenset[str], stream: Uid | None, show: Show
) -> None:
    def wanted(event: Recorded) -> bool:
        return (not types or tag_of(event.event) in types) and stream in (None, event.stream)

    async with store_dsn(where.dsn, where.data_dir) as dsn:
        conn = await connect(dsn, role=SERVER_ROLE, application="convstore log tail")
        try:
            appended = asyncio.Event()
            if follow:
                await conn.add_listener("convstore_log", lambda *_: appended.set())
            heads = await read.heads(conn)
            for event in await look.last(conn, heads, lines, types=types, stream=stream):
                show(event)
            while follow:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(appended.wait(), _LOOK_AGAIN)
                appended.clear()
                for partition, after in enumerate(heads):
                    heads[partition] = await _print_after(conn, partition, after, wanted, show)
        finally:
            await conn.close()


async def _print_after(conn: Conn, partition: int, after: int, wanted: Wanted, show: Show) -> int:
    while page := await read.read_partition(conn, partition, after, _PAGE):
        for event in page:
            if wanted(event):
                show(event)
        after = page[-1].position
    return after


@app.command
def show(
    event: str,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    texts: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Print one event, with the append that it came with: JSON, on several lines on a terminal.

    Parameters
    ----------
    event
        Its position (with several partitions partition:position), its stream@version, or a cursor: then the last event
        of each partition that the cursor covers.
    texts
        Show subjects and texts too; otherwise only how long they are.
    """

    async def work() -> list[dict[str, object]]:
        async with present_store(where.dsn, where.data_dir) as dsn:
            conn = await connect(dsn, role=SERVER_ROLE, application="convstore log show")
            try:
                store = await facts(conn)
                return [
                    line_of(found, texts=texts) | {"batch": msgspec.to_builtins(await look.batch_of(conn, found))}
                    for found in await look.named(conn, event, store.partitions, store.id)
                ]
            finally:
                await conn.close()

    console = Console()
    for line in run(work()):
        if console.is_terminal:
            console.print_json(msgspec.json.encode(line).decode())
        else:
            print_json(line)


@app.command
def stats(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    days: int | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Count the events of each type and of each day (UTC), and say what the log takes on disk. Reads the whole log.

    Parameters
    ----------
    days
        Only the last so many days, today included.
    json
        One JSON object.
    """
    if days is not None and days < 1:
        raise ConfigError("days: 1 or more.")
    since = None if days is None else (datetime.now(UTC) - timedelta(days=days - 1)).date()

    async def work() -> Statistics:
        async with present_store(where.dsn, where.data_dir) as dsn:
            conn = await connect(dsn, role=SERVER_ROLE, application="convstore log stats")
            try:
                return await look.statistics(conn, since)
            finally:
                await conn.close()

    found = run(work())
    if json:
        print_json(found)
    else:
        _show_statistics(found)


def _show_statistics(found: Statistics) -> None:
    """Print three tables: by type, by day, and the sizes."""
    console = Console(highlight=False)
    by_type, by_day = _totals(found.days, lambda each: each.type), _totals(found.days, lambda each: str(each.day))
    columns = ("events", "data", "meta", "data per event")
    console.print(_table(("type", *columns), sorted(by_type.items(), key=lambda item: -item[1][0])))
    console.print(_table(("day", *columns), by_day.items()))
    sizes = Table("table", "on disk", "of it indexes", box=None, pad_edge=False, header_style="bold")
    for size in found.sizes:
        sizes.add_row(size.name, in_bytes(size.total_bytes), in_bytes(size.index_bytes))
    console.print(sizes)


def _totals(days: Iterable[OfDay], key: Callable[[OfDay], str]) -> dict[str, tuple[int, int, int]]:
    """Sum events, bytes of data and bytes of meta under each key."""
    sums: defaultdict[str, tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    for each in days:
        events, data, meta = sums[key(each)]
        sums[key(each)] = events + each.events, data + each.data_bytes, meta + each.meta_bytes
    return dict(sums)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, tuple[int, int, int]]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    total = (0, 0, 0)
    for name, (events, data, meta) in rows:
        table.add_row(name, f"{events:,}", in_bytes(data), in_bytes(meta), in_bytes(data // events))
        total = total[0] + events, total[1] + data, total[2] + meta
    table.add_row("in all", f"{total[0]:,}", in_bytes(total[1]), in_bytes(total[2]), end_section=True)
    table.add_row()
    return table


def in_bytes(number: int) -> str:
    """Write a size for people: ``512 B``, ``1.4 MB`` (powers of 1,000)."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number} B"
