"""A client of convstore for Python: typed, asynchronous; nothing of the server is needed where it runs.

    async with Client("https://messages.example.org", token=token) as client:
        async for event in client.events(after=cursor, types=["message-posted"]):
            ...

See docs/client.md.
"""

from convstore.client.client import Client
from convstore.client.conversations import (
    Changes,
    Conversation,
    ConversationPage,
    Counts,
    InboxChange,
    InboxEvent,
    Message,
    Person,
)
from convstore.client.errors import (
    ClientError,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KeyReused,
    NotAuthenticated,
    NotFound,
    Refused,
    Unavailable,
    Unreachable,
    Unreadable,
    WebMessage,
)
from convstore.client.events import LATEST, START, By, Event, Page
from convstore.client.subscription import Delivery, Subscription
from convstore.client.transport import Retries
from convstore.domain.types import MessageType, Priority, Status

__all__ = [
    "LATEST",
    "START",
    "By",
    "Changes",
    "Client",
    "ClientError",
    "Conflict",
    "Conversation",
    "ConversationPage",
    "Counts",
    "Delivery",
    "Event",
    "Expired",
    "Forbidden",
    "InboxChange",
    "InboxEvent",
    "Invalid",
    "KeyReused",
    "Message",
    "MessageType",
    "NotAuthenticated",
    "NotFound",
    "Page",
    "Person",
    "Priority",
    "Refused",
    "Retries",
    "Status",
    "Subscription",
    "Unavailable",
    "Unreachable",
    "Unreadable",
    "WebMessage",
]
