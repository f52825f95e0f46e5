"""Starting conversations, replying, adding people; what systems send."""

from collections.abc import Iterable

from convstore.http.bodies import MessageBody, SystemMessageBody
from convstore.http.described.conversations import NOT_HIS, UNKNOWN
from convstore.http.negotiation import Format
from convstore.http.openapi.operation import Body, Described, Operation, Schema, Tag, nothing
from convstore.http.openapi.words import (
    BARE_TEXT,
    BOOLEAN,
    CONVERSATION_UID,
    LOCATION,
    TEXT,
    array,
    attribute,
    element,
    query,
    web_message,
)
from convstore.http.xml_body import KINDS, SYSTEM_TEXTS, TEXTS, WRAPPERS

_CREATED = web_message("Created, or found to have been created by the same request before.", headers=(LOCATION,))
_NOT_SENT = (
    "It cannot be sent: nobody is addressed, or somebody who does not exist; there is no subject; a file is not there, "
    "or belongs to another message; or the document cannot be parsed."
)
_NO_SUCH_GROUP = "There is no such user group."


def _in_xml(texts: Iterable[str]) -> Schema:
    """Describe a document in XML by the tables that it is read by."""
    found: dict[str, Described] = dict.fromkeys(sorted(texts), TEXT)
    wrapped = {item: wrapper for wrapper, item in WRAPPERS.items()}
    for name in wrapped.keys() & found.keys():
        found[wrapped[name]] = array({"type": "string", "xml": {"name": name}}, xml={"wrapped": True})
    for item in KINDS:
        named: Schema = {"type": "object", "properties": {"id": attribute(TEXT)}, "xml": {"name": item}}
        found[f"{item}s"] = array(named, xml={"wrapped": True})
    return element("message", {"type": "object", "properties": found})


_DOCUMENT = Body(
    content={
        Format.JSON.value: MessageBody,
        Format.XML.value: _in_xml(TEXTS),
        "text/xml": _in_xml(TEXTS),
    },
    about="Users, groups and organisation units are named by their uids; whoever is in several of them gets one copy.",
)

SEND = Operation(
    tag=Tag.MESSAGES,
    summary="Start a conversation",
    body=_DOCUMENT,
    answers={201: _CREATED},
    refusals={404: _NO_SUCH_GROUP, 409: _NOT_SENT},
    command=True,
)

FEEDBACK = Operation(
    tag=Tag.MESSAGES,
    summary="Start a ticket: a message to those who give support",
    parameters=(query("subject", TEXT, "What it is about.", required=True),),
    body=BARE_TEXT,
    answers={201: _CREATED},
    refusals={409: "There is nobody who gets tickets, or the subject is empty or too long."},
    command=True,
)

_ADDED = "The message was added, or had been by the same request before"

REPLY = Operation(
    tag=Tag.MESSAGES,
    summary="Add a message to a conversation",
    parameters=(
        CONVERSATION_UID,
        query("internal", BOOLEAN, "`true`: for ticket managers only."),
        query("attachments", TEXT, "Uids of files that were uploaded for it.", repeated=True, joined=True),
    ),
    body=BARE_TEXT,
    answers={
        200: web_message(f"{_ADDED}; on a path without a version, or with one up to 29.", headers=(LOCATION,)),
        201: web_message(f"{_ADDED}; on a path with a version from 30.", headers=(LOCATION,)),
    },
    refusals={
        403: f"{NOT_HIS} Or an internal message is not his to send.",
        404: UNKNOWN,
        409: "A file is not there, or belongs to another message.",
    },
    command=True,
)

ADD_RECIPIENTS = Operation(
    tag=Tag.MESSAGES,
    summary="Give a conversation to more people",
    parameters=(CONVERSATION_UID,),
    body=_DOCUMENT,
    answers={204: nothing("They have it now, or had it before.")},
    refusals={
        403: NOT_HIS,
        404: f"{UNKNOWN} Or there is no such user group.",
        409: "Nobody is named, or somebody who does not exist.",
    },
    command=True,
)

_SYSTEM_DOCUMENT = Body(
    content={
        Format.JSON.value: SystemMessageBody,
        Format.XML.value: _in_xml(SYSTEM_TEXTS),
        "text/xml": _in_xml(SYSTEM_TEXTS),
    },
    about="`externalId` is the sender's own name for what it has to say: a repeat has no effect, and the same answer.",
)
_FOR_SYSTEMS = "Only for accounts with `F_SEND_SYSTEM_MESSAGE`."

SEND_SYSTEM_MESSAGE = SEND.but(
    summary="Send a message of a system",
    about="`sender` names a person who signs it; `forced` delivers it whatever the recipients' settings are.",
    body=_SYSTEM_DOCUMENT,
    refusals={403: _FOR_SYSTEMS, 404: _NO_SUCH_GROUP, 409: _NOT_SENT},
)

SEND_VALIDATION_RESULT = SEND_SYSTEM_MESSAGE.but(
    summary="Send what validation rules have found",
    about="Open, with the highest of `priority` and `priorities`.",
)
