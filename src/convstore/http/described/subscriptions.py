"""Durable subscriptions: how far another system has dealt with the events is kept on the server."""

from convstore.http.described.events import AHEAD, EVENT
from convstore.http.negotiation import Format
from convstore.http.openapi.operation import Body, Operation, Tag, document, json
from convstore.http.openapi.words import (
    COUNT,
    INTEGER,
    LOCATION,
    array,
    laid_out,
    members,
    node,
    path,
    query,
    web_message,
)
from convstore.http.subscriptions import (
    IN_XML,
    LETTERS_IN_XML,
    LIST_IN_XML,
    Acknowledge,
    Leave,
    Named,
    Read,
    Reject,
    Reset,
    ShownSubscription,
    WantedSubscription,
)
from convstore.stream.letters import Letter

SECONDS = {"type": "number", "description": "In seconds."}
NAME = path("name", {"type": "string", "examples": ["warehouse"]}, "The subscription's name.")
UNKNOWN = "There is no such subscription, or it is somebody else's."
_BAD = "The body is not what it should be."
_NOT_HIS = "The caller may not be given all that it follows."
_RESTORED = "The log is not the one that the subscription followed: reset it."
_IN_XML = laid_out("subscription", ShownSubscription, IN_XML)
_SHOWN = document("The subscription.", ShownSubscription, _IN_XML)
_LIST = members({"subscriptions": array(ShownSubscription)})
_LETTERS = members({"deadLetters": array(Letter)})


def _body(described: type) -> Body:
    return Body(content={Format.JSON.value: described})


CREATE = Operation(
    tag=Tag.EVENTS,
    summary="Make a subscription",
    about=(
        "It begins after a cursor, at the `start` of the log, or, by default, with what happens from now on. `lease`: "
        "seconds after which a consumer that says nothing counts as dead."
    ),
    body=_body(WantedSubscription),
    answers={201: document("The subscription.", ShownSubscription, _IN_XML, headers=(LOCATION,))},
    refusals={
        400: "It cannot be called so, or there are no such events.",
        403: "The caller may not be given these events, or not with texts or internal messages.",
        409: f"There is one of this name, or the account has as many as it may have. Or: {AHEAD}",
    },
)
LIST = Operation(
    tag=Tag.EVENTS,
    summary="The caller's subscriptions",
    about="For superusers all.",
    answers={200: document("By name.", _LIST, laid_out("metadata", _LIST, LIST_IN_XML))},
)
GET = Operation(
    tag=Tag.EVENTS,
    summary="What a subscription follows, and where it stands",
    parameters=(NAME,),
    answers={200: _SHOWN},
    refusals={404: UNKNOWN},
)
DELETE = Operation(
    tag=Tag.EVENTS,
    summary="End a subscription",
    parameters=(NAME,),
    answers={200: web_message("It is gone, with its dead letters.")},
    refusals={404: UNKNOWN},
)
READ = Operation(
    tag=Tag.EVENTS,
    summary="The next events for a consumer",
    about=(
        "Those of the consumer's slots that are not acknowledged; asking again without acknowledging gives the same. "
        "A consumer that does not ask for `lease` seconds, 15 unless the subscription was made with others, loses its "
        "slots to the others of the subscription. In JSON only."
    ),
    parameters=(NAME,),
    body=_body(Read),
    answers={
        200: json(
            "Some events, each with its `ack`.", members({"events": array(EVENT), "slots": COUNT, "lease": SECONDS})
        )
    },
    refusals={400: _BAD, 403: _NOT_HIS, 404: UNKNOWN, 409: _RESTORED},
)
ACKNOWLEDGE = Operation(
    tag=Tag.EVENTS,
    summary="Acknowledge events",
    parameters=(NAME,),
    body=_body(Acknowledge),
    answers={200: node("acknowledged", COUNT, "How many counted: not those whose slot is another's by now.")},
    refusals={400: _BAD, 403: _NOT_HIS, 404: UNKNOWN},
)
REJECT = Operation(
    tag=Tag.EVENTS,
    summary="Make an event a dead letter",
    parameters=(NAME,),
    body=_body(Reject),
    answers={200: node("rejected", COUNT, "1; 0 when its slot is another's by now.")},
    refusals={400: _BAD, 403: _NOT_HIS, 404: UNKNOWN},
)
LEAVE = Operation(
    tag=Tag.EVENTS,
    summary="Give a consumer's slots to the others",
    parameters=(NAME,),
    body=_body(Leave),
    answers={200: web_message("They are free.")},
    refusals={400: _BAD, 403: _NOT_HIS, 404: UNKNOWN},
)
RESET = Operation(
    tag=Tag.EVENTS,
    summary="Begin anew elsewhere in the log",
    about="The dead letters are forgotten.",
    parameters=(NAME,),
    body=_body(Reset),
    answers={200: _SHOWN},
    refusals={400: _BAD, 404: UNKNOWN, 409: AHEAD},
)
LETTERS = Operation(
    tag=Tag.EVENTS,
    summary="The dead letters of a subscription",
    parameters=(
        NAME,
        query("after", INTEGER, "Those after the one with this id."),
        query("limit", INTEGER, "At most so many, up to 1,000."),
    ),
    answers={200: document("Oldest first.", _LETTERS, laid_out("metadata", _LETTERS, LETTERS_IN_XML))},
    refusals={400: "A parameter is no number.", 404: UNKNOWN},
)
REDELIVER = Operation(
    tag=Tag.EVENTS,
    summary="Give dead letters once more",
    parameters=(NAME,),
    body=_body(Named),
    answers={200: node("redelivered", COUNT, "How many there were.")},
    refusals={400: _BAD, 404: UNKNOWN},
)
DISCARD = REDELIVER.but(
    summary="Forget dead letters",
    answers={200: node("discarded", COUNT, "How many there were.")},
)
