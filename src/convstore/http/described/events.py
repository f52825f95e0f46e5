"""Following what happens: pages of events, and server-sent events."""

from convstore.directory.scopes import TAGS
from convstore.http.events import DEFAULT_LIMIT, LATEST, LONGEST, MOST, Form
from convstore.http.openapi.operation import Answer, Named, Operation, Parameter, Tag
from convstore.http.openapi.words import BOOLEAN, COUNT, SENT_EVENT, TEXT, UID, array, members, query

EVENT = Named(
    "CloudEvent",
    members(
        {
            "specversion": {"const": "1.0"},
            "id": TEXT,
            "source": TEXT,
            "type": {"enum": list(TAGS)},
            "subject": TEXT,
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "partition": COUNT,
            "position": TEXT,
            "streamversion": COUNT,
            "actor": TEXT,
            "cursor": TEXT,
            "ack": TEXT,
            "data": {"type": "object"},
            "data_base64": TEXT,
        },
        optional=("actor", "cursor", "ack", "data", "data_base64"),
    ),
)
_CURSOR = "A cursor: events after that place. Without one all are given, from the first one on"
CHOSEN: tuple[Parameter, ...] = (
    query("types", {"enum": list(TAGS)}, "Only events of these types.").but(repeated=True, joined=True),
    query("conversation", UID, "Only events of this conversation."),
    query("own", BOOLEAN, "`true`: only the caller's own inbox, which is all that others may follow anyhow."),
)
AFTER = query("after", TEXT, f"{_CURSOR}; `{LATEST}`: only those to come.")
_BAD = "A parameter is none, or the cursor is not of this store."
_NOT_HIS = "The caller may not follow events of a type that he names."
AHEAD = "The cursor is ahead of the log: the store was restored from a backup, or it is another one."

_PAGE = members({"events": array(EVENT), "cursor": TEXT, "more": BOOLEAN})

PAGE = Operation(
    tag=Tag.EVENTS,
    summary="The next events",
    about=(
        "Each conversation in order. Whoever comes again with the `cursor` of the last event that he dealt with, or "
        "of the page, misses none and gets none twice. After a list's `Convstore-Cursor` come the events that the list "
        "does not reflect yet."
    ),
    parameters=(
        AFTER,
        query(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
            "Most events of the page; there may be less, and `more` all the same.",
        ),
        *CHOSEN,
    ),
    answers={
        200: Answer(
            about="Some events, each in a CloudEvents envelope, and the place after them.",
            content={Form.JSON.value: _PAGE, Form.LINES.value: TEXT, Form.BATCH.value: array(EVENT)},
        )
    },
    refusals={400: _BAD, 403: _NOT_HIS, 409: AHEAD, 406: "The client accepts none of these media types."},
    cursor=True,
)
LINES = PAGE.but(
    summary="The next events, one a line",
    answers={200: Answer(about="An envelope a line.", content={Form.LINES.value: TEXT})},
    refusals={400: _BAD, 403: _NOT_HIS, 409: AHEAD},
)
JSON = PAGE.but(
    summary="The next events, in JSON",
    answers={200: Answer(about="Some events, and the place after them.", content={Form.JSON.value: _PAGE})},
    refusals={400: _BAD, 403: _NOT_HIS, 409: AHEAD},
)
STREAM = Operation(
    tag=Tag.EVENTS,
    summary="The next events and all to come, as they come",
    about=(
        "Server-sent events: `id` is the cursor after the event, `data` its CloudEvents envelope. The stream ends with "
        "an event `end` and a reason when the caller's session, token or rights end, or the server stops."
    ),
    parameters=(
        AFTER,
        query("Last-Event-ID", TEXT, "The same; goes first. Browsers send it when they come again.").but(
            where="header"
        ),
        query(
            "closeAfter",
            {"type": "integer", "minimum": 0, "maximum": LONGEST},
            "End after so many seconds, or as soon as something was given and there is no more for the moment. For "
            "proxies that hold an answer back until it ends.",
        ),
        *CHOSEN,
    ),
    answers={200: Answer(about="Events, until one side ends it.", content={"text/event-stream": SENT_EVENT})},
    refusals={400: _BAD, 403: _NOT_HIS, 409: AHEAD},
)
