"""What happened to a conversation, and why somebody sees it as he does."""

from convstore.audit.sight import MARKS, MESSAGES, THREAD
from convstore.http.described.conversations import NOT_HIS, UNKNOWN
from convstore.http.openapi.operation import Described, Named, Operation, Schema, Tag, document
from convstore.http.openapi.words import (
    ADDRESS,
    BOOLEAN,
    CONVERSATION_UID,
    COUNT,
    TEXT,
    TIME,
    UID,
    array,
    members,
    query,
)
from convstore.http.query.paging import LARGEST_PAGE, PAGE_SIZE

PERSON = Named("Who", members({"id": UID, "displayName": TEXT}, optional=("displayName",)))
_WORD_OR_PERSON: Schema = {"anyOf": [TEXT, PERSON]}
_AUDITORS = ("version", "partition", "position", "onBehalfOf", "userAgent", "requestId", "causation")
_CHANGE: dict[str, Described] = {
    "property": TEXT,
    "old": _WORD_OR_PERSON,
    "new": _WORD_OR_PERSON,
    "person": PERSON,
    "people": array(PERSON),
    "message": UID,
    "sender": PERSON,
    "internal": BOOLEAN,
    "attachments": COUNT,
    "upTo": COUNT,
}
_EVENT: dict[str, Described] = {
    "number": {**COUNT, "description": "Counts what the caller may see, from 1."},
    "type": {"type": "string", "enum": sorted(THREAD | MARKS | MESSAGES)},
    "time": TIME,
    "words": {**TEXT, "description": "What happened, in one sentence."},
    "actor": PERSON,
    "change": members(_CHANGE, optional=_CHANGE),
    "version": COUNT,
    "partition": COUNT,
    "position": COUNT,
    "onBehalfOf": PERSON,
    "userAgent": TEXT,
    "requestId": TEXT,
    "causation": TEXT,
}
EVENT = Named(
    "HistoryEvent",
    members(
        _EVENT,
        optional=("actor", "change", *_AUDITORS),
        description="One event. Superusers also see its place in the log and all its circumstances.",
    ),
)
_PAGER = members(
    {"pageSize": COUNT, "nextAfter": COUNT, "nextPage": ADDRESS},
    optional=("nextAfter", "nextPage"),
)

HISTORY = Operation(
    tag=Tag.CONVERSATIONS,
    summary="What happened to a conversation, event by event",
    about="Read from the log. Everybody with access sees what happened to the thread and to his own copy, ticket "
    "managers internal messages too. Superusers see everything, also of deleted conversations, and that is recorded.",
    parameters=(
        CONVERSATION_UID,
        query("after", COUNT, "The number of the last event that the client has; by default from the beginning."),
        query(
            "pageSize",
            {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE_SIZE},
            "Events in one answer.",
        ),
    ),
    answers={200: document("Events, oldest first.", members({"id": UID, "pager": _PAGER, "events": array(EVENT)}))},
    refusals={403: NOT_HIS, 404: UNKNOWN},
    revalidates=True,
    cursor=True,
)
