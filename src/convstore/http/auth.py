"""Who asks, and whether what he came in with is good for what he asks: contract sections 1.4 and 9.1."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from convstore.directory.tokens import SAFE_METHODS
from convstore.errors import BadCredentials, NotAuthenticated
from convstore.http import cookies
from convstore.http.entry import Entry, Means
from convstore.http.errors import FORBIDDEN, STATUSES, Problem
from convstore.http.keys import BACKEND, CALLER, ENTRY, TAKES
from convstore.http.links import origin
from convstore.http.params import every

# Lets somebody in; None when the request has no credentials of its kind. Raises leaves of NotAuthenticated.
Authenticator = Callable[[web.Request], Awaitable[Entry | None]]

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="DHIS2"'}

# What a browser says of a request that a page of ours made, or its user himself (Fetch Metadata, section 2.3).
_OUR_OWN = frozenset({"same-origin", "none"})


async def admit(request: web.Request, *, for_consumers: bool = False) -> None:
    """Find out who asks and how he came in; from then on the request knows both.

    ``for_consumers``: what he asks for is made for those who follow events.

    Raises:
        Problem: 401, as ``authenticate``; 403, what he came in with is not good for this request.
        Busy: too many logins at once.
    """
    entry = await authenticate(request)
    # Before the check, so that the log knows whom something was refused.
    request[ENTRY] = entry
    request[CALLER] = entry.person
    changing = changes_something(request)
    if entry.means is Means.SESSION and changing and not _by_a_page_of_ours(request):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "Whoever is logged in by a cookie changes something only from this server's own pages: "
            "the request has neither its Origin nor a Sec-Fetch-Site that says so",
            FORBIDDEN,
        )
    if entry.token is not None and not entry.token.permits(
        request.method, changes=changing, for_consumers=for_consumers
    ):
        raise Problem(HTTPStatus.FORBIDDEN, "This token is not meant for such requests", FORBIDDEN)


async def authenticate(request: web.Request) -> Entry:
    """Let the person in who asks.

    Raises:
        Problem: 401, there are no credentials, or they open no account. A browser's own login box is asked for unless
            a script made the request.
        Busy: too many logins at once.
    """
    try:
        for authenticator in AUTHENTICATORS:
            if (entry := await authenticator(request)) is not None:
                return entry
        raise BadCredentials
    except NotAuthenticated as error:
        scripted = request.headers.get("X-Requested-With", "").lower() == "xmlhttprequest"
        status, _ = STATUSES[type(error)]
        raise Problem(status, str(error), headers=None if scripted else _CHALLENGE) from None


async def basic(request: web.Request) -> Entry | None:
    """Read HTTP Basic credentials (RFC 7617), in UTF-8.

    Raises:
        NotAuthenticated: they are malformed, or open no account.
    """
    scheme, encoded = _authorization(request)
    if scheme != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise BadCredentials from None
    if not colon or "\0" in username:
        raise BadCredentials
    person = await request.app[BACKEND].directory.authenticate(username, password)
    return Entry(person=person, means=Means.PASSWORD)


async def api_token(request: web.Request) -> Entry | None:
    """Read a personal access token, as DHIS2 has them: ``Authorization: ApiToken d2pat_…``.

    Raises:
        NotAuthenticated: it opens no account (any more).
    """
    scheme, secret = _authorization(request)
    if scheme != "apitoken":
        return None
    person, token = await request.app[BACKEND].directory.by_token(secret)
    return Entry(person=person, means=Means.TOKEN, token=token)


async def session(request: web.Request) -> Entry | None:
    """Read the session cookie, when there is no ``Authorization``; DHIS2's data engine sends an empty one beside it.

    Raises:
        NotAuthenticated: the session has ended.
    """
    shown = cookies.session_of(request)
    if shown is None or request.headers.get("Authorization", "").strip():
        return None
    return Entry(person=await request.app[BACKEND].directory.by_session(shown), means=Means.SESSION)


def secret_of(request: web.Request) -> str:
    """Give the token or the session that a request shows; empty when it shows a password."""
    scheme, secret = _authorization(request)
    if scheme:
        return secret if scheme == "apitoken" else ""
    return cookies.session_of(request) or ""


# Tried in this order; the first that finds credentials of its kind decides.
AUTHENTICATORS: tuple[Authenticator, ...] = (basic, api_token, session)


def changes_something(request: web.Request) -> bool:
    """Tell whether a request is to change anything: by its method, or a GET by ``markRead`` (contract section 9.1)."""
    if request.method not in SAFE_METHODS:
        return True
    return "markRead" in request[TAKES] and any(value.strip().lower() == "true" for value in every(request, "markRead"))


def is_from_elsewhere(request: web.Request) -> bool:
    """Tell whether a browser says that a page of another server made the request; scripts and old browsers do not say.

    For what needs no credentials and yet must not be done in somebody's name: logging him in, and out.
    """
    return not _by_a_page_of_ours(request) and ("Origin" in request.headers or "Sec-Fetch-Site" in request.headers)


def _by_a_page_of_ours(request: web.Request) -> bool:
    """Tell whether a browser vouches for it. ``Sec-Fetch-Site`` goes first: no proxy between us changes its meaning."""
    said = request.headers.get("Sec-Fetch-Site")
    if said is not None:
        return said.strip().lower() in _OUR_OWN
    return request.headers.get("Origin", "").strip().lower() == origin(request).lower()


def _authorization(request: web.Request) -> tuple[str, str]:
    """Give the scheme, in lower case, and what follows it."""
    scheme, _, rest = request.headers.get("Authorization", "").strip().partition(" ")
    return scheme.lower(), rest.strip()
