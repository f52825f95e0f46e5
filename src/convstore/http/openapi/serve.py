"""Serves the document of the routes that serve, made once for each version segment that is asked for."""

from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web

from convstore.http.keys import FORMAT, VERSION
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes
from convstore.http.openapi.document import make_document
from convstore.http.reading import read_answer
from convstore.http.router import Route

# Clients of one server use few versions; each document takes some hundred kilobytes.
_KEPT = 4


class Description:
    """What an application says of its routes."""

    def __init__(self, api: Sequence[Route], outside: Sequence[Route], context_path: str) -> None:
        @lru_cache(maxsize=_KEPT)
        def made(version: int) -> bytes:
            return json_bytes(make_document(api, outside, version=version, context_path=context_path))

        self.in_json = made


DESCRIPTION = web.AppKey("description", Description)


async def openapi(request: web.Request) -> web.Response:
    """``GET /api/openapi.json``: what this API takes and answers, as OpenAPI 3.1. JSON, whatever ``Accept`` says."""
    request[FORMAT] = Format.JSON
    return read_answer(request, request.app[DESCRIPTION].in_json(request[VERSION]))
