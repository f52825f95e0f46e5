"""A conversation's history, read from the log itself: what happened, who did it, and when."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from convstore.audit.history import Entry, entry, mentioned
from convstore.audit.sight import Sight, page, sight_of
from convstore.domain.access import HistoryViewed
from convstore.domain.uid import Uid
from convstore.http.commands import Wording, circumstances
from convstore.http.conversations import check_access, path_uid
from convstore.http.dates import stamp
from convstore.http.documents import object_json, object_xml
from convstore.http.errors import Problem
from convstore.http.keys import BACKEND, CALLER, FORMAT, SUFFIX
from convstore.http.links import api_url
from convstore.http.negotiation import Format
from convstore.http.params import whole_number
from convstore.http.query.paging import LARGEST_PAGE, PAGE_SIZE
from convstore.http.query.shape import Member
from convstore.http.reading import read_answer
from convstore.log import read

WORDING = Wording(
    missing="No MessageConversation found with UID: {uid}", denied="Not authorized to access this conversation."
)

_ATTRIBUTE = Member(attribute=True)
PERSON = Member(item="person", inner={"id": _ATTRIBUTE, "displayName": _ATTRIBUTE})
EVENT = {
    **dict.fromkeys(("number", "type", "time", "version", "partition", "position", "requestId"), _ATTRIBUTE),
    "actor": PERSON,
    "onBehalfOf": PERSON,
    "change": Member(
        inner={
            **dict.fromkeys(("property", "message", "internal", "attachments", "upTo"), _ATTRIBUTE),
            **dict.fromkeys(("person", "people", "sender"), PERSON),
            # A person, of an assignee; else a word, and then an attribute.
            **{name: Member(attribute=True, inner=PERSON.inner) for name in ("old", "new")},
        }
    ),
}
IN_XML = {
    "id": _ATTRIBUTE,
    "pager": Member(inner={}),
    "events": Member(item="event", inner=EVENT),
}


async def history(request: web.Request) -> web.Response:
    """``GET messageConversations/{uid}/history``: the events that the caller may see, in order; ours.

    ``after`` is the number of the last event that he has, ``pageSize`` as for lists. Superusers see everything, of
    deleted conversations too, and that is recorded.
    """
    uid = path_uid(request, WORDING)
    after = max(0, whole_number(request, "after", 0))
    size = min(max(1, whole_number(request, "pageSize", PAGE_SIZE)), LARGEST_PAGE)
    sight = sight_of(request[CALLER].actor())
    backend = request.app[BACKEND]
    await check_history(request, uid, sight)
    if sight.everything:
        await backend.store.record(HistoryViewed(conversation_id=uid), circumstances(request))
    async with backend.readers.acquire() as conn:
        positions = await read.heads(conn)
        found = await page(conn, backend.store.partition_of(uid), uid, sight, after=after, limit=size + 1)
    shown = found[:size]
    names = await backend.directory.names(mentioned(seen.recorded for seen in shown))
    said = {
        "id": uid,
        "pager": _pager(request, uid, size, shown[-1].number if len(found) > size else None),
        "events": [event_object(entry(seen, names, everything=sight.everything)) for seen in shown],
    }
    body = object_xml("history", said, IN_XML) if request[FORMAT] is Format.XML else object_json(said)
    return read_answer(request, body, positions)


async def check_history(request: web.Request, uid: Uid, sight: Sight) -> None:
    """Find out whether the caller may look into a conversation's past: as for the conversation itself.

    Auditors also find those that are deleted, for whoever asks what became of one asks them.

    Raises:
        Problem: 404, there is none; 403, it is not for him.
    """
    try:
        await check_access(request, uid, WORDING)
    except Problem as problem:
        if problem.status != HTTPStatus.NOT_FOUND or not sight.everything:
            raise
        backend = request.app[BACKEND]
        async with backend.readers.acquire() as conn:
            if not await page(conn, backend.store.partition_of(uid), uid, sight, limit=1):
                raise


def event_object(said: Entry) -> dict[str, Any]:
    """Give an event as documents have it."""
    plain: dict[str, Any] = msgspec.to_builtins(said, builtin_types=(type(said.time),))
    return plain | {"time": stamp(said.time)}


def _pager(request: web.Request, uid: Uid, size: int, last: int | None) -> Mapping[str, Any]:
    """Say how to go on; ``last`` is the number of the last event shown, None when there are no more."""
    if last is None:
        return {"pageSize": size}
    link = f"{api_url(request)}/messageConversations/{uid}/history{request[SUFFIX]}"
    return {"pageSize": size, "nextAfter": last, "nextPage": f"{link}?after={last}&pageSize={size}"}
