"""The caller himself: profile, rights, badge and settings (contract sections 1.7 and 5.6)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from convstore.domain.access import View
from convstore.http import markup
from convstore.http.bodies import read_text
from convstore.http.counts import counted
from convstore.http.documents import object_json
from convstore.http.errors import CONFLICT, NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.negotiation import Format
from convstore.http.nodes import answer, json_bytes, message_answer, web_message
from convstore.http.params import first, given
from convstore.http.query.directory import SQL, myself
from convstore.http.query.listing import Source, plan_object
from convstore.http.query.parameters import read_fields
from convstore.http.reading import CURSOR_HEADER, EVERYTHING, fetch_object, object_answer, read_answer

Setting = str | bool

# What a person can set, and what holds until he does. Booleans are those whose default is one.
USER_SETTINGS: Mapping[str, Setting] = {
    "keyUiLocale": "en",
    "keyDbLocale": "en",
    "keyStyle": "light_blue/light_blue.css",
    "keyAnalysisDisplayProperty": "name",
    "keyMessageEmailNotification": False,
    "keyMessageSmsNotification": False,
}
_LONGEST_VALUE = 255


async def me(request: web.Request) -> web.Response:
    """``GET /api/me``: the caller's profile, by fields."""
    person = request[CALLER]
    entity = myself(person.authorities, await _settings(request))
    fields = read_fields(given(request)) or EVERYTHING
    plan = plan_object(Source(entity=entity, rows=SQL.users), fields)
    found = await fetch_object(request, plan, person.id)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"User with id {person.id} could not be found.", NOT_FOUND)
    return object_answer(request, entity, plan, found)


async def authorization(request: web.Request) -> web.Response:
    """``GET /api/me/authorization``: the caller's authorities."""
    authorities = sorted(request[CALLER].authorities)
    if request[FORMAT] is Format.JSON:
        return read_answer(request, json_bytes(authorities))
    inner = "".join(markup.element("authority", authority) for authority in authorities)
    return read_answer(request, _document("authorities", inner))


async def has_authority(request: web.Request) -> web.Response:
    """``GET /api/me/authorization/{authority}``: whether the caller holds it, by itself or by ``ALL``."""
    return web.json_response(request[CALLER].holds(request.match_info["authority"]))


async def dashboard(request: web.Request) -> web.Response:
    """``GET /api/me/dashboard``: the number on the mail icon, over all types of conversations."""
    said, positions = await counted(request, View.UNREAD)
    counts = {"unreadMessageConversations": said.unread, "unreadInterpretations": 0}
    if request[FORMAT] is Format.JSON:
        body = object_json(counts)
    else:
        body = _document("dashboard", "".join(markup.element(name, str(count)) for name, count in counts.items()))
    headers = {
        "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
        CURSOR_HEADER: request.app[BACKEND].store.cursor(positions),
    }
    return answer(request, body, headers=headers)


async def user_settings(request: web.Request) -> web.Response:
    """``GET /api/userSettings``: all settings of the caller, those that he never set with their defaults."""
    settings = await _settings(request)
    if request[FORMAT] is Format.JSON:
        return read_answer(request, json_bytes(settings))
    inner = "".join(markup.element(name, _written(value)) for name, value in settings.items())
    return read_answer(request, _document("userSettings", inner))


async def user_setting(request: web.Request) -> web.Response:
    """``GET /api/userSettings/{key}``: one setting, as bare text."""
    return web.Response(text=_written((await _settings(request))[_key(request)]))


async def set_user_setting(request: web.Request) -> web.Response:
    """``POST /api/userSettings/{key}``: sets one, by the parameter ``value`` or by a body of text."""
    key = _key(request)
    value = first(request, "value") or (await read_text(request)).strip()
    if not value:
        raise Problem(HTTPStatus.CONFLICT, "You need to specify a new value", CONFLICT)
    if len(value) > _LONGEST_VALUE:
        raise Problem(HTTPStatus.CONFLICT, f"A value cannot be longer than {_LONGEST_VALUE} characters", CONFLICT)
    if isinstance(USER_SETTINGS[key], bool):
        value = _written(value.lower() == "true")
    await request.app[BACKEND].pool.execute(SQL.set_user_setting, request[CALLER].id, key, value)
    return message_answer(request, web_message(200, "User setting saved"))


async def drop_user_setting(request: web.Request) -> web.Response:
    """``DELETE /api/userSettings/{key}``: back to the default."""
    await request.app[BACKEND].pool.execute(SQL.drop_user_setting, request[CALLER].id, _key(request))
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _settings(request: web.Request) -> dict[str, Any]:
    rows = await request.app[BACKEND].readers.fetch(SQL.user_settings, request[CALLER].id)
    own = {row["name"]: row["value"] for row in rows}
    return {name: _typed(own.get(name), default) for name, default in USER_SETTINGS.items()}


def _typed(value: str | None, default: Setting) -> Setting:
    if value is None:
        return default
    return value == "true" if isinstance(default, bool) else value


def _key(request: web.Request) -> str:
    key = request.match_info["key"]
    if key not in USER_SETTINGS:
        raise Problem(HTTPStatus.CONFLICT, f"Key is not supported: {key}", CONFLICT)
    return key


def _written(value: Setting) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _document(root: str, inner: str) -> bytes:
    return f'{markup.DECLARATION}<{root} xmlns="{markup.DXF2}">{inner}</{root}>'.encode()
