"""Why somebody sees a conversation as he does, and who could see a message of it: ours, read from the log."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from convstore.audit.explanation import Explanation, People, explain, look_into
from convstore.audit.sight import Sight, sight_of
from convstore.database import Conn
from convstore.domain.access import ExplanationViewed
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, is_uid
from convstore.http.commands import circumstances
from convstore.http.conversations import path_uid
from convstore.http.dates import stamp
from convstore.http.documents import object_json, object_xml
from convstore.http.errors import FORBIDDEN, Problem
from convstore.http.history import EVENT, PERSON, WORDING, check_history, event_object
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.negotiation import Format
from convstore.http.params import bad_value, first, whole_number
from convstore.http.query.paging import LARGEST_PAGE, PAGE_SIZE
from convstore.http.query.shape import Member
from convstore.http.reading import read_answer
from convstore.http.texts import storable
from convstore.log import moment, read

_ATTRIBUTE = Member(attribute=True)
IN_XML = {
    **dict.fromkeys(("conversation", "visible", "because", "read", "followUp"), _ATTRIBUTE),
    "person": PERSON,
    "words": Member(item="sentence"),
    "reasons": Member(item="reason", inner={"why": Member(item="answer"), "event": Member(inner=EVENT)}),
    "viewers": Member(
        inner={
            **dict.fromkeys(("message", "internal", "posted", "count"), _ATTRIBUTE),
            "people": Member(item="person", inner=dict.fromkeys(("id", "displayName", "because", "since"), _ATTRIBUTE)),
        }
    ),
}


class _Asked(Struct, frozen=True):
    """What the parameters ask: about whom, which message's viewers (None: not that), and as of when (None: now)."""

    person: UserId
    message: Uid | None
    at: str | None
    people: People


async def explanation(request: web.Request) -> web.Response:
    """``GET messageConversations/{uid}/explanation``: why the caller sees it as he does, or does not see it.

    ``at`` is an instant or a cursor, ``message`` also asks who could see that message. ``user`` is for superusers, and
    recorded.
    """
    uid = path_uid(request, WORDING)
    asked = _asked(request)
    caller = request[CALLER]
    actor = caller.actor()
    sight = sight_of(actor)
    if asked.person != caller.id and not sight.everything:
        raise Problem(HTTPStatus.FORBIDDEN, "Only superusers may ask about other people", FORBIDDEN)
    denied = await _denied(request, uid, sight)
    # Whoever was taken out is told so, and nothing else.
    if denied is not None and (asked.message is not None or asked.at is not None):
        raise denied
    backend = request.app[BACKEND]
    subject = actor if asked.person == caller.id else await _subject(request, asked.person)
    partition = backend.store.partition_of(uid)
    async with backend.readers.acquire() as conn:
        positions = await _positions(conn, request, asked.at)
        found = await look_into(conn, partition, uid, sight, subject, message=asked.message, until=positions[partition])
    if denied is not None and found.copy.membership is None:
        raise denied
    said = await explain(backend.directory, uid, found, subject, everything=sight.everything, people=asked.people)
    if sight.everything and (asked.person != caller.id or asked.message is not None):
        await _record(request, uid, asked, positions)
    return read_answer(request, _document(request, said), positions)


def _asked(request: web.Request) -> _Asked:
    """Read the parameters.

    Raises:
        Problem: 400, one says what there is not.
    """

    def uid(name: str, default: str) -> str:
        given = first(request, name) or default
        if given and not is_uid(given):
            raise bad_value(name, given, "It should be a UID: 11 letters or digits, the first a letter")
        return given

    size = min(max(1, whole_number(request, "pageSize", PAGE_SIZE)), LARGEST_PAGE)
    return _Asked(
        person=UserId(uid("user", request[CALLER].id)),
        message=Uid(found) if (found := uid("message", "")) else None,
        at=first(request, "at") or None,
        people=People(after=storable(first(request, "after") or ""), limit=size),
    )


async def _denied(request: web.Request, uid: Uid, sight: Sight) -> Problem | None:
    """Give the refusal of a caller who may not read the conversation now; None for one who may.

    Raises:
        Problem: 404, there is no such conversation.
    """
    try:
        await check_history(request, uid, sight)
    except Problem as problem:
        if problem.status != HTTPStatus.FORBIDDEN:
            raise
        return problem
    return None


async def _subject(request: web.Request, person: UserId) -> Actor:
    """Give another person with the rights of today; with none when there is no such account any more."""
    found = await request.app[BACKEND].directory.person(person)
    return Actor(id=person) if found is None else found.actor()


async def _positions(conn: Conn, request: web.Request, at: str | None) -> Sequence[int]:
    """Give the positions that the answer is about.

    Raises:
        CursorInvalid, CursorAhead: ``at`` is no moment of this log.
    """
    store = request.app[BACKEND].store
    if at is None:
        return await read.heads(conn)
    return await moment.positions(conn, moment.parse(storable(at), store.partitions, store.id))


async def _record(request: web.Request, uid: Uid, asked: _Asked, positions: Sequence[int]) -> None:
    store = request.app[BACKEND].store
    event = ExplanationViewed(
        conversation_id=uid,
        person=asked.person,
        message_id=asked.message,
        as_of=None if asked.at is None else store.cursor(positions),
    )
    await store.record(event, circumstances(request))


def _document(request: web.Request, said: Explanation) -> bytes:
    plain: dict[str, Any] = msgspec.to_builtins(said, builtin_types=(datetime,))
    plain["reasons"] = [{"why": list(reason.why), "event": event_object(reason.event)} for reason in said.reasons]
    if said.viewers is not None:
        viewers = plain["viewers"]
        viewers["posted"] = stamp(viewers["posted"])
        for viewer in viewers["people"]:
            if "since" in viewer:
                viewer["since"] = stamp(viewer["since"])
    return object_xml("explanation", plain, IN_XML) if request[FORMAT] is Format.XML else object_json(plain)
