"""The properties of conversations, messages and participants: contract sections 2.2 to 2.4.

Two tables each: one for readers who see internal messages, one for all others. They differ in the rows they stand on
and in nothing else.
"""

from typing import Any

from msgspec import Struct, structs

from convstore.domain.types import MessageType, Priority, Status
from convstore.http.query.entities import (
    Collection,
    Constant,
    Entity,
    Inlined,
    Link,
    Reference,
    Scalar,
    Shortcut,
    Type,
    table,
)
from convstore.http.query.filters import asks_for
from convstore.http.query.parameters import Query
from convstore.projections import load

# What anybody may learn about a person through a conversation, whatever is asked for (contract section 9.1).
PERSON = Entity(
    name="user",
    plural="users",
    kind="User",
    properties=table(
        Scalar(name="id", sql="{0}.id", attribute=True),
        Scalar(name="code", sql="{0}.code", attribute=True),
        Scalar(name="name", sql="{0}.first_name || ' ' || {0}.surname", attribute=True),
        Scalar(name="displayName", sql="{0}.first_name || ' ' || {0}.surname"),
        Scalar(name="username", sql="{0}.username"),
        Scalar(name="firstName", sql="{0}.first_name"),
        Scalar(name="surname", sql="{0}.surname"),
    ),
)

# The form that DHIS2's user transformer gives (contract section 2.5.3).
FIVE = ("id", "code", "name", "displayName", "username")

ATTACHMENT = Entity(
    name="attachment",
    plural="attachments",
    kind="FileResource",
    properties=table(
        Scalar(name="id", sql="{0}.value ->> 'id'", key="id", attribute=True),
        Scalar(name="name", sql="{0}.value ->> 'name'", key="name", attribute=True),
        Scalar(name="displayName", sql="{0}.value ->> 'name'", key="name"),
        Scalar(name="contentType", sql="{0}.value ->> 'content_type'", key="content_type"),
        Scalar(
            name="contentLength", sql="({0}.value ->> 'length')::bigint", key="length", type=Type.INTEGER, kind="Long"
        ),
    ),
)


def person(name: str, column: str, *, default: tuple[str, ...] = ("id",)) -> Reference:
    """Make the reference to a person whose id is in a column; one who is not in the directory is not shown."""
    return Reference(
        name=name,
        target=PERSON,
        join=f"LEFT JOIN account AS {{1}} ON {{1}}.id = {{0}}.{column}",
        default=default,
        nulls=("code",) if default == FIVE else (),
    )


def access() -> Constant:
    """Make the property that says what the reader may do: whoever sees a conversation may do all to it."""
    return Constant(name="access", value=dict.fromkeys(("manage", "write", "read", "update", "delete"), True))


def asks_for_tickets(query: Query) -> bool:
    """Tell whether a list asks for tickets, so that ticket managers find those of others too (contract section 9.1).

    Filters on ``read`` are about one's own copies only, so such a list needs no others.
    """
    return (
        not query.any_filter
        and any(asks_for(found, "messageType", "TICKET") for found in query.filters)
        and ("read",) not in query.filtered
    )


def of_tickets(query: Query) -> Query:
    """Give what is still to be asked where all rows are tickets."""
    rest = tuple(found for found in query.filters if not asks_for(found, "messageType", "TICKET"))
    return structs.replace(query, filters=rest)


class Collections(Struct, frozen=True):
    """Where the messages and the participants of conversations come from, and the parameters of both from $2 on."""

    messages: str
    participants: str
    args: tuple[Any, ...] = ()


def _messages(found: Collections) -> Collection:
    message = Entity(
        name="message",
        plural="messages",
        kind="Message",
        properties=table(
            Scalar(name="id", sql="{0}.id", attribute=True),
            Scalar(name="created", sql="{0}.sent", type=Type.DATE, attribute=True),
            Scalar(name="lastUpdated", sql="{0}.sent", type=Type.DATE, attribute=True),
            Scalar(name="text", sql="{0}.text"),
            Scalar(name="metaData", sql="{0}.meta_data"),
            Scalar(name="internal", sql="{0}.internal", type=Type.BOOLEAN),
            person("sender", "sender"),
            Inlined(name="attachments", item="attachment", target=ATTACHMENT, column="attachments"),
        ),
    )
    return Collection(
        name="messages",
        item="message",
        target=message,
        rows=found.messages,
        key="conversation_id",
        order="version",
        args=found.args,
    )


def _participants(found: Collections) -> Collection:
    copy = Entity(
        name="userMessage",
        plural="userMessages",
        kind="UserMessage",
        properties=table(
            Scalar(name="key", sql="{0}.key"),
            Scalar(name="read", sql="{0}.read", type=Type.BOOLEAN),
            Scalar(name="followUp", sql="{0}.follow_up", type=Type.BOOLEAN),
            person("user", "user_id", default=FIVE),
        ),
    )
    return Collection(
        name="userMessages",
        item="userMessage",
        target=copy,
        rows=found.participants,
        key="conversation_id",
        order="user_id",
        default=(),
        args=found.args,
    )


def conversation(found: Collections) -> Entity:
    """Make the table of a conversation's properties, with its messages and participants from these rows."""
    return Entity(
        name="messageConversation",
        plural="messageConversations",
        kind="MessageConversation",
        identifiable=("id", "subject"),
        asked=("subject",),
        properties=table(
            Scalar(name="id", sql="{0}.id", attribute=True),
            Scalar(name="code", sql="NULL::text", attribute=True, persisted=False),
            Scalar(name="name", sql="{0}.subject", attribute=True, persisted=False),
            Scalar(name="displayName", sql="{0}.subject", persisted=False),
            Scalar(name="created", sql="{0}.created", type=Type.DATE, attribute=True),
            Scalar(name="lastUpdated", sql="{0}.last_updated", type=Type.DATE, attribute=True),
            Link(path="messageConversations"),
            person("createdBy", "created_by", default=FIVE),
            person("user", "created_by", default=FIVE),
            Reference(
                name="lastUpdatedBy",
                target=PERSON,
                # Not stored for conversations (contract section 2.2).
                join="LEFT JOIN account AS {1} ON false",
                persisted=False,
            ),
            Scalar(name="subject", sql="{0}.subject"),
            Scalar(
                name="messageType",
                sql="{0}.message_type",
                type=Type.ENUM,
                names=tuple(MessageType),
                kind="MessageType",
            ),
            Scalar(
                name="priority",
                sql="{0}.priority",
                type=Type.ENUM,
                names=tuple(Priority),
                kind="MessageConversationPriority",
            ),
            Scalar(
                name="status",
                sql="{0}.status",
                type=Type.ENUM,
                names=tuple(Status),
                kind="MessageConversationStatus",
            ),
            person("assignee", "assignee"),
            person("lastSender", "last_sender"),
            Scalar(name="lastMessage", sql="{0}.last_message", type=Type.DATE),
            Scalar(
                name="messageCount",
                sql="{0}.message_count",
                type=Type.INTEGER,
                kind="Integer",
                attribute=True,
            ),
            _messages(found),
            _participants(found),
            Scalar(
                name="read",
                # Asked for, it is about copies of one's own only, so that lists, badge and counts agree (section 9.1).
                sql="{0}.read",
                shown="COALESCE({0}.read, false)",
                type=Type.BOOLEAN,
                known=True,
                attribute=True,
                persisted=False,
            ),
            Scalar(name="followUp", sql="{0}.follow_up", type=Type.BOOLEAN, attribute=True, persisted=False),
            # Tells a ticket that is somebody else's alone from one that is unread: read is false for either.
            Scalar(
                name="participant",
                sql="{0}.own",
                type=Type.BOOLEAN,
                known=True,
                attribute=True,
                persisted=False,
                named=True,
            ),
            Shortcut(name="userSurname", path=("user", "surname")),
            Shortcut(name="userFirstname", path=("user", "firstName")),
            Shortcut(name="lastSenderSurname", path=("lastSender", "surname")),
            Shortcut(name="lastSenderFirstname", path=("lastSender", "firstName")),
            Scalar(name="extMessageId", sql="{0}.external_id"),
            access(),
            Constant(name="sharing", value={"users": {}, "userGroups": {}}),
            Constant(name="translations", value=[], item="translation"),
            Constant(name="attributeValues", value=[], item="attributeValue"),
        ),
    )


def _now(suffix: str) -> Entity:
    return conversation(
        Collections(load("thread").queries[f"messages{suffix}"], load("inbox").queries[f"participants{suffix}"])
    )


CONVERSATION = _now("")
CONVERSATION_WITH_INTERNAL = _now("_all")
