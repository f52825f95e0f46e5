"""``convstore verify``: is the log what was appended, and are the inboxes what the log says?"""

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cyclopts
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from convstore.cli.connection import store_dsn
from convstore.cli.loop import run
from convstore.config import Where
from convstore.database import SERVER_ROLE, connect
from convstore.domain.uid import Uid, partition_of
from convstore.engine.sample import Place, choose, choose_person, choose_row, connect_to_sample, recount
from convstore.engine.sample import sample as sample_one
from convstore.engine.verify import Difference, compare
from convstore.errors import ConfigError, ConversationNotFound
from convstore.log.create import facts
from convstore.log.cursor import decode
from convstore.log.verify import Checked, Progress
from convstore.log.verify import verify as verify_log
from convstore.projections import Projection, discover

app = cyclopts.App(name="verify", help="Check the log, and the read models against it.")

FAILED = 1


@app.command
def log(*, where: Where = Where(), cursor: tuple[str, ...] = ()) -> None:  # noqa: B008 - frozen
    """Check the whole log: the chain of hashes, dense positions and versions, and that every stream folds.

    That is: every event can be read, and can have been decided on what came before it. Others may go on appending
    meanwhile. Exit code 1 when something is wrong; each finding is named by its positions.

    Parameters
    ----------
    cursor
        A cursor that somebody kept outside (the Convstore-Cursor of an answer): the log must reach as far.
    """

    async def work() -> Checked:
        async with store_dsn(where.dsn, where.data_dir) as dsn:
            conn = await connect(dsn, role=SERVER_ROLE, application="convstore verify")
            try:
                store = await facts(conn)
                cursors = [decode(text, store.partitions, store.id) for text in cursor]
                with progress("checking the log") as advance:
                    return await verify_log(conn, advance, cursors=cursors)
            finally:
                await conn.close()

    checked = run(work())
    for finding in checked.findings:
        print(finding)  # noqa: T201
    print(f"{checked.events} events in {checked.batches} batches: {_verdict(len(checked.findings))}")  # noqa: T201
    if checked.findings:
        sys.exit(FAILED)


@app.command
def projections(
    names: tuple[str, ...] = (),
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    sample: int = 0,
    conversation: tuple[str, ...] = (),
) -> None:
    """Replay the log beside the live read models and compare row by row: rebuilt equals live.

    A server may go on running meanwhile. Exit code 1 when rows differ; each is named by its key, without its contents.

    Parameters
    ----------
    names
        Read models to check, such as inbox; by default all.
    sample
        Replay only so many conversations, chosen at random, each by itself: seconds instead of the whole log. Also as
        many of which some row is chosen at random, and as many people whose counts are made again.
    conversation
        Replay only this conversation; may be given several times.
    """
    if sample < 0:
        raise ConfigError("sample is a number of conversations: 1 or more.")
    chosen = [named(name) for name in names] or list(discover())
    some = sample > 0 or bool(conversation)

    async def work() -> list[tuple[Projection, list[Difference]]]:
        async with store_dsn(where.dsn, where.data_dir) as dsn:
            if some:
                return await _sample(dsn, chosen, sample, conversation)
            found = []
            for projection in chosen:
                with progress(f"replaying {projection.name}") as advance:
                    found.append((projection, await compare(dsn, [projection], advance)))
            return found

    wrong = False
    for projection, differences in run(work()):
        report(projection, differences)
        wrong = wrong or bool(differences)
    if wrong:
        sys.exit(FAILED)


async def _sample(
    dsn: str, chosen: list[Projection], number: int, conversations: Sequence[str]
) -> list[tuple[Projection, list[Difference]]]:
    """Replay some conversations by themselves, and give the differences by read model."""
    conn = await connect_to_sample(dsn)
    found: list[Difference] = []
    try:
        partitions = (await facts(conn)).partitions
        places = [Place(partition_of(Uid(each), partitions), Uid(each)) for each in conversations]
        places += await choose(conn, number)
        tables = [table for projection in chosen for table in projection.by_conversation]
        rows = [await choose_row(conn, random.choice(tables), partitions) for _ in range(number)]  # noqa: S311
        places += [place for place in rows if place is not None]
        with progress("replaying conversations") as advance:
            for done, place in enumerate(places, 1):
                differences = await sample_one(conn, place, chosen)
                if differences is None:
                    raise ConversationNotFound(place.conversation)
                found += differences
                advance(done, len(places))
            people = 0
            for projection in chosen:
                for table in projection.counted:
                    some = {await choose_person(conn, table) for _ in range(number)} - {None}
                    for person in some:
                        assert person is not None  # noqa: S101 - taken out above
                        found += await recount(conn, projection, table, person)
                        people += 1
    finally:
        await conn.close()
    print(f"{len(places)} conversations replayed, {people} people's counts made again")  # noqa: T201
    return [(each, [difference for difference in found if difference.projection == each.id]) for each in chosen]


def report(projection: Projection, differences: Sequence[Difference]) -> None:
    """Print what differs of a read model, row by row, and the verdict."""
    for each in differences:
        print(f"{each.table}: {each.key}: {each.what}")  # noqa: T201
    print(f"{projection.id}: {f'{len(differences)} rows differ' if differences else 'rebuilt equals live'}")  # noqa: T201


def named(name: str) -> Projection:
    """Find a read model by its name, with or without its version.

    Raises:
        ConfigError: there is none.
    """
    for projection in discover():
        if name in (projection.name, projection.id):
            return projection
    there = ", ".join(projection.id for projection in discover())
    raise ConfigError(f"There is no read model {name}. There are: {there}.")


def _verdict(findings: int) -> str:
    return f"{findings} things are wrong" if findings else "as they were appended"


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show a bar with rate and time left on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
