"""Status, priority and who is responsible: of one conversation, and of many at once."""

from convstore.domain.types import Priority, Status
from convstore.http.bulk import Result
from convstore.http.described.conversations import NOT_HIS, UNKNOWN
from convstore.http.openapi.operation import Answer, Described, Operation, Tag, document
from convstore.http.openapi.words import (
    CONVERSATION_UID,
    TEXT,
    UID,
    UIDS,
    array,
    attribute,
    element,
    members,
    node,
    query,
)

_PRIORITY = query("messageConversationPriority", Priority, "The priority, in any case.", required=True)
_STATUS = query("messageConversationStatus", Status, "The status, in any case.", required=True)
_ASSIGNEE = query("userId", TEXT, "Who is to be responsible.")
_NOT_ONE_OF_THEM = "He is not one of those who get tickets, and the conversation is one."


def _keyed(values: type[Priority | Status]) -> Answer:
    """Make the answer whose one member is named after the value that was set."""
    in_json = {
        "type": "object",
        "properties": {name: array(UID) for name in values},
        "minProperties": 1,
        "maxProperties": 1,
    }
    in_xml = element("response", {"type": "object", "properties": {"uid": UID}}, namespace=False)
    return document("The conversation, under what was set.", in_json, in_xml)


SET_PRIORITY = Operation(
    tag=Tag.TICKETS,
    summary="Set the priority of a conversation",
    parameters=(CONVERSATION_UID, _PRIORITY),
    answers={200: _keyed(Priority)},
    refusals={403: NOT_HIS, 404: UNKNOWN},
    command=True,
)
SET_STATUS = SET_PRIORITY.but(
    summary="Set the status of a conversation",
    parameters=(CONVERSATION_UID, _STATUS),
    answers={200: _keyed(Status)},
)
ASSIGN = SET_PRIORITY.but(
    summary="Make somebody responsible for a conversation",
    parameters=(CONVERSATION_UID, _ASSIGNEE),
    answers={200: node("message", TEXT, "He is responsible now.")},
    refusals={403: NOT_HIS, 404: f"{UNKNOWN} Or there is no such person.", 409: _NOT_ONE_OF_THEM},
)
UNASSIGN = SET_PRIORITY.but(
    summary="Make nobody responsible for a conversation",
    parameters=(CONVERSATION_UID,),
    answers={200: node("message", TEXT, "Nobody is responsible now.")},
)


def _many(**said: Described) -> Answer:
    """Make the answer that says what became of each conversation; ``said`` is what it says first: what was set."""
    results = array(members({"id": TEXT, "result": Result}))
    of_one = {
        "type": "object",
        "properties": {"id": attribute(TEXT), "result": attribute(Result)},
        "xml": {"name": "messageConversation"},
    }
    in_xml = {**said, "messageConversations": array(of_one, xml={"wrapped": True})}
    return document(
        "What became of each, in the order that they were named in.",
        members({**said, "messageConversations": results}),
        element("response", {"type": "object", "properties": in_xml}, namespace=False),
    )


_NONE = "None of the conversations exists."
_TOO_MANY = "More than 10,000 conversations are named, or the body is too large."
_NOT_ALL_HIS = "Some of the conversations are not the caller's; the message names them, and nothing was changed."

SET_PRIORITIES = Operation(
    tag=Tag.TICKETS,
    summary="Set the priority of many conversations",
    parameters=(_PRIORITY,),
    body=UIDS,
    answers={200: _many(messageConversationPriority=Priority)},
    refusals={403: _NOT_ALL_HIS, 404: _NONE, 413: _TOO_MANY},
    command=True,
)
SET_STATUSES = SET_PRIORITIES.but(
    summary="Set the status of many conversations",
    parameters=(_STATUS,),
    answers={200: _many(messageConversationStatus=Status)},
)
ASSIGN_MANY = SET_PRIORITIES.but(
    summary="Make somebody responsible for many conversations",
    parameters=(_ASSIGNEE,),
    answers={200: _many(userId=TEXT)},
    refusals={403: _NOT_ALL_HIS, 404: f"{_NONE} Or there is no such person.", 409: _NOT_ONE_OF_THEM, 413: _TOO_MANY},
)
UNASSIGN_MANY = SET_PRIORITIES.but(
    summary="Make nobody responsible for many conversations",
    parameters=(),
    answers={200: _many()},
)
