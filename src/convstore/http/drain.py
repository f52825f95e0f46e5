"""Lets a server that was told to stop finish what it has in hand.

aiohttp's own shutdown waits for handlers, but from its first moment on it throws away what still arrives on their
connections: a request whose body is on its way would never get an answer. So the requests in hand are awaited before.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler


class Drain:
    """Counts the requests in hand, and says when the last one was answered."""

    def __init__(self) -> None:
        self._in_hand = 0
        self.stopping = False
        """Whether the server was told to stop: whatever goes on and on is to end."""
        self._endless: set[Callable[[], None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    async def finish(self, grace: float) -> int:
        """Wait until nothing is in hand, at most so many seconds; say how many requests were still being served then.

        From now on connections end with their answer, so that nobody goes on asking on one that stayed open.
        """
        self.stopping = True
        for tell in tuple(self._endless):
            tell()
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            pass
        return self._in_hand

    @contextmanager
    def told(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have ``tell`` called when the server is told to stop: for answers that would never end by themselves."""
        self._endless.add(tell)
        try:
            yield
        finally:
            self._endless.discard(tell)

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve one request, counted while it lasts."""
        self._in_hand += 1
        self._empty.clear()
        try:
            response = await handler(request)
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._empty.set()
        if self.stopping:
            response.force_close()
        return response


DRAIN: Final = web.AppKey("drain", Drain)


@web.middleware
async def drained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request; the outermost of all, so that what others do is part of it."""
    return await request.app[DRAIN].serve(request, handler)
