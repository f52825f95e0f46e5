"""``convstore projection``: let a read model that stands still go on, as it is or without the event in its way."""

import asyncio
import getpass
import sys
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from convstore import overview
from convstore.cli.connection import present_store
from convstore.cli.loop import run
from convstore.cli.verify import named
from convstore.config import Where
from convstore.database import SERVER_ROLE, Conn, connect
from convstore.engine import ProjectionStatus, read_status
from convstore.engine.checkpoint import sql
from convstore.engine.owner import is_gone
from convstore.engine.skip import NotStoppedThere, skip
from convstore.errors import ConfigError
from convstore.projections import Projection

app = cyclopts.App(name="projection", help="Let a read model that stands still go on.")

FAILED = 1

# A running server looks every second whether it may go on; after so many it is not at work, in seconds.
_PATIENCE = 5.0
_LOOK = 0.1


@app.command
def resume(name: str, *, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """Let a read model try again where it stands still, after what was wrong was mended.

    A running server goes on within a second; without one, the next that starts does. Exit code 1 when it stops again.

    Parameters
    ----------
    name
        Such as inbox, or with its version inbox_v1.
    """

    async def work() -> bool:
        projection = named(name)
        async with present_store(where.dsn, where.data_dir) as dsn:
            conn = await connect(dsn, role=SERVER_ROLE, application="convstore projection")
            try:
                before = [each for each in await _statuses(conn, projection) if each.stopped is not None]
                if not before:
                    print(f"{projection.id} does not stand still.")  # noqa: T201
                    return True
                await conn.execute(sql.resume, projection.id)
                return await _report(conn, projection, before)
            finally:
                await conn.close()

    if not run(work()):
        sys.exit(FAILED)


@app.command(name="skip")
def skip_event(
    name: str,
    position: int,
    *,
    reason: str,
    where: Where = Where(),  # noqa: B008 - frozen
    partition: int | None = None,
    by: Annotated[str | None, Parameter(show_default=False)] = None,
) -> None:
    """Let a read model leave out the event it stands still before, and go on. Kept for ever, with who and why.

    The event stays in the log and in the other read models; rebuilds of this one leave it out too. Exit code 1 when
    the read model does not stand there, or stops again.

    Parameters
    ----------
    name
        Such as inbox, or with its version inbox_v1.
    position
        Of the event in its partition, as convstore status shows it.
    reason
        Why it may be left out: for those who look at it later.
    partition
        Needed only when the read model stands before that position in several.
    by
        Who decides so; the user of this terminal when nobody is named.
    """
    if not reason.strip():
        raise ConfigError("Say why it may be left out: --reason.")

    async def work() -> bool:
        projection = named(name)
        async with present_store(where.dsn, where.data_dir) as dsn:
            conn = await connect(dsn, role=SERVER_ROLE, application="convstore projection")
            try:
                before = [
                    each
                    for each in await _statuses(conn, projection)
                    if each.stopped is not None
                    and each.position == position - 1
                    and partition in (None, each.partition)
                ]
                if len(before) > 1:
                    among = ", ".join(str(each.partition) for each in before)
                    raise ConfigError(f"{projection.id} stands there in partitions {among}: say --partition.")
                if not before:
                    raise NotStoppedThere(f"{projection.id} does not stand still before position {position}.")
                at = before[0]
                await skip(conn, projection.id, at.partition, position, by or getpass.getuser(), note=reason)
                print(f"{projection.id} leaves out position {position} of partition {at.partition}.")  # noqa: T201
                return await _report(conn, projection, before)
            finally:
                await conn.close()

    if not run(work()):
        sys.exit(FAILED)


@app.command
def skips(*, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """List the events that read models were told to leave out: which, who, when and why."""

    async def work() -> None:
        async with present_store(where.dsn, where.data_dir) as dsn:
            conn = await connect(dsn, role=SERVER_ROLE, application="convstore projection")
            try:
                for row in await conn.fetch(overview.sql.skips):
                    print(  # noqa: T201
                        f"{row['skipped_at'].isoformat(timespec='seconds')}  {row['projection']}  "
                        f"{row['partition']}:{row['position']}  {row['stream']}@{row['version']}  {row['type']}  "
                        f"by {row['skipped_by']}: {row['note']}  (it had stopped: {row['reason']})"
                    )
            finally:
                await conn.close()

    run(work())


async def _statuses(conn: Conn, projection: Projection) -> list[ProjectionStatus]:
    return [each for each in await read_status(conn) if each.projection == projection.id]


async def _report(conn: Conn, projection: Projection, before: list[ProjectionStatus]) -> bool:
    """Say what became of a read model that may go on; false when it stands still again."""
    awaited = {each.partition: each.position for each in before}
    well = True
    end = asyncio.get_running_loop().time() + _PATIENCE
    while awaited:
        for each in await _statuses(conn, projection):
            since = awaited.get(each.partition)
            if since is None:
                continue
            if each.stopped is not None:
                print(f"{projection.id}, partition {each.partition}, stands still again: {each.stopped}")  # noqa: T201
                well = False
            elif each.position > since:
                print(f"{projection.id}, partition {each.partition}, goes on: it is at {each.position}.")  # noqa: T201
            elif not each.owner or is_gone(each.owner) or asyncio.get_running_loop().time() > end:
                print(f"{projection.id}, partition {each.partition}: the next server that starts goes on.")  # noqa: T201
            else:
                continue
            del awaited[each.partition]
        await asyncio.sleep(_LOOK)
    return well
