"""Conversations that systems start: contract section 3.4, by endpoints of ours, for service accounts.

An external id names what a system has to say once: the uid of the conversation is derived from it, so a repeat meets
the conversation that is there, and is answered as the first time was, without a second effect.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from convstore.domain import policy
from convstore.domain.commands import SendSystemMessage, SendValidationResult
from convstore.domain.types import MessageType, Priority
from convstore.domain.uid import Uid, UserId, derive_uid, new_uid
from convstore.errors import ConversationExists, SystemSendNotAllowed, UnknownUser
from convstore.http.bodies import read_system_document
from convstore.http.commands import (
    await_reflected,
    carried_out_before,
    carry_out,
    uid_to_start,
)
from convstore.http.errors import CONFLICT, Problem
from convstore.http.incoming import SystemDocument
from convstore.http.keys import BACKEND, CALLER
from convstore.http.params import boolean, member
from convstore.http.sending import START, addressed, created, resolved, start

SystemCommand = SendSystemMessage | SendValidationResult

# Makes the command that starts a conversation under a uid. Raises Problem and Refused.
_Make = Callable[[web.Request, SystemDocument, Uid], Awaitable[SystemCommand]]


async def send_system_message(request: web.Request) -> web.Response:
    """``POST messageConversations/system``: a message of a system, signed by a person when one is named."""
    return await _send(request, MessageType.SYSTEM, _system_message)


async def send_validation_result(request: web.Request) -> web.Response:
    """``POST messageConversations/validation``: results of validation rules, open, with the highest priority named."""
    return await _send(request, MessageType.VALIDATION_RESULT, _validation_result)


async def _send(request: web.Request, kind: MessageType, make: _Make) -> web.Response:
    person = request[CALLER]
    if not policy.may_send_system(person.actor()):
        raise SystemSendNotAllowed
    document = await read_system_document(request)
    if document.message.attachments:
        raise Problem(HTTPStatus.CONFLICT, "Messages of systems have no attachments", CONFLICT)
    if document.external_id is None:
        uid = await uid_to_start(request)
        if not await carried_out_before(request, uid):
            uid = await start(request, await make(request, document, uid))
    else:
        uid = derive_uid(request.app[BACKEND].store.secret, person.id, "external", document.external_id)
        if not await carried_out_before(request, uid):
            await _start_once(request, document, uid, kind, make)
    return created(request, uid, "Message conversation created")


async def _start_once(request: web.Request, document: SystemDocument, uid: Uid, kind: MessageType, make: _Make) -> None:
    """Start a conversation unless its external id was used before, by whatever request, and whoever was faster.

    Raises:
        Problem: 409, it was used for something else.
    """
    store = request.app[BACKEND].store
    # A repeat is not judged anew: whom it is addressed to may be gone by now.
    found = (await store.states([uid])).get(uid)
    if found is None:
        try:
            await carry_out(request, await make(request, document, uid), START)
        except ConversationExists:
            # None still: it was deleted, and is not to come back.
            found = (await store.states([uid])).get(uid)
        else:
            return
    if found is not None and found.message_type is not kind:
        text = f"External id '{document.external_id}' was used for a conversation of type {found.message_type}"
        raise Problem(HTTPStatus.CONFLICT, text, CONFLICT)
    await await_reflected(request, uid)


async def _system_message(request: web.Request, document: SystemDocument, uid: Uid) -> SendSystemMessage:
    message = document.message
    sender = None if document.sender is None else UserId(document.sender)
    if sender is not None and not await request.app[BACKEND].directory.exists(sender):
        raise UnknownUser(sender)
    return SendSystemMessage(
        conversation_id=uid,
        actor=request[CALLER].actor(),
        message_id=new_uid(),
        subject=message.subject,
        text=message.text,
        recipients=await resolved(request, message),
        addressed=addressed(message),
        sender=sender,
        external_id=document.external_id,
        forced=boolean("forced", document.forced),
    )


async def _validation_result(request: web.Request, document: SystemDocument, uid: Uid) -> SendValidationResult:
    message = document.message
    return SendValidationResult(
        conversation_id=uid,
        actor=request[CALLER].actor(),
        message_id=new_uid(),
        subject=message.subject,
        text=message.text,
        recipients=await resolved(request, message),
        priorities=tuple(member("priority", value, Priority) for value in document.priorities),
        addressed=addressed(message),
        external_id=document.external_id,
    )
