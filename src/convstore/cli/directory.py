"""``convstore directory``: people, groups and units that another system keeps."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import cyclopts
from cyclopts import Parameter
from msgspec.structs import replace
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID
from rich.table import Table

from convstore.cli.connection import opened, store_dsn
from convstore.cli.loop import run
from convstore.config import Where
from convstore.database import open_pool
from convstore.departures import copies_remover
from convstore.directory import Directory
from convstore.directory.importing import Report, import_files, remove_departed
from convstore.directory.staging import Progress
from convstore.domain.uid import Uid
from convstore.errors import ConfigError

# Enough for each partition of a store that is not unusually split, beside those that read.
_CONNECTIONS: Final = 70

app = cyclopts.App(name="directory", help="Import people, groups and units, and say who gets the tickets.")


@app.command(name="import")
def import_(
    files: Annotated[tuple[Path, ...], Parameter(negative=())],
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    plain_passwords: Annotated[bool, Parameter(negative=())] = False,
    delete_missing: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Import users, groups, roles and organisation units from DHIS2 metadata JSON: all of it, or nothing.

    Objects of the same uid are replaced; the same import again changes nothing. A list of a group's users, or of a
    user's groups, replaces what was there; no list, no change.

    Parameters
    ----------
    files
        Files as DHIS2's /api/metadata gives them; several are taken as one.
    plain_passwords
        Take passwords that are not hashed. Each takes tens of milliseconds to hash.
    delete_missing
        Delete what an earlier import brought and these files do not name, for each kind that they list. A deleted
        person loses login and copies; his texts stay. Accounts made with `convstore user add` are never deleted.
    dry_run
        Report what would change, and change nothing.
    """

    async def work(progress: Progress) -> Report:
        async with store_dsn(where.dsn, where.data_dir) as dsn, await open_pool(dsn, size=_CONNECTIONS) as pool:
            report = await import_files(
                pool,
                files,
                plain_passwords=plain_passwords,
                delete_missing=delete_missing,
                dry_run=dry_run,
                progress=progress,
            )
            if report.copies_left and not dry_run:
                async with copies_remover(pool, dsn) as remove:
                    await remove_departed(pool, remove, progress=progress)
                report = replace(report, copies_left=0)
            return report

    with _bars() as progress:
        report = run(work(progress))
    _print(report)


@app.command
def feedback_group(
    uid: str | None = None,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    none: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Say which group's members get the tickets and manage them; without a uid, print it.

    Parameters
    ----------
    uid
        The group.
    none
        Nobody gets the tickets any more.
    """

    async def work() -> str | None:
        async with opened(where.dsn, where.data_dir) as pool:
            directory = Directory(pool)
            if none or uid is not None:
                await directory.set_feedback_group(None if none or uid is None else Uid(uid))
            return await directory.feedback_group()

    if none and uid is not None:
        raise ConfigError("Give a uid, or --none, not both.")
    print(run(work()) or "none")  # noqa: T201


@contextmanager
def _bars() -> Iterator[Progress]:
    """Show a bar for each step, on a terminal only."""
    with Bars(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        steps: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bars.add_task(step, total=total)
            bars.update(steps[step], completed=done, total=total)

        yield progress


def _print(report: Report) -> None:
    columns = ("created", "updated", "unchanged", "deleted")
    rows = [(kind, *(str(getattr(counts, column)) for column in columns)) for kind, counts in report.counts.items()]
    if sys.stdout.isatty():
        table = Table("dry run: nothing was changed" if report.dry_run else "", *columns)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
    else:
        for row in rows:
            sys.stdout.write(
                f"{row[0]}: " + ", ".join(f"{n} {word}" for word, n in zip(columns, row[1:], strict=True)) + "\n"
            )
        if report.dry_run:
            sys.stdout.write("dry run: nothing was changed\n")
    for warning in report.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if report.copies_left:
        sys.stderr.write(
            f"note: copies of conversations of {report.copies_left} deleted people are still to be removed\n"
        )
