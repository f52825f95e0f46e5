"""The thread: the messages of each conversation, in order, internal ones marked. Answers what a conversation says."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from convstore.domain.events import ConversationDeleted, MessagePosted
from convstore.domain.uid import Uid
from convstore.log.recorded import Recorded
from convstore.projections import Change, Rows

NAME = "thread"
VERSION = 1
TABLES = ("thread_v1",)
ROWS = {
    "post_messages": Rows(
        "thread_v1",
        (
            "conversation_id",
            "version",
            "message_id",
            "sent",
            "sender",
            "internal",
            "text",
            "user_agent",
            "attachments",
            "position",
        ),
    ),
}

_encoder = msgspec.json.Encoder()


def fold(batch: Sequence[Recorded]) -> Iterator[Change]:
    """Say which messages a run of events adds, and whose conversations it takes away: nothing returns from deletion."""
    messages: list[tuple[Any, ...]] = []
    deleted: set[Uid] = set()
    for recorded in batch:
        event = recorded.event
        if isinstance(event, MessagePosted):
            messages.append(
                (
                    recorded.stream,
                    recorded.version,
                    event.message_id,
                    recorded.recorded_at,
                    event.sender,
                    event.internal,
                    event.text,
                    event.user_agent,
                    _encoder.encode(event.attachments).decode() if event.attachments else "[]",
                    recorded.position,
                )
            )
        elif isinstance(event, ConversationDeleted):
            deleted.add(recorded.stream)
    if deleted:
        yield Change("delete_messages", (sorted(deleted),))
        messages = [message for message in messages if message[0] not in deleted]
    if messages:
        yield Change("post_messages", tuple(map(list, zip(*messages, strict=True))))
