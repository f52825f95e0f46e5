"""What the API's description says of each route: see ``http/openapi``, and ``routes.py`` for which is whose."""

from convstore.http.described import (
    accounts,
    audit,
    conversations,
    directory,
    events,
    files,
    marks,
    me,
    messages,
    operation,
    system,
    tickets,
)

__all__ = [
    "accounts",
    "audit",
    "conversations",
    "directory",
    "events",
    "files",
    "marks",
    "me",
    "messages",
    "operation",
    "system",
    "tickets",
]
