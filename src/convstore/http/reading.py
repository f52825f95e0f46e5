"""What all reads share: the way from a query to an answer, the tag that saves sending it twice, its cursor."""

import hashlib
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from aiohttp import web
from msgspec import Struct

from convstore.domain.uid import UserId
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
from convstore.http.params import first
from convstore.http.query.entities import Entity
from convstore.http.query.fields import Field, Mark
from convstore.http.query.listing import ListPlan, ObjectPlan
from convstore.http.query.parameters import Query, parameters, read_query
from convstore.http.query.run import Found, run_list, run_object, run_unchanged, snapshot
from convstore.http.revision import basis, made_from, tag_of, tags_of_lists
from convstore.log import cursor

CURSOR_HEADER = "Convstore-Cursor"

# What beside the address decides about a document (RFC 9110 section 12.5.5): a browser that somebody else logs in with
# keeps the documents of the two apart.
_VARY = "Accept, Accept-Encoding, Authorization, Cookie"

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
    """A planned list, and the parameters that the links to its other pages keep.

    ``all_tickets``: of conversations, that it has others than the reader's own. ``within``: the path below the API of
    the object that it belongs to, with a slash at the end; '' for a list of its own.
    """

    plan: ListPlan
    kept: str
    all_tickets: bool = False
    within: str = ""


def asked_of_list(raw_query: str) -> Asked:
    """Read the query string of a list, as it was sent.

    Raises:
        BadQuery: it says what there is not, or not so.
    """
    pairs = parse_qsl(raw_query, keep_blank_values=True)
    kept = urlencode([(name, value) for name, value in pairs if name not in ("page", "pageSize", "cursor")])
    return Asked(read_query(parameters(pairs)), kept)


async def list_answer(
    request: web.Request, entity: Entity, listing: Listing, *, reader: UserId | None = None, mark: bytes = b""
) -> web.Response:
    """Fetch a planned list, and answer with it; or with a 304, when the caller is found to have it already.

    It is for the caller, or for another ``reader``, where the caller may look over his shoulder. ``mark``: what its
    cursor is marked with.
    """
    plan = listing.plan
    base = api_url(request)
    readers, caller = request.app[BACKEND].readers, reader or request[CALLER].id
    tags = tags_of_lists(request)
    if tags and (now := await run_unchanged(readers, plan, caller=caller, api_url=base)) is not None:
        tag = made_from(tags, basis(request, plan, now.revision, reader=caller, api_url=base))
        if tag is not None:
            return _not_modified(request, tag, now.positions, mark)
    page = await run_list(readers, plan, caller=caller, api_url=base)
    link = f"{base}/{listing.within}{entity.plural}"
    found: AnyPager = None
    if plan.paging.cursor is not None:
        found = cursor_pager(plan.paging, page.next_cursor, link + request[SUFFIX], listing.kept)
    elif page.total is not None:
        found = pager(plan.paging, page.total, link + request[SUFFIX], listing.kept)
    if request[FORMAT] is Format.XML:
        # Ours: ?wrapper=metadata gives the form that servers of 2.26 to 2.29 wrote (contract section 8, D3).
        root: ListRoot = "metadata" if first(request, "wrapper") == "metadata" else "plural"
        body = list_xml(entity, page.objects, plan.shape, found, link=link, root=root)
    else:
        body = list_json(entity, page.objects, found)
    if page.revision is None:
        return _tagged_answer(request, body, _tag_of_body(body), page.positions, mark)
    tag = tag_of(tags, basis(request, plan, page.revision, reader=caller, api_url=base), body)
    return _tagged_answer(request, body, tag, page.positions, mark)


async def fetch_object(
    request: web.Request, plan: ObjectPlan, uid: str, *, reader: UserId | None = None
) -> Found | None:
    """Fetch a planned object for the caller or another reader, all of it from one snapshot; None when there is none."""
    caller, base = reader or request[CALLER].id, api_url(request)
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
    return _tagged_answer(request, body, _tag_of_body(body), positions)


def _tag_of_body(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _tagged_answer(
    request: web.Request, body: bytes, tag: str, positions: Sequence[int] | None, mark: bytes = b""
) -> web.Response:
    if matches(",".join(request.headers.getall("If-None-Match", ())), tag):
        return _not_modified(request, tag, positions, mark)
    return answer(request, body, headers=_headers(request, tag, positions, mark))


def _not_modified(request: web.Request, tag: str, positions: Sequence[int] | None, mark: bytes) -> web.Response:
    return web.Response(status=304, headers=_headers(request, tag, positions, mark))


def _headers(request: web.Request, tag: str, positions: Sequence[int] | None, mark: bytes) -> dict[str, str]:
    # Weak: the same, compressed or not (RFC 9110 section 8.8.1).
    headers = {"ETag": f"W/{tag}", "Vary": _VARY}
    if positions is not None:
        headers[CURSOR_HEADER] = cursor.encode(positions, request.app[BACKEND].store.id, mark)
    return headers


def matches(asked: str | None, tag: str) -> bool:
    """Tell whether an ``If-None-Match`` has this tag; compares weakly (RFC 9110 section 13.1.2)."""
    if not asked:
        return False
    return any(entry.strip().removeprefix("W/") in (tag, "*") for entry in asked.split(","))
