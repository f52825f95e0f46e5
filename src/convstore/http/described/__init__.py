"""What the API's description says of each route: see ``http/openapi``, and ``routes.py`` for which is whose."""

from convstore.http.described import (
    accounts,
    audit,
    conversations,
    delivery,
    delta,
    directory,
    events,
    files,
    marks,
    me,
    messages,
    operation,
    subscriptions,
    system,
    tickets,
    webhooks,
)

__all__ = [
    "accounts",
    "audit",
    "conversations",
    "delivery",
    "delta",
    "directory",
    "events",
    "files",
    "marks",
    "me",
    "messages",
    "operation",
    "subscriptions",
    "system",
    "tickets",
    "webhooks",
]
