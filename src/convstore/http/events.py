"""The event stream over HTTP: pages of events, and server-sent events that go on.

A reader that keeps the cursor of the last event that it dealt with misses none and gets none twice, however often it
comes and goes. So does one that reads a list first, and then the events after the list's ``Convstore-Cursor``.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from enum import Enum
from http import HTTPStatus
from typing import Final

from aiohttp import web
from msgspec import Struct, structs

from convstore.backend import Backend
from convstore.directory.scopes import TAGS
from convstore.domain.uid import Uid, is_uid
from convstore.http.errors import FORBIDDEN, Problem
from convstore.http.keys import BACKEND, CALLER, ENTRY
from convstore.http.negotiation import qualities
from convstore.http.nodes import json_bytes
from convstore.http.params import bad_value, first, flag, values, whole_number
from convstore.http.reading import CURSOR_HEADER
from convstore.http.sse import Pace, Sent, StreamEnded, stream
from convstore.log import cloudevents, read
from convstore.stream.choice import Choice
from convstore.stream.follower import Follower, Placed, placed
from convstore.stream.hub import Hub
from convstore.stream.reading import read_page
from convstore.stream.rights import Rights, rights_of
from convstore.stream.telling import Teller
from convstore.waking import Signal

DEFAULT_LIMIT: Final = 100
MOST: Final = 1_000
"""How many events a page has, if nothing is said, and at most."""
LONGEST: Final = 3_600
"""Most seconds that ``closeAfter`` may ask for."""

START: Final = "start"
LATEST: Final = "latest"
"""Places that need no cursor: before the first event, and after the last one that there is by now."""

HUB: Final = web.AppKey("hub", Hub)


class Form(Enum):
    """What a page can be written as; the value is the media type."""

    JSON = "application/json"
    LINES = "application/x-ndjson"
    BATCH = cloudevents.BATCH_CONTENT_TYPE


_FORMS: Final = {form.value: form for form in Form} | {
    "application/ndjson": Form.LINES,
    "application/jsonl": Form.LINES,
    "application/*": Form.JSON,
    "*/*": Form.JSON,
}


class EventsPage(Struct, frozen=True, kw_only=True):
    """Some events, and the place after them. ``more``: there may be more right now; else they are yet to happen."""

    events: Sequence[cloudevents.CloudEvent]
    cursor: str
    more: bool


def make_hub(backend: Backend) -> Hub:
    """Make what all followers in this process share."""
    return Hub(backend.pool, backend.store, backend.engine.grown, lambda: backend.engine.heads)


async def page(request: web.Request) -> web.Response:
    """``GET messageConversations/events``: the next events after a cursor, those that the caller may be given."""
    return await _page(request, _form(request))


async def page_in_lines(request: web.Request) -> web.Response:
    """``GET messageConversations/events.ndjson``: the same, one envelope a line."""
    return await _page(request, Form.LINES)


async def page_in_json(request: web.Request) -> web.Response:
    """``GET messageConversations/events.json``: the same, whatever is accepted."""
    return await _page(request, Form.JSON)


async def follow(request: web.Request) -> web.StreamResponse:
    """``GET messageConversations/events/stream``: the events after a cursor, and all that come, as they come.

    ``Last-Event-ID``, which a browser sends when it comes again, goes before ``after``.
    """
    backend = request.app[BACKEND]
    choice = choice_of(request)
    pace = Pace(close_after=close_after(request))
    hub = request.app[HUB]
    positions = await positions_at(backend, request.headers.get("Last-Event-ID") or first(request, "after") or "")

    def check() -> None:
        now = _rights(request)
        if not now.include(choice.rights):
            raise StreamEnded("Your rights have changed; come again.")

    with ExitStack() as stack:
        stack.enter_context(hub.followed())
        follower = await Follower.start(hub, backend.readers, choice, positions)
        stack.callback(follower.close)
        if choice.rights.own is not None:
            # An inbox is read as far as the read model has come.
            stack.enter_context(backend.engine.advanced.telling(follower.woken.fire))
        source = _Feed(follower, backend)
        return await stream(request, source, check=check, pace=pace)


def choice_of(request: web.Request) -> Choice:
    """Say which events a request asks for, of those that its caller may be given.

    Raises:
        Problem: 400, there are no such events; 403, they are not for him.
    """
    return chosen(_rights(request), values(request, "types"), first(request, "conversation"))


def chosen(allowed: Rights, wanted: Iterable[str], conversation: str | None) -> Choice:
    """Narrow rights down to some types of events, all when none is named, and to one conversation, if one is named.

    Raises:
        Problem: 400, there are no such events; 403, they are not among those allowed.
    """
    types = frozenset(wanted)
    if unknown := sorted(types.difference(TAGS)):
        raise bad_value("types", unknown[0], f"Valid values are: [{', '.join(TAGS)}]")
    if refused := sorted(types - allowed.types):
        raise Problem(HTTPStatus.FORBIDDEN, f"You may not follow events of the type {refused[0]}", FORBIDDEN)
    if conversation and not is_uid(conversation):
        raise bad_value("conversation", conversation, "It should be the uid of a conversation")
    return Choice(
        rights=structs.replace(allowed, types=types) if types else allowed,
        conversation=Uid(conversation) if conversation else None,
    )


async def positions_at(backend: Backend, place: str) -> tuple[int, ...]:
    """Give the positions of a place in the log: a cursor, ``start`` (or nothing), or ``latest``.

    Raises:
        CursorInvalid: it is no cursor of this store.
    """
    if place == LATEST:
        async with backend.readers.acquire() as conn:
            return tuple(await read.heads(conn))
    return backend.store.positions(place) if place not in ("", START) else (0,) * backend.store.partitions


def close_after(request: web.Request) -> int | None:
    """Give the seconds after which a stream is to end, by ``closeAfter``; None when it is to go on.

    Raises:
        Problem: 400, it is no number of seconds, or too many.
    """
    if not first(request, "closeAfter"):
        return None
    seconds = whole_number(request, "closeAfter", 0)
    if not 0 <= seconds <= LONGEST:
        raise bad_value("closeAfter", str(seconds), f"It should be from 0 to {LONGEST}, in seconds")
    return seconds


async def _page(request: web.Request, form: Form) -> web.Response:
    backend = request.app[BACKEND]
    choice = choice_of(request)
    limit = whole_number(request, "limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MOST:
        raise bad_value("limit", str(limit), f"It should be from 1 to {MOST}")
    positions = await positions_at(backend, first(request, "after") or "")
    async with backend.readers.acquire() as conn:
        found = await read_page(conn, choice, positions, limit)
    teller = Teller(backend.store.id)
    said = EventsPage(
        events=[_envelope(backend, teller, each) for each in placed(found.events, positions)],
        cursor=backend.store.cursor(found.reached),
        more=found.more,
    )
    headers = {CURSOR_HEADER: said.cursor, "Convstore-More": "true" if said.more else "false"}
    return web.Response(body=_written(said, form), content_type=form.value, headers=headers)


def _written(said: EventsPage, form: Form) -> bytes:
    if form is Form.JSON:
        return json_bytes(said)
    if form is Form.BATCH:
        return json_bytes(said.events)
    return b"".join(cloudevents.encode(event) + b"\n" for event in said.events)


def _form(request: web.Request) -> Form:
    """Say what a page is to be written as.

    Raises:
        Problem: 406, the client accepts nothing that there is.
    """
    accept = ", ".join(request.headers.getall("Accept", ()))
    if not accept.strip():
        return Form.JSON
    for name, quality in sorted(qualities(accept), key=lambda found: -found[1]):
        if quality > 0 and name in _FORMS:
            return _FORMS[name]
    raise Problem(HTTPStatus.NOT_ACCEPTABLE, f"Only {', '.join(form.value for form in Form)} can be given")


def _rights(request: web.Request) -> Rights:
    return rights_of(request[CALLER], request[ENTRY].token, own=flag(request, "own"))


def _envelope(backend: Backend, teller: Teller, each: Placed) -> cloudevents.CloudEvent:
    return teller.envelope(each.given, backend.store.cursor(each.positions))


class _Feed:
    """What a follower is given, as server-sent events: the cursor is the id."""

    def __init__(self, follower: Follower, backend: Backend) -> None:
        self._follower = follower
        self._backend = backend
        self._teller = Teller(backend.store.id)

    @property
    def woken(self) -> Signal:
        """Fires when there may be more."""
        return self._follower.woken

    async def next(self) -> Sequence[Sent]:
        """Give what there is by now."""
        found = []
        for each in await self._follower.next():
            cursor = self._backend.store.cursor(each.positions)
            found.append(Sent(cloudevents.encode(self._teller.envelope(each.given, cursor)), id=cursor))
        return found

    def place(self) -> str | None:
        """Give the place up to which nothing is left."""
        return self._backend.store.cursor(self._follower.positions)
