"""Reads server-sent events (HTML standard, section 9.2.6) from a connection, one at a time."""

from collections.abc import AsyncGenerator
from typing import Final

from aiohttp import StreamReader
from msgspec import Struct

from convstore.client.errors import Unreadable

# An event longer than this is none of convstore's, whose bodies are bounded.
_LONGEST: Final = 64 * 1024 * 1024


class Received(Struct, frozen=True):
    """An event, or a sign of life without data: ``id`` is the place after it, if it says one."""

    id: str | None
    event: str
    data: bytes | None


async def received(stream: StreamReader) -> AsyncGenerator[Received, None]:
    """Give what a stream says until its end. What is not complete at its end is left out, as the standard asks.

    Raises:
        Unreadable: a line is too long.
    """
    place: str | None = None
    event = ""
    data: list[bytes] = []
    async for line in _lines(stream):
        if not line:
            yield Received(place, event or "message", b"\n".join(data) if data else None)
            event, data = "", []
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"id":
            place = value.decode()
        elif name == b"event":
            event = value.decode()
        elif name == b"data":
            data.append(value)


async def _lines(stream: StreamReader) -> AsyncGenerator[bytes, None]:
    # Not aiohttp's own lines: those may not be longer than its buffer, and a message may.
    rest = bytearray()
    async for chunk in stream.iter_any():
        rest += chunk
        if b"\n" not in chunk:
            if len(rest) > _LONGEST:
                raise Unreadable("An event is too long.")
            continue
        *lines, last = rest.split(b"\n")
        for line in lines:
            yield bytes(line.removesuffix(b"\r"))
        rest = bytearray(last)
