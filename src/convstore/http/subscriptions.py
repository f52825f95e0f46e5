"""Durable subscriptions over HTTP: made, read, acknowledged, reset and ended by the account that made them.

How consumers share the events of one is told in ``convstore.stream.consuming``. The events are given in JSON only.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct, structs

from convstore.domain.uid import Uid, UserId
from convstore.errors import UnknownSubscription
from convstore.http.bodies import read_json
from convstore.http.documents import object_json, object_xml
from convstore.http.drain import DRAIN
from convstore.http.errors import FORBIDDEN, Problem
from convstore.http.events import LATEST, MOST, chosen, positions_at
from convstore.http.keys import BACKEND, CALLER, ENTRY, FORMAT
from convstore.http.links import api_url
from convstore.http.negotiation import Format
from convstore.http.nodes import answer, json_bytes, message_answer, node_answer, web_message
from convstore.http.params import whole_number
from convstore.http.query.shape import Member
from convstore.http.stream_metrics import LOOKOUT
from convstore.log import cloudevents
from convstore.stream import letters, subscriptions
from convstore.stream.consuming import Ack, Consuming, Delivery, Share, parse_ack
from convstore.stream.rights import may_still, rights_of
from convstore.stream.subscriptions import Standing, Subscription
from convstore.stream.telling import Teller

LONGEST_WAIT: Final = 60
"""Most seconds that a consumer may wait for events."""

_SHORTEST_LEASE: Final = 2
_LONGEST_LEASE: Final = 300
# Whoever waits says meanwhile that he is there, and looks for dead letters that are due again, every so many seconds;
# and several times in a lease.
_CHECK: Final = 5.0
_OF_LEASE: Final = 1 / 3
# What is appended within so many seconds is read once.
_BREATH: Final = 0.03

CONSUMING: Final = web.AppKey("consuming", Consuming)

Consumer = Annotated[str, Meta(min_length=1, max_length=200)]

_ATTRIBUTE = Member(attribute=True)
IN_XML = {
    "name": _ATTRIBUTE,
    "created": _ATTRIBUTE,
    "types": Member(item="type"),
    "consumers": Member(item="consumer"),
}
LIST_IN_XML = {"subscriptions": Member(item="subscription", inner=IN_XML)}
LETTERS_IN_XML = {"deadLetters": Member(item="deadLetter", inner={"id": _ATTRIBUTE})}


class WantedSubscription(Struct, frozen=True, kw_only=True):
    """The subscription that is asked for; ``after``: a cursor, ``start`` or ``latest``.

    ``lease``: seconds after which a consumer that says nothing counts as dead.
    """

    name: str
    types: list[str] | None = None
    conversation: str | None = None
    own: bool = False
    texts: bool | None = None
    internal: bool | None = None
    after: str = LATEST
    lease: Annotated[float, Meta(ge=_SHORTEST_LEASE, le=_LONGEST_LEASE)] = subscriptions.LEASE


class ShownSubscription(Struct, frozen=True, kw_only=True, rename="camel"):
    """A subscription, and where it stands: ``cursor``, everything up to there was dealt with."""

    name: str
    user: UserId
    types: Sequence[str]
    conversation: Uid | None
    own: bool
    texts: bool
    internal: bool
    lease: float
    created: datetime
    cursor: str
    events_behind: int
    seconds_behind: float
    dead_letters: int
    consumers: Sequence[str]
    ahead_of_log: bool


class Read(Struct, frozen=True, kw_only=True):
    """A consumer that asks for events: at most so many, and waiting for the first for at most so many seconds.

    ``busy``: the ``ack`` of each event that it has in hand. These are not given again, and their slots stay its own
    when others come that share.
    """

    consumer: Consumer
    limit: Annotated[int, Meta(ge=1, le=MOST)] = 100
    wait: Annotated[int, Meta(ge=0, le=LONGEST_WAIT)] = 0
    busy: list[str] = []


class Acknowledge(Struct, frozen=True, kw_only=True):
    """What a consumer has dealt with: the ``ack`` of each event."""

    consumer: Consumer
    acks: list[str]


class Reject(Struct, frozen=True, kw_only=True):
    """What a consumer cannot deal with, and why; without people's words, for operators read it."""

    consumer: Consumer
    ack: str
    reason: str


class Leave(Struct, frozen=True, kw_only=True):
    """A consumer that goes."""

    consumer: Consumer


class Reset(Struct, frozen=True, kw_only=True):
    """Where to begin anew: after a cursor, ``start`` or ``latest``."""

    after: str


class Named(Struct, frozen=True, kw_only=True):
    """Dead letters by their ids; all of them when none is named."""

    ids: list[Annotated[int, Meta(ge=0, le=2**63 - 1)]] | None = None


class Batch(Struct, frozen=True, kw_only=True):
    """Events for a consumer, each with its ``ack``; how many of the 64 slots the consumer has, and its ``lease``."""

    events: Sequence[cloudevents.CloudEvent]
    slots: int
    lease: float


_wanted = msgspec.json.Decoder(WantedSubscription)
_read = msgspec.json.Decoder(Read)
_acknowledge = msgspec.json.Decoder(Acknowledge)
_reject = msgspec.json.Decoder(Reject)
_leave = msgspec.json.Decoder(Leave)
_reset = msgspec.json.Decoder(Reset)
_named = msgspec.json.Decoder(Named)


async def create(request: web.Request) -> web.Response:
    """``POST /api/subscriptions``: makes one. What its maker may not be given cannot be asked for."""
    wanted = await read_json(request, _wanted)
    backend = request.app[BACKEND]
    choice = chosen(
        rights_of(request[CALLER], request[ENTRY].token, own=wanted.own), wanted.types or (), wanted.conversation
    )
    rights = choice.rights
    if (wanted.texts and not rights.texts) or (wanted.internal and not rights.internal):
        raise Problem(HTTPStatus.FORBIDDEN, "You may not be given texts or internal messages", FORBIDDEN)
    rights = structs.replace(
        rights,
        texts=rights.texts and wanted.texts is not False,
        internal=rights.internal and wanted.internal is not False,
    )
    positions = await positions_at(backend, wanted.after)
    choice = structs.replace(choice, rights=rights)
    made = await subscriptions.create(
        backend.pool, wanted.name, request[CALLER].id, choice, positions, lease=wanted.lease
    )
    await request.app[LOOKOUT].look()
    headers = {"Location": f"{api_url(request)}/subscriptions/{made.name}"}
    return object_answer(
        request, "subscription", await _standing(request, made.name), IN_XML, status=HTTPStatus.CREATED, headers=headers
    )


async def list_subscriptions(request: web.Request) -> web.Response:
    """``GET /api/subscriptions``: the caller's; for superusers all."""
    caller = request[CALLER]
    found = await subscriptions.standings(request.app[BACKEND].readers, user_id=None if caller.superuser else caller.id)
    said = {"subscriptions": [_shown(request, each) for each in found]}
    return object_answer(request, "metadata", said, LIST_IN_XML)


async def get_subscription(request: web.Request) -> web.Response:
    """``GET /api/subscriptions/{name}``: what is followed, and how far it has come."""
    subscription = await subscription_named(request)
    return object_answer(request, "subscription", await _standing(request, subscription.name), IN_XML)


async def delete(request: web.Request) -> web.Response:
    """``DELETE /api/subscriptions/{name}``: ends it, with its dead letters."""
    subscription = await subscription_named(request)
    await subscriptions.delete(request.app[BACKEND].pool, subscription.name)
    await request.app[LOOKOUT].look()
    return message_answer(request, web_message(HTTPStatus.OK))


async def read(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/events``: the first events of the consumer's slots that are not acknowledged.

    Raises:
        Problem: 406, the client wants XML: events are what they are in the stream and in what is pushed.
    """
    subscription = await for_consumers(request)
    asked = await read_json(request, _read)
    if request[FORMAT] is not Format.JSON:
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, "Only application/json can be given")
    share, found = await _read_or_wait(request, subscription, asked)
    teller = Teller(request.app[BACKEND].store.id)
    events = [structs.replace(teller.envelope(each.given), ack=str(each.ack)) for each in found]
    return answer(request, json_bytes(Batch(events=events, slots=len(share.held), lease=subscription.lease)))


async def acknowledge(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/acknowledge``: notes what was dealt with, and all before it in its slot."""
    subscription = await for_consumers(request)
    asked = await read_json(request, _acknowledge)
    acks = [parse_ack(text) for text in asked.acks]
    counted = await request.app[CONSUMING].acknowledge(subscription.name, asked.consumer, acks)
    return node_answer(request, "acknowledged", counted)


async def reject(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/reject``: makes an event a dead letter, so that the next ones come."""
    subscription = await for_consumers(request)
    asked = await read_json(request, _reject)
    ack = parse_ack(asked.ack)
    counted = await request.app[CONSUMING].reject(subscription, asked.consumer, ack, asked.reason)
    return node_answer(request, "rejected", int(counted))


async def leave(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/leave``: gives the consumer's slots to the others."""
    subscription = await for_consumers(request)
    asked = await read_json(request, _leave)
    await request.app[CONSUMING].leave(subscription.name, asked.consumer)
    return message_answer(request, web_message(HTTPStatus.OK))


async def reset(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/reset``: begins anew elsewhere in the log."""
    subscription = await subscription_named(request)
    asked = await read_json(request, _reset)
    backend = request.app[BACKEND]
    await subscriptions.reset(backend.pool, subscription.name, await positions_at(backend, asked.after))
    return object_answer(request, "subscription", await _standing(request, subscription.name), IN_XML)


async def list_letters(request: web.Request) -> web.Response:
    """``GET /api/subscriptions/{name}/deadLetters``: what could not be dealt with, oldest first."""
    subscription = await subscription_named(request)
    found = await letters.letters(
        request.app[BACKEND].readers,
        subscription.name,
        after=whole_number(request, "after", 0),
        limit=min(max(1, whole_number(request, "limit", 100)), MOST),
    )
    return object_answer(request, "metadata", {"deadLetters": found}, LETTERS_IN_XML)


async def redeliver(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/deadLetters/redeliver``: gives them once more."""
    subscription = await subscription_named(request)
    asked = await read_json(request, _named)
    counted = await letters.redeliver(request.app[BACKEND].pool, subscription.name, asked.ids)
    return node_answer(request, "redelivered", counted)


async def discard(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/deadLetters/discard``: forgets them."""
    subscription = await subscription_named(request)
    asked = await read_json(request, _named)
    counted = await letters.discard(request.app[BACKEND].pool, subscription.name, asked.ids)
    return node_answer(request, "discarded", counted)


async def subscription_named(request: web.Request) -> Subscription:
    """Give the subscription that the path names, if it is the caller's, or he is a superuser.

    Raises:
        UnknownSubscription: it is not, or there is none.
    """
    caller = request[CALLER]
    found = await subscriptions.get(request.app[BACKEND].pool, request.match_info["name"])
    if found.user_id != caller.id and not caller.superuser:
        raise UnknownSubscription(found.name)
    return found


async def for_consumers(request: web.Request) -> Subscription:
    """Give the subscription that the path names, if the caller may be given what it follows, today as when it was made.

    Raises:
        UnknownSubscription: it is not his, or there is none.
        Problem: 403, he may be given less by now. Nothing is passed over for that.
    """
    found = await subscription_named(request)
    if not may_still(request[CALLER], request[ENTRY].token, found.choice.rights):
        raise Problem(
            HTTPStatus.FORBIDDEN, f"You may not be given all that {found.name} follows; make another one", FORBIDDEN
        )
    return found


async def _read_or_wait(request: web.Request, subscription: Subscription, asked: Read) -> tuple[Share, list[Delivery]]:
    """Read events, or wait for the first ones."""
    backend, consuming = request.app[BACKEND], request.app[CONSUMING]
    grown = backend.engine.grown
    until = time.monotonic() + asked.wait
    busy = [parse_ack(text) for text in asked.busy]
    with request.app[DRAIN].told(grown.fire):
        while True:
            seen = grown.count
            share = await consuming.share(subscription, asked.consumer, busy={ack.slot for ack in busy})
            found = await consuming.read(subscription, share, asked.limit, in_hand=_in_hand(share, busy))
            left = until - time.monotonic()
            if found or left <= 0 or request.app[DRAIN].stopping or _is_gone(request):
                return share, found
            if await grown.after(seen, min(left, _CHECK, subscription.lease * _OF_LEASE)):
                await asyncio.sleep(_BREATH)


def _in_hand(share: Share, busy: Sequence[Ack]) -> dict[tuple[int, int], int]:
    """Give the places up to which a consumer has events in hand; not those of slots that were another's meanwhile."""
    reached: dict[tuple[int, int], int] = {}
    for ack in busy:
        if ack.letter is None and share.held.get(ack.slot) == ack.epoch:
            key = ack.slot, ack.partition
            reached[key] = max(reached.get(key, 0), ack.position)
    return reached


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _standing(request: web.Request, name: str) -> ShownSubscription:
    found = await subscriptions.standings(request.app[BACKEND].pool, name=name)
    if not found:
        raise UnknownSubscription(name)
    return _shown(request, found[0])


def _shown(request: web.Request, standing: Standing) -> ShownSubscription:
    subscription = standing.subscription
    rights = subscription.choice.rights
    return ShownSubscription(
        name=subscription.name,
        user=subscription.user_id,
        types=sorted(rights.types),
        conversation=subscription.choice.conversation,
        own=rights.own is not None,
        texts=rights.texts,
        internal=rights.internal,
        lease=subscription.lease,
        created=subscription.created,
        cursor=request.app[BACKEND].store.cursor(standing.positions),
        events_behind=standing.behind,
        seconds_behind=round(standing.seconds, 3),
        dead_letters=standing.dead,
        consumers=list(standing.consumers),
        ahead_of_log=standing.ahead,
    )


def object_answer(
    request: web.Request,
    name: str,
    said: Struct | Mapping[str, object],
    layout: Mapping[str, Member],
    *,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Answer with a document in the format of the request; in XML its element is ``name``, laid out by ``layout``."""
    in_xml = request[FORMAT] is Format.XML
    body = object_xml(name, msgspec.to_builtins(said), layout) if in_xml else object_json(said)
    return answer(request, body, status=status, headers=headers)
