"""What all answers to reads share: the tag that saves sending them twice, and the place in the log they reflect."""

import hashlib
from collections.abc import Sequence

from aiohttp import web

from convstore.http.keys import BACKEND
from convstore.http.nodes import answer
from convstore.log import cursor

CURSOR_HEADER = "Convstore-Cursor"


def read_answer(request: web.Request, body: bytes, positions: Sequence[int] | None = None) -> web.Response:
    """Answer a read; 304 without a body when the client has this very document already (contract section 1.3).

    ``positions`` is the place in the log that the document reflects.
    """
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"ETag": tag}
    if positions is not None:
        headers[CURSOR_HEADER] = cursor.encode(positions, request.app[BACKEND].store.id)
    if _matches(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    return answer(request, body, headers=headers)


def _matches(asked: str | None, tag: str) -> bool:
    """Compare weakly (RFC 9110 section 13.1.2)."""
    if asked is None:
        return False
    return any(entry.strip().removeprefix("W/") in (tag, "*") for entry in asked.split(","))
