"""How many events a second a webhook's receiver gets, from a log that is there, by one server process or several.

    python bench/push.py [--events 20000] [--conversations 500] [--workers 1] [--dsn OWNER]

The receiver is in this process and answers at once; it notes each event's id, and that none is missing is asserted.
"""

import argparse
import asyncio
import time
from typing import Any

from aiohttp import web
from common import fresh_store, report, run, server
from serving import Server, add_people, serving

from convstore.database import connect, open_pool
from convstore.directory import Directory
from convstore.domain.commands import Reply, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import UserId, new_uid
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.stream import subscriptions
from convstore.stream.choice import Choice
from convstore.stream.rights import rights_of
from convstore.webhook import targets
from convstore.webhook.guard import Guard
from convstore.webhook.signing import new_secret

_LOOPBACK = "127.0.0.0/8"
_PATIENCE = 300.0
_TOGETHER = 100


class Receiver:
    """Takes what comes, and knows when it has all."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.requests = 0
        self.began = 0.0
        self.url = ""
        self.more = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        await request.read()
        self.began = self.began or time.perf_counter()
        self.requests += 1
        self.ids.add(request.headers["webhook-id"])
        self.more.set()
        return web.Response()


async def seed(store: Store, people: list[UserId], events: int, conversations: int) -> None:
    """Append replies to so many conversations."""
    actor, meta = Actor(id=people[0]), Meta(actor=people[0])
    uids = [new_uid() for _ in range(conversations)]

    def start(uid: str) -> SendMessage:
        return SendMessage(
            conversation_id=uid,
            actor=actor,
            message_id=new_uid(),
            subject="Push",
            text="Come.",
            recipients=(people[1],),
        )

    def reply(number: int) -> Reply:
        uid = uids[number % conversations]
        return Reply(conversation_id=uid, actor=actor, message_id=new_uid(), text="It does not start. " * 5)

    await asyncio.gather(*(store.submit([start(uid)], meta) for uid in uids))
    for first in range(0, events, _TOGETHER):
        some = range(first, min(first + _TOGETHER, events))
        await asyncio.gather(*(store.submit([reply(number)], meta) for number in some))


async def push(running: Server, receiver: Receiver, wanted: int) -> dict[str, Any]:
    """Wait until everything has arrived, and say how fast that was."""
    async with asyncio.timeout(_PATIENCE):
        while len(receiver.ids) < wanted:
            receiver.more.clear()
            await receiver.more.wait()
    took = time.perf_counter() - receiver.began
    assert len(receiver.ids) == wanted
    return {
        "events": wanted,
        "pushed_per_s": round(wanted / took),
        "requests": receiver.requests,
        "server_mb": running.memory(),
    }


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--conversations", type=int, default=500)
    parser.add_argument("--workers", type=int, default=1, help="server processes")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    receiver = Receiver()
    await receiver.open()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        people = await add_people(owner, 2)
        async with await open_pool(dsn) as pool, await Store.open(pool) as store:
            await seed(store, people, args.events, args.conversations)
            person = await Directory(pool).person(people[0])
            assert person is not None
            choice = Choice(rights=rights_of(person, None))
            await subscriptions.create(pool, "push", person.id, choice, (0,) * store.partitions)
            guard = Guard([_LOOPBACK])
            await targets.put(pool, guard, "push", url=receiver.url, headers={}, secrets=[new_secret()])
        wanted: int = await owner.fetchval("SELECT count(*) FROM event")
        async with serving(dsn, "--webhook-networks", _LOOPBACK, "--workers", str(args.workers)) as running:
            facts = await push(running, receiver, wanted)
        report(bench="push", workers=args.workers, **facts, **await server(owner))
        await owner.close()
    await receiver.close()


if __name__ == "__main__":
    run(main)
