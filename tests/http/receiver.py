"""A receiver of webhooks on the loopback address, and a server process that pushes to it."""

import asyncio
import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from people import Caller, Client
from standardwebhooks import Webhook

from convstore.backend import Backend
from convstore.stream.reading import slot_of
from convstore.webhook.service import Webhooks

Event = dict[str, Any]
Answering = Callable[[web.Request, Event], Awaitable[web.StreamResponse]]

LOOPBACK = ("127.0.0.0/8",)
# The shortest that there is, in seconds: a process that died is to be missed soon.
LEASE = 2


class Receiver:
    """Takes events, and answers by its script: one answer for each request, then 204.

    ``taken`` has what it took, in order, whatever came again left out; ``asked`` the ids of all requests.
    """

    def __init__(self) -> None:
        self.script: list[Answering | int] = []
        self.always: Answering | int | None = None
        self.secrets: list[str] = []
        self.taken: list[Event] = []
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.most_of_a_slot = 0
        self.port = 0
        self._known: set[str] = set()
        self._at_once: Counter[int] = Counter()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.taken]

    async def open(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        assert ("POST", "application/cloudevents+json") == (request.method, request.content_type)
        for secret in self.secrets:
            # Raises when it is not signed by this one.
            Webhook(secret).verify(body, dict(request.headers))
        event = json.loads(body)
        assert event["id"] == request.headers["webhook-id"]
        self.asked.append(event["id"])
        self.headers.append(dict(request.headers))
        slot = slot_of(event["subject"])
        self._at_once[slot] += 1
        self.most_at_once = max(self.most_at_once, self._at_once.total())
        self.most_of_a_slot = max(self.most_of_a_slot, self._at_once[slot])
        try:
            answer = self.script.pop(0) if self.script else self.always
            if isinstance(answer, int):
                response: web.StreamResponse = web.Response(status=answer, text="no")
            elif answer is not None:
                response = await answer(request, event)
            else:
                response = web.Response(status=204)
        finally:
            self._at_once[slot] -= 1
        if response.status in range(200, 300) and event["id"] not in self._known:
            self._known.add(event["id"])
            self.taken.append(event)
        return response

    def check_order(self) -> None:
        """See that no conversation was out of order."""
        last: defaultdict[str, int] = defaultdict(int)
        for event in self.taken:
            assert event["streamversion"] > last[event["subject"]], event["id"]
            last[event["subject"]] = event["streamversion"]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver until the end of the block."""
    receiver = Receiver()
    await receiver.open()
    try:
        yield receiver
    finally:
        await receiver.close()


@asynccontextmanager
async def pushing(backend: Backend, dsn: str) -> AsyncIterator[Webhooks]:
    """Push as a server process does, until the end of the block."""
    webhooks = Webhooks(
        dsn,
        backend.pool,
        store=backend.store,
        directory=backend.directory,
        engine=backend.engine,
        settings=backend.settings,
    )
    await webhooks.start()
    try:
        yield webhooks
    finally:
        await webhooks.stop()


async def subscribed(
    caller: Caller, receiver: Receiver, name: str = "hook", *, after: str = "start", url: str = "", **wanted: Any
) -> Any:
    """Make a subscription with a webhook to this receiver, which checks its signatures from now on."""
    made = await caller.post("/api/subscriptions", json={"name": name, "after": after, "lease": LEASE, **wanted})
    assert 201 == made.status, made.body
    answer = await caller("PUT", f"/api/subscriptions/{name}/webhook", json={"url": url or receiver.url})
    assert 201 == answer.status, answer.body
    receiver.secrets = list(answer.json["secrets"])
    return answer.json


async def shown(caller: Caller, name: str = "hook") -> Any:
    """Give a webhook as the API shows it."""
    answer = await caller.get(f"/api/subscriptions/{name}/webhook")
    assert 200 == answer.status, answer.body
    return answer.json


async def logged(client: Client) -> set[str]:
    """Give the ids of all events of the log."""
    rows = await client.backend.pool.fetch("SELECT stream, version FROM event")
    return {f"{row['stream']}@{row['version']}" for row in rows}


async def endless(request: web.Request, _event: Event) -> web.StreamResponse:
    """Answer 200, and go on talking for as long as somebody listens."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"and " * 1_000)
            await asyncio.sleep(0)
    return response
