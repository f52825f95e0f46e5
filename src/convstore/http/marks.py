"""Rows 12 to 16 of contract section 1.5: read and unread, flagged for follow-up and not; each person's own copies."""

from collections.abc import Callable, Iterable
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from convstore.domain.commands import ClearFollowUp, ConversationCommand, FlagFollowUp, MarkRead, MarkUnread
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId
from convstore.http.bodies import read_ids
from convstore.http.commands import Wording, carry_out_batch
from convstore.http.errors import NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER
from convstore.http.mark_all import mark_all_read
from convstore.http.nodes import node_answer
from convstore.http.params import first, flag


class _Kind(Struct, frozen=True):
    """One way to mark copies: the member that the answer lists them under; unchanged ones too, or not."""

    member: str
    command: Callable[[Uid, Actor, UserId], ConversationCommand]
    wording: Wording
    lists_unchanged: bool


_IDS = "No MessageConversations found for the given IDs."
# Upstream forgot the full stop, and says UIDs here.
_UIDS = "No MessageConversations found for the given UIDs"

_READ = _Kind(
    "markedRead",
    lambda uid, actor, person: MarkRead(conversation_id=uid, actor=actor, reader=person),
    Wording(_IDS, "Not authorized to change read property of this conversation."),
    lists_unchanged=False,
)
_UNREAD = _Kind(
    "markedUnread",
    lambda uid, actor, person: MarkUnread(conversation_id=uid, actor=actor, reader=person),
    _READ.wording,
    lists_unchanged=False,
)
_FOLLOW_UP = _Kind(
    "markedFollowup",
    lambda uid, actor, person: FlagFollowUp(conversation_id=uid, actor=actor, participant=person),
    Wording(_UIDS, "Not authorized to change followups in this conversation."),
    lists_unchanged=True,
)
_UNFOLLOW = _Kind(
    "unmarkedFollowup",
    lambda uid, actor, person: ClearFollowUp(conversation_id=uid, actor=actor, participant=person),
    Wording(_UIDS, "Not authorized to change unfollowups in this conversation."),
    lists_unchanged=True,
)


async def read(request: web.Request) -> web.Response:
    """``POST messageConversations/read`` (row 12); with ``all=true``, which is ours, everything that was seen."""
    if flag(request, "all"):
        return await mark_all_read(request)
    return await _mark_many(request, _READ)


async def unread(request: web.Request) -> web.Response:
    """``POST messageConversations/unread`` (row 13)."""
    return await _mark_many(request, _UNREAD)


async def read_one(request: web.Request) -> web.Response:
    """``POST messageConversations/{uid}/read`` (row 14); the body is ignored."""
    return await _mark(request, _READ, [request.match_info["uid"]], "userUid")


async def unread_one(request: web.Request) -> web.Response:
    """``POST messageConversations/{uid}/unread`` (row 14); the body is ignored."""
    return await _mark(request, _UNREAD, [request.match_info["uid"]], "userUid")


async def follow_up(request: web.Request) -> web.Response:
    """``POST messageConversations/followup`` (row 15)."""
    return await _mark_many(request, _FOLLOW_UP)


async def unfollow(request: web.Request) -> web.Response:
    """``POST messageConversations/unfollowup`` (row 16)."""
    return await _mark_many(request, _UNFOLLOW)


async def _mark_many(request: web.Request, kind: _Kind) -> web.Response:
    return await _mark(request, kind, await read_ids(request), "user")


async def _mark(request: web.Request, kind: _Kind, uids: Iterable[str], parameter: str) -> web.Response:
    """Mark copies of the person whom a query parameter names, else of the caller."""
    actor = request[CALLER].actor()
    person = UserId(first(request, parameter) or actor.id)
    if person != actor.id and not await request.app[BACKEND].directory.exists(person):
        raise Problem(HTTPStatus.NOT_FOUND, f"No user with uid: {person}", NOT_FOUND)
    decided = await carry_out_batch(
        request, uids, lambda uid: kind.command(uid, actor, person), kind.wording, on_behalf_of=person
    )
    return node_answer(
        request, kind.member, [one.conversation_id for one in decided if one.events or kind.lists_unchanged]
    )
