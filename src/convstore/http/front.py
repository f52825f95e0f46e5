"""The web page of our own, at the front of the context path: its sources are in ``web/``, built into ``built/``.

The page talks to the API like any other client, with a session cookie. It loads nothing from anywhere else, and the
policy that goes with it has the browser see to that: no script or style but its files, no markup made of texts.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from aiohttp import web

from convstore.http.assets import Asset, asset_answer, make_asset
from convstore.http.errors import NOT_FOUND, Problem
from convstore.http.keys import BACKEND
from convstore.http.links import context_url
from convstore.http.negotiation import qualities

INDEX: Final = "index.html"

# What a browser lets the page do (CSP level 3). Trusted types: no text becomes markup, whatever a script tries.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
}
_COMPRESSED: Final = {"br": ".br", "gzip": ".gz"}

_PAGE_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    # To programs the same address says one line.
    "Vary": "Accept",
}
# The names change with the contents.
_FILE_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # An image opened by itself is a document too.
    "Content-Security-Policy": POLICY,
}


@cache
def assets() -> Mapping[str, Asset]:
    """Give the page's files by their names."""
    folder = files(__package__) / "built"
    plain = {file.name: file.read_bytes() for file in folder.iterdir()}
    return MappingProxyType(
        {
            name: make_asset(
                _TYPES[name.rpartition(".")[2]],
                content,
                {coding: plain[name + ending] for coding, ending in _COMPRESSED.items()},
            )
            for name, content in plain.items()
            if not name.endswith(tuple(_COMPRESSED.values()))
        }
    )


async def page(request: web.Request) -> web.Response:
    """``GET /``: the page, to browsers; to programs, and when there is no page, a line that says where the API is.

    The setting ``front`` may lead to an app of ``--static`` instead.
    """
    setting = request.app[BACKEND].settings.front
    if setting == "none" or not _by_a_browser(request):
        return web.Response(text=f"convstore: a messaging backend. Its Web API is at {context_url(request)}/api\n")
    # The page's own links are relative: they need the slash.
    elsewhere = "/" if not request.rel_url.raw_path.endswith("/") else None if setting == "page" else f"{setting}/"
    if elsewhere is not None:
        return web.Response(status=302, headers={"Location": context_url(request) + elsewhere})
    return asset_answer(request, assets()[INDEX], _PAGE_HEADERS)


async def file(request: web.Request) -> web.Response:
    """``GET /page/{file}``: one of the files that the page loads.

    Raises:
        Problem: 404, there is none of this name.
    """
    name = request.match_info["file"]
    if name == INDEX or (asset := assets().get(name)) is None:
        raise Problem(404, "There is nothing at this path", NOT_FOUND)
    return asset_answer(request, asset, _FILE_HEADERS)


def _by_a_browser(request: web.Request) -> bool:
    """Tell whether somebody wants to see a page: browsers name HTML, programs take anything."""
    accept = ", ".join(request.headers.getall("Accept", ()))
    return any(name == "text/html" and quality > 0 for name, quality in qualities(accept))
