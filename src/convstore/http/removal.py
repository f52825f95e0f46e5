"""Rows 17 to 19 of contract section 1.5: take copies away, delete a conversation. Bodies are ignored."""

from http import HTTPStatus

from aiohttp import web

from convstore.domain import policy
from convstore.domain.commands import DeleteConversation, RemoveParticipant
from convstore.domain.uid import Uid, UserId
from convstore.errors import DeleteNotAllowed
from convstore.http.commands import Wording, carry_out, carry_out_batch
from convstore.http.errors import NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER
from convstore.http.nodes import message_answer, node_answer, web_message
from convstore.http.params import check_uid, first, missing, values

_DENIED = "Not authorized to remove assigned users to this conversation."
_ONE = Wording("No messageConversation with uid: {uid}", _DENIED)
_MANY = Wording("No MessageConversations found for the given UIDs.", _DENIED)
_DELETE = Wording(
    "Message conversation does not exist: {uid}", "Not authorized to delete this conversation.", missing_code=None
)


async def remove_participant(request: web.Request) -> web.Response:
    """``DELETE messageConversations/{uid}/{userUid}`` (row 17): answers the person's uid, as the manual says (D4)."""
    person = UserId(request.match_info["userUid"])
    if not await request.app[BACKEND].directory.exists(person):
        raise Problem(HTTPStatus.NOT_FOUND, f"No user with uid: {person}", NOT_FOUND)
    command = RemoveParticipant(
        conversation_id=Uid(request.match_info["uid"]), actor=request[CALLER].actor(), participant=person
    )
    decided = await carry_out(request, command, _ONE, on_behalf_of=person)
    return node_answer(request, "removed", [person] if decided.events else [], root="reply")


async def remove_from_many(request: web.Request) -> web.Response:
    """``DELETE messageConversations?mc=&mc=`` (row 18): answers the conversations that lost the person's copy."""
    actor = request[CALLER].actor()
    uids = tuple(values(request, "mc"))
    if not uids:
        raise missing("mc")
    person = UserId(first(request, "user") or actor.id)
    if person != actor.id and not await request.app[BACKEND].directory.exists(person):
        raise Problem(HTTPStatus.NOT_FOUND, f"User does not exist: {person}", NOT_FOUND)
    decided = await carry_out_batch(
        request,
        uids,
        lambda uid: RemoveParticipant(conversation_id=uid, actor=actor, participant=person),
        _MANY,
        on_behalf_of=person,
    )
    return node_answer(request, "removed", [one.conversation_id for one in decided if one.events])


async def delete(request: web.Request) -> web.Response:
    """``DELETE messageConversations/{uid}`` (row 19): deletes it for everybody."""
    uid = Uid(request.match_info["uid"])
    actor = request[CALLER].actor()
    if not policy.may_delete(actor):
        raise DeleteNotAllowed
    check_uid(uid)
    await carry_out(request, DeleteConversation(conversation_id=uid, actor=actor), _DELETE)
    return message_answer(request, web_message(HTTPStatus.OK))
