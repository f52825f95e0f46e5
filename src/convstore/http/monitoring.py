"""For whoever watches over the server: is it ready, how does it stand, what has it counted.

Open to all is one word. Details and metrics are for superusers; and for whoever is on the machine, if
``--metrics-port`` names a loopback port for them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from msgspec import Struct

import convstore
from convstore.backend import Backend
from convstore.errors import NotReady
from convstore.faults import DATABASE_ERRORS
from convstore.http.errors import Problem
from convstore.http.keys import BACKEND, CALLER
from convstore.http.metrics import METRICS, known_heads
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes
from convstore.overview import MAX_LAG, Standing, sql, standing
from convstore.projections import discover

# What a look at the database found is good for so long, in seconds: anybody may ask, and as often as he likes.
_REMEMBER: Final = 1.0
# A database that takes longer to answer does not serve, in seconds.
_PATIENCE: Final = 2.0
# A question that has no answer for so long is asked anew, on another connection, in seconds.
_ABANDON: Final = 10.0

Handler = Callable[[web.Request], Awaitable[web.Response]]

log = structlog.get_logger()


class Readiness:
    """Knows whether requests can be served; asks the database once a second at most, however many want to know."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._names = [projection.id for projection in discover()]
        self._answer: asyncio.Task[bool] | None = None
        self._asking: set[asyncio.Task[bool]] = set()
        self._asked_at = 0.0

    async def look(self) -> bool:
        """Tell whether the store can be reached, and every read model that the API serves from is built."""
        age = time.monotonic() - self._asked_at
        if self._answer is None or age >= (_REMEMBER if self._answer.done() else _ABANDON):
            age = 0.0
            self._asked_at = time.monotonic()
            self._answer = asyncio.create_task(self._ask(), name="look whether it is ready")
            self._asking.add(self._answer)
            self._answer.add_done_callback(self._asking.discard)
        answer = self._answer
        # Neither ended by an asker that goes away, nor waited for longer: a connection to a database that hangs cannot
        # even be given up in time.
        await asyncio.wait({answer}, timeout=max(0.0, _PATIENCE - age))
        return answer.done() and answer.result()

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                there = await self._backend.pool.fetchval(sql.checkpoints, self._names)
        except DATABASE_ERRORS as error:
            log.warning("server.not_ready", error=type(error).__name__)
            return False
        wanted = len(self._names) * self._backend.store.partitions
        if there != wanted:
            log.warning("server.not_ready", error="read models are still being built", built=there, wanted=wanted)
            return False
        try:
            # This process looks at them once a second, and serves nobody before it has seen it.
            self._backend.engine.check_ready()
        except NotReady:
            return False
        return True


class Partition(Struct, frozen=True):
    """One partition of the log: its last position, and how many requests wait to be written to it."""

    partition: int
    head: int
    waiting: int


class Health(Struct, frozen=True, kw_only=True, rename="camel"):
    """How a process sees the log and the read models."""

    healthy: bool
    looked_seconds_ago: float
    release: str
    store: str
    worker: int
    partitions: list[Partition]
    projections: list[Standing]


READINESS = web.AppKey("readiness", Readiness)


async def ready(request: web.Request) -> web.Response:
    """``GET /api/health/ready``: tells a load balancer whether to send requests here; 503 when not, and not why.

    A read model that stands still or lags is no reason: all servers would be taken away, and none would help.
    """
    if await request.app[READINESS].look():
        return web.Response(body=b'{"status":"ready"}', content_type=Format.JSON.value)
    return web.Response(
        body=b'{"status":"unavailable"}', content_type=Format.JSON.value, status=HTTPStatus.SERVICE_UNAVAILABLE
    )


async def health(request: web.Request) -> web.Response:
    """``GET /api/health``: how this process sees the log and the read models; asks no database, so it can answer."""
    backend = request.app[BACKEND]
    projections = [standing(status) for status in backend.engine.status()]
    seconds = backend.engine.seconds_since_look
    body = Health(
        # What is known is worth nothing once it is old: the database does not answer.
        healthy=seconds <= MAX_LAG and all(each.well for each in projections),
        looked_seconds_ago=round(seconds, 3),
        release=convstore.__version__,
        store=backend.store.id,
        worker=request.app[METRICS].worker,
        partitions=[
            Partition(partition, head, waiting)
            for partition, (head, waiting) in enumerate(zip(known_heads(backend), backend.store.queues(), strict=True))
        ],
        projections=projections,
    )
    return web.Response(body=json_bytes(body), content_type=Format.JSON.value)


async def metrics(request: web.Request) -> web.Response:
    """``GET /api/metrics``: what this process has counted, for Prometheus."""
    return request.app[METRICS].answer(request.headers.get("Accept", ""))


def for_superusers(handler: Handler) -> Handler:
    """Keep everybody else out."""

    async def guarded(request: web.Request) -> web.Response:
        if not request[CALLER].superuser:
            raise Problem(HTTPStatus.FORBIDDEN, "Access is denied, requires one Authority from [ALL]", "E1006")
        return await handler(request)

    return guarded


def make_local_app(app: web.Application) -> web.Application:
    """Make the application for a loopback port beside ``app``: metrics and health of its process, without a login."""
    local = web.Application()
    local[BACKEND] = app[BACKEND]
    local[METRICS] = app[METRICS]
    local[READINESS] = app[READINESS]
    local.router.add_get("/metrics", metrics)
    local.router.add_get("/health", health)
    local.router.add_get("/health/ready", ready)
    return local
