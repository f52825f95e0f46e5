"""Files of messages: upload, what is known of one, download (contract sections 2.4, 3.11 and 3.12, row 20)."""

from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any

import msgspec
from aiohttp import web

from convstore.domain import policy
from convstore.domain.types import Attachment
from convstore.domain.uid import Uid, derive_uid, is_uid
from convstore.files.service import StoredFile, Upload
from convstore.http import markup
from convstore.http.commands import Wording, key_name
from convstore.http.conversations import check_access
from convstore.http.dates import stamp
from convstore.http.downloads import file_answer
from convstore.http.errors import BAD_REQUEST, Problem
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.links import api_url
from convstore.http.negotiation import Format
from convstore.http.nodes import answer, json_bytes
from convstore.http.params import choice, first, given
from convstore.http.people import not_found
from convstore.http.query.conversation import FIVE, person
from convstore.http.query.entities import Constant, Entity, Link, Scalar, Type, table
from convstore.http.query.fields import Field
from convstore.http.query.listing import ObjectPlan, Source, plan_object
from convstore.http.query.parameters import read_fields
from convstore.http.reading import EVERYTHING, PLANS, fetch_object, object_answer
from convstore.http.uploads import read_upload
from convstore.projections import load
from convstore.sql import Statements

_sql = Statements(files(__package__) / "attachments.sql")
_attachments = msgspec.json.Decoder(list[Attachment])

_DOWNLOAD = Wording(
    missing="No message conversation with uid '{uid}'",
    denied="Not authorized to access this conversation.",
    missing_code=None,
    denied_code=None,
)


class Domain(StrEnum):
    """What files are kept for here; DHIS2 has more."""

    MESSAGE_ATTACHMENT = "MESSAGE_ATTACHMENT"


FILE = Entity(
    name="fileResource",
    plural="fileResources",
    kind="FileResource",
    properties=table(
        Scalar(name="id", sql="{0}.id", attribute=True),
        Scalar(name="name", sql="{0}.name", attribute=True),
        Scalar(name="displayName", sql="{0}.name"),
        Scalar(name="created", sql="{0}.stored", type=Type.DATE, attribute=True),
        Scalar(name="lastUpdated", sql="{0}.stored", type=Type.DATE, attribute=True),
        Link(path="fileResources"),
        person("createdBy", "owner", default=FIVE),
        person("user", "owner", default=FIVE),
        Scalar(name="contentType", sql="{0}.content_type"),
        Scalar(name="contentLength", sql="{0}.length", type=Type.INTEGER, kind="Long"),
        Scalar(name="contentMd5", sql="{0}.md5"),
        Scalar(name="assigned", sql="{0}.taken", type=Type.BOOLEAN),
        Constant(name="storageStatus", value="STORED"),
        Constant(name="domain", value=Domain.MESSAGE_ATTACHMENT.value),
        Constant(name="hasMultipleStorageFiles", value=False),
    ),
)


async def upload(request: web.Request) -> web.Response:
    """``POST fileResources?domain=MESSAGE_ATTACHMENT``: takes a file in, for a message that is still to be sent."""
    if first(request, "domain") is not None:
        choice(request, "domain", Domain)
    return _accepted(request, await _taken_in(request))


async def upload_for_message(request: web.Request) -> web.Response:
    """``POST messageConversations/attachments``: the same, answered with the file alone, as the manual has it."""
    shown = _shown(await _taken_in(request))
    if request[FORMAT] is Format.XML:
        body = f"{markup.DECLARATION}{_as_xml(shown, namespace=True)}".encode()
        return answer(request, body, status=HTTPStatus.ACCEPTED)
    return answer(request, json_bytes(shown), status=HTTPStatus.ACCEPTED)


async def get_file(request: web.Request) -> web.Response:
    """``GET fileResources/{id}``: what is known of a file: its uploader's to see, or his who may read its message."""
    uid = request.match_info["id"]
    plan = _planned(read_fields(given(request)) or EVERYTHING)
    found = await fetch_object(request, plan, uid)
    if found is None:
        raise not_found(FILE.kind, uid)
    owner, conversation, message, taken = found.extra
    if owner != request[CALLER].id and not (taken and await _may_read(request, conversation, message)):
        raise not_found(FILE.kind, uid)
    return object_answer(request, FILE, plan, found)


async def download(request: web.Request) -> web.Response:
    """``GET messageConversations/{uid}/{message}/attachments/{file}`` (row 20): the bytes of a message's file."""
    conversation, message, uid = (request.match_info[name] for name in ("uid", "messageUid", "fileUid"))
    await check_access(request, conversation, _DOWNLOAD)
    of_message = await _files_of(request, conversation, message)
    if of_message is None:
        # The quotation mark that DHIS2 forgets, too (contract section 3.12).
        text = f"No message with uid '{message}' in messageConversation '{conversation}"
        raise Problem(HTTPStatus.NOT_FOUND, text)
    file = await request.app[BACKEND].files.find(uid)
    if file is None:
        raise _lost(uid)
    if file.message_id != message or all(uid != each.id for each in of_message):
        raise Problem(HTTPStatus.CONFLICT, "Invalid messageattachment.")
    found = await file_answer(request, file)
    if found is None:
        raise _lost(uid)
    return found


async def _taken_in(request: web.Request) -> StoredFile:
    backend = request.app[BACKEND]
    caller = request[CALLER].id
    wanted = first(request, "uid") or None
    if wanted is not None and not is_uid(wanted):
        text = (
            f"Value '{wanted}' is not valid for parameter uid. It should be of 11 letters or digits, the first a letter"
        )
        raise Problem(HTTPStatus.BAD_REQUEST, text, BAD_REQUEST)
    key = key_name(request)
    if wanted is None and key is not None:
        wanted = derive_uid(backend.store.secret, caller, key, "file")
    incoming = await read_upload(request, backend.settings.max_attachment)
    upload = Upload(
        owner=caller,
        name=incoming.name,
        content_type=incoming.content_type,
        uid=None if wanted is None else Uid(wanted),
        repeatable=key is not None,
    )
    return await backend.files.upload(upload, incoming.chunks)


async def _may_read(request: web.Request, conversation: str, message: str) -> bool:
    try:
        await check_access(request, conversation, _DOWNLOAD)
    except Problem:
        return False
    return await _files_of(request, conversation, message) is not None


async def _files_of(request: web.Request, conversation: str, message: str) -> list[Attachment] | None:
    """Give the files of a message; None when there is none such for the caller."""
    row = await request.app[BACKEND].readers.fetchrow(load("thread").queries.attachments, conversation, message)
    if row is None or (row["internal"] and not policy.sees_internal(request[CALLER].actor())):
        return None
    return _attachments.decode(row["attachments"])


def _lost(uid: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"No messageattachment found with id '{uid}'")


@lru_cache(maxsize=PLANS)
def _planned(fields: tuple[Field, ...]) -> ObjectPlan:
    source = Source(entity=FILE, rows=_sql.files)
    return plan_object(source, fields, extra=("owner", "conversation_id", "message_id", "taken"))


def _accepted(request: web.Request, file: StoredFile) -> web.Response:
    shown = _shown(file)
    headers = {"Location": f"{api_url(request)}/fileResources/{file.id}"}
    if request[FORMAT] is Format.XML:
        inner = f'<response responseType="FileResource">{_as_xml(shown)}</response>'
        attributes = 'httpStatus="Accepted" httpStatusCode="202" status="OK"'
        body = f'{markup.DECLARATION}<webMessage xmlns="{markup.DXF2}" {attributes}>{inner}</webMessage>'.encode()
    else:
        said = {"responseType": "FileResource", "fileResource": shown}
        body = json_bytes({"httpStatus": "Accepted", "httpStatusCode": 202, "status": "OK", "response": said})
    return answer(request, body, status=HTTPStatus.ACCEPTED, headers=headers)


def _shown(file: StoredFile) -> dict[str, Any]:
    """Give what the answer to an upload says of the file, as DHIS2 does: accepted, and not yet stored for good.

    Whoever asks for the file afterwards is told that it is stored.
    """
    return {
        "id": file.id,
        "name": file.name,
        "displayName": file.name,
        "created": stamp(file.stored),
        "lastUpdated": stamp(file.stored),
        "contentType": file.content_type,
        "contentLength": file.length,
        "contentMd5": file.md5.hex(),
        "assigned": file.taken,
        "storageStatus": "PENDING",
        "domain": Domain.MESSAGE_ATTACHMENT.value,
        "hasMultipleStorageFiles": False,
    }


def _as_xml(shown: dict[str, Any], *, namespace: bool = False) -> str:
    attributes = "".join(
        f' {name}="{markup.attribute(shown[name])}"' for name in ("id", "name", "created", "lastUpdated")
    )
    inner = "".join(
        markup.element(name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in shown.items()
        if name not in {"id", "name", "created", "lastUpdated"}
    )
    declared = f' xmlns="{markup.DXF2}"' if namespace else ""
    return f"<fileResource{declared}{attributes}>{inner}</fileResource>"
