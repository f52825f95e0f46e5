"""Writes events for those who follow them: in a CloudEvents envelope, without the texts that are not to be shown."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from convstore.domain.access import LoggedEvent
from convstore.domain.events import ConversationStarted, MessagePosted, tag_of
from convstore.log import cloudevents
from convstore.log.recorded import Recorded

# What people wrote themselves, of files their names.
_WRITTEN: Final = ("subject", "text")


class Given(Struct, frozen=True):
    """An event for somebody who follows, and whether its texts may be shown to him."""

    recorded: Recorded
    texts: bool


def data_of(event: LoggedEvent, *, texts: bool) -> str:
    """Give an event as JSON; without ``texts`` it has no subject, no text, and its attachments have no names."""
    if texts or not isinstance(event, ConversationStarted | MessagePosted):
        return msgspec.json.encode(event).decode()
    data: dict[str, Any] = msgspec.to_builtins(event)
    for name in _WRITTEN:
        data.pop(name, None)
    for attachment in data.get("attachments", ()):
        attachment.pop("name")
    return msgspec.json.encode(data).decode()


class Teller:
    """Writes the events of one store."""

    def __init__(self, store_id: str) -> None:
        self._source = cloudevents.source(store_id)

    def envelope(self, given: Given, cursor: str | None = None) -> cloudevents.CloudEvent:
        """Put an event into its envelope, with the place in the log from which to go on after it."""
        recorded = given.recorded
        return cloudevents.envelope(
            self._source,
            partition=recorded.partition,
            position=recorded.position,
            stream=recorded.stream,
            version=recorded.version,
            tag=tag_of(recorded.event),
            data=data_of(recorded.event, texts=given.texts),
            recorded_at=recorded.recorded_at,
            actor=recorded.meta.actor,
            cursor=cursor,
        )
