"""Reads conversations: rows 1 to 3 of contract section 1.5.

Whoever asks, and whatever he asks for: what a list is taken from, and whether an object is shown at all, is decided
here by his rights alone, before his filters, fields and searches are looked at.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from http import HTTPStatus
from importlib.resources import files
from string import digits

from aiohttp import web

from convstore.domain import policy
from convstore.domain.access import View
from convstore.domain.commands import MarkRead
from convstore.domain.types import MessageType
from convstore.domain.uid import Uid, is_uid
from convstore.errors import AccessDenied, BadQuery, ConversationNotFound
from convstore.http.as_of import list_past, object_past, past_of
from convstore.http.commands import Wording, carry_out
from convstore.http.errors import BAD_REQUEST, NOT_FOUND, Problem
from convstore.http.inbox_changes import Viewer
from convstore.http.keys import CALLER, FORMAT
from convstore.http.negotiation import Format
from convstore.http.params import given
from convstore.http.query.compile import Arguments, Late
from convstore.http.query.conversation import (
    CONVERSATION,
    CONVERSATION_WITH_INTERNAL,
    asks_for_tickets,
    of_tickets,
)
from convstore.http.query.entities import Entity
from convstore.http.query.fields import Field
from convstore.http.query.filters import is_equal
from convstore.http.query.listing import Form, ListPlan, ObjectPlan, Source, plan_list, plan_object
from convstore.http.query.paging import Order
from convstore.http.query.parameters import Query, read_fields
from convstore.http.query.run import Found
from convstore.http.query.search import search_condition
from convstore.http.reading import (
    EVERYTHING,
    PLANS,
    Listing,
    asked_of_list,
    fetch_object,
    list_answer,
    object_answer,
)
from convstore.projections import load
from convstore.sql import Statements

_sql = Statements(files(__package__) / "conversations.sql")
_inbox = load("inbox").queries
_read_models = [load("inbox").id, load("thread").id]
_with_search = [*_read_models, load("search").id]

# What the inbox's indexes have of a row beside its order.
_IN_INDEX = {("status",), ("priority",), ("assignee",), ("assignee", "id")}

_NEWEST_FIRST = (Order(("lastMessage",), descending=True),)

_GET_ONE = Wording(
    missing="No MessageConversation found with UID: {uid}", denied="Not authorized to access this conversation."
)
_GET_PROPERTY = Wording(
    missing="MessageConversation with id {uid} could not be found.",
    denied="Not authorized to access this conversation.",
)


async def list_conversations(request: web.Request) -> web.Response:
    """``GET /api/messageConversations``: a page of the caller's inbox.

    A ticket manager who asks for tickets also finds those he has no copy of (contract section 9.1).
    """
    if (past := await past_of(request)) is not None:
        return await list_past(request, past)
    actor = request[CALLER].actor()
    listing = _planned_list(
        request.rel_url.raw_query_string,
        with_internal=policy.sees_internal(actor),
        all_tickets=policy.finds_all_tickets(actor),
        xml=request[FORMAT] is Format.XML,
    )
    mark = Viewer.of(actor).mark_of_list(all_tickets=listing.all_tickets)
    return await list_answer(request, CONVERSATION, listing, mark=mark)


async def get_conversation(request: web.Request) -> web.Response:
    """``GET /api/messageConversations/{uid}``: one conversation; ``markRead=true`` marks the caller's copy first."""
    uid = path_uid(request, _GET_ONE)
    asked = given(request)
    caller = request[CALLER]
    marking = asked.get("markRead", [""])[0].lower() == "true"
    if (past := await past_of(request)) is not None:
        if marking:
            raise BadQuery("Parameter markRead cannot be used with asOf")
        return await object_past(
            request, past, uid, read_fields(asked) or EVERYTHING, view=View.OBJECT, wording=_GET_ONE
        )
    if marking:
        command = MarkRead(conversation_id=uid, actor=caller.actor(), reader=caller.id)
        await carry_out(request, command, _GET_ONE)
    plan = _planned_object(read_fields(asked) or EVERYTHING, with_internal=policy.sees_internal(caller.actor()))
    found = await _accessible(request, plan, uid, _GET_ONE)
    if marking and found.extra[0]:
        # Even where the inbox is too far behind to show what has just been written.
        plan.shape.put(found.object, "read", True)
    return object_answer(request, CONVERSATION, plan, found)


async def get_property(request: web.Request) -> web.Response:
    """``GET /api/messageConversations/{uid}/{property}``: one property, its objects whole by default."""
    uid = path_uid(request, _GET_PROPERTY)
    # The placeholder is called after the row that deletes at the same path.
    name = request.match_info["userUid"]
    fields = read_fields(given(request)) or EVERYTHING
    if (past := await past_of(request)) is not None and name in CONVERSATION.properties:
        asked = (Field(name, children=fields),)
        return await object_past(request, past, uid, asked, view=View.PROPERTY, wording=_GET_PROPERTY)
    plan = _planned_object((Field(name, children=fields),), with_internal=policy.sees_internal(request[CALLER].actor()))
    found = await _accessible(request, plan, uid, _GET_PROPERTY)
    if name not in CONVERSATION.properties:
        raise Problem(HTTPStatus.NOT_FOUND, f"Property {name} does not exist on MessageConversation", NOT_FOUND)
    return object_answer(request, CONVERSATION, plan, found)


async def check_access(request: web.Request, uid: str, wording: Wording) -> None:
    """Find out whether the caller may read a conversation, by the one rule that all reads go by (contract section 9.1).

    Raises:
        Problem: 404, there is none; 403, it is not for him.
    """
    plan = _planned_object((Field("id"),), with_internal=policy.sees_internal(request[CALLER].actor()))
    await _accessible(request, plan, Uid(uid), wording)


async def _accessible(request: web.Request, plan: ObjectPlan, uid: Uid, wording: Wording) -> Found:
    """Fetch one conversation for the caller.

    Raises:
        Problem: 404, there is none; 403, it is not for him.
    """
    found = await fetch_object(request, plan, uid)
    with wording.spoken():
        if found is None:
            raise ConversationNotFound(uid)
        participant, message_type = found.extra
        actor = request[CALLER].actor()
        if not policy.has_access(actor, participant=participant, message_type=MessageType(message_type)):
            raise AccessDenied
    return found


def path_uid(request: web.Request, wording: Wording) -> Uid:
    """Give the uid of the path.

    Raises:
        Problem: 400, it begins with a digit (contract section 2.6); 404, it is of no such form at all.
    """
    text = request.match_info["uid"]
    if is_uid(text):
        return Uid(text)
    if text[0] in digits and is_uid("a" + text[1:]):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"Value '{text}' is not valid for path parameter uid. UID must be an alphanumeric string of 11 characters "
            f"starting with a letter, but was: {text}",
            BAD_REQUEST,
        )
    with wording.spoken():
        raise ConversationNotFound(text)


@lru_cache(maxsize=PLANS)
def _planned_list(raw_query: str, *, with_internal: bool, all_tickets: bool, xml: bool) -> Listing:
    asked = asked_of_list(raw_query)
    fields = asked.fields(xml=xml)
    return Listing(
        plan_conversations(asked.query, fields, with_internal=with_internal, all_tickets=all_tickets),
        asked.kept,
        all_tickets=all_tickets and asks_for_tickets(asked.query),
    )


def plan_conversations(query: Query, fields: tuple[Field, ...], *, with_internal: bool, all_tickets: bool) -> ListPlan:
    """Compile a list of conversations for a reader with these rights.

    Raises:
        BadQuery: filters, order or fields speak of what there is not.
    """
    source, rest = _list_source(query, with_internal=with_internal, all_tickets=all_tickets)
    return plan_list(source, rest, fields)


def own_conversations(*, with_internal: bool) -> Source:
    """Give where the caller's own conversations come from, in the view that his rights give him."""
    rows = _inbox["own_all" if with_internal else "own"]
    return Source(entity=_entity(with_internal=with_internal), rows=rows, args=(Late.CALLER,))


@lru_cache(maxsize=PLANS)
def _planned_object(fields: tuple[Field, ...], *, with_internal: bool) -> ObjectPlan:
    suffix = "_all" if with_internal else ""
    source = Source(
        entity=_entity(with_internal=with_internal),
        rows=_inbox[f"any{suffix}"],
        args=(Late.CALLER,),
        positions=_positions,
    )
    return plan_object(source, fields, extra=("own", "message_type"))


def _entity(*, with_internal: bool) -> Entity:
    return CONVERSATION_WITH_INTERNAL if with_internal else CONVERSATION


def _list_source(query: Query, *, with_internal: bool, all_tickets: bool) -> tuple[Source, Query]:
    """Say where a list comes from, one's own copies or all tickets, and what is still to be asked of it."""
    suffix = "_all" if with_internal else ""
    tickets = all_tickets and asks_for_tickets(query)
    source = Source(
        entity=_entity(with_internal=with_internal),
        rows=_inbox["tickets_all" if tickets else f"own{suffix}"],
        args=(Late.CALLER,),
        order=_NEWEST_FIRST,
        total=None if tickets else _counter(query, suffix),
        reached=partial(_reached_with_log if tickets else _reached, query, suffix),
        search=partial(search_condition, with_internal=with_internal),
        form=_form(query),
    )
    return source, of_tickets(query) if tickets else query


def _form(query: Query) -> Form:
    """Say how a list is best found, by the indexes that the inbox has (projections/inbox/table.sql)."""
    asked = query.filtered
    of_one_type = any(found.path == ("messageType",) and is_equal(found) for found in query.filters)
    if ("followUp",) in asked or (("read",) in asked and not of_one_type):
        return Form.HITS
    return Form.IDS if asked & _IN_INDEX else Form.FIRST_PAGE


def _positions(arguments: Arguments) -> str:
    return _sql.positions.format(arguments.bind(_read_models, "text[]"))


def _reached(query: Query, suffix: str, arguments: Arguments, collections: frozenset[str]) -> str:
    """Say by what a list of one's own copies is the same; what others do to their copies is not seen by one's own."""
    if "userMessages" in collections:
        return _reached_with_log(query, suffix, arguments, collections)
    shown, known = _projections(query, arguments)
    changed = _inbox[f"last_change{suffix}"].format("reached.partition")
    return _sql.reached_with_copies.format(shown, known, _inbox["total"], changed)


def _reached_with_log(query: Query, _suffix: str, arguments: Arguments, _collections: frozenset[str]) -> str:
    return _sql.reached_with_log.format(*_projections(query, arguments))


def _projections(query: Query, arguments: Arguments) -> tuple[str, str]:
    """Give the parameters for the read models that a list shows, and for all that any list could show."""
    known = arguments.bind(_with_search, "text[]")
    return (known if query.search is not None else arguments.bind(_read_models, "text[]")), known


def _counter(query: Query, suffix: str) -> Callable[[Arguments], str] | None:
    """Give the total by the counters, where nothing but type and read is asked; None where rows must be counted."""
    if query.any_filter or query.search is not None or query.text:
        return None
    asked = {found.path: found for found in query.filters}
    exact = all(is_equal(found) for found in query.filters)
    if not exact or len(asked) < len(query.filters) or not asked.keys() <= {("messageType",), ("read",)}:
        return None
    name = "total"
    if (read := asked.get(("read",))) is not None:
        name = f"{'total_read' if read.value.lower() == 'true' else 'total_unread'}{suffix}"
    message_type = asked.get(("messageType",))

    def total(arguments: Arguments) -> str:
        if message_type is None:
            return _inbox[name]
        return f"{_inbox[name]} {_sql.total_of_type.format(arguments.bind(message_type.value, 'text'))}"

    return total
