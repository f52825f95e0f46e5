"""``convstore log``: look at the log from a terminal."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Annotated, Any

import cyclopts
import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from convstore.cli.connection import store_dsn
from convstore.cli.history import clock
from convstore.cli.loop import run
from convstore.config import Where
from convstore.database import SERVER_ROLE, Conn, connect
from convstore.domain.events import tag_of
from convstore.log import read
from convstore.log.recorded import Recorded

app = cyclopts.App(name="log", help="Look at the log of events.")

_PAGE = 1_000
# People's letters: shown only when asked for.
_LETTERS = ("subject", "text")
# NOTIFY only wakes; this often, in seconds, the log is looked at all the same.
_LOOK_AGAIN = 1.0

Wanted = Callable[[Recorded], bool]
Show = Callable[[Recorded], None]


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
    run(_tail(where, follow=follow, lines=lines, types=frozenset(type), conversation=conversation, texts=texts))


async def _tail(
    where: Where, *, follow: bool, lines: int, types: frozenset[str], conversation: str | None, texts: bool
) -> None:
    show = _printer(texts=texts)

    def wanted(event: Recorded) -> bool:
        return (not types or tag_of(event.event) in types) and conversation in (None, event.stream)

    async with store_dsn(where.dsn, where.data_dir) as dsn:
        conn = await connect(dsn, role=SERVER_ROLE, application="convstore log tail")
        try:
            appended = asyncio.Event()
            if follow:
                await conn.add_listener("convstore_log", lambda *_: appended.set())
            heads = await read.heads(conn)
            for event in await _last(conn, heads, lines, wanted):
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


async def _last(conn: Conn, heads: list[int], lines: int, wanted: Wanted) -> list[Recorded]:
    """Give the last events that are wanted, over all partitions, oldest first: reads backwards, page by page."""
    found: list[Recorded] = []
    for partition, head in enumerate(heads):
        here: list[Recorded] = []
        end = head
        while end > 0 and len(here) < lines:
            start = max(0, end - _PAGE)
            page = await read.read_partition(conn, partition, start, end - start)
            here[:0] = [event for event in page if wanted(event)]
            end = start
        found += here[-lines:] if lines else []
    found.sort(key=lambda event: (event.recorded_at, event.partition, event.position))
    return found[-lines:] if lines else []


def _printer(*, texts: bool) -> Show:
    """Give what prints one event: columns on a terminal, JSON elsewhere."""
    console = Console(highlight=False, soft_wrap=True)

    def plain(event: Recorded) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.to_builtins(event.event)
        if not texts:
            data |= {name: f"({len(data[name])} characters)" for name in _LETTERS if data.get(name)}
        return data

    def as_json(event: Recorded) -> None:
        line = {
            "partition": event.partition,
            "position": event.position,
            "conversation": event.stream,
            "version": event.version,
            "time": event.recorded_at,
            "meta": msgspec.to_builtins(event.meta),
            "event": plain(event),
        }
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()

    def as_columns(event: Recorded) -> None:
        data = plain(event)
        tag = data.pop("type")
        console.print(
            Text.assemble(
                (clock(event.recorded_at), "dim"),
                "  ",
                (f"{event.partition}:{event.position}", "cyan"),
                "  ",
                (f"{event.stream}@{event.version}", "bold"),
                "  ",
                (tag, "green"),
                "  ",
                (f"by {event.meta.actor or 'system'}", "magenta"),
                "  ",
                msgspec.json.encode(data).decode(),
            )
        )

    return as_columns if console.is_terminal else as_json
