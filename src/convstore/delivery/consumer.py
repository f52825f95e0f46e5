"""Carries messages from the log into the outbox, each once: a checkpoint of its own, moved with the rows.

No projection. It begins at the end of the log when a channel is switched on, is never rebuilt, and passes over what is
too old to be news: whatever happens to the log or to read models, nobody gets a mail about a message of long ago.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from convstore.database import Conn, Pool
from convstore.delivery.audience import Beginning, Membership, Notice, by_stream, notice
from convstore.delivery.leader import Lead, sql
from convstore.directory import Directory
from convstore.domain.events import ConversationStarted
from convstore.domain.uid import Uid, UserId
from convstore.errors import LogCorrupt
from convstore.faults import described
from convstore.log import read
from convstore.log.codec import CODEC
from convstore.log.recorded import Recorded
from convstore.log.store import Store

log = structlog.get_logger(__name__)

_PAGE: Final = 1_000
# Rows that one statement writes.
_ROWS: Final = 10_000


class Consumer:
    """One channel's reading of the log. ``setting`` names the user setting that turns the channel on for a person."""

    def __init__(
        self, pool: Pool, store: Store, directory: Directory, lead: Lead, *, setting: str, news: timedelta
    ) -> None:
        self._pool = pool
        self._store = store
        self._directory = directory
        self._lead = lead
        self._setting = setting
        self._news = news

    async def catch_up(self) -> int:
        """Take in all that the log has; says how many mails or SMS are to be sent because of it.

        A partition that cannot be gone on in is marked as stopped, and left alone until somebody says otherwise.

        Raises:
            LeaseLost: another process leads the channel now.
        """
        added = 0
        async with self._pool.acquire() as conn:
            for place in await conn.fetch(sql.places, self._lead.channel):
                if place["stopped"] is not None:
                    continue
                if trouble := _history(place["position"], place["head"], place["hash"], place["log_hash"]):
                    await self._stop(conn, place["partition"], trouble)
                    continue
                position = place["position"]
                while position < place["head"]:
                    try:
                        page = await read.read_partition(conn, place["partition"], position, _PAGE)
                    except LogCorrupt as error:
                        await self._stop(conn, place["partition"], described(error))
                        break
                    added += await self._take(conn, place["partition"], page, position)
                    position = page[-1].position
        return added

    async def _take(self, conn: Conn, partition: int, page: Sequence[Recorded], position: int) -> int:
        notices = await self._notices(conn, partition, page)
        wants = await self._wants(conn, notices)
        rows = [
            (said.conversation_id, said.version, said.message_id, person, said.forced, said.internal)
            for said in notices
            for person in said.people
            if person in wants and (said.forced or wants[person])
        ]
        channel = self._lead.channel
        async with conn.transaction():
            await self._lead.fence(conn)
            for first in range(0, len(rows), _ROWS):
                columns = zip(*rows[first : first + _ROWS], strict=True)
                await conn.execute(sql.add, partition, channel, *map(list, columns))
            if await conn.fetchval(sql.move, channel, partition, position, page[-1].position) is None:
                # Somebody moved it by hand; what is true is found at the next look.
                raise _Moved
        if rows:
            log.info("delivery.queued", channel=channel, partition=partition, rows=len(rows), messages=len(notices))
        return len(rows)

    async def _notices(self, conn: Conn, partition: int, page: Sequence[Recorded]) -> list[Notice]:
        """Say who is told of which message of a page."""
        oldest = datetime.now(UTC) - self._news
        posted = by_stream([recorded for recorded in page if recorded.recorded_at >= oldest])
        if passed := sum(map(len, by_stream(page).values())) - sum(map(len, posted.values())):
            log.warning("delivery.passed_over", channel=self._lead.channel, partition=partition, messages=passed)
        if not posted:
            return []
        beginnings = await read_beginnings(conn, partition, list(posted))
        states = await self._store.states(posted)
        feedback = set(await self._directory.feedback_members())
        notices = []
        for stream, messages in posted.items():
            state = states.get(stream)
            if state is None:  # deleted since
                continue
            since = (
                await read.read_stream(conn, partition, stream, messages[0].version)
                if state.version > messages[0].version
                else ()
            )
            membership = Membership(list(state.roster), since)
            notices += [
                notice(each, beginnings[stream], membership.still_there(each.version), feedback) for each in messages
            ]
        return notices

    async def _wants(self, conn: Conn, notices: Sequence[Notice]) -> dict[UserId, bool]:
        """Say of everybody with an open account whether he wants to be told; the others are left out."""
        people = list({person for said in notices for person in said.people})
        if not people:
            return {}
        return {row["id"]: row["wants"] for row in await conn.fetch(sql.wanting, people, self._setting)}

    async def _stop(self, conn: Conn, partition: int, reason: str) -> None:
        log.error("delivery.stopped", channel=self._lead.channel, partition=partition, reason=reason)
        await conn.execute(sql.stop, self._lead.channel, partition, reason)


class _Moved(OSError):
    """The checkpoint is not where it was; the same work is to be begun again."""


async def read_beginnings(conn: Conn, partition: int, streams: Sequence[Uid]) -> dict[Uid, Beginning]:
    """Give how these conversations began."""
    found = {}
    for row in await conn.fetch(sql.beginnings, partition, streams):
        started = CODEC.decode(row["data"])
        assert isinstance(started, ConversationStarted)  # noqa: S101 - every conversation's first event
        found[row["stream"]] = Beginning(started, row["first_version"])
    return found


def _history(position: int, head: int, has: bytes, log_has: bytes | None) -> str | None:
    """Say why a checkpoint does not belong to the log as it is now; None when it does."""
    if position > head:
        return f"it has seen position {position}, but the log ends at {head}: was it restored?"
    if position > 0 and has != log_has:
        return f"position {position} belongs to another history of the log: was it restored?"
    return None
