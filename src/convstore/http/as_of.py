"""``?asOf=`` on reads of conversations: as they were at an instant, or at a cursor (docs/api.md).

A superuser may look through another person's eyes, by ``user=``; that is noted in the log before anything is shown.
"""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from convstore.domain import policy
from convstore.domain.access import InboxViewed, View
from convstore.domain.types import Actor, MessageType
from convstore.domain.uid import Uid, UserId
from convstore.errors import AccessDenied, ConversationNotFound, CursorInvalid, NotReady
from convstore.handle import WAIT
from convstore.http.commands import Wording, circumstances
from convstore.http.errors import FORBIDDEN, NOT_FOUND, Problem
from convstore.http.inbox_changes import Viewer
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.negotiation import Format
from convstore.http.params import bad_value, first, given
from convstore.http.past import Past, plan_past_list, plan_past_object
from convstore.http.query.conversation import CONVERSATION, asks_for_tickets
from convstore.http.query.fields import Field
from convstore.http.reading import Listing, asked_of_list, fetch_object, list_answer, object_answer
from convstore.log import moment
from convstore.projections import load

_timeline = load("timeline").queries


async def past_of(request: web.Request) -> Past | None:
    """Give the past that a request asks about; None when it asks about the present. ``user`` alone means nothing.

    Raises:
        Problem: 400, it is no moment of this store; 403, through another person's eyes look superuser only; 404, there
            is no such person.
        CursorAhead: the log does not reach as far.
        NotReady: the read models do not reach as far yet.
    """
    # Almost every list is asked as it is now, and has nothing more to be read for this.
    if first(request, "asOf") is None:
        return None
    asked = given(request)
    caller = request[CALLER].actor()
    reader = await _reader(request, caller, UserId(asked.get("user", [caller.id])[0]))
    return Past(reader=reader, positions=await _positions(request, asked["asOf"][0]), everything=caller.superuser)


async def list_past(request: web.Request, past: Past) -> web.Response:
    """Answer with a list as it was; all that a list can be asked can be asked of it."""
    asked = asked_of_list(request.rel_url.raw_query_string)
    plan = plan_past_list(past, asked.query, asked.fields(xml=request[FORMAT] is Format.XML))
    await note(request, past, View.LIST)
    all_tickets = policy.finds_all_tickets(past.reader) and asks_for_tickets(asked.query)
    mark = Viewer.of(past.reader).mark_of_list(all_tickets=all_tickets)
    return await list_answer(request, CONVERSATION, Listing(plan, asked.kept), reader=past.reader.id, mark=mark)


async def object_past(
    request: web.Request, past: Past, uid: Uid, fields: tuple[Field, ...], *, view: View, wording: Wording
) -> web.Response:
    """Answer with one conversation as it was, to who could see it then and may see it now.

    Raises:
        Problem: 404, it had not begun, or it is deleted now; 403, he could not, or may not now.
    """
    plan = plan_past_object(past, fields)
    found = await fetch_object(request, plan, uid, reader=past.reader.id)
    with wording.spoken():
        if found is None:
            raise ConversationNotFound(uid)
        had_copy, has_copy, name = found.extra
        message_type = MessageType(name)
        could = policy.has_access(past.reader, participant=had_copy, message_type=message_type)
        may = past.everything or policy.has_access(past.reader, participant=has_copy, message_type=message_type)
        if not (could and may):
            raise AccessDenied
    await note(request, past, view, uid)
    return object_answer(request, CONVERSATION, plan, found)


async def note(request: web.Request, past: Past, view: View, uid: Uid | None = None) -> None:
    """Note that the caller looks through another person's eyes, if he does; before he is shown anything.

    Raises:
        Busy: it cannot be noted now.
    """
    if past.reader.id == request[CALLER].id:
        return
    store = request.app[BACKEND].store
    event = InboxViewed(person=past.reader.id, view=view, conversation_id=uid, as_of=store.cursor(past.positions))
    await store.record(event, circumstances(request))


async def _reader(request: web.Request, caller: Actor, wanted: UserId) -> Actor:
    """Give the person to look through the eyes of; one who has no account any more has no rights, but had copies."""
    if wanted == caller.id:
        return caller
    if not caller.superuser:
        raise Problem(HTTPStatus.FORBIDDEN, "Access is denied, requires one Authority from [ALL]", FORBIDDEN)
    backend = request.app[BACKEND]
    if (person := await backend.directory.person(wanted)) is not None:
        return person.actor()
    if await backend.readers.fetchval(_timeline.known, wanted):
        return Actor(id=wanted)
    raise Problem(HTTPStatus.NOT_FOUND, f"User with id {wanted} could not be found.", NOT_FOUND)


async def _positions(request: web.Request, text: str) -> Sequence[int]:
    backend = request.app[BACKEND]
    try:
        asked = moment.parse(text, backend.store.partitions, backend.store.id)
    except CursorInvalid:
        expected = "It should be an instant (ISO 8601) or a cursor of this store"
        raise bad_value("asOf", text, expected) from None
    async with backend.readers.acquire() as conn:
        positions = await moment.positions(conn, asked)
    for partition, position in enumerate(positions):
        if not await backend.engine.wait(partition, position, WAIT):
            raise NotReady("The read models have not taken in all that had happened by then; try again later.")
    return positions
