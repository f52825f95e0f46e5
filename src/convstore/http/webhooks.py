"""Webhooks over HTTP: where the events of a subscription are pushed to, said by the account that made it.

Whoever has this server call others needs an authority for it, and more than a token for following events: what is
pushed goes on when the token has ended.
"""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from convstore.http.bodies import read_json
from convstore.http.errors import FORBIDDEN, Problem
from convstore.http.keys import BACKEND, CALLER
from convstore.http.links import api_url
from convstore.http.nodes import message_answer, web_message
from convstore.http.query.shape import Member
from convstore.http.subscriptions import for_consumers, object_answer, subscription_named
from convstore.webhook import targets
from convstore.webhook.guard import Guard
from convstore.webhook.signing import new_secret
from convstore.webhook.trying import send_test

_BY_HAND = "somebody paused it"

_ATTRIBUTE = Member(attribute=True)
IN_XML = {
    "subscription": _ATTRIBUTE,
    "created": _ATTRIBUTE,
    "headers": Member(item="header"),
    "secrets": Member(item="secret"),
}


class WantedWebhook(Struct, frozen=True, kw_only=True):
    """Where events are to be pushed to; without ``secrets`` those that there are stay, or one is made."""

    url: str
    headers: dict[str, str] = {}
    secrets: list[str] | None = None


class ShownWebhook(Struct, frozen=True, kw_only=True, rename="camel"):
    """A webhook, and how it goes: ``state`` is pushing, failing, halted or paused, and ``reason`` says why.

    ``headers``: their names. ``failingSlots``: of the 64, those that stand at an event that the receiver did not take
    yet, after so many ``attempts`` at most. ``secrets``: only when they were made just now.
    """

    subscription: str
    url: str
    headers: Sequence[str]
    secret_count: int
    state: str
    reason: str | None
    since: datetime | None
    failing_slots: int
    attempts: int
    created: datetime
    secrets: Sequence[str] | UnsetType = UNSET


class Tried(Struct, frozen=True, kw_only=True):
    """What came of a test event: whether the receiver took it, its HTTP status if it answered, and in what time."""

    taken: bool
    status: int | None
    reason: str
    milliseconds: int


_wanted = msgspec.json.Decoder(WantedWebhook)

# A secret is in it.
_NOT_KEPT = {"Cache-Control": "no-store"}


async def put(request: web.Request) -> web.Response:
    """``PUT /api/subscriptions/{name}/webhook``: has the events pushed there, and no more where they were before."""
    _may_have_us_call(request)
    subscription = await for_consumers(request)
    wanted = await read_json(request, _wanted)
    backend = request.app[BACKEND]
    before = await targets.listed(backend.pool, subscription.name)
    made = [new_secret()] if wanted.secrets is None and not before else None
    given = wanted.secrets if wanted.secrets is not None else made or before[0].secrets
    await targets.put(
        backend.pool,
        Guard(backend.settings.webhook_networks),
        subscription.name,
        url=wanted.url,
        headers=wanted.headers,
        secrets=given,
    )
    _changed(request)
    headers = _NOT_KEPT | {"Location": f"{api_url(request)}/subscriptions/{subscription.name}/webhook"}
    shown = await _shown(request, subscription.name, made)
    if before:
        return object_answer(request, "webhook", shown, IN_XML)
    return object_answer(request, "webhook", shown, IN_XML, status=HTTPStatus.CREATED, headers=headers)


async def get(request: web.Request) -> web.Response:
    """``GET /api/subscriptions/{name}/webhook``: where the events are pushed to, and how that goes."""
    subscription = await subscription_named(request)
    return object_answer(request, "webhook", await _shown(request, subscription.name), IN_XML)


async def delete(request: web.Request) -> web.Response:
    """``DELETE /api/subscriptions/{name}/webhook``: pushes nowhere any more; the subscription stays."""
    subscription = await subscription_named(request)
    await targets.delete(request.app[BACKEND].pool, subscription.name)
    _changed(request)
    return message_answer(request, web_message(HTTPStatus.OK))


async def test(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/webhook/test``: sends an event that means nothing, and says what came of it.

    What the receiver says is for operators only (``convstore webhook test``): it may be in a network of theirs.
    """
    _may_have_us_call(request)
    subscription = await subscription_named(request)
    backend = request.app[BACKEND]
    answer = await send_test(await targets.get(backend.pool, subscription.name), backend.store.id, backend.settings)
    tried = Tried(
        taken=answer.taken, status=answer.status, reason=answer.reason, milliseconds=round(answer.seconds * 1000)
    )
    return object_answer(request, "test", tried, {})


async def pause(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/webhook/pause``: pushes nothing until it is resumed, and passes nothing over."""
    subscription = await subscription_named(request)
    await targets.pause(request.app[BACKEND].pool, subscription.name, _BY_HAND)
    _changed(request)
    return object_answer(request, "webhook", await _shown(request, subscription.name), IN_XML)


async def resume(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/webhook/resume``: pushes again at once, what failed too."""
    _may_have_us_call(request)
    subscription = await subscription_named(request)
    await targets.resume(request.app[BACKEND].pool, subscription.name)
    _changed(request)
    return object_answer(request, "webhook", await _shown(request, subscription.name), IN_XML)


async def add_secret(request: web.Request) -> web.Response:
    """``POST /api/subscriptions/{name}/webhook/secrets``: makes a new secret; the one before signs beside it."""
    _may_have_us_call(request)
    subscription = await for_consumers(request)
    backend = request.app[BACKEND]
    webhook = await targets.get(backend.pool, subscription.name)
    made = new_secret()
    await targets.sign_with(backend.pool, subscription.name, [made, webhook.secrets[0]])
    _changed(request)
    return object_answer(
        request, "webhook", await _shown(request, subscription.name, [made]), IN_XML, headers=_NOT_KEPT
    )


async def drop_secrets(request: web.Request) -> web.Response:
    """``DELETE /api/subscriptions/{name}/webhook/secrets``: from now on only the newest secret signs."""
    subscription = await subscription_named(request)
    backend = request.app[BACKEND]
    webhook = await targets.get(backend.pool, subscription.name)
    await targets.sign_with(backend.pool, subscription.name, webhook.secrets[:1])
    _changed(request)
    return object_answer(request, "webhook", await _shown(request, subscription.name), IN_XML)


def _may_have_us_call(request: web.Request) -> None:
    """See that the caller may have this server call others. To end that, his subscription is enough.

    Raises:
        Problem: 403, he lacks the authority.
    """
    if not request[CALLER].holds(targets.AUTHORITY):
        raise Problem(
            HTTPStatus.FORBIDDEN, f"Access is denied, requires one Authority from [{targets.AUTHORITY}]", FORBIDDEN
        )


def _changed(request: web.Request) -> None:
    """Have this process look at once; others look by themselves."""
    webhooks = request.app[BACKEND].webhooks
    if webhooks is not None:
        webhooks.changed.fire()


async def _shown(request: web.Request, name: str, made: Sequence[str] | None = None) -> ShownWebhook:
    webhook = await targets.get(request.app[BACKEND].pool, name)
    return ShownWebhook(
        subscription=webhook.name,
        url=webhook.url,
        headers=sorted(webhook.headers),
        secret_count=len(webhook.secrets),
        state=webhook.state,
        reason=webhook.why,
        since=webhook.since_when,
        failing_slots=webhook.failing,
        attempts=webhook.attempts,
        created=webhook.created,
        secrets=UNSET if made is None else made,
    )
