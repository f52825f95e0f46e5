"""``convstore log export`` and ``log import``: the log in a file, and out of one."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from convstore.cli.connection import present_store
from convstore.cli.loop import run
from convstore.config import Where
from convstore.database import SERVER_ROLE, connect
from convstore.errors import ConfigError
from convstore.log import cursor
from convstore.log.archive import compression_of
from convstore.log.create import facts
from convstore.log.export import Exported, Start, export, go_on
from convstore.log.importing import Imported, check, import_
from convstore.log.pseudonyms import Pseudonyms

_STREAM: Final = "-"
# Without a terminal, a line this often, in seconds.
_EVERY: Final = 5.0


def export_log(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    after: str | None = None,
    pseudonymise: Annotated[bool, Parameter(negative=())] = False,
    with_secret: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Write the log to a file: CloudEvents, one a line, up to the end of the log as it is now.

    A file that is there from an earlier export, whole or broken off, is gone on with. Idempotency keys, snapshots, the
    directory and attachments' bytes are not exported. It holds people's letters: keep it as you keep the database.

    Parameters
    ----------
    file
        Where to; compressed when it ends with .zst or .gz. - is standard output, uncompressed.
    after
        A cursor after which to begin, instead of at the beginning; into a new file only.
    pseudonymise
        Without people's letters, names and ids: for a report about a defect. Into a new file only.
    with_secret
        With the store's id and secret, for a store that moves: cursors, and uids of requests that are repeated, stay
        what they are.
    """
    if pseudonymise and with_secret:
        raise ConfigError("--pseudonymise and --with-secret contradict each other.")

    async def work() -> Exported:
        async with present_store(where.dsn, where.data_dir) as dsn:
            conn = await connect(dsn, role=SERVER_ROLE, application="convstore log export")
            try:
                store = await facts(conn)
                compression = compression_of(file)
                begin = (0,) * store.partitions
                if after is not None:
                    begin = cursor.decode(after, store.partitions, store.id)
                with _output(file) as out, _reporting("exporting") as report:
                    start = None if file == _STREAM else go_on(out, compression, store)
                    if start is not None and (after is not None or pseudonymise):
                        raise ConfigError(f"{file} is there already: name another file.")
                    if file != _STREAM:
                        out.truncate(out.seek(0 if start is None else start.cut))
                    return await export(
                        conn,
                        out,
                        compression,
                        store,
                        start or Start(begin),
                        progress=report,
                        disguise=Pseudonyms() if pseudonymise else None,
                        identity=with_secret,
                    )
            finally:
                await conn.close()

    done = run(work())
    print(f"{done.events:,} events exported", file=sys.stderr)  # noqa: T201


def import_log(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
) -> None:
    """Append an exported log to an empty store, which no server works on; go on with an import that was broken off.

    With as many partitions everything comes as it was, else every stream does. Nothing of it is mailed or pushed to
    anybody, ever. Read models are built by the server when it starts, or by `convstore rebuild`. A file is read to its
    end before anything is written; standard input is not.

    Parameters
    ----------
    file
        What `convstore log export` wrote; - is standard input, uncompressed.
    """

    async def work() -> Imported:
        async with present_store(where.dsn, where.data_dir) as dsn:
            conn = await connect(dsn, role=None, application="convstore log import")
            try:
                compression = compression_of(file)
                total = 0
                with _input(file) as source:
                    if file != _STREAM:
                        with _reporting("checking the file") as report:
                            total = check(source, compression, lambda done: report(done, 0))
                        source.seek(0)
                    with _reporting("importing") as report:
                        return await import_(conn, source, compression, progress=lambda done: report(done, total))
            finally:
                await conn.close()

    done = run(work())
    there = f", {done.found:,} of them were there already" if done.found else ""
    places = "" if done.equal_positions else "; positions are not those of the file"
    print(f"{done.events:,} events in the file{there}{places}", file=sys.stderr)  # noqa: T201


@contextmanager
def _output(file: str) -> Iterator[IO[bytes]]:
    if file == _STREAM:
        yield sys.stdout.buffer
        return
    path = Path(file)
    try:
        # People's letters: for whoever runs this, and nobody else.
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from error
    with path.open("r+b") as opened:
        yield opened


@contextmanager
def _input(file: str) -> Iterator[IO[bytes]]:
    if file == _STREAM:
        yield sys.stdin.buffer
        return
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"There is no file {file}.")
    with path.open("rb") as opened:
        yield opened


@contextmanager
def _reporting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal, a line now and then elsewhere; a total of 0 is unknown."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


def _lines(what: str) -> Callable[[int, int], None]:
    began = said = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < _EVERY:
            return
        said = now
        rate = done / (now - began)
        left = f" of {total:,}, {(total - done) / rate:,.0f} s left" if total and rate else ""
        print(f"{what}: {done:,} events{left}, {rate:,.0f} events/s", file=sys.stderr, flush=True)  # noqa: T201

    return report
