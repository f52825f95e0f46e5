"""Finds the handler of a path: contract sections 1.1 and 1.5.

Not aiohttp's own dispatcher, because three rules of the contract cut across it: ``/api`` and ``/api/NN`` are the same
place, ``.json`` and ``.xml`` may be appended to some resources only, and a word in a path wins over a placeholder for
the methods that it has.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from urllib.parse import unquote

from aiohttp import web
from msgspec import Struct, field, structs

from convstore.domain.uid import RESERVED
from convstore.http.negotiation import SUFFIXES
from convstore.http.openapi.operation import Operation

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The same few paths are asked for over and over: what they lead to is remembered, of so many, none longer than this.
_REMEMBERED = 1_000
_LONGEST = 100

_VERSION = re.compile(r"[2-9][0-9]")
_PLACEHOLDER = re.compile(r"\{([a-zA-Z]+)\}")


class Route(Struct, frozen=True):
    """One method of one path, and what serves it.

    ``path`` is written without ``/api[/NN]``: ``messageConversations/{uid}/status``. ``{uid}`` stands for a
    conversation and never for a reserved word; other placeholders stand for anything. ``documents`` are answered in
    JSON or XML, as suffix and ``Accept`` choose; other routes answer in a form of their own and take no suffix.
    ``public`` ones ask for no credentials. ``streamed``: reads its body piece by piece, so that it may be a large one.
    ``for_consumers``: for those who follow events; a token that is for nothing else is good for it.
    ``describes`` says what the OpenAPI document says of it; every route has one (tests/openapi). ``takes`` follows from
    it: the names of the parameters of its query.
    """

    method: str
    path: str
    handler: Handler
    describes: Operation | None = None
    documents: bool = True
    public: bool = False
    streamed: bool = False
    for_consumers: bool = False
    takes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.describes is not None:
            names = frozenset(each.name for each in self.describes.parameters if each.where == "query")
            structs.force_setattr(self, "takes", names)


class Found(Struct, frozen=True):
    """What a path leads to: a route; or none, and then the methods that the path has, if there is such a path.

    ``version`` is 0 when the path has no version segment. ``api`` tells whether the path lies under ``/api``.
    """

    route: Route | None
    parameters: dict[str, str]
    version: int = 0
    suffix: str = ""
    allowed: tuple[str, ...] = ()
    api: bool = True


class _Node(Struct):
    """One segment of the tree of paths. ``spares_words``: its placeholder never stands for a reserved word."""

    words: dict[str, "_Node"] = field(default_factory=dict)
    placeholder: "_Node | None" = None
    spares_words: bool = False
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """The tree of all routes."""

    def __init__(self, routes: Iterable[Route], *, outside: Sequence[Route] = (), context_path: str = "") -> None:
        """Plant the tree: ``routes`` under ``/api``, those ``outside`` directly under the context path."""
        self._context = context_path
        self._api = _Node()
        self._outside = _Node()
        for route in routes:
            _plant(self._api, route)
        for route in outside:
            _plant(self._outside, route)
        self._remembering = lru_cache(maxsize=_REMEMBERED)(self._found)

    def find(self, method: str, raw_path: str) -> Found:
        """Say what a path leads to; ``raw_path`` is as it was sent, percent-encoded."""
        found = self._remembering if len(raw_path) <= _LONGEST else self._found
        return found(method, raw_path)

    def _found(self, method: str, raw_path: str) -> Found:
        if not raw_path.startswith(self._context + "/") and raw_path != self._context:
            return Found(None, {}, api=False)
        # A slash at the end means nothing (contract section 1.1).
        trimmed = raw_path[len(self._context) :].strip("/")
        segments = [unquote(segment) for segment in trimmed.split("/")] if trimmed else []
        if not segments or segments[0] != "api":
            return _look(self._outside, method, segments, api=False)
        segments = segments[1:]
        version = 0
        if segments and _VERSION.fullmatch(segments[0]):
            version = int(segments[0])
            segments = segments[1:]
        return _look(self._api, method, segments, version=version)


def placeholders(path: str) -> list[str]:
    """Give the names of the placeholders in a route's path, in their order."""
    return _PLACEHOLDER.findall(path)


def _plant(root: _Node, route: Route) -> None:
    node = root
    for segment in route.path.split("/") if route.path else ():
        if segment.startswith("{"):
            node.spares_words = node.spares_words or segment == "{uid}"
            if node.placeholder is None:
                node.placeholder = _Node()
            node = node.placeholder
        else:
            node = node.words.setdefault(segment, _Node())
    if route.method in node.routes:
        raise ValueError(f"{route.method} {route.path} is there twice")
    node.routes[route.method] = route


def _look(root: _Node, method: str, segments: Sequence[str], *, version: int = 0, api: bool = True) -> Found:
    """Look for the path without its suffix, on routes that take one, and then for the path as it is."""
    wanted = "GET" if method == "HEAD" else method
    attempts = [(segments, "")]
    if segments:
        stem, dot, ending = segments[-1].rpartition(".")
        if stem and dot + ending in SUFFIXES:
            attempts.insert(0, ([*segments[:-1], stem], dot + ending))
    for path, suffix in attempts:
        allowed: set[str] = set()
        for node, values in _reached(root, path):
            routes = {name: route for name, route in node.routes.items() if route.documents or not suffix}
            if route := routes.get(wanted):
                return Found(route, dict(zip(placeholders(route.path), values, strict=True)), version, suffix, api=api)
            allowed.update(routes)
        if allowed:
            return Found(None, {}, version, suffix, allowed=_methods(allowed), api=api)
    return Found(None, {}, version, api=api)


def _reached(root: _Node, segments: Sequence[str]) -> list[tuple[_Node, tuple[str, ...]]]:
    """Give the places that a path leads to, with what its placeholders stand for; words come before placeholders."""
    places: list[tuple[_Node, tuple[str, ...]]] = [(root, ())]
    for segment in segments:
        further = []
        for node, values in places:
            if (word := node.words.get(segment)) is not None:
                further.append((word, values))
            if node.placeholder is not None and not (node.spares_words and segment in RESERVED):
                further.append((node.placeholder, (*values, segment)))
        places = further
    return places


def _methods(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names | ({"HEAD"} if "GET" in names else set())))
