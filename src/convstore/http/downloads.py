"""Answers with the bytes of a file: whole or a range of them (RFC 9110 section 14), and never to be run."""

import re
from typing import Final
from urllib.parse import quote

from aiohttp import web

from convstore.files.service import StoredFile
from convstore.http.keys import BACKEND
from convstore.http.reading import matches

# One range of bytes; whoever asks for several gets the whole, as the RFC allows.
_RANGE: Final = re.compile(r"bytes\s*=\s*(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})\s*", re.IGNORECASE)

# In a quoted file name for programs that read nothing else: printable ASCII; what would end the quotes, or be taken for
# an encoding or a path, becomes an underscore.
_UNQUOTABLE: Final = re.compile(r"[^ !#$&-.0-9:;=@A-\[\]-~]")
# What stands for itself after filename*= (RFC 8187 section 3.2.1).
_ATTRIBUTE_CHARACTERS: Final = "!#$&+-.^_`|~"


class Unsatisfiable(Exception):
    """The file has none of the bytes that are asked for."""


async def file_answer(request: web.Request, file: StoredFile) -> web.Response | None:
    """Answer with a file, or with the range of it that is asked for; 304 when the client has it; None: it is lost.

    Raises:
        StorageUnreachable: its bytes cannot be had just now.
    """
    tag = f'"{file.sha256.hex()}"'
    headers = {
        "ETag": tag,
        # Kept by nobody but the reader, and not shown by him again without asking: his rights may have ended.
        "Cache-Control": "private, no-cache",
    }
    if matches(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    headers |= {
        "Content-Type": file.content_type,
        "Content-Disposition": disposition(file.name),
        # Should it be shown all the same: as from nowhere, without scripts.
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
    }
    try:
        wanted = _wanted(request, file.length, tag)
    except Unsatisfiable:
        return web.Response(status=416, headers=headers | {"Content-Range": f"bytes */{file.length}"})
    start, stop = wanted or (0, file.length)
    status = 200 if wanted is None else 206
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.length}"
    headers["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        return web.Response(status=status, headers=headers)
    pieces = await request.app[BACKEND].files.storage.read(file.storage_key, start, stop)
    if pieces is None:
        return None
    return web.Response(status=status, headers=headers, body=pieces)


def parse_range(header: str, length: int) -> tuple[int, int] | None:
    """Read a Range header for a file of so many bytes: the first byte and the one after the last.

    None: it asks for several ranges, or in another unit, or cannot be read, and is to be ignored.

    Raises:
        Unsatisfiable: the file has none of these bytes.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        start, stop = max(length - int(found["last"]), 0), length
    else:
        start = int(found["first"])
        stop = min(int(found["last"]) + 1, length) if found["last"] else length
        if found["last"] and int(found["last"]) < start:
            return None
    if start >= length:
        raise Unsatisfiable
    return start, stop


def disposition(name: str) -> str:
    """Say that a file is to be saved, and under which name (RFC 6266): for old programs, and in full."""
    plain = _UNQUOTABLE.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE_CHARACTERS)}"


def _wanted(request: web.Request, length: int, tag: str) -> tuple[int, int] | None:
    header = request.headers.get("Range")
    # Of a GET only, and of this very content only (RFC 9110 sections 14.2 and 13.1.5).
    if header is None or request.method != "GET" or request.headers.get("If-Range", tag).strip() != tag:
        return None
    return parse_range(header, length)
