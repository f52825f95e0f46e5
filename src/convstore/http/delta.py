"""What changed in the caller's inbox since he last looked: one call, of ours, for clients that keep a copy of it.

A copy that begins with a list, and takes over what these pages say, is the list of later: see ``inbox_changes``.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web
from msgspec import Struct

from convstore.backend import Backend
from convstore.database import Conn
from convstore.domain.uid import Uid
from convstore.errors import BadQuery, CursorAhead
from convstore.handle import WAIT
from convstore.http import inbox_changes, markup
from convstore.http.conversations import own_conversations
from convstore.http.documents import Object, objects_xml
from convstore.http.inbox_changes import READ_MODELS, Changes, Viewer, read_changes, read_place
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.links import api_url
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes
from convstore.http.params import given
from convstore.http.query.conversation import CONVERSATION
from convstore.http.query.fields import Field
from convstore.http.query.listing import ObjectsPlan, plan_objects
from convstore.http.query.paging import parse_paging
from convstore.http.query.parameters import read_fields
from convstore.http.query.run import run_objects, snapshot
from convstore.http.reading import LISTED, LISTED_XML, PLANS, read_answer
from convstore.log import read

# What a list takes and this does not: what comes into a list, or goes from it, by other things than its own changes.
_OF_LISTS = frozenset(
    ("filter", "rootJunction", "query", "queryString", "queryOperator", "order", "page", "paging", "cursor", "asOf")
)


class Delta(Struct, frozen=True, rename="camel"):
    """What changed: conversations as they are now, and the uids of those that are the caller's no more.

    ``more``: there is more right now, after ``cursor``; else the caller has come to the present.
    """

    cursor: str
    more: bool
    message_conversations: Sequence[Object]
    removed: Sequence[Uid]


async def changes(request: web.Request) -> web.Response:
    """``GET messageConversations/changes``: what changed in the caller's inbox after ``since``, at most a page of it.

    Without ``since`` it is the place from which to go on, and nothing else.

    Raises:
        BadQuery: it is asked for what only a list has.
        CursorInvalid, CursorAhead: ``since`` is no cursor of the caller's, or of no place that the log has come to.
        CursorExpired: too much time went by, or his right to see internal messages changed.
    """
    asked = given(request, also=_OF_LISTS)
    if refused := sorted(_OF_LISTS & asked.keys()):
        raise BadQuery(f"Parameter {refused[0]} cannot be used with changes")
    size = parse_paging(None, None, asked.get("pageSize", [""])[0]).size
    backend, view = request.app[BACKEND], Viewer.of_caller(request)
    fields = read_fields(asked) or (LISTED_XML if request[FORMAT] is Format.XML else LISTED)
    plan = _planned(fields, internal=view.internal)
    since = asked.get("since", [""])[0]
    objects: Sequence[Object] = ()
    if since:
        after = inbox_changes.decode(backend, view, since)
        await come_to(backend, after)
        async with backend.readers.acquire() as conn:
            found = await read_changes(conn, view, after, size)
            objects = await _objects(request, conn, plan, [each.id for each in found.changed if not each.gone])
    else:
        async with backend.readers.acquire() as conn:
            place = await read_place(conn)
        found = Changes([], place, place, more=False)
    said = Delta(
        cursor=inbox_changes.encode(backend, view, found.positions),
        more=found.more,
        message_conversations=objects,
        removed=[each.id for each in found.changed if each.gone],
    )
    body = json_bytes(said) if request[FORMAT] is Format.JSON else _xml(said, plan)
    return read_answer(request, body, found.reached)


async def come_to(backend: Backend, positions: Sequence[int]) -> None:
    """Let the read models come to a place that the client has seen already, in an answer of another process say.

    Raises:
        CursorAhead: the log does not reach as far; it was restored, perhaps.
    """
    known = backend.engine.positions()
    if all(
        reached >= position for name in READ_MODELS for reached, position in zip(known[name], positions, strict=True)
    ):
        return
    async with backend.readers.acquire() as conn:
        heads = await read.heads(conn)
    if any(map(int.__gt__, positions, heads)):
        raise CursorAhead
    await asyncio.gather(
        *(backend.engine.wait(partition, position, WAIT) for partition, position in enumerate(positions))
    )


async def _objects(request: web.Request, conn: Conn, plan: ObjectsPlan, ids: Sequence[Uid]) -> Sequence[Object]:
    """Fetch conversations as the caller has them by now: those that changed once more since then will come again."""
    if not ids:
        return ()
    caller, base = request[CALLER].id, api_url(request)
    if not plan.children:
        return await run_objects(conn, plan, ids, caller=caller, api_url=base)
    async with snapshot(conn):
        return await run_objects(conn, plan, ids, caller=caller, api_url=base)


@lru_cache(maxsize=PLANS)
def _planned(fields: tuple[Field, ...], *, internal: bool) -> ObjectsPlan:
    return plan_objects(own_conversations(with_internal=internal), fields)


def _xml(said: Delta, plan: ObjectsPlan) -> bytes:
    objects = objects_xml(CONVERSATION, said.message_conversations, plan.shape)
    removed = "".join(markup.element("uid", uid) for uid in said.removed)
    root = f'changes xmlns="{markup.DXF2}" cursor="{said.cursor}" more="{str(said.more).lower()}"'
    inner = objects + (f"<removed>{removed}</removed>" if removed else "")
    return f"{markup.DECLARATION}<{root}>{inner}</changes>".encode()
