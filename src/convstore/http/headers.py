"""The headers that every answer has, whoever writes it."""

import time

from aiohttp import web

from convstore.http.keys import BEGAN, HEADERS, REQUEST_ID


def complete(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer the headers that all have; before it begins to be sent."""
    request[BEGAN] = time.perf_counter()
    response.headers.update(request[HEADERS])
    # Not which releases of which libraries it runs on.
    response.headers["Server"] = "convstore"
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    # What anybody may see differs from person to person and from minute to minute (contract section 1.3).
    response.headers.setdefault("Cache-Control", "no-cache, private")
    response.headers["X-Content-Type-Options"] = "nosniff"
