"""What happened to a conversation, and why somebody sees it as he does."""

from convstore.audit.explanation import Because, Why
from convstore.audit.sight import MARKS, MESSAGES, THREAD
from convstore.http.described.conversations import NOT_HIS, UNKNOWN
from convstore.http.explanation import IN_XML as EXPLANATION_IN_XML
from convstore.http.history import IN_XML as HISTORY_IN_XML
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
    laid_out,
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

PAGE = query(
    "pageSize",
    {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE_SIZE},
    "Entries in one answer.",
)

_HISTORY = members({"id": UID, "pager": _PAGER, "events": array(EVENT)})
HISTORY = Operation(
    tag=Tag.CONVERSATIONS,
    summary="What happened to a conversation, event by event",
    about="Read from the log. Everybody with access sees what happened to the thread and to his own copy, ticket "
    "managers internal messages too. Superusers see everything, also of deleted conversations, and that is recorded.",
    parameters=(
        CONVERSATION_UID,
        query("after", COUNT, "The number of the last event that the client has; by default from the beginning."),
        PAGE,
    ),
    answers={200: document("Events, oldest first.", _HISTORY, laid_out("history", _HISTORY, HISTORY_IN_XML))},
    refusals={403: NOT_HIS, 404: UNKNOWN},
    revalidates=True,
    cursor=True,
)

_REASON = members({"why": array(Why), "event": EVENT})
_VIEWER = members(
    {"id": UID, "displayName": TEXT, "because": Because, "since": TIME}, optional=("displayName", "since")
)
_VIEWERS = members(
    {"message": UID, "internal": BOOLEAN, "posted": TIME, "count": COUNT, "people": array(_VIEWER)},
    description="Who could see the message that was asked for: so many in all, and a page of them by id.",
)
_EXPLANATION: dict[str, Described] = {
    "conversation": UID,
    "person": PERSON,
    "visible": BOOLEAN,
    "because": Because,
    "read": BOOLEAN,
    "followUp": BOOLEAN,
    "words": array(TEXT),
    "reasons": array(_REASON),
    "viewers": _VIEWERS,
}

_ANSWER = members(_EXPLANATION, optional=("read", "followUp", "viewers"))

EXPLANATION = HISTORY.but(
    summary="Why somebody sees a conversation as he does, or does not see it",
    about="The events that made it so, and what they come to in words; with `message`, also who could see that "
    "message. What happened is told as of `at`; names, and rights beside a copy, are today's. Whoever was taken out "
    "is told so. For other people's answers one must be a superuser, and that is recorded.",
    parameters=(
        CONVERSATION_UID,
        query("user", UID, "Whom it is about; by default the caller. Others: superusers only."),
        query("message", UID, "Also tell who could see this message."),
        query("at", TEXT, "As of an instant (ISO 8601) or a cursor; by default now."),
        query("after", TEXT, "The id of the last of these people that the client has."),
        PAGE,
    ),
    answers={200: document("The answer.", _ANSWER, laid_out("explanation", _ANSWER, EXPLANATION_IN_XML))},
    refusals={
        403: f"{NOT_HIS} Or it is another person who is asked about.",
        404: f"{UNKNOWN} Or no such message.",
        409: "`at` is a cursor ahead of the log.",
    },
)
