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

LIST = Operation(
    tag=Tag.CONVERSATIONS,
    summary="A page of the caller's conversations",
    about="Newest first. A ticket manager who asks for `filter=messageType:eq:TICKET` also finds the tickets that he "
    "has no copy of.",
    parameters=(*OF_LISTS, QUERY_STRING, QUERY_OPERATOR),
    answers={200: listing("The page.", CONVERSATION)},
    refusals={409: "`queryOperator` is none."},
    revalidates=True,
    cursor=True,
)

GET = Operation(
    tag=Tag.CONVERSATIONS,
    summary="One conversation",
    parameters=(
        CONVERSATION_UID,
        FIELDS,
        query("markRead", BOOLEAN, "`true`: marks the caller's copy read first."),
    ),
    answers={200: document("The conversation.", CONVERSATION)},
    refusals={403: NOT_HIS, 404: UNKNOWN},
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
    ),
    answers={200: document("The conversation with this one property.", _ONE_PROPERTY)},
    refusals={403: NOT_HIS, 404: "There is no such conversation or property."},
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
    answers={200: document("The numbers of all badges.", Counts, _COUNTS_IN_XML)},
    revalidates=True,
    cursor=True,
)
