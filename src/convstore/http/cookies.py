"""The cookie that a browser shows its session with.

Its name says what a browser guarantees of it (RFC 6265bis section 4.1.3): ``__Host-`` one that came by https, for this
host alone and all of its paths; ``__Secure-`` one that came by https, where a context path narrows it. Over plain http,
which is for loopback and for trials, it has neither. A request is looked at for the name that belongs to it only, so
that nobody can slip in a weaker one.
"""

from aiohttp import web

from convstore.http.keys import BACKEND
from convstore.http.links import origin

NAME = "convstore_session"


def session_of(request: web.Request) -> str | None:
    """Give the session that the request's cookie shows; None when it has none."""
    return request.cookies.get(_name(request)) or None


def give(request: web.Request, response: web.StreamResponse, session: str) -> None:
    """Have the browser show this session from now on, until it is closed or the session ends."""
    _set(request, response, session)


def take_back(request: web.Request, response: web.StreamResponse) -> None:
    """Have the browser forget its session."""
    _set(request, response, "", max_age=0)


def _set(request: web.Request, response: web.StreamResponse, value: str, max_age: int | None = None) -> None:
    # Lax, not Strict: a link in a mail must lead to an attachment, and what changes anything asks for more than the
    # cookie (auth.py).
    response.set_cookie(
        _name(request),
        value,
        max_age=max_age,
        path=_path(request),
        httponly=True,
        samesite="Lax",
        secure=_secure(request),
    )


def _name(request: web.Request) -> str:
    if not _secure(request):
        return NAME
    return f"__Host-{NAME}" if _path(request) == "/" else f"__Secure-{NAME}"


def _path(request: web.Request) -> str:
    return request.app[BACKEND].settings.context_path or "/"


def _secure(request: web.Request) -> bool:
    return origin(request).startswith("https://")
