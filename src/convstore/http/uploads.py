"""Reads the one file of a multipart body as it comes, never whole: its name and type, made safe, and its bytes.

Sources: contract section 3.11, RFC 7578 (multipart/form-data).
"""

import warnings
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    BodyPartReader,
    MultipartReader,
    web,
)
from aiohttp.http_exceptions import BadHttpMessage
from msgspec import Struct

from convstore.files.names import safe_name, safe_type
from convstore.http.bodies import unsupported
from convstore.http.errors import BAD_REQUEST, Problem, body_too_large
from convstore.http.texts import storable

PART: Final = "file"

# aiohttp would only warn of a header that it cannot read, on the standard error output, with the file's name in it.
_WARNINGS: Final = (BadContentDispositionHeader, BadContentDispositionParam)
for _warning in _WARNINGS:
    warnings.simplefilter("error", _warning)

# A file over the limit is read to its end, for the client is told how large it is; but not for ever.
_PATIENCE: Final = 10
# What a multipart body has beside its file, in bytes.
_WRAPPING: Final = 100_000
_CHUNK: Final = 64 * 1024


class Incoming(Struct, frozen=True):
    """A file that comes: ``chunks`` can be read once, and only while the request is served."""

    name: str
    content_type: str
    chunks: AsyncIterator[bytes]


def longest_upload(limit: int) -> int:
    """Say how long a request body may be at most, to be read at all, when files may have so many bytes."""
    return _PATIENCE * limit + _WRAPPING


async def read_upload(request: web.Request, limit: int) -> Incoming:
    """Read a multipart body up to the bytes of its file.

    Raises:
        Problem: 415, it is something else; 400, it cannot be read, or has no file; 413, it is too long.
        BadText: the name cannot be stored.
    """
    if not request.content_type.startswith("multipart/"):
        raise unsupported(request)
    budget = _Budget(longest_upload(limit))
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, MultipartReader):
                raise _unreadable()
            if part.name == PART:
                return _incoming(part, budget)
            async for _ in _chunks(part, budget):
                pass
    except (ValueError, AssertionError, LookupError, BadHttpMessage, *_WARNINGS) as error:
        # aiohttp finds faults in all these ways.
        raise _unreadable() from error
    raise Problem(400, f"Required request part '{PART}' is not present", BAD_REQUEST)


class _Budget:
    """How many bytes may still be read."""

    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise body_too_large()


def _incoming(part: BodyPartReader, budget: _Budget) -> Incoming:
    encoding = part.headers.get("Content-Transfer-Encoding", "binary").strip().lower()
    if encoding not in {"binary", "8bit", "7bit"} or "Content-Encoding" in part.headers:
        raise Problem(415, "Parts are taken as they are, without an encoding of their own")
    return Incoming(
        safe_name(storable(part.filename or "")), safe_type(part.headers.get("Content-Type")), _chunks(part, budget)
    )


async def _chunks(part: BodyPartReader, budget: _Budget) -> AsyncIterator[bytes]:
    while not part.at_eof():
        try:
            chunk = await part.read_chunk(_CHUNK)
        except (ValueError, AssertionError, BadHttpMessage) as error:
            raise _unreadable() from error
        budget.spend(len(chunk))
        if chunk:
            yield chunk


def _unreadable() -> Problem:
    return Problem(400, "The multipart body cannot be read", BAD_REQUEST)
