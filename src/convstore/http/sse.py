"""Server-sent events (HTML standard, section 9.2): an answer that goes on, to a client that may be slow, or gone.

Nothing is gathered for a client. When it has taken what was written, its source is asked for more; one that takes
nothing for a while is cut off, and comes again with the id of the last event that it got. So what a stream costs in
memory is what its connection holds.
"""

import random
import time
from asyncio import timeout
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct

from convstore.errors import ConvstoreError
from convstore.faults import DATABASE_ERRORS, described
from convstore.http.drain import DRAIN, Drain
from convstore.http.headers import complete
from convstore.http.keys import REQUEST_ID
from convstore.http.recheck import Recheck
from convstore.waking import Signal

HEARTBEAT: Final = 15.0
"""Seconds without an event after which a sign of life is sent: proxies end connections on which nothing moves."""
WRITE_TIMEOUT: Final = 30.0
"""Seconds that a client may take over one piece of what is written; then it is cut off."""

# What is written at once, in bytes.
_PIECE: Final = 64_000
# When a client is to come again, in milliseconds: not all of them at once, after a server has stopped.
_RETRY: Final = (500, 2_500)

log = structlog.get_logger()


class Sent(Struct, frozen=True):
    """One event for the client: ``data`` in one line; ``id``, with which it comes back; ``event``, its kind."""

    data: bytes
    id: str | None = None
    event: str | None = None


class Ended(Struct, frozen=True):
    """What the event of the kind ``end`` says: why there is no more."""

    reason: str


class StreamEnded(ConvstoreError):
    """There is no more to come on this stream; the text tells the client why."""


class Source(Protocol):
    """Where the events of one stream come from."""

    @property
    def woken(self) -> Signal:
        """Fires when there may be more."""

    async def next(self) -> Sequence[Sent]:
        """Give what there is by now, at most some hundreds; empty means no more for the moment.

        Raises:
            StreamEnded: there will be no more.
        """

    def place(self) -> str | None:
        """Give the id from which to go on, when events were passed over since the last one that was given."""


class Pace(Struct, frozen=True, kw_only=True):
    """The times of a stream, in seconds.

    ``close_after``: it ends after so many, and as soon as it has given something and there is no more for the moment:
    what a proxy holds back until the end gets through then. None: it goes on.
    """

    close_after: float | None = None
    heartbeat: float = HEARTBEAT
    write_timeout: float = WRITE_TIMEOUT


async def stream(
    request: web.Request,
    source: Source,
    *,
    check: Callable[[], None] = lambda: None,
    pace: Pace = Pace(),  # noqa: B008 - frozen
) -> web.StreamResponse:
    """Answer with what a source gives, until the client goes, its rights or its time end, or the server stops.

    ``check`` is called whenever the caller was looked at again and the request has his present rights: it raises any
    ConvstoreError to end the stream. Why a stream ends is said in an event of the kind ``end``.

    Raises:
        NotAuthenticated, ConvstoreError: the caller may not come in any more; before anything was sent.
    """
    recheck = Recheck(request)
    drain = request.app[DRAIN]
    with drain.told(source.woken.fire), recheck.told(source.woken.fire):
        valid = await recheck.look()
        check()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        response.headers["Cache-Control"] = "no-store"
        complete(request, response)
        await response.prepare(request)
        if request.method != "HEAD":
            writer = _Writer(request, response, pace)
            await _run(writer, _Stream(source, recheck, check, drain, pace), valid)
    return response


async def _run(writer: "_Writer", stream: "_Stream", valid: float) -> None:
    """Write a stream to its end. Whatever goes wrong can only be told on the stream itself."""
    try:
        try:
            await writer.write(f"retry: {random.randint(*_RETRY)}\n\n".encode())  # noqa: S311 - spreads load, no secret
            await stream.follow(writer, valid)
        except ConvstoreError as error:
            await writer.end(str(error))
        except DATABASE_ERRORS as error:
            if writer.gone:
                return
            log.warning("stream.broken", request_id=writer.request_id, error=type(error).__name__)
            await writer.end("The server cannot go on just now; come again.")
        except Exception as error:  # noqa: BLE001 - no other answer can be given any more
            # Not the error's own message: it may quote what somebody wrote.
            log.error("stream.failed", request_id=writer.request_id, error=described(error))  # noqa: TRY400 - see above
            await writer.end("Something went wrong on the server.")
    except (ConnectionError, TimeoutError):
        # Gone, or cut off: it comes again where it was.
        return


class _Stream:
    """What is sent, and when."""

    def __init__(self, source: Source, recheck: Recheck, check: Callable[[], None], drain: Drain, pace: Pace) -> None:
        self._source = source
        self._recheck = recheck
        self._check = check
        self._drain = drain
        self._pace = pace
        self._valid_until = 0.0

    async def follow(self, writer: "_Writer", valid: float) -> None:
        """Give what comes until there is a reason to end. ``valid``: how long the caller's rights hold, in seconds.

        Raises:
            ConvstoreError: that reason, if the client is to be told.
        """
        woken = self._source.woken
        self._valid_until = time.monotonic() + valid
        close_at = time.monotonic() + (float("inf") if self._pace.close_after is None else self._pace.close_after)
        gave = False
        while not writer.gone:
            if self._drain.stopping:
                raise StreamEnded("The server is stopping; come again.")
            seen = woken.count
            events = await self._source.next()
            # After the look at what there is: nothing is given to somebody whose rights ended before it happened.
            await self._look_again()
            if events:
                await writer.write(b"".join(_frames(events)))
                gave = True
            now = time.monotonic()
            if now >= close_at or (gave and not events and self._pace.close_after is not None):
                return
            if events:
                continue
            beat_at = writer.wrote_at + self._pace.heartbeat
            if now >= beat_at:
                await writer.write(_beat(self._source.place()))
                continue
            await woken.after(seen, max(0.0, min(beat_at, self._valid_until, close_at) - now))

    async def _look_again(self) -> None:
        if self._recheck.due or time.monotonic() >= self._valid_until:
            self._valid_until = time.monotonic() + await self._recheck.look()
            self._check()


class _Writer:
    """Writes to one client, and waits until it has taken what was written."""

    def __init__(self, request: web.Request, response: web.StreamResponse, pace: Pace) -> None:
        self._request = request
        self._response = response
        self._timeout = pace.write_timeout
        self.request_id = request[REQUEST_ID]
        self.wrote_at = time.monotonic()

    @property
    def gone(self) -> bool:
        """Whether the client has closed the connection."""
        transport = self._request.transport
        return transport is None or transport.is_closing()

    async def write(self, data: bytes) -> None:
        """Write, piece by piece.

        Raises:
            ConnectionError: the client is gone.
            TimeoutError: it takes nothing; the connection is closed then.
        """
        for start in range(0, len(data), _PIECE):
            try:
                async with timeout(self._timeout):
                    await self._response.write(data[start : start + _PIECE])
            except TimeoutError:
                log.info("stream.cut_off", request_id=self.request_id, seconds=self._timeout)
                if self._request.transport is not None:
                    self._request.transport.abort()
                raise
        self.wrote_at = time.monotonic()

    async def end(self, reason: str) -> None:
        """Say why there is no more."""
        await self.write(b"".join(_frames([Sent(msgspec.json.encode(Ended(reason)), event="end")])))


def _frames(events: Iterable[Sent]) -> Iterable[bytes]:
    for sent in events:
        if sent.id is not None:
            yield f"id: {sent.id}\n".encode()
        if sent.event is not None:
            yield f"event: {sent.event}\n".encode()
        yield b"data: "
        yield sent.data
        yield b"\n\n"


def _beat(place: str | None) -> bytes:
    """Give a sign of life: a comment, and the place; without data it is no event, yet the client keeps its id."""
    return b":\n\n" if place is None else f":\nid: {place}\n\n".encode()
