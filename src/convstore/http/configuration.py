"""What the clients of DHIS2 ask about the system as a whole (contract section 1.7, clients.md)."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from convstore.domain.uid import Uid
from convstore.http import markup
from convstore.http.bodies import read_text
from convstore.http.documents import Object, object_json, object_xml
from convstore.http.errors import NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes
from convstore.http.query.compile import Late
from convstore.http.query.directory import GROUP, SQL
from convstore.http.query.fields import Field
from convstore.http.query.listing import Source, plan_object
from convstore.http.query.shape import Member
from convstore.http.reading import fetch_object, read_answer

# What holds until an operator sets it in the directory's settings.
SYSTEM_SETTINGS: Mapping[str, str] = {
    "applicationTitle": "DHIS 2",
    "helpPageLink": "https://docs.dhis2.org",
}

# The group is everybody's business here, whether or not it is shared: the app compares its id with one's own groups.
_FEEDBACK_GROUP = plan_object(
    Source(entity=GROUP, rows=SQL.groups, args=(Late.CALLER, True)),
    tuple(Field(name) for name in ("id", "code", "name", "displayName", "created", "lastUpdated")),
)


async def configuration(request: web.Request) -> web.Response:
    """``GET /api/configuration``: above all the group that gets the tickets; an empty object where there is none."""
    said = {"systemId": request.app[BACKEND].store.id, "feedbackRecipients": await _feedback_group(request)}
    if request[FORMAT] is Format.JSON:
        return read_answer(request, object_json(said))
    members = {"feedbackRecipients": Member(inner=_FEEDBACK_GROUP.shape)}
    return read_answer(request, object_xml("configuration", said, members))


async def feedback_recipients(request: web.Request) -> web.Response:
    """``GET /api/configuration/feedbackRecipients``: that group alone."""
    found = await _feedback_group(request)
    if request[FORMAT] is Format.JSON:
        return read_answer(request, object_json(found))
    return read_answer(request, object_xml(GROUP.name, found, _FEEDBACK_GROUP.shape))


async def set_feedback_recipients(request: web.Request) -> web.Response:
    """``POST /api/configuration/feedbackRecipients``: the body is the uid of the group."""
    _may_configure(request)
    uid = (await read_text(request)).strip().strip('"')
    await request.app[BACKEND].directory.set_feedback_group(Uid(uid))
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def drop_feedback_recipients(request: web.Request) -> web.Response:
    """``DELETE /api/configuration/feedbackRecipients``: nobody gets the tickets."""
    _may_configure(request)
    await request.app[BACKEND].directory.set_feedback_group(None)
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def system_settings(request: web.Request) -> web.Response:
    """``GET /api/systemSettings``: all there are."""
    return _settings_answer(request, {name: await setting(request, name) for name in SYSTEM_SETTINGS})


async def system_setting(request: web.Request) -> web.Response:
    """``GET /api/systemSettings/{key}``: one of them, as an object of one member."""
    key = request.match_info["key"]
    if key not in SYSTEM_SETTINGS:
        raise Problem(HTTPStatus.NOT_FOUND, f"Setting does not exist: {key}", NOT_FOUND)
    return _settings_answer(request, {key: await setting(request, key)})


async def attributes(_request: web.Request) -> web.Response:
    """``GET /api/attributes``: metadata attributes, which there are none of; the library d2 asks on its start."""
    return web.json_response({"attributes": []})


async def apps(_request: web.Request) -> web.Response:
    """``GET /api/apps``: installed apps, which are not managed here; the library d2 asks on its start."""
    return web.json_response([])


def _may_configure(request: web.Request) -> None:
    if not request[CALLER].holds("F_SYSTEM_SETTING"):
        text = "Access is denied, requires one Authority from [F_SYSTEM_SETTING]"
        raise Problem(HTTPStatus.FORBIDDEN, text)


async def _feedback_group(request: web.Request) -> Object:
    group = await request.app[BACKEND].directory.feedback_group()
    found = None if group is None else await fetch_object(request, _FEEDBACK_GROUP, group)
    return {} if found is None else found.object


async def setting(request: web.Request, name: str) -> str:
    """Give the value of a system setting, that of the directory or else the default."""
    found: str | None = await request.app[BACKEND].readers.fetchval(SQL.setting, name)
    return SYSTEM_SETTINGS[name] if found is None else found


def _settings_answer(request: web.Request, settings: Mapping[str, str]) -> web.Response:
    if request[FORMAT] is Format.JSON:
        return read_answer(request, json_bytes(settings))
    inner = "".join(markup.element(name, value) for name, value in settings.items())
    return read_answer(
        request, f'{markup.DECLARATION}<systemSettings xmlns="{markup.DXF2}">{inner}</systemSettings>'.encode()
    )
