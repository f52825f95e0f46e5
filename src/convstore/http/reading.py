"""What all reads share: the way from a query to an answer, the tag that saves sending it twice, its cursor."""

import hashlib
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from aiohttp import web
from msgspec import Struct

from convstore.http.documents import (
    AnyPager,
    ListRoot,
    cursor_pager,
    list_json,
    list_xml,
    object_json,
    object_xml,
    pager,
)
from convstore.http.keys import BACKEND, CALLER, FORMAT, SUFFIX
from convstore.http.links import api_url
from convstore.http.negotiation import Format
from convstore.http.nodes import answer
from convstore.http.query.entities import Entity
from convstore.http.query.fields import Field, Mark
from convstore.http.query.listing import ListPlan, ObjectPlan
from convstore.http.query.parameters import Query, parameters, read_query
from convstore.http.query.run import Found, run_list, run_object, snapshot
from convstore.log import cursor

CURSOR_HEADER = "Convstore-Cursor"

# What a list shows when nothing is asked for; in XML more, so that the manual's readers find name and link.
LISTED = (Field("id"), Field("displayName"))
LISTED_XML = (Field("id"), Field("name"), Field("displayName"), Field("href"))
EVERYTHING = (Field("all", Mark.PRESET),)

# Clients send the same few queries over and over, differing in the page at most: so many plans are kept.
PLANS = 1_000


class Asked(Struct, frozen=True):
    """What a request asks of a list, and the parameters that the links to its other pages keep."""

    query: Query
    kept: str

    def fields(self, *, xml: bool) -> tuple[Field, ...]:
        """Give the fields that are asked for, else the default ones."""
        return self.query.fields or (LISTED_XML if xml else LISTED)


class Listing(Struct, frozen=True):
    """A planned list, and the parameters that the links to its other pages keep."""

    plan: ListPlan
    kept: str


def asked_of_list(raw_query: str) -> Asked:
    """Read the query string of a list, as it was sent.

    Raises:
        BadQuery: it says what there is not, or not so.
    """
    pairs = parse_qsl(raw_query, keep_blank_values=True)
    kept = urlencode([(name, value) for name, value in pairs if name not in ("page", "pageSize", "cursor")])
    return Asked(read_query(parameters(pairs)), kept)


async def list_answer(request: web.Request, entity: Entity, listing: Listing) -> web.Response:
    """Fetch a planned list for the caller, and answer with it."""
    plan = listing.plan
    base = api_url(request)
    page = await run_list(request.app[BACKEND].readers, plan, caller=request[CALLER].id, api_url=base)
    link = f"{base}/{entity.plural}"
    found: AnyPager = None
    if plan.paging.cursor is not None:
        found = cursor_pager(plan.paging, page.next_cursor, link + request[SUFFIX], listing.kept)
    elif page.total is not None:
        found = pager(plan.paging, page.total, link + request[SUFFIX], listing.kept)
    if request[FORMAT] is Format.XML:
        # Ours: ?wrapper=metadata gives the form that servers of 2.26 to 2.29 wrote (contract section 8, D3).
        root: ListRoot = "metadata" if request.query.get("wrapper") == "metadata" else "plural"
        body = list_xml(entity, page.objects, plan.shape, found, link=link, root=root)
    else:
        body = list_json(entity, page.objects, found)
    return read_answer(request, body, page.positions)


async def fetch_object(request: web.Request, plan: ObjectPlan, uid: str) -> Found | None:
    """Fetch a planned object for the caller, all of it from one snapshot; None when there is none."""
    caller, base = request[CALLER].id, api_url(request)
    async with request.app[BACKEND].readers.acquire() as conn:
        if not plan.children:
            return await run_object(conn, plan, uid, caller=caller, api_url=base)
        async with snapshot(conn):
            return await run_object(conn, plan, uid, caller=caller, api_url=base)


def object_answer(request: web.Request, entity: Entity, plan: ObjectPlan, found: Found) -> web.Response:
    """Answer with an object."""
    if request[FORMAT] is Format.XML:
        body = object_xml(entity.name, found.object, plan.shape)
    else:
        body = object_json(found.object)
    return read_answer(request, body, found.positions)


def read_answer(request: web.Request, body: bytes, positions: Sequence[int] | None = None) -> web.Response:
    """Answer a read; 304 without a body when the client has this very document already (contract section 1.3).

    ``positions`` is the place in the log that the document reflects.
    """
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag}
    if positions is not None:
        headers[CURSOR_HEADER] = cursor.encode(positions, request.app[BACKEND].store.id)
    if matches(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    return answer(request, body, headers=headers)


def matches(asked: str | None, tag: str) -> bool:
    """Tell whether an ``If-None-Match`` has this tag; compares weakly (RFC 9110 section 13.1.2)."""
    if asked is None:
        return False
    return any(entry.strip().removeprefix("W/") in (tag, "*") for entry in asked.split(","))
