"""Attachments: upload, what is known of a file, its bytes."""

from convstore.http.attachments import FILE, Domain
from convstore.http.described.conversations import NOT_HIS
from convstore.http.openapi.operation import Answer, Body, Header, Operation, Parameter, Tag, document
from convstore.http.openapi.rules import ETAG, IDEMPOTENCY_KEY, IF_NONE_MATCH, USUAL
from convstore.http.openapi.words import (
    CONVERSATION_UID,
    FIELDS,
    LOCATION,
    TEXT,
    UID,
    attribute,
    element,
    members,
    path,
    query,
)
from convstore.http.uploads import PART

_FILE = Body(
    content={
        "multipart/form-data": {
            "type": "object",
            "properties": {PART: {"type": "string", "contentMediaType": "application/octet-stream"}},
            "required": [PART],
        }
    },
    about="The file; its name and type are those of its part.",
)
_UID = query("uid", UID, "The uid that it is to have; a new one by default.")
_REFUSALS = {409: "The file is empty or too large, or there are too many, or the uid is taken.", 422: USUAL[422]}
_ENVELOPE = {"httpStatus": TEXT, "httpStatusCode": {"const": 202}, "status": {"const": "OK"}}

UPLOAD = Operation(
    tag=Tag.FILES,
    summary="Upload a file for a message that is still to be sent",
    about="A file that no message takes is removed after a while.",
    parameters=(query("domain", Domain, "What it is for."), _UID, IDEMPOTENCY_KEY),
    body=_FILE,
    answers={
        202: document(
            "It is here.",
            members(
                {
                    **_ENVELOPE,
                    "response": members({"responseType": {"const": "FileResource"}, "fileResource": FILE}),
                }
            ),
            element(
                "webMessage",
                members(
                    {
                        **{name: attribute(value) for name, value in _ENVELOPE.items()},
                        "response": members(
                            {"responseType": attribute({"const": "FileResource"}), "fileResource": FILE}
                        ),
                    }
                ),
            ),
            headers=(LOCATION,),
        )
    },
    refusals=_REFUSALS,
)

UPLOAD_FOR_MESSAGE = UPLOAD.but(
    summary="Upload a file, answered with the file alone",
    parameters=(_UID, IDEMPOTENCY_KEY),
    answers={202: document("It is here.", FILE)},
)

GET = Operation(
    tag=Tag.FILES,
    summary="What is known of a file",
    parameters=(path("id", TEXT, "The file."), FIELDS),
    answers={200: document("The file, to whoever uploaded it or may read its message.", FILE)},
    refusals={404: "There is no such file for the caller."},
    revalidates=True,
)

_BYTES = {"*/*": {"description": "The bytes, with the type that they were uploaded with."}}
_RANGE = Parameter(
    name="Range",
    value={"type": "string", "examples": ["bytes=0-1023"]},
    about="One range of bytes; with `If-Range` and the `ETag`, of this very file only.",
    where="header",
)
_OF_FILE = (
    Header(name="Content-Disposition", about="To be saved, under its name.", value=TEXT, always=True),
    Header(name="Accept-Ranges", about="Ranges can be asked for.", value={"const": "bytes"}, always=True),
)
_CONTENT_RANGE = Header(name="Content-Range", about="Which bytes of how many.", value=TEXT, always=True)

DOWNLOAD = Operation(
    tag=Tag.FILES,
    summary="The bytes of a message's file",
    parameters=(
        CONVERSATION_UID,
        path("messageUid", TEXT, "The message."),
        path("fileUid", TEXT, "The file."),
        _RANGE,
        IF_NONE_MATCH,
    ),
    answers={
        200: Answer(about="The whole file.", content=_BYTES, headers=(ETAG, *_OF_FILE)),
        206: Answer(about="The range that was asked for.", content=_BYTES, headers=(ETAG, *_OF_FILE, _CONTENT_RANGE)),
        304: Answer(about="The client has this very file.", headers=(ETAG,)),
        416: Answer(
            about="The file has none of these bytes.", content=_BYTES, headers=(ETAG, *_OF_FILE, _CONTENT_RANGE)
        ),
    },
    refusals={
        403: NOT_HIS,
        404: "There is no such conversation or message, or no such file.",
        409: "The file belongs to another message.",
    },
)
