"""Compresses answers on their way out, for clients that take gzip: RFC 9110 sections 8.4.1 and 12.5.3, RFC 1952.

Only what is written as a whole: pieces of files, and events that are sent as they come, go as they are. So does
whatever nobody may keep (``Cache-Control: no-store``), which is what answers with secrets say: how well something
compresses tells whoever sees its length, and can put text of his own beside it, what else is in there (BREACH). For
all others a header of gzip's that holds a file name is as long as chance has it, so that lengths say little
(https://ieeexplore.ieee.org/document/9754554, "Heal the Breach").
"""

import asyncio
import secrets
import struct
import zlib
from typing import Final, TypeGuard

from aiohttp import web

from convstore.http.negotiation import best_coding, is_json, is_xml, media_type

GZIP: Final = "gzip"

# What is shorter than this, in bytes, travels in as many packets without.
LEAST: Final = 1_024
# What takes longer than a thread takes to be woken is not done between the requests of others.
_IN_A_THREAD: Final = 64 * 1_024
# Of 1 to 9. The sixth, zlib's own choice, makes a list of 50 an eighth shorter in three times as long.
_LEVEL: Final = 2

# RFC 1952 section 2.3: deflated, with a file name, of no time, written by a system that is not said.
_HEAD: Final = bytes((0x1F, 0x8B, 8, 0x08, 0, 0, 0, 0, 0, 255))
_LONGEST_NAME: Final = 100


def to_be_compressed(response: web.StreamResponse, request: web.Request) -> TypeGuard[web.Response]:
    """Tell whether an answer that has not begun to be sent is better compressed, and the client takes that."""
    if "Accept-Encoding" not in request.headers:
        return False
    if not isinstance(response, web.Response) or not isinstance(body := response.body, bytes) or len(body) < LEAST:
        return False
    headers = response.headers
    name = media_type(headers.get("Content-Type", ""))
    if "Content-Encoding" in headers or not compressible(name) or "no-store" in headers.get("Cache-Control", ""):
        return False
    return best_coding(",".join(request.headers.getall("Accept-Encoding")), (GZIP,)) is not None


async def compress(response: web.Response) -> None:
    """Compress an answer. Its ``ETag``, if any, must be a weak one: it stays."""
    body = response.body
    assert isinstance(body, bytes)  # noqa: S101 - for the type checker: to_be_compressed has seen to it
    response.body = gzipped(body) if len(body) < _IN_A_THREAD else await asyncio.to_thread(gzipped, body)
    response.headers["Content-Encoding"] = GZIP
    if "Accept-Encoding" not in (vary := response.headers.get("Vary", "")):
        response.headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"


def gzipped(body: bytes) -> bytes:
    """Give a member of gzip's format, whose length is not the same twice."""
    squeezer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    name = b"-" * secrets.randbelow(_LONGEST_NAME) + b"\0"
    end = struct.pack("<LL", zlib.crc32(body), len(body) & 0xFFFFFFFF)
    return b"".join((_HEAD, name, squeezer.compress(body), squeezer.flush(), end))


def compressible(name: str) -> bool:
    """Tell whether a media type is text of some kind: all else that is given out is compressed in itself, mostly."""
    return name.startswith("text/") or is_json(name) or is_xml(name) or name == "application/x-ndjson"
