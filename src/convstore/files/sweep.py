"""Takes away files that nobody needs: uploads that broke off, what no message took, what deleted conversations had.

Rows are marked as doomed before their bytes go, and go after them: a sweep that is killed amid its work is finished by
the next, two at once do no harm, and nobody can take a file that is about to go.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg
import structlog
from msgspec import Struct

from convstore.errors import ConvstoreError
from convstore.faults import DATABASE_ERRORS
from convstore.files.service import RESERVED_FOR, SQL, Files
from convstore.projections import load

log = structlog.get_logger(__name__)

UNUSED_FOR: Final = timedelta(hours=24)
"""How long a file may wait for a message."""

_UPLOAD_LASTS: Final = timedelta(hours=2)
_EVERY: Final = timedelta(hours=1)
_LOOK: Final = 600.0
_AT_ONCE: Final = 500


class Swept(Struct, frozen=True, kw_only=True):
    """How many files went, and how many left-over reservations were settled."""

    unused: int = 0
    deleted: int = 0
    settled: int = 0


async def sweep(files: Files, *, unused_for: timedelta = UNUSED_FOR) -> Swept:
    """Settle reservations that were left over, and remove what nobody needs.

    Raises:
        StorageUnreachable: bytes cannot be removed; the next sweep goes on.
    """
    settled = await _settle(files)
    unused = 0
    while rows := await files.pool.fetch(SQL.doom_unused, _UPLOAD_LASTS, unused_for, _AT_ONCE):
        await _remove(files, rows)
        unused += len(rows)
    return Swept(unused=unused, deleted=await _remove_of_deleted(files), settled=settled)


async def keep_sweeping(files: Files) -> None:
    """Sweep every hour, one process at a time, as long as this runs; what goes wrong is logged and tried again."""
    while True:
        # Not all processes at once, and not while the server is starting.
        await asyncio.sleep(_LOOK * random.uniform(0.5, 1.5))  # noqa: S311 - only to spread the load
        try:
            if await files.pool.fetchval(SQL.due, _EVERY):
                swept = await sweep(files)
                log.info("attachments.swept", unused=swept.unused, deleted=swept.deleted, settled=swept.settled)
        except (ConvstoreError, *DATABASE_ERRORS) as error:
            log.warning("attachments.not_swept", error=type(error).__name__)


async def _settle(files: Files) -> int:
    """Ask the log what became of messages whose process died before it could say so."""
    settled = 0
    while rows := await files.pool.fetch(SQL.overdue, RESERVED_FOR, _AT_ONCE):
        for row in rows:
            async with files.pool.acquire() as conn:
                posted = await files.was_posted(conn, row["id"], row["conversation_id"], row["message_id"])
                await conn.execute(SQL.confirm if posted else SQL.release, [row["id"]], row["message_id"])
        settled += len(rows)
    return settled


async def _remove_of_deleted(files: Files) -> int:
    """Remove the files of conversations that were deleted.

    The read model says which those may be; it may be behind, or damaged, so the log has the last word.
    """
    removed = 0
    after = ""
    while rows := await files.pool.fetch(SQL.conversations, after, _AT_ONCE):
        page = [row["conversation_id"] for row in rows]
        after = page[-1]
        unseen = [row["id"] for row in await files.pool.fetch(load("inbox").queries.without, page)]
        partitions = [files.partition_of(uid) for uid in unseen]
        if gone := [row["id"] for row in await files.pool.fetch(SQL.deleted, partitions, unseen)]:
            doomed = await files.pool.fetch(SQL.doom_of_conversations, gone)
            await _remove(files, doomed)
            removed += len(doomed)
    return removed


async def _remove(files: Files, doomed: Sequence[asyncpg.Record]) -> None:
    await files.storage.delete([row["storage_key"] for row in doomed])
    await files.pool.execute(SQL.forget, [row["id"] for row in doomed])
