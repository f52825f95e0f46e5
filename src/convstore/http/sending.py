"""Rows 4 to 7 of contract section 1.5: start a conversation, reply, add people, send feedback."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

from aiohttp import web
from msgspec import structs

from convstore.domain.commands import AddParticipants, Reply, SendMessage, SendTicket, Start
from convstore.domain.conversation import decide, initial
from convstore.domain.types import Addressed, Attachment
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.errors import AttachmentUsed, ConversationExists, KeyReused, Refused, UnknownAttachment
from convstore.http.bodies import missing_body, read_document, read_text
from convstore.http.commands import (
    Wording,
    carried_out_before,
    carry_out,
    check,
    idempotency_key,
    key_name,
    uid_of_message,
    uid_to_start,
    user_agent,
)
from convstore.http.errors import Problem
from convstore.http.incoming import Document
from convstore.http.keys import BACKEND, CALLER, VERSION
from convstore.http.links import api_url
from convstore.http.nodes import message_answer, web_message
from convstore.http.params import flag, required, values

# DHIS2 said 200 to a reply where its manual describes it, and says 201 today (contract section 8, D2).
_LAST_MANUAL_VERSION = 29

_ATTEMPTS = 3

_MISSING = "Message conversation does not exist: {uid}"
_REPLY = Wording(_MISSING, "Not authorized to send messages to this conversation.", None)
_RECIPIENTS = Wording(_MISSING, "Not authorized to change recipients in this conversation.", None)
# A conversation that is being started is its sender's.
START = Wording(_MISSING, "", None)


async def send(request: web.Request) -> web.Response:
    """``POST messageConversations`` (row 4): starts a private conversation from a message document."""
    person = request[CALLER]
    uid = await uid_to_start(request)
    if not await carried_out_before(request, uid):
        document = await read_document(request, malformed=HTTPStatus.CONFLICT)
        command = SendMessage(
            conversation_id=uid,
            actor=person.actor(),
            message_id=await uid_of_message(request),
            subject=document.subject,
            text=document.text,
            recipients=await resolved(request, document),
            addressed=addressed(document),
            user_agent=user_agent(request),
        )
        if document.attachments:
            # Recipients and subject come first.
            decide(initial(uid), command)
        uid = await start(request, command, document.attachments)
    return created(request, uid, "Message conversation created")


async def feedback(request: web.Request) -> web.Response:
    """``POST messageConversations/feedback?subject=`` (row 7): starts a ticket, the body is its text as it stands."""
    directory = request.app[BACKEND].directory
    subject = required(request, "subject")
    text = await read_text(request)
    if not text:
        raise missing_body()
    group = await directory.feedback_group()
    command = SendTicket(
        conversation_id=await uid_to_start(request),
        actor=request[CALLER].actor(),
        message_id=new_uid(),
        subject=subject,
        text=text,
        recipients=await directory.feedback_members(),
        addressed=Addressed(groups=(group,) if group is not None else ()),
        user_agent=user_agent(request),
    )
    return created(request, await start(request, command), "Feedback created")


async def reply(request: web.Request) -> web.Response:
    """``POST messageConversations/{uid}`` (row 5): adds a message, the body is its text as it stands."""
    uid = Uid(request.match_info["uid"])
    internal = flag(request, "internal")
    attachments = tuple(values(request, "attachments"))
    text = await read_text(request)
    command = Reply(
        conversation_id=uid,
        actor=request[CALLER].actor(),
        message_id=await uid_of_message(request),
        text=text,
        internal=internal,
        ticket_managers=await request.app[BACKEND].directory.ticket_managers() if internal else frozenset(),
        user_agent=user_agent(request),
    )
    if not attachments and text:
        await carry_out(request, command, _REPLY)
    elif not await carried_out_before(request, uid):
        await check(request, command, _REPLY)
        await _reply_with(request, command, attachments)
    status = HTTPStatus.CREATED if request[VERSION] > _LAST_MANUAL_VERSION else HTTPStatus.OK
    return created(request, uid, "Message conversation created", status)


async def add_recipients(request: web.Request) -> web.Response:
    """``POST messageConversations/{uid}/recipients`` (row 6): gives a copy to people who have none."""
    uid = Uid(request.match_info["uid"])
    if not await carried_out_before(request, uid):
        document = await read_document(request, malformed=HTTPStatus.BAD_REQUEST)
        command = AddParticipants(conversation_id=uid, actor=request[CALLER].actor(), participants=())
        try:
            people = await resolved(request, document)
        except Refused:
            # Whether there is such a conversation, and whether it is his, comes first.
            await check(request, command, _RECIPIENTS)
            raise
        await carry_out(request, structs.replace(command, participants=people), _RECIPIENTS)
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _reply_with(request: web.Request, command: Reply, uids: Sequence[str | None]) -> None:
    """Post a reply that has files, or no text, when all else about it was found to be right.

    Raises:
        Problem: 409, a file is not there or not to be used; 400, there is no text.
    """
    try:
        async with _attaching(request, command, uids) as attachments:
            if not command.text:
                raise missing_body()
            await carry_out(request, structs.replace(command, attachments=attachments), _REPLY)
    except (UnknownAttachment, AttachmentUsed) as error:
        # DHIS2 gives these no code here, but to a new conversation's (contract section 7.2).
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None


async def start(request: web.Request, command: Start, uids: Sequence[str | None] = ()) -> Uid:
    """Start a conversation, its message with these files, under another uid should its own be taken; give the uid.

    Raises:
        UnknownAttachment, AttachmentUsed: a file is not there, or not to be used.
        KeyReused: the uid belongs to the request's key, which was used so long ago that its answer is forgotten.
    """
    for _ in range(_ATTEMPTS):
        try:
            async with _attaching(request, command, uids) as attachments:
                if isinstance(command, SendMessage):
                    command = structs.replace(command, attachments=attachments)
                return (await carry_out(request, command, START)).conversation_id
        except ConversationExists:
            if await idempotency_key(request) is not None:
                raise KeyReused from None
            command = structs.replace(command, conversation_id=new_uid())
    raise ConversationExists


async def resolved(request: web.Request, document: Document) -> tuple[UserId, ...]:
    """Give the people whom a document's recipients stand for.

    Raises:
        Refused: as ``Directory.resolve`` does.
    """
    directory = request.app[BACKEND].directory
    return await directory.resolve(request[CALLER], document.users, document.groups, document.units)


def addressed(document: Document) -> Addressed:
    """Give whom a document names; called when all of them are known to exist."""
    return Addressed(
        users=tuple(UserId(uid) for uid in dict.fromkeys(document.users) if uid),
        groups=tuple(Uid(uid) for uid in dict.fromkeys(document.groups) if uid),
        units=tuple(Uid(uid) for uid in dict.fromkeys(document.units) if uid),
    )


def _attaching(
    request: web.Request, command: Start | Reply, uids: Sequence[str | None]
) -> AbstractAsyncContextManager[tuple[Attachment, ...]]:
    """Keep files for a message while it is posted inside; as ``Files.attaching``."""
    return request.app[BACKEND].files.attaching(
        uids,
        owner=request[CALLER].id,
        conversation_id=command.conversation_id,
        message_id=command.message_id,
        repeatable=key_name(request) is not None,
    )


def created(request: web.Request, uid: Uid, text: str, status: int = HTTPStatus.CREATED) -> web.Response:
    """Answer that something was created, or added to, and where it is."""
    location = f"{api_url(request)}/messageConversations/{uid}"
    return message_answer(request, web_message(status, text), headers={"Location": location})
