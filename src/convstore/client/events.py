"""The events of the log, in pages or as they happen; whoever keeps the cursor misses none and gets none twice."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

import msgspec
from msgspec import Raw, Struct

from convstore.client.data import Data, read_data
from convstore.client.errors import ClientError, Unreadable
from convstore.client.sse import received
from convstore.client.transport import Params, Transport, Waits

START: Final = "start"
LATEST: Final = "latest"
"""Places that need no cursor: before the first event, and after the last one that there is by now."""

SILENCE: Final = 45.0
"""Seconds after which a stream on which nothing comes has broken off; the server says something every 15."""

_PATH: Final = "messageConversations/events"
_LARGEST_PAGE: Final = 1_000


class By(StrEnum):
    """How one follows: by a stream that goes on, or, where proxies do not let that through, by page after page."""

    STREAM = "stream"
    PAGES = "pages"


class Event(Struct, frozen=True, kw_only=True, dict=True):
    """One event, in its envelope (CloudEvents 1.0).

    ``id`` is conversation@version, unique within ``source``, the store. ``subject`` is the conversation, ``time`` when
    it was recorded, in UTC. ``position`` grows within a ``partition`` of the log, ``streamversion`` within a
    conversation: 1, 2, 3 … ``cursor``: where to go on after it; None for those of a subscription, whose place the
    server keeps.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    partition: int
    position: str
    streamversion: int
    actor: str | None = None
    cursor: str | None = None
    raw: Raw = msgspec.field(name="data", default=Raw())
    data_base64: str | None = None

    @cached_property
    def data(self) -> Data:
        """What happened."""
        return read_data(bytes(self.raw) if self.data_base64 is None else base64.b64decode(self.data_base64))


class Page(Struct, frozen=True, kw_only=True):
    """Some events, and the place after them. ``more``: there may be more right now."""

    events: tuple[Event, ...]
    cursor: str
    more: bool


class Wanted(Struct, frozen=True, kw_only=True):
    """Which events are asked for: of these types, of one conversation, of one's own inbox only."""

    types: Sequence[str] = ()
    conversation: str | None = None
    own: bool = False

    @property
    def params(self) -> list[tuple[str, str]]:
        """The same, as a query says it."""
        params = [("types", ",".join(self.types))] if self.types else []
        if self.conversation is not None:
            params.append(("conversation", self.conversation))
        return [*params, ("own", "true")] if self.own else params


_event = msgspec.json.Decoder(Event)


async def read_page(transport: Transport, wanted: Wanted, after: str, limit: int) -> Page:
    """Give the next events after a place.

    Raises:
        Conflict: the cursor is ahead of the log.
        ClientError: as every call.
    """
    params: Params = [*wanted.params, ("after", after), ("limit", str(limit))]
    return (await transport.call("GET", _PATH, params=params)).read(Page)


async def follow(transport: Transport, wanted: Wanted, after: str, by: By, poll: float) -> AsyncGenerator[Event, None]:
    """Give the events after a place, and all that come."""
    if after == LATEST:
        # Said once: who comes again later must not be told of another latest place.
        after = (await read_page(transport, wanted, LATEST, 1)).cursor
    following = _by_stream(transport, wanted, after) if by is By.STREAM else _by_pages(transport, wanted, after, poll)
    async with aclosing(following):
        async for event in following:
            yield event


async def _by_pages(transport: Transport, wanted: Wanted, after: str, poll: float) -> AsyncGenerator[Event, None]:
    waits = Waits(transport.retries)
    while True:
        try:
            page = await read_page(transport, wanted, after, _LARGEST_PAGE)
        except ClientError as failed:
            await waits.after(failed)
            continue
        waits.worked()
        for event in page.events:
            yield event
        after = page.cursor
        if not page.more:
            await asyncio.sleep(poll)


async def _by_stream(transport: Transport, wanted: Wanted, after: str) -> AsyncGenerator[Event, None]:
    async with aclosing(listen(transport, f"{_PATH}/stream", wanted.params, after)) as stream:
        async for heard in stream:
            if heard.event == "message":
                yield _read_event(heard.data)


class Heard(Struct, frozen=True):
    """Something that a stream said: its kind, the place after it, and what."""

    event: str
    place: str
    data: bytes


async def listen(transport: Transport, path: str, params: Params, place: str) -> AsyncGenerator[Heard, None]:
    """Give what a stream says from a place on, and come again where one was, for ever, whenever it ends.

    Raises:
        ClientError: there is no use in coming again: the server says that this is not for the caller, say.
    """
    waits = Waits(transport.retries)
    while True:
        failed: ClientError | None = None
        headers = {"Last-Event-ID": place} if place else {}
        try:
            async with (
                transport.listen(path, params=params, headers=headers, silence=SILENCE) as response,
                aclosing(received(response.content)) as stream,
            ):
                async for each in stream:
                    if each.event == "end":
                        break
                    waits.worked()
                    place = each.id or place
                    if each.data is not None:
                        yield Heard(each.event, place, each.data)
        except ClientError as error:
            failed = error
        await waits.after(failed)


def _read_event(json: bytes) -> Event:
    try:
        return _event.decode(json)
    except msgspec.DecodeError as error:
        raise Unreadable(f"This is no event: {error}") from error
