"""Personal access tokens over HTTP, with DHIS2's words for them; JSON only.

Only whoever shows that he is the account itself, by password or session, makes and revokes tokens: one token must not
make another that lasts longer or may do more.
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from convstore.directory.scopes import FULL
from convstore.directory.tokens import Token
from convstore.errors import TokenRefused
from convstore.http.bodies import read_json
from convstore.http.dates import stamp
from convstore.http.entry import Means
from convstore.http.errors import FORBIDDEN, NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER, ENTRY, FORMAT
from convstore.http.links import api_url
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes, message_answer, web_message
from convstore.http.reading import read_answer

_TYPE = "PERSONAL_ACCESS_TOKEN_V1"
_METHODS = "MethodAllowedList"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TokenAttribute(Struct, rename="camel"):
    """What a token is restricted to, as DHIS2 says it; of its three kinds the first is enforced here."""

    type: str = ""
    allowed_methods: list[str] | None = None


class WantedToken(Struct):
    """The token that is asked for. ``expire``: milliseconds since 1970; ``scopes`` is ours."""

    name: str | None = None
    expire: int | None = None
    attributes: list[TokenAttribute] | None = None
    scopes: list[str] | None = None


_wanted = msgspec.json.Decoder(WantedToken)


async def create(request: web.Request) -> web.Response:
    """``POST /api/apiToken``: makes a token. Its secret, ``key``, is in this answer and nowhere else."""
    _must_be_himself(request)
    wanted = await read_json(request, _wanted)
    token, secret = await request.app[BACKEND].directory.tokens.create(
        request[CALLER].id,
        name=wanted.name or "",
        scopes=(FULL,) if wanted.scopes is None else wanted.scopes,
        methods=_methods(wanted.attributes or []),
        expires=_time(wanted.expire),
    )
    said = {
        "httpStatus": "Created",
        "httpStatusCode": 201,
        "status": "OK",
        "response": {"responseType": "ApiTokenCreationResponse", "key": secret, "uid": token.id, "type": _TYPE},
    }
    headers = {"Location": f"{api_url(request)}/apiToken/{token.id}", "Cache-Control": "no-store"}
    return web.Response(
        body=json_bytes(said), status=HTTPStatus.CREATED, content_type=Format.JSON.value, headers=headers
    )


async def list_tokens(request: web.Request) -> web.Response:
    """``GET /api/apiToken``: the caller's tokens, newest first, without their secrets.

    The list is called as the last word of the path, ``apiToken`` or ``apiTokens``: DHIS2 has had both.
    """
    _only_json(request)
    tokens = await request.app[BACKEND].directory.tokens.of_account(request[CALLER].id)
    name = "apiTokens" if "/apiTokens" in request.path else "apiToken"
    return read_answer(request, json_bytes({name: [_shown(token) for token in tokens]}))


async def get_token(request: web.Request) -> web.Response:
    """``GET /api/apiToken/{uid}``: one of them."""
    _only_json(request)
    uid = request.match_info["tokenUid"]
    for token in await request.app[BACKEND].directory.tokens.of_account(request[CALLER].id):
        if token.id == uid:
            return read_answer(request, json_bytes(_shown(token)))
    raise _not_found(uid)


async def revoke(request: web.Request) -> web.Response:
    """``DELETE /api/apiToken/{uid}``: revokes one of them; it opens nothing from now on."""
    _must_be_himself(request)
    uid = request.match_info["tokenUid"]
    if not await request.app[BACKEND].directory.tokens.revoke([uid], user_id=request[CALLER].id):
        raise _not_found(uid)
    return message_answer(request, web_message(HTTPStatus.OK))


def _must_be_himself(request: web.Request) -> None:
    if request[ENTRY].means is Means.TOKEN:
        raise Problem(HTTPStatus.FORBIDDEN, "A token cannot make or revoke tokens: log in by password", FORBIDDEN)


def _only_json(request: web.Request) -> None:
    if request[FORMAT] is not Format.JSON:
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, "Only application/json can be given")


def _methods(attributes: list[TokenAttribute]) -> list[str] | None:
    """Give the methods that a token is restricted to; None when it is not.

    Raises:
        TokenRefused: it is restricted in a way that would not be enforced here.
    """
    methods: list[str] | None = None
    for attribute in attributes:
        if attribute.type != _METHODS:
            raise TokenRefused(f"Attributes of type {attribute.type!r} are not offered here: only {_METHODS} is.")
        methods = (methods or []) + [method.upper() for method in attribute.allowed_methods or ()]
    return methods


def _time(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise TokenRefused(f"expire {milliseconds} is no time: it is in milliseconds since 1970.") from None


def _not_found(uid: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"ApiToken with id {uid} could not be found.", NOT_FOUND)


def _shown(token: Token) -> dict[str, Any]:
    attributes = [] if token.methods is None else [{"type": _METHODS, "allowedMethods": token.methods}]
    return {
        "id": token.id,
        "name": token.name,
        "displayName": token.name,
        "created": stamp(token.created),
        "createdBy": {"id": token.user_id},
        "type": _TYPE,
        "version": 1,
        "expire": round((token.expires - _EPOCH) / timedelta(milliseconds=1)),
        "attributes": attributes,
        "scopes": token.scopes,
        "hint": f"…{token.hint}",
        "lastUsed": None if token.last_used is None else stamp(token.last_used),
    }
