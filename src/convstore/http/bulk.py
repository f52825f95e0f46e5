"""Status, priority and assignee of many conversations by one call of ours: all are checked before any changes."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from http import HTTPStatus

from aiohttp import web

from convstore.domain.commands import Assign, ConversationCommand, SetPriority, SetStatus, Unassign
from convstore.domain.types import Actor, Priority, Status
from convstore.domain.uid import Uid, UserId
from convstore.http import markup
from convstore.http.bodies import read_ids
from convstore.http.commands import BATCH_LIMIT, Wording, carry_out_batch
from convstore.http.errors import FORBIDDEN, NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.negotiation import Format
from convstore.http.nodes import answer, json_bytes
from convstore.http.params import choice, first

_MISSING = "No MessageConversations found for the given IDs."
_STATUS = Wording(_MISSING, "Not authorized to change status in these conversations")
_PRIORITY = Wording(_MISSING, "Not authorized to change priority in these conversations")
_ASSIGN = Wording(_MISSING, "Not authorized to assign a user to these conversations")
_UNASSIGN = Wording(_MISSING, "Not authorized to remove the assigned user from these conversations")

# Conversations that a refusal names; more would make no better sentence.
_NAMED = 20


class Result(StrEnum):
    """What became of one of the conversations."""

    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    NOT_FOUND = "NOT_FOUND"


async def set_status(request: web.Request) -> web.Response:
    """``POST messageConversations/status?messageConversationStatus=``, and a JSON list of uids."""
    name = "messageConversationStatus"
    status = choice(request, name, Status)
    actor = request[CALLER].actor()
    return await _change(
        request, name, status, _STATUS, lambda uid: SetStatus(conversation_id=uid, actor=actor, status=status)
    )


async def set_priority(request: web.Request) -> web.Response:
    """``POST messageConversations/priority?messageConversationPriority=``, and a JSON list of uids."""
    name = "messageConversationPriority"
    priority = choice(request, name, Priority)
    actor = request[CALLER].actor()
    return await _change(
        request, name, priority, _PRIORITY, lambda uid: SetPriority(conversation_id=uid, actor=actor, priority=priority)
    )


async def assign(request: web.Request) -> web.Response:
    """``POST messageConversations/assign?userId=``, and a JSON list of uids."""
    actor = request[CALLER].actor()
    assignee = await request.app[BACKEND].directory.person(UserId(first(request, "userId") or ""))
    if assignee is None:
        raise Problem(HTTPStatus.NOT_FOUND, "Could not find user to assign", NOT_FOUND)

    def command(uid: Uid) -> Assign:
        return Assign(
            conversation_id=uid,
            actor=actor,
            assignee=assignee.id,
            assignee_in_feedback_group=assignee.in_feedback_group,
        )

    return await _change(request, "userId", assignee.id, _ASSIGN, command)


async def unassign(request: web.Request) -> web.Response:
    """``POST messageConversations/unassign``, and a JSON list of uids: nobody is responsible any more."""
    actor = request[CALLER].actor()
    return await _change(request, None, "", _UNASSIGN, lambda uid: Unassign(conversation_id=uid, actor=actor))


async def _change(
    request: web.Request, name: str | None, value: str, wording: Wording, command: Callable[[Uid], ConversationCommand]
) -> web.Response:
    """Change all, or none when one of them is not the caller's to change; answer what became of each, in their order.

    ``name`` and ``value`` are what was set, as the answer says it first; None: there is nothing to say.

    Raises:
        Problem: 413, there are too many; 404, none exists; 403, with the uids of those that are not the caller's.
        Refused, KeyReused, Busy: as ``handle_many`` does.
    """
    uids = await read_ids(request)
    if len(uids) > BATCH_LIMIT:
        raise Problem(413, f"At most {BATCH_LIMIT} message conversations can be named in one request")
    try:
        decided = await carry_out_batch(request, uids, command, wording)
    except Problem as problem:
        if problem.status != HTTPStatus.FORBIDDEN:
            raise
        denied = await _denied(request, uids, request[CALLER].actor())
        raise Problem(HTTPStatus.FORBIDDEN, f"{problem}{denied}", FORBIDDEN) from None
    changed = {one.conversation_id: Result.CHANGED if one.events else Result.UNCHANGED for one in decided}
    results = [(uid, changed.get(Uid(uid), Result.NOT_FOUND)) for uid in uids]
    if request[FORMAT] is Format.JSON:
        listed = [{"id": uid, "result": result} for uid, result in results]
        said = {} if name is None else {name: value}
        return answer(request, json_bytes({**said, "messageConversations": listed}))
    inner = "".join(f'<messageConversation id="{markup.attribute(uid)}" result="{result}"/>' for uid, result in results)
    first = "" if name is None else markup.element(name, value)
    xml = f"{markup.DECLARATION}<response>{first}<messageConversations>{inner}</messageConversations></response>"
    return answer(request, xml.encode())


async def _denied(request: web.Request, uids: Sequence[str], actor: Actor) -> str:
    """Name those of the conversations that are not for this person, so that he can leave them out."""
    states = await request.app[BACKEND].store.states(Uid(uid) for uid in uids)
    denied = [uid for uid in uids if (state := states.get(Uid(uid))) is not None and not state.allows(actor)]
    more = f" and {len(denied) - _NAMED} more" if len(denied) > _NAMED else ""
    return f": {', '.join(denied[:_NAMED])}{more}" if denied else ""
