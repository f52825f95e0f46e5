"""Built web apps, served from the same origin as the API, so that their pages may use the session cookie.

``serve --static /dhis-web-messaging=./app`` serves the files of a folder below a path, to everybody: an app has its
login box inside. What starts with a dot, and whatever a symbolic link outside the folder leads to, is not there.
"""

import asyncio
import re
import stat
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from mimetypes import MimeTypes
from pathlib import Path
from urllib.parse import unquote

import msgspec
from aiohttp import web
from msgspec import Struct

from convstore.errors import ConfigError
from convstore.http.errors import NOT_FOUND, Problem
from convstore.http.keys import BACKEND
from convstore.http.links import context_url
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes

_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")

# The first segments of the paths that the server answers itself.
_TAKEN = frozenset({"api", "dhis-web-commons", "dhis-web-commons-security", "page"})

_INDEX = "index.html"
_MANIFEST = "manifest.webapp"

# Not the machine's own table of types: what a file is must not depend on where it is served.
_TYPES = MimeTypes()
for _extension, _type in (
    (".html", "text/html"),
    (".js", "text/javascript"),
    (".mjs", "text/javascript"),
    (".map", "application/json"),
    (".wasm", "application/wasm"),
    (".woff", "font/woff"),
    (".woff2", "font/woff2"),
    (".webp", "image/webp"),
    (".webapp", "application/x-web-app-manifest+json"),
    (".webmanifest", "application/manifest+json"),
):
    _TYPES.add_type(_type, _extension)
_TEXTUAL = re.compile(r"text/|application/(json|[a-z.-]+\+json|xml)$|image/svg\+xml$")

# A build tool's name for what will never change: main.8f2c1b9d.js, or in the folder of its own, main-Dq3_x9Lk.js.
_FINAL_NAME = re.compile(r"[.-](?=[a-f]*[0-9])[0-9a-f]{8,64}\.[A-Za-z0-9.]+")
_FINAL_IN_ASSETS = re.compile(r"-(?=[^.]*[0-9A-Z_-])[A-Za-z0-9_-]{8}\.[A-Za-z0-9.]+")
_FOR_A_YEAR = "public, max-age=31536000, immutable"
_ASK_EACH_TIME = "no-cache"


class _Icons(Struct):
    small: str = msgspec.field(name="48", default="")


class _Manifest(Struct):
    name: str = ""
    description: str = ""
    icons: _Icons = msgspec.field(default_factory=_Icons)


class Mount(Struct, frozen=True, kw_only=True):
    """A folder and the path below which its files are served, ``/dhis-web-messaging``; the folder is resolved."""

    path: str
    folder: Path


class Module(Struct, frozen=True, kw_only=True, rename="camel"):
    """An app in the menu of DHIS2's header bar; addresses are relative to the API's."""

    name: str
    namespace: str
    display_name: str
    description: str
    default_action: str
    icon: str


# What is served, and what of it is in the menu.
MOUNTS: web.AppKey[tuple[Mount, ...]] = web.AppKey("mounts")
MODULES: web.AppKey[tuple[Module, ...]] = web.AppKey("modules")


def mounts(settings: Iterable[str]) -> tuple[Mount, ...]:
    """Read ``PATH=DIR`` settings; those with longer paths come first, so that the closest one is found first.

    Raises:
        ConfigError: one is malformed, its folder is not there, or its path is the server's own or another's.
    """
    found: dict[str, Mount] = {}
    for setting in settings:
        path, equals, folder = setting.partition("=")
        path = path.rstrip("/")
        if not equals or not folder or not _PATH.fullmatch(path):
            raise ConfigError(f"static {setting!r}: say it as /path=folder, such as /dhis-web-messaging=./app.")
        if path.split("/")[1].lower() in _TAKEN:
            raise ConfigError(f"static {setting!r}: the server answers {path} itself.")
        if path in found:
            raise ConfigError(f"static {setting!r}: another folder is served at {path} already.")
        resolved = Path(folder).expanduser().resolve()
        if not resolved.is_dir():
            raise ConfigError(f"static {setting!r}: there is no folder {folder}.")
        found[path] = Mount(path=path, folder=resolved)
    return tuple(sorted(found.values(), key=lambda mount: -len(mount.path)))


def modules(mounted: Sequence[Mount]) -> tuple[Module, ...]:
    """Give what the header bar's menu of apps has: the mounted ones that say of themselves that they are DHIS2 apps."""
    return tuple(module for mount in sorted(mounted, key=lambda each: each.path) if (module := _module(mount)))


async def menu(request: web.Request) -> web.Response:
    """``GET /dhis-web-commons/menu/getModules.action``: the apps that are served here, for DHIS2's header bar."""
    said = {"modules": request.app[MODULES]}
    return web.Response(body=json_bytes(said), content_type=Format.JSON.value)


async def serve_file(request: web.Request) -> web.StreamResponse | None:
    """Answer with a file below a mounted path; None when the path is below none of them.

    Raises:
        Problem: 404, there is no such file; 405, files are only read.
    """
    raw = request.rel_url.raw_path
    context = request.app[BACKEND].settings.context_path
    if not raw.startswith(context):
        return None
    path = raw[len(context) :]
    mount = next((each for each in request.app[MOUNTS] if path == each.path or path.startswith(each.path + "/")), None)
    if mount is None:
        return None
    if request.method not in {"GET", "HEAD"}:
        raise Problem(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"Request method '{request.method}' is not supported",
            headers={"Allow": "GET, HEAD"},
        )
    if path == mount.path:
        # The pages' own links are relative: they need the slash.
        query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
        return web.Response(
            status=HTTPStatus.FOUND, headers={"Location": f"{context_url(request)}{mount.path}/{query}"}
        )
    file = await asyncio.to_thread(_find, mount.folder, path[len(mount.path) + 1 :])
    if file is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this path", NOT_FOUND)
    return web.FileResponse(file, headers={"Content-Type": _content_type(file), "Cache-Control": _keep(mount, file)})


def _find(folder: Path, raw: str) -> Path | None:
    """Give the regular file in the folder that a raw path names, for a folder its index; None when there is none."""
    segments = [unquote(segment) for segment in raw.split("/")]
    if segments[-1] == "":
        segments[-1] = _INDEX
    if any(not each or each.startswith(".") or any(c in each for c in "/\\\0") for each in segments):
        return None
    try:
        file = folder.joinpath(*segments).resolve(strict=True)
        regular = stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError):  # not there, not ours to read, or no name that a file system takes
        return None
    return file if regular and file.is_relative_to(folder) else None


def _content_type(file: Path) -> str:
    guessed, encoding = _TYPES.guess_type(file.name, strict=False)
    if guessed is None or encoding is not None:
        return "application/octet-stream"
    return f"{guessed}; charset=utf-8" if _TEXTUAL.match(guessed) else guessed


def _keep(mount: Mount, file: Path) -> str:
    """Say for how long a browser may keep a file without asking: for ever, when its name changes with its content."""
    final = _FINAL_NAME.search(file.name) is not None
    if not final and file.parent.name == "assets" and file.parent != mount.folder:
        final = _FINAL_IN_ASSETS.search(file.name) is not None
    return _FOR_A_YEAR if final else _ASK_EACH_TIME


def _module(mount: Mount) -> Module | None:
    """Read what an app says of itself; None when it says nothing, or nothing that can be read."""
    try:
        manifest = msgspec.json.decode((mount.folder / _MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return None
    name = mount.path.rpartition("/")[2]
    return Module(
        name=name,
        namespace=mount.path,
        display_name=manifest.name or name,
        description=manifest.description,
        default_action=f"..{mount.path}/",
        icon=f"..{mount.path}/{manifest.icons.small}" if manifest.icons.small else "",
    )
