"""``convstore attachments``: the files of messages, and those that no message took."""

from datetime import timedelta

import cyclopts

from convstore.cli.connection import opened
from convstore.cli.loop import run
from convstore.config import WhereFiles
from convstore.domain.uid import partition_of
from convstore.files.service import Files
from convstore.files.storage import open_storage
from convstore.files.sweep import UNUSED_FOR, Swept, sweep
from convstore.log.create import facts

app = cyclopts.App(name="attachments", help="Look after the files of messages.")


@app.command
def clean(*, where: WhereFiles = WhereFiles(), older_than: float = UNUSED_FOR / timedelta(hours=1)) -> None:  # noqa: B008 - frozen
    """Remove files that nobody needs: what no message took, and what deleted conversations had.

    The server does the same by itself, every hour. Running beside it does no harm.

    Parameters
    ----------
    older_than
        How many hours a file may wait for a message.
    """

    async def work() -> Swept:
        storage = open_storage(where.attachments, where.attachments_folder)
        async with opened(where.dsn, where.data_dir) as pool:
            async with pool.acquire() as conn:
                partitions = (await facts(conn)).partitions
            files = Files(pool, storage, limit=0, partition_of=lambda uid: partition_of(uid, partitions))
            return await sweep(files, unused_for=timedelta(hours=older_than))

    swept = run(work())
    print(f"removed {swept.unused} unused and {swept.deleted} of deleted conversations; {swept.settled} settled")  # noqa: T201
