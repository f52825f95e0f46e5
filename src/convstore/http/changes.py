"""Rows 8 to 11 of contract section 1.5: priority, status, and who is responsible. Bodies are ignored."""

from http import HTTPStatus

from aiohttp import web

from convstore.domain.commands import Assign, SetPriority, SetStatus, Unassign
from convstore.domain.types import Priority, Status
from convstore.domain.uid import Uid, UserId
from convstore.http.commands import Wording, carry_out, check
from convstore.http.errors import NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER
from convstore.http.nodes import node_answer
from convstore.http.params import choice, first

_MISSING = "No MessageConversation found for the given ID."
_PRIORITY = Wording(_MISSING, "Not authorized to change priority in this conversation.")
_STATUS = Wording(_MISSING, "Not authorized to change status in this conversation.")
_ASSIGN = Wording(_MISSING, "Not authorized to assign a user to this conversation.")
_UNASSIGN = Wording(_MISSING, "Not authorized to remove the assigned user to this conversation.")


async def set_priority(request: web.Request) -> web.Response:
    """``POST messageConversations/{uid}/priority?messageConversationPriority=`` (row 8)."""
    uid = Uid(request.match_info["uid"])
    priority = choice(request, "messageConversationPriority", Priority)
    command = SetPriority(conversation_id=uid, actor=request[CALLER].actor(), priority=priority)
    await carry_out(request, command, _PRIORITY)
    return node_answer(request, priority.value, [uid])


async def set_status(request: web.Request) -> web.Response:
    """``POST messageConversations/{uid}/status?messageConversationStatus=`` (row 9)."""
    uid = Uid(request.match_info["uid"])
    status = choice(request, "messageConversationStatus", Status)
    command = SetStatus(conversation_id=uid, actor=request[CALLER].actor(), status=status)
    await carry_out(request, command, _STATUS)
    return node_answer(request, status.value, [uid])


async def assign(request: web.Request) -> web.Response:
    """``POST messageConversations/{uid}/assign?userId=`` (row 10)."""
    assignee = await request.app[BACKEND].directory.person(UserId(first(request, "userId") or ""))
    command = Assign(
        conversation_id=Uid(request.match_info["uid"]),
        actor=request[CALLER].actor(),
        assignee=assignee.id if assignee is not None else UserId(""),
        assignee_in_feedback_group=assignee is None or assignee.in_feedback_group,
    )
    if assignee is None:
        await check(request, command, _ASSIGN)
        raise Problem(HTTPStatus.NOT_FOUND, "Could not find user to assign", NOT_FOUND)
    await carry_out(request, command, _ASSIGN)
    return node_answer(request, "message", f"User {assignee.name} was assigned successfully")


async def unassign(request: web.Request) -> web.Response:
    """``DELETE messageConversations/{uid}/assign`` (row 11)."""
    command = Unassign(conversation_id=Uid(request.match_info["uid"]), actor=request[CALLER].actor())
    await carry_out(request, command, _UNASSIGN)
    return node_answer(request, "message", "Message is no longer assigned to user")
