"""What changed in the caller's inbox: pages for who was away, and server-sent events for who stays."""

from convstore.http.events import LONGEST
from convstore.http.openapi.operation import Answer, Operation, Schema, Tag, document
from convstore.http.openapi.words import (
    BOOLEAN,
    CURSOR,
    FIELDS,
    PAGE_SIZE_PARAMETER,
    SENT_EVENT,
    TEXT,
    UID,
    array,
    attribute,
    element,
    members,
    query,
    wrapped_uids,
)
from convstore.http.query.conversation import CONVERSATION

_AHEAD = "The cursor is ahead of the log: the store was restored from a backup, or it is another one."
_SINCE = query(
    "since",
    TEXT,
    "Where the client stands: the `Convstore-Cursor` of the list that it began with, then the `cursor` of the last "
    "answer. Without it there are no changes, only the place from which to go on.",
)

_CONVERSATIONS = array(CONVERSATION)
_IN_XML: Schema = element(
    "changes",
    {
        "type": "object",
        "properties": {
            "cursor": attribute(CURSOR),
            "more": attribute(BOOLEAN),
            "messageConversations": {**_CONVERSATIONS, "xml": {"wrapped": True}},
            "removed": wrapped_uids(),
        },
        "required": ["cursor", "more"],
    },
)

CHANGES = Operation(
    tag=Tag.CONVERSATIONS,
    summary="What changed in the caller's inbox",
    about="For clients that keep a copy of it: a list, and then these pages in turn, are the list of later. "
    "`messageConversations` are those that are new or changed, as they are now; `removed` are no longer the caller's. "
    "Only changes of conversations count, not those of people's names.",
    parameters=(_SINCE, FIELDS, PAGE_SIZE_PARAMETER),
    answers={
        200: document(
            "The first changes, and the place after them; with `more`, there are more right now.",
            members(
                {
                    "cursor": CURSOR,
                    "more": BOOLEAN,
                    "messageConversations": _CONVERSATIONS,
                    "removed": array(UID),
                }
            ),
            _IN_XML,
        )
    },
    refusals={
        400: "The cursor is none of the caller's, or a parameter is one that only lists have.",
        409: _AHEAD,
        410: "The cursor is older than 30 days, or of before the caller's right to see internal messages changed: "
        "begin with a list again.",
    },
    revalidates=True,
    cursor=True,
)

FOLLOW = Operation(
    tag=Tag.ME,
    summary="What changes in the caller's inbox, as it does",
    about="Server-sent events. `changed` and `removed` have the `conversation` and how many are `unread` by now; their "
    "ids are cursors for `messageConversations/changes`. A stream that begins now says so by `ready`; by `reset`, when "
    "the id is too old, and then a list is to be read again; by `end` why it ends.",
    parameters=(
        _SINCE.but(about="A cursor: first what changed since that place. Without one only what is to come."),
        query("Last-Event-ID", TEXT, "The same; goes first. Browsers send it when they come again.").but(
            where="header"
        ),
        query(
            "closeAfter",
            {"type": "integer", "minimum": 0, "maximum": LONGEST},
            "End after so many seconds, or as soon as something was given and there is no more for the moment. For "
            "proxies that hold an answer back until it ends.",
        ),
    ),
    answers={200: Answer(about="Events, until one side ends it.", content={"text/event-stream": SENT_EVENT})},
    refusals={400: "A parameter is none, or the cursor is none of the caller's.", 409: _AHEAD},
)
