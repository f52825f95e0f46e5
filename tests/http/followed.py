"""Reads the event stream as a client does: pages one after another, and server-sent events as they arrive."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse
from people import MC, Caller, Client

EVENTS = f"{MC}/events"
STREAM = f"{MC}/events/stream"

Event = dict[str, Any]


class Received:
    """One server-sent event, or a comment: ``data`` is None then."""

    def __init__(self, lines: list[str]) -> None:
        fields = [line.partition(": ") for line in lines]
        self.id = next((value for name, _, value in fields if name == "id"), None)
        self.event = next((value for name, _, value in fields if name == "event"), None)
        data = next((value for name, _, value in fields if name == "data"), None)
        self.data: Any = None if data is None else json.loads(data)


class Following:
    """An open stream."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def received(self) -> AsyncIterator[Received]:
        """Give what arrives, until the stream ends."""
        lines: list[str] = []
        async for raw in self.response.content:
            line = raw.decode().rstrip("\n")
            if line:
                lines.append(line)
            else:
                yield Received(lines)
                lines = []

    async def take(self, count: int) -> list[Event]:
        """Give the next so many events."""
        found: list[Event] = []
        async with asyncio.timeout(20):
            async for each in self.received():
                if each.data is not None:
                    assert each.event is None, each.data
                    assert each.id == each.data["cursor"]
                    found.append(each.data)
                    if len(found) == count:
                        break
        assert count == len(found)
        return found

    async def end(self) -> str:
        """Wait for the end, and give its reason; whatever comes before it is passed over."""
        async with asyncio.timeout(20):
            reasons = [each.data["reason"] async for each in self.received() if each.event == "end"]
        return str(reasons[-1])


@asynccontextmanager
async def following(
    client: Client, headers: dict[str, str], query: str = "after=latest", *, path: str = STREAM
) -> AsyncIterator[Following]:
    """Open a stream with these headers; returns when the server has begun to answer."""
    async with client._client.get(f"{path}?{query}", headers=headers) as response:
        assert 200 == response.status, await response.read()
        assert "text/event-stream" == response.headers["Content-Type"]
        yield Following(response)


async def pages(caller: Caller, query: str = "", *, limit: int = 100, after: str = "") -> list[Event]:
    """Read page after page until there is no more, and give all events."""
    found: list[Event] = []
    while True:
        answer = await caller.get(f"{EVENTS}?limit={limit}&after={after}&{query}")
        assert 200 == answer.status, answer.body
        found += answer.json["events"]
        after = answer.json["cursor"]
        if not answer.json["more"]:
            return found


def ids(events: list[Event]) -> list[str]:
    """Give the ids of events, in order."""
    return [event["id"] for event in events]


def tags(events: list[Event]) -> list[str]:
    """Give the types of events, in order."""
    return [event["type"] for event in events]
