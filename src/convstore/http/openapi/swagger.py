"""The page that shows the document to people: Swagger UI, as the package ``swagger-ui-bundle-v2`` has it.

Everything comes from this server. The policy that goes with the page forbids a browser anything else: scripts in the
page itself, requests to other servers, being shown inside another page.
"""

import gzip
from functools import cache
from html import escape
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from aiohttp import web
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]  # has no stubs; gives a path

from convstore.http.assets import Asset, asset_answer, make_asset
from convstore.http.errors import NOT_FOUND, Problem
from convstore.http.keys import BACKEND, VERSION

_OURS: Final = files(__package__) / "docs"
# The files of the page, and where each is; no others are given out.
_FILES: Final = {
    "swagger-ui.css": (swagger_ui_path, "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": (swagger_ui_path, "text/javascript; charset=utf-8"),
    "favicon-32x32.png": (swagger_ui_path, "image/png"),
    "start.js": (_OURS, "text/javascript; charset=utf-8"),
}
_HTML: Final = "text/html; charset=utf-8"

# Swagger UI's style sheet has its icons inside, as data.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    # It changes with the release only, but under the same name: asked for anew each time, and mostly a 304.
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
}


async def docs(request: web.Request) -> web.Response:
    """``GET /api/docs``: the page."""
    version = request[VERSION]
    base = f"{request.app[BACKEND].settings.context_path}/api{f'/{version}' if version else ''}"
    return asset_answer(request, _page(base), _HEADERS)


async def docs_file(request: web.Request) -> web.Response:
    """``GET /api/docs/{file}``: one of the files that the page consists of."""
    name = request.match_info["file"]
    if name not in _FILES:
        raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this path", NOT_FOUND)
    return asset_answer(request, _file(name), _HEADERS)


@cache
def _file(name: str) -> Asset:
    folder, content_type = _FILES[name]
    return _asset(content_type, (folder / name).read_bytes())


@cache
def _page(base: str) -> Asset:
    written = (_OURS / "page.html").read_text(encoding="utf-8").replace("{base}", escape(base))
    return _asset(_HTML, written.encode())


def _asset(content_type: str, plain: bytes) -> Asset:
    forms = {} if content_type.startswith("image/") else {"gzip": gzip.compress(plain, mtime=0)}
    return make_asset(content_type, plain, forms)
