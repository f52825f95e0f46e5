"""The application: one request's way from the socket to its handler and back."""

import logging
import re
import secrets
import time
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from convstore.backend import Backend
from convstore.http import routes
from convstore.http.auth import admit
from convstore.http.bodies import admit_body
from convstore.http.compression import compress, to_be_compressed
from convstore.http.drain import DRAIN, Drain, drained
from convstore.http.errors import Problem, speak
from convstore.http.events import HUB, make_hub
from convstore.http.headers import complete
from convstore.http.keys import (
    BACKEND,
    BEGAN,
    CALLER,
    ENTRY,
    FORMAT,
    HEADERS,
    PROXIES,
    REQUEST_ID,
    SUFFIX,
    TAKES,
    VERSION,
)
from convstore.http.links import networks
from convstore.http.live import WATCH, make_watch
from convstore.http.metrics import METRICS, Metrics
from convstore.http.monitoring import READINESS, Readiness
from convstore.http.negotiation import Format, negotiate
from convstore.http.openapi.serve import DESCRIPTION, Description
from convstore.http.router import Found, Router
from convstore.http.static import MODULES, MOUNTS, modules, mounts, serve_file
from convstore.http.stream_metrics import LOOKOUT, StreamMetrics, keep_watching
from convstore.http.subscriptions import CONSUMING
from convstore.http.texts import check_percent_encoded
from convstore.http.uploads import longest_upload
from convstore.http.webhook_metrics import WebhookMetrics
from convstore.stream.consuming import Consuming
from convstore.stream.lookout import Lookout

_ROUTER = web.AppKey("router", Router)
_FOUND = web.RequestKey("found", Found)
_ACCEPTABLE = web.RequestKey("acceptable", bool)

# A request id of the client's that may stand in our log and be given back.
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,64}")

# What can be answered while read models of this release are still being built: how it stands, and what there is.
_ALWAYS_SERVED = frozenset({"", "docs", "docs/{file}", "health", "metrics", "openapi.json", "ping"})

log = structlog.get_logger()


def make_app(backend: Backend, *, worker: int = 0) -> web.Application:
    """Make the application that serves a backend, which is open and stays so until the application is cleaned up.

    ``worker`` tells this process from its siblings in the metrics.

    Raises:
        ConfigError: the settings name a proxy that is neither an address nor a network, or static files that cannot
            be served.
    """
    settings = backend.settings
    app = web.Application(middlewares=[drained, _observe, speak], client_max_size=settings.max_body)
    app[BACKEND] = backend
    app[DRAIN] = Drain()
    app[HUB] = make_hub(backend)
    app[CONSUMING] = Consuming(backend.pool)
    app[WATCH] = make_watch(backend)
    app[LOOKOUT] = Lookout(backend.pool)
    app.cleanup_ctx.append(keep_watching)
    app[METRICS] = Metrics(backend, worker)
    app[METRICS].register(StreamMetrics(app[HUB], app[WATCH], app[LOOKOUT]))
    app[METRICS].register(WebhookMetrics(backend))
    app[READINESS] = Readiness(backend)
    app[PROXIES] = networks(settings.trusted_proxies)
    mounted = mounts(settings.static)
    app[MOUNTS] = mounted
    app[MODULES] = modules(mounted)
    app[_ROUTER] = Router(routes.API, outside=routes.OUTSIDE, context_path=settings.context_path)
    app[DESCRIPTION] = Description(routes.API, routes.OUTSIDE, settings.context_path)
    # A line break, percent-encoded, is a character of a path too, which a dot would not stand for.
    app.router.add_route("*", r"/{path:[\s\S]*}", _dispatch, expect_handler=_decide_later)
    logging.getLogger("aiohttp.server").addFilter(_without_lines)
    return app


async def _decide_later(_request: web.Request) -> None:
    """Leave a client that asks before it sends a large body waiting until ``_dispatch`` knows whether to take it."""


def _without_lines(record: logging.LogRecord) -> bool:
    """Keep what could not be read as HTTP out of the log: aiohttp quotes it, with the query and what people wrote."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
    return True


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out what is asked for and in which format, and leave one line in the log when it was answered.

    The line has the route, never the path or the query: those may hold what people wrote.
    """
    started = time.perf_counter()
    sent = request.headers.get("X-Request-ID", "")
    request[HEADERS] = {}
    request[REQUEST_ID] = sent if _SANE_ID.fullmatch(sent) else secrets.token_hex(8)
    found = request.app[_ROUTER].find(request.method, request.rel_url.raw_path)
    request[_FOUND] = found
    request[VERSION] = found.version
    request[SUFFIX] = found.suffix
    request[TAKES] = found.route.takes if found.route is not None else frozenset()
    accept = ", ".join(request.headers.getall("Accept", ()))
    wanted = negotiate(found.suffix, accept, request.headers.get("Content-Type"))
    request[_ACCEPTABLE] = wanted is not None
    request[FORMAT] = wanted or Format.JSON
    metrics = request.app[METRICS]
    metrics.in_progress += 1
    try:
        response = await handler(request)
    finally:
        metrics.in_progress -= 1
    if not response.prepared:
        if to_be_compressed(response, request):
            await compress(response)
        complete(request, response)
    took = time.perf_counter() - started
    method, route = (found.route.method, found.route.path) if found.route is not None else (None, None)
    metrics.served(method, route, response.status, request[BEGAN] - started)
    log.info(
        "request.served",
        request_id=request[REQUEST_ID],
        method=request.method,
        route=route,
        status=response.status,
        user=request[CALLER].id if CALLER in request else None,
        by=request[ENTRY].credentials if ENTRY in request else None,
        took_ms=round(took * 1000, 1),
    )
    return response


async def _dispatch(request: web.Request) -> web.StreamResponse:
    """Serve a request: who asks, what for, in a format that we have; then the route's own handler."""
    found = request[_FOUND]
    route = found.route
    # Before anything else is said: whoever is nobody learns nothing, not even which paths there are.
    if found.api if route is None else not route.public:
        await admit(request, for_consumers=route is not None and route.for_consumers)
    if route is None and found.allowed:
        raise Problem(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"Request method '{request.method}' is not supported",
            headers={"Allow": ", ".join(found.allowed)},
        )
    if route is None and not found.api and (file := await serve_file(request)) is not None:
        return file
    if route is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this path", "E1005")
    if found.api and not route.public and not route.for_consumers and route.path not in _ALWAYS_SERVED:
        request.app[BACKEND].engine.check_ready()
    if route.documents and not request[_ACCEPTABLE]:
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, "Only application/json and application/xml can be given")
    check_percent_encoded(request.rel_url.raw_path)
    check_percent_encoded(request.rel_url.raw_query_string)
    settings = request.app[BACKEND].settings
    await admit_body(request, longest_upload(settings.max_attachment) if route.streamed else settings.max_body)
    request.match_info.update(found.parameters)
    return await route.handler(request)
