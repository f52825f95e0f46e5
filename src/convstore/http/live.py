"""The caller's own inbox as it changes: server-sent events, of ours, for pages and apps that show it.

An event says which conversation changed, not how: whoever wants to know reads it, or all that changed, by ``changes``,
whose cursors are the events' ids. So there is one place that says what a person may see of a conversation.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web
from msgspec import Struct

from convstore.backend import Backend
from convstore.database import Conn
from convstore.domain.uid import Uid
from convstore.errors import CursorExpired
from convstore.http import inbox_changes
from convstore.http.delta import come_to
from convstore.http.events import close_after
from convstore.http.inbox_changes import Viewer, read_changes, read_place
from convstore.http.keys import BACKEND
from convstore.http.nodes import json_bytes
from convstore.http.params import first
from convstore.http.sse import Pace, Sent, StreamEnded, stream
from convstore.http.watch import Watch
from convstore.projections import load
from convstore.waking import Signal

WATCH: Final = web.AppKey("watch", Watch)

# So many changes are given at once, at most.
_AT_ONCE: Final = 200

_inbox = load("inbox").queries


class InboxEvent(Struct, frozen=True, omit_defaults=True):
    """What a follower is told: which conversation it is about, and how many he has that are unread."""

    unread: int
    conversation: Uid | None = None


def make_watch(backend: Backend) -> Watch:
    """Make what wakes all followers in this process."""
    return Watch(backend.readers, backend.engine.advanced, backend.store.partitions)


async def follow_inbox(request: web.Request) -> web.StreamResponse:
    """``GET me/events``: what changes in the caller's inbox, as it does, and first what changed since ``since``.

    ``Last-Event-ID``, which a browser sends when it comes again, goes before ``since``.

    Raises:
        CursorInvalid, CursorAhead: that is no cursor of the caller's, or of no place that the log has come to.
    """
    backend, viewer = request.app[BACKEND], Viewer.of_caller(request)
    pace = Pace(close_after=close_after(request))
    text = request.headers.get("Last-Event-ID") or first(request, "since") or ""
    try:
        after = inbox_changes.decode(backend, viewer, text) if text else None
    except CursorExpired:
        source = _Inbox(backend, viewer, None, "reset")
    else:
        if after is not None:
            await come_to(backend, after)
        source = _Inbox(backend, viewer, after, "ready")

    def check() -> None:
        if Viewer.of_caller(request) != viewer:
            raise StreamEnded("Your right to see internal messages has changed; come again.")

    with request.app[WATCH].followed(viewer.reader, source.woken):
        return await stream(request, source, check=check, pace=pace)


class _Inbox:
    """One person's inbox from a place on; without one, from now on, which an event of the kind ``first`` says."""

    def __init__(self, backend: Backend, viewer: Viewer, after: Sequence[int] | None, first: str) -> None:
        self.woken = Signal()
        self._backend = backend
        self._viewer = viewer
        self._after = None if after is None else tuple(after)
        self._first = first
        # At which count of ``woken`` there was nothing more: nobody looks again before it fires.
        self._nothing_at: int | None = None

    async def next(self) -> Sequence[Sent]:
        """Give what changed by now; without a look, where nobody has fired ``woken`` since the last one."""
        if self.woken.count == self._nothing_at:
            return ()
        async with self._backend.readers.acquire() as conn:
            if self._after is not None:
                try:
                    return await self._changed(conn, self._after)
                except CursorExpired:
                    self._first = "reset"
            self._after = await read_place(conn)
            return [self._sent(self._first, self._after, await self._unread(conn))]

    def place(self) -> str | None:
        """Give the cursor of the place up to which all was given."""
        return None if self._after is None else inbox_changes.encode(self._backend, self._viewer, self._after)

    async def _changed(self, conn: Conn, after: Sequence[int]) -> list[Sent]:
        seen = self.woken.count
        found = await read_changes(conn, self._viewer, after, _AT_ONCE)
        self._after = found.positions
        if not found.more:
            self._nothing_at = seen
        unread = await self._unread(conn) if found.changed else 0
        return [
            self._sent("removed" if each.gone else "changed", each.positions, unread, each.id) for each in found.changed
        ]

    async def _unread(self, conn: Conn) -> int:
        statement = _inbox["total_unread_all" if self._viewer.internal else "total_unread"]
        unread: int = await conn.fetchval(statement, self._viewer.reader)
        return unread

    def _sent(self, kind: str, positions: Sequence[int], unread: int, uid: Uid | None = None) -> Sent:
        data = json_bytes(InboxEvent(unread=unread, conversation=uid))
        return Sent(data, id=inbox_changes.encode(self._backend, self._viewer, positions), event=kind)
