"""Files of the package that browsers get: in the form, plain or compressed, that each of them takes."""

import hashlib
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from msgspec import Struct

from convstore.http.negotiation import best_coding
from convstore.http.reading import matches

# The content codings that are offered, the best first.
CODINGS: Final = ("br", "gzip")


class Asset(Struct, frozen=True):
    """A file: its media type, its plain bytes, and its compressed forms by content coding; ``tag`` names the content.

    The tag is weak: it is the same for all forms.
    """

    content_type: str
    plain: bytes
    forms: Mapping[str, bytes]
    tag: str


def make_asset(content_type: str, plain: bytes, forms: Mapping[str, bytes]) -> Asset:
    """Make an asset of a file's forms."""
    return Asset(content_type, plain, forms, f'W/"{hashlib.sha256(plain).hexdigest()[:32]}"')


def asset_answer(request: web.Request, asset: Asset, headers: Mapping[str, str]) -> web.Response:
    """Answer with a file in the best form that the browser takes; 304 when it has it.

    ``headers`` go with either; a ``Vary`` among them is kept.
    """
    vary = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
    headers = {**headers, "ETag": asset.tag, "Vary": vary}
    if matches(request.headers.get("If-None-Match"), asset.tag.removeprefix("W/")):
        return web.Response(status=304, headers=headers)
    offered = [each for each in CODINGS if each in asset.forms]
    coding = best_coding(",".join(request.headers.getall("Accept-Encoding", ())), offered)
    if coding is not None:
        headers["Content-Encoding"] = coding
    body = asset.plain if coding is None else asset.forms[coding]
    return web.Response(body=body, headers={**headers, "Content-Type": asset.content_type})
