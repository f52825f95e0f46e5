"""``convstore rebuild``: build read models anew from the log while people use them, and put them in place."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from convstore.cli.connection import present_store
from convstore.cli.loop import run
from convstore.cli.verify import FAILED, named, report
from convstore.config import Where
from convstore.engine import rebuild as engine
from convstore.engine.shadow import Advance
from convstore.engine.shared import SharedReads
from convstore.engine.verify import compare
from convstore.errors import ConfigError
from convstore.projections import Projection, discover

# Differences are named up to this many; the rest is a number.
_SHOWN: Final = 20
# Without a terminal, a line this often, in seconds.
_EVERY: Final = 5.0


def rebuild(
    names: tuple[str, ...] = (),
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    all: Annotated[bool, Parameter(name="--all", negative=())] = False,  # noqa: A002 - the flag's name
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    grace: float = 30.0,
    prune: Annotated[bool, Parameter(name="--prune", negative=())] = False,
) -> None:
    """Build read models anew from the log, beside a running server, and put them in the place of the live ones.

    People read the old tables until the new ones have taken in as much; then both are exchanged in one transaction.
    One that was killed goes on where it was when it is started again. Of a new release it builds the new versions of
    read models while the server of the release before goes on serving the old ones.

    Parameters
    ----------
    names
        Read models, such as inbox.
    all
        All of them.
    dry_run
        Only replay and compare: name the rows that are not what the log says, and change nothing. Exit code 1 when
        there are any.
    grace
        Seconds that the old tables are kept.
    prune
        Drop the tables of versions that this release does not have, once no server uses them.
    """
    if all == bool(names) and not (prune and not names):
        raise ConfigError("Name the read models to be rebuilt, or say --all.")
    if grace < 0:
        raise ConfigError("grace is in seconds: 0 or more.")
    chosen = [named(name) for name in names] or (list(discover()) if all else [])

    async def work() -> bool:
        async with present_store(where.dsn, where.data_dir) as dsn:
            if dry_run:
                return await _compare(dsn, chosen)
            if chosen:
                await _rebuild(dsn, chosen, grace)
            if prune:
                await _prune(dsn)
            return True

    if not run(work()):
        sys.exit(FAILED)


async def _compare(dsn: str, chosen: Sequence[Projection]) -> bool:
    well = True
    with _shown(chosen) as shown:
        found = [await compare(dsn, [projection], _told(shown, projection.id, "replaying")) for projection in chosen]
    for projection, differences in zip(chosen, found, strict=True):
        report(projection, differences)
        well = well and not differences
    return well


async def _rebuild(dsn: str, chosen: Sequence[Projection], grace: float) -> None:
    await engine.drop_retired(dsn)
    shared = SharedReads()
    with _shown(chosen) as shown, engine.collecting_seldom():

        async def one(projection: Projection) -> engine.Rebuilt:
            doing = "replaying"

            def say(what: str) -> None:
                nonlocal doing
                doing = what
                shown(projection.id, doing, None)

            def advance(done: int, total: int) -> None:
                shown(projection.id, doing, (done, total))

            return await engine.rebuild(dsn, projection, grace=grace, progress=advance, shared=shared, say=say)

        built = await asyncio.gather(*(one(projection) for projection in chosen))
    for projection, done in zip(chosen, built, strict=True):
        _tell(projection, done)
    if any(done.retired for done in built):
        print(f"The old tables are dropped in {grace:.0f} s.", flush=True)  # noqa: T201
        await asyncio.sleep(grace)
        for schema in await engine.drop_retired(dsn):
            print(f"{schema} dropped")  # noqa: T201


def _tell(projection: Projection, done: engine.Rebuilt) -> None:
    differences = done.differences
    if differences is None:
        print(f"{projection.id}: built anew; there was nothing to compare it with")  # noqa: T201
        return
    for each in differences[:_SHOWN]:
        print(f"{each.table}: {each.key}: {each.what}")  # noqa: T201
    what = f"{len(differences)} rows were not what the log says" if differences else "the old tables were equal"
    print(f"{projection.id}: built anew and in use; {what}")  # noqa: T201


async def _prune(dsn: str) -> None:
    dropped = await engine.prune(dsn)
    print("\n".join(f"{each} dropped" for each in dropped) or "no tables of other versions are there")  # noqa: T201


# What a read model is at: which, what is done with it, and events done of how many (None: that cannot be counted).
Show = Callable[[str, str, tuple[int, int] | None], None]


def _told(shown: Show, projection: str, doing: str) -> Advance:
    return lambda done, total: shown(projection, doing, (done, total))


@contextmanager
def _shown(chosen: Sequence[Projection]) -> Iterator[Show]:
    """Show a bar for each read model on a terminal, lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    )  # fmt: skip
    with Bars(*columns, console=console) as bars:
        tasks = {projection.id: bars.add_task(projection.id, total=None) for projection in chosen}

        def show(projection: str, doing: str, events: tuple[int, int] | None) -> None:
            bars.update(tasks[projection], description=f"{projection} {doing}")
            if events is not None:
                bars.update(tasks[projection], completed=events[0], total=events[1])

        yield show


class _Rate(ProgressColumn):
    """Events a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} events/s")


class _Lines:
    """The same for logs and pipes: a line when something else begins, and now and then how far it is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began: dict[tuple[str, str], float] = {}
        self._said: dict[str, float] = {}

    def __call__(self, projection: str, doing: str, events: tuple[int, int] | None) -> None:
        now = time.monotonic()
        began = self._began.setdefault((projection, doing), now)
        if events is None:
            self._console.print(f"{projection}: {doing}", highlight=False)
            self._said[projection] = now
        elif now - self._said.setdefault(projection, began) >= _EVERY and now > began:
            done, total = events
            rate = done / (now - began)
            left = (total - done) / rate if rate else 0.0
            self._console.print(
                f"{projection}: {doing}, {done:,} of {total:,} events, {rate:,.0f} events/s, {left:.0f} s left",
                highlight=False,
            )
            self._said[projection] = now
