"""Lists of conversations, one conversation, one of its properties, counts."""

from convstore.domain.types import MessageType
from convstore.http.counts import Counts
from convstore.http.openapi.operation import Operation, Schema, Tag, document
from convstore.http.openapi.words import (
    BOOLEAN,
    CONVERSATION_UID,
    COUNT,
    FIELDS,
    OF_LISTS,
    QUERY_OPERATOR,
    QUERY_STRING,
    TEXT,
    UID,
    array,
    attribute,
    element,
    listing,
    path,
    query,
)
from convstore.http.query.conversation import CONVERSATION

UNKNOWN = "There is no such conversation."
NOT_HIS = "The conversation is not the caller's."

# The past: http/as_of.py.
PAST = (
    query("asOf", TEXT, "As of an instant (ISO 8601, UTC unless it says otherwise) or a `Convstore-Cursor`; else now."),
    query("user", UID, "With `asOf`: through the eyes of this person, for superusers; noted in the log."),
)
REFUSED_PAST = {
    403: "Only superusers look through the eyes of others.",
    404: "There is no such person.",
    409: "`asOf` is a cursor that is ahead of the log.",
    503: "The lists have not come as far as `asOf`.",
}

LIST = Operation(
    tag=Tag.CONVERSATIONS,
    summary="A page of the caller's conversations",
    about="Newest first. A ticket manager who asks for `filter=messageType:eq:TICKET` also finds the tickets that he "
    "has no copy of.",
    parameters=(*OF_LISTS, QUERY_STRING, QUERY_OPERATOR, *PAST),
    answers={200: listing("The page.", CONVERSATION)},
    refusals=REFUSED_PAST | {409: "`queryOperator` is none, or `asOf` is a cursor that is ahead of the log."},
    revalidates=True,
    cursor=True,
)

GET = Operation(
    tag=Tag.CONVERSATIONS,
    summary="One conversation",
    parameters=(
        CONVERSATION_UID,
        FIELDS,
        query("markRead", BOOLEAN, "`true`: marks the caller's copy read first. Not with `asOf`."),
        *PAST,
    ),
    answers={200: document("The conversation.", CONVERSATION)},
    refusals=REFUSED_PAST | {403: NOT_HIS, 404: UNKNOWN},
    revalidates=True,
    cursor=True,
)

_ONE_PROPERTY: Schema = {"allOf": [CONVERSATION], "description": "The conversation with this one property."}

GET_PROPERTY = GET.but(
    summary="One property of a conversation",
    parameters=(
        CONVERSATION_UID,
        path("userUid", {"type": "string", "examples": ["messages"]}, "The property's name."),
        FIELDS.but(about="What is shown of the objects that the property holds; everything by default."),
        *PAST,
    ),
    answers={200: document("The conversation with this one property.", _ONE_PROPERTY)},
    refusals=REFUSED_PAST | {403: NOT_HIS, 404: "There is no such conversation or property."},
)

_COUNT_IN_XML: Schema = {
    "type": "object",
    "properties": {"name": attribute(MessageType), "unread": attribute(COUNT), "total": attribute(COUNT)},
    "xml": {"name": "messageType"},
}
_COUNTS_IN_XML = element(
    "counts",
    {
        "type": "object",
        "properties": {
            "unread": attribute(COUNT),
            "total": attribute(COUNT),
            "messageTypes": array(_COUNT_IN_XML, xml={"wrapped": True}),
        },
    },
)

COUNTS = Operation(
    tag=Tag.CONVERSATIONS,
    summary="How many conversations there are, and how many unread ones, of each type",
    parameters=PAST,
    refusals=REFUSED_PAST,
    answers={200: document("The numbers of all badges.", Counts, _COUNTS_IN_XML)},
    revalidates=True,
    cursor=True,
)
