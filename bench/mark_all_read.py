"""Mark everything read over HTTP, in an inbox with many unread conversations; and the counts before and after it.

    python bench/mark_all_read.py [--unread 100000] [--counts 300] [--dsn OWNER]

All conversations come through the log, one after another, and the read models take them in before it begins.
"""

import argparse
import asyncio
import time
from typing import Any

import msgspec
from common import fresh_store, percentile, report, run, server
from serving import Client, Server, add_people, log_in, request, serving

from convstore.database import Conn, connect, open_pool
from convstore.domain.commands import SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import UserId, new_uid
from convstore.log.recorded import Meta
from convstore.log.store import Store

_OK = 200
_AT_ONCE = 500
_SENDER, _READER = 0, 1
_COUNTS = "/api/messageConversations/counts"
_ALL = "/api/messageConversations/read?all=true"


async def seed(dsn: str, people: list[UserId], number: int) -> None:
    """Let one person write so many messages to another."""
    sender = Actor(id=people[_SENDER])
    async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
        for first in range(0, number, _AT_ONCE):
            commands = [
                SendMessage(
                    conversation_id=new_uid(),
                    actor=sender,
                    message_id=new_uid(),
                    subject="Vaccines",
                    text="The delivery is late.",
                    recipients=(people[_READER],),
                )
                for _ in range(min(_AT_ONCE, number - first))
            ]
            await store.submit(commands, Meta(actor=sender.id))


async def caught_up(owner: Conn) -> None:
    """Wait until the read models have taken everything in."""
    behind = "SELECT min(c.position) < h.position FROM checkpoint c, head h GROUP BY h.position"
    while await owner.fetchval(behind):  # noqa: ASYNC110 - another process, which sets no event here
        await asyncio.sleep(0.2)


async def unread(client: Client) -> int:
    """Ask for the counts, and give how many are unread in all."""
    answer = await client.ask(request("GET", _COUNTS, _READER + 1))
    assert answer.status == _OK, answer
    found: int = msgspec.json.decode(answer.body)["unread"]
    return found


async def measure(at: Server, number: int, counts: int) -> dict[str, Any]:
    """Count a few times, mark everything read once, and count again."""
    await log_in(at.port, [_READER + 1])
    client = await Client.connect(at.port)
    took = []
    for _ in range(counts):
        began = time.perf_counter()
        assert number == await unread(client)
        took.append(time.perf_counter() - began)
    memory = at.memory()
    began = time.perf_counter()
    answer = await client.ask(request("POST", _ALL, _READER + 1))
    seconds = time.perf_counter() - began
    assert (_OK, {"marked": number}) == (answer.status, msgspec.json.decode(answer.body)), answer
    reflected = b"Convstore-Reflected" not in answer.head
    client.close()
    return {
        "marked_per_s": round(number / seconds),
        "seconds": round(seconds, 1),
        "reflected": reflected,
        "memory_mb": {"before": memory, "after": at.memory()},
        "counts_p50_ms": percentile(took, 50),
        "counts_p99_ms": percentile(took, 99),
    }


async def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unread", type=int, default=100_000)
    parser.add_argument("--counts", type=int, default=300)
    parser.add_argument("--dsn", help="owner of a server to measure on; an embedded one by default")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        people = await add_people(owner, 2)
        await seed(dsn, people, args.unread)
        async with serving(dsn) as at:
            await caught_up(owner)
            measured = await measure(at, args.unread, args.counts)
            await caught_up(owner)
            client = await Client.connect(at.port)
            assert await unread(client) == 0
            client.close()
        facts = await server(owner)
        await owner.close()
    report(bench="mark_all_read", **facts, unread=args.unread, **measured)


if __name__ == "__main__":
    run(main)
