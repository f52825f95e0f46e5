"""A consumer that is killed at random: it follows the events of a server in one of three ways, and notes each.

A line of its file is written at once or not at all, with the event and the place to go on from: as a consumer keeps its
checkpoint in the transaction of what it does. Run as: consumer_process.py WAY URL TOKEN FILE.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout

Event = dict[str, Any]


class Notes:
    """What was dealt with, one line each."""

    def __init__(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        self.known = {line.split(b" ")[1] for line in lines}
        self.cursor = lines[-1].split(b" ")[0].decode() if lines else "start"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, event: Event) -> None:
        self.cursor = event.get("cursor", "-")
        os.write(self._file, f"{self.cursor} {event['id']}\n".encode())


async def pull(session: ClientSession, notes: Notes) -> None:
    """Read page after page."""
    while True:
        async with session.get(f"messageConversations/events?limit=50&after={notes.cursor}") as response:
            response.raise_for_status()
            page = await response.json()
        for event in page["events"]:
            notes.note(event)
        if not page["more"]:
            await asyncio.sleep(0.01)


async def listen(session: ClientSession, notes: Notes) -> None:
    """Follow the stream, and come again where it was when it ends."""
    while True:
        headers = {"Last-Event-ID": notes.cursor}
        async with session.get("messageConversations/events/stream", headers=headers) as response:
            response.raise_for_status()
            async for event in received(response.content):
                notes.note(event)


async def received(lines: Any) -> AsyncIterator[Event]:
    """Give the events of a stream."""
    async for line in lines:
        if line.startswith(b"data: "):
            event = json.loads(line.removeprefix(b"data: "))
            if "reason" in event:
                return
            yield event


async def subscribe(session: ClientSession, notes: Notes) -> None:
    """Share a subscription with others; what comes again is known by its id."""
    consumer = f"process-{os.getpid()}"
    while True:
        asked = {"consumer": consumer, "limit": 50, "wait": 1}
        async with session.post("subscriptions/warehouse/events", json=asked) as response:
            response.raise_for_status()
            events = (await response.json())["events"]
        for event in events:
            if event["id"].encode() not in notes.known:
                notes.known.add(event["id"].encode())
                notes.note(event)
        acks = {"consumer": consumer, "acks": [event["ack"] for event in events]}
        async with session.post("subscriptions/warehouse/acknowledge", json=acks) as response:
            response.raise_for_status()


async def main(way: str, url: str, token: str, path: str) -> None:
    ways = {"pull": pull, "stream": listen, "subscription": subscribe}
    async with ClientSession(
        f"{url}/api/", headers={"Authorization": f"ApiToken {token}"}, timeout=ClientTimeout(total=None)
    ) as session:
        await ways[way](session, Notes(Path(path)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
