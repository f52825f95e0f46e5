"""Who asks: contract section 1.4."""

import base64
import binascii
from collections.abc import Awaitable, Callable

from aiohttp import web

from convstore.directory import Person
from convstore.errors import BadCredentials, NotAuthenticated
from convstore.http.errors import STATUSES, Problem
from convstore.http.keys import BACKEND

# Gives the person; None when the request has no credentials of its kind. Raises leaves of NotAuthenticated.
Authenticator = Callable[[web.Request], Awaitable[Person | None]]

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="DHIS2"'}


async def authenticate(request: web.Request) -> Person:
    """Give the person who asks.

    Raises:
        Problem: 401, there are no credentials, or they open no account. A browser's own login box is asked for unless
            a script made the request.
        Busy: too many logins at once.
    """
    try:
        for authenticator in AUTHENTICATORS:
            if (person := await authenticator(request)) is not None:
                return person
        raise BadCredentials
    except NotAuthenticated as error:
        scripted = request.headers.get("X-Requested-With", "").lower() == "xmlhttprequest"
        status, _ = STATUSES[type(error)]
        raise Problem(status, str(error), headers=None if scripted else _CHALLENGE) from None


async def basic(request: web.Request) -> Person | None:
    """Read HTTP Basic credentials (RFC 7617), in UTF-8.

    Raises:
        NotAuthenticated: they are malformed, or open no account.
    """
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise BadCredentials from None
    if not colon or "\0" in username:
        raise BadCredentials
    return await request.app[BACKEND].directory.authenticate(username, password)


# Tried in this order; the first that finds credentials of its kind decides.
AUTHENTICATORS: tuple[Authenticator, ...] = (basic,)
