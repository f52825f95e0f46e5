"""The way in: what there is, which server this is, whether it lives (contract sections 1.1 and 1.7)."""

from datetime import UTC, datetime

from aiohttp import web

from convstore import __version__
from convstore.domain.uid import new_uid
from convstore.http import markup
from convstore.http.dates import stamp
from convstore.http.keys import BACKEND, FORMAT
from convstore.http.links import api_url, context_url
from convstore.http.negotiation import Format
from convstore.http.nodes import answer, json_bytes
from convstore.http.params import whole_number

# Clients choose their calls by it: today's official app wants attachments (above 30) and userLookup (above 34), and
# goes to /api/42 from then on.
VERSION = "2.42.0"

_MOST_IDS = 10_000

# Display name, singular, plural.
_RESOURCES = (
    ("Message Conversations", "messageConversation", "messageConversations"),
    ("Organisation Units", "organisationUnit", "organisationUnits"),
    ("User Groups", "userGroup", "userGroups"),
    ("Users", "user", "users"),
)


async def entry(request: web.Request) -> web.Response:
    """``GET /api``: leads to the list of resources."""
    return web.Response(status=302, headers={"Location": f"{api_url(request)}/resources"})


async def resources(request: web.Request) -> web.Response:
    """``GET /api/resources``: the resources with their links, which the manual's story begins with."""
    base = api_url(request)
    listed = [
        {"displayName": display, "singular": singular, "plural": plural, "href": f"{base}/{plural}"}
        for display, singular, plural in _RESOURCES
    ]
    if request[FORMAT] is Format.JSON:
        return answer(request, json_bytes({"resources": listed}))
    inner = "".join(f"<resource>{_elements(resource)}</resource>" for resource in listed)
    xml = f'{markup.DECLARATION}<metadata xmlns="{markup.DXF2}"><resources>{inner}</resources></metadata>'
    return answer(request, xml.encode())


async def info(request: web.Request) -> web.Response:
    """``GET /api/system/info``: the first call of DHIS2's clients; ``version`` tells them what they may ask for."""
    now = datetime.now(UTC)
    said = {
        "contextPath": context_url(request),
        "version": VERSION,
        # Which build it is: of this program, where DHIS2 names a commit.
        "revision": f"convstore {__version__}",
        "serverDate": stamp(now),
        "serverTimeZoneId": "Etc/UTC",
        "serverTimeZoneDisplayName": "Coordinated Universal Time",
        "calendar": "iso8601",
        "dateFormat": "yyyy-mm-dd",
        "systemId": request.app[BACKEND].store.id,
        "systemName": "convstore",
        "instanceBaseUrl": context_url(request),
    }
    if request[FORMAT] is Format.JSON:
        return answer(request, json_bytes(said))
    xml = f'{markup.DECLARATION}<systemInfo xmlns="{markup.DXF2}">{_elements(said)}</systemInfo>'
    return answer(request, xml.encode())


async def new_ids(request: web.Request) -> web.Response:
    """``GET /api/system/id?limit=n``: makes up to 10,000 uids for clients that want to know them beforehand."""
    limit = min(max(whole_number(request, "limit", 1), 1), _MOST_IDS)
    codes = [new_uid() for _ in range(limit)]
    if request[FORMAT] is Format.JSON:
        return answer(request, json_bytes({"codes": codes}))
    inner = "".join(markup.element("code", code) for code in codes)
    return answer(request, f'{markup.DECLARATION}<codes xmlns="{markup.DXF2}">{inner}</codes>'.encode())


async def ping(_request: web.Request) -> web.Response:
    """``GET /api/ping``: tells a client that it is still logged in."""
    return web.Response(text="pong")


async def alive(_request: web.Request) -> web.Response:
    """``GET /api/health/live``: tells whoever watches over processes that this one answers; touches nothing else."""
    return web.Response(body=b'{"status":"alive"}', content_type=Format.JSON.value)


def _elements(members: dict[str, str]) -> str:
    return "".join(markup.element(name, value) for name, value in members.items())
