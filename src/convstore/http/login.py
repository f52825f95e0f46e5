"""Logging in and out by cookie, in today's way and in that of older clients (contract section 1.4, clients.md)."""

from http import HTTPStatus
from urllib.parse import parse_qs

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct

from convstore.errors import BadCredentials
from convstore.http import cookies
from convstore.http.auth import is_from_elsewhere
from convstore.http.bodies import read_json, read_text
from convstore.http.configuration import setting
from convstore.http.errors import FORBIDDEN, Problem
from convstore.http.keys import BACKEND
from convstore.http.links import context_url
from convstore.http.negotiation import Format, media_type
from convstore.http.nodes import json_bytes
from convstore.http.system import VERSION

_FORM = "application/x-www-form-urlencoded"
# A form for logging in has two fields, and a button or a box to tick.
_MOST_FIELDS = 10

log = structlog.get_logger()


class Credentials(Struct):
    """What a login form asks for; other members mean nothing."""

    username: str
    password: str


_credentials = msgspec.json.Decoder(Credentials)


async def config(request: web.Request) -> web.Response:
    """``GET /api/loginConfig``: what a login page is to look like; that it answers at all means ``log_in`` is there."""
    said = {
        "applicationTitle": await setting(request, "applicationTitle"),
        "uiLocale": "en",
        "loginPageLayout": "DEFAULT",
        "selfRegistrationEnabled": False,
        "emailConfigured": False,
        "oidcProviders": [],
        "apiVersion": VERSION,
    }
    return _json(said)


async def log_in(request: web.Request) -> web.Response:
    """``POST /api/auth/login``: takes name and password as JSON, and gives a session; members of no use are ignored.

    Whoever is let in by no account gets 401 with the reason, as everywhere.
    """
    _refuse_others_pages(request)
    given = await read_json(request, _credentials)
    response = _json({"loginStatus": "SUCCESS", "redirectUrl": request.app[BACKEND].settings.context_path + "/"})
    await _open(request, response, given.username, given.password)
    return response


async def log_in_by_form(request: web.Request) -> web.Response:
    """``POST /dhis-web-commons-security/login.action``: the same for older clients, which send a form."""
    _refuse_others_pages(request)
    content_type = request.headers.get("Content-Type", "")
    if media_type(content_type) != _FORM:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type '{content_type}' is not supported")
    try:
        fields = parse_qs(await read_text(request), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise BadCredentials from None
    response = _to_the_front(request)
    await _open(request, response, fields.get("j_username", [""])[0], fields.get("j_password", [""])[0])
    return response


async def log_out(request: web.Request) -> web.Response:
    """``POST /api/auth/logout``: ends the session, if there is one."""
    _refuse_others_pages(request)
    response = _json({"httpStatus": "OK", "httpStatusCode": 200, "status": "OK", "message": "Logged out"})
    await _close(request, response)
    return response


async def log_out_by_link(request: web.Request) -> web.Response:
    """``/dhis-web-commons-security/logout.action``: the same, for the link in DHIS2's header bar."""
    _refuse_others_pages(request)
    response = _to_the_front(request)
    await _close(request, response)
    return response


async def _open(request: web.Request, response: web.Response, username: str, password: str) -> None:
    """Open a session, instead of the one that the browser has.

    Raises:
        NotAuthenticated: no account is opened by these.
        Busy: too many logins at once.
    """
    backend = request.app[BACKEND]
    person, session = await backend.directory.log_in(username, password, idle=backend.settings.session_minutes * 60.0)
    if (former := cookies.session_of(request)) is not None:
        await backend.directory.log_out(former)
    cookies.give(request, response, session)
    log.info("session.opened", user=person.id)


async def _close(request: web.Request, response: web.Response) -> None:
    if (session := cookies.session_of(request)) is not None:
        await request.app[BACKEND].directory.log_out(session)
    cookies.take_back(request, response)


def _refuse_others_pages(request: web.Request) -> None:
    """Let no other server's page log anybody in, as somebody of its choice, or out.

    Raises:
        Problem: 403.
    """
    if is_from_elsewhere(request):
        raise Problem(HTTPStatus.FORBIDDEN, "Another server's page cannot log anybody in or out here", FORBIDDEN)


def _to_the_front(request: web.Request) -> web.Response:
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": f"{context_url(request)}/"})


def _json(said: dict[str, object]) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=json_bytes(said), content_type=Format.JSON.value, headers=headers)
