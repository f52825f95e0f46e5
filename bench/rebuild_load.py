"""Rebuild every read model of a served store while people reply and read: what it takes, and what they notice.

    python bench/rebuild_load.py [--events 60000] [--clients 8] [--people 50] [--conversations 500]
                                 [--seconds 4] [--dsn OWNER]

The same load is measured for ``--seconds`` without a rebuild and then for as long as ``convstore rebuild --all`` takes,
each reply followed by its author's list. Every answer must be right, none may show fewer messages than one before, and
at the end rebuilt must equal live.
"""

import argparse
import asyncio
import random
import sys
import time
from typing import Any

import msgspec
from catch_up import catch_up
from catch_up import seed as seed_log
from common import fresh_store, percentile, report, run, server
from reply import Talks, seed
from serving import Client, Server, add_people, log_in, request, serving

from convstore.database import Conn, connect
from convstore.engine.verify import compare
from convstore.projections import discover

_OK, _CREATED = 200, 201
_TEXT = b"The delivery is late."


class Noticed:
    """What the clients noticed in one stretch of time, in seconds each."""

    def __init__(self) -> None:
        self.replies: list[float] = []
        self.reads: list[float] = []


async def _use(at: Server, talks: Talks, noticed: Noticed, ended: asyncio.Event) -> None:
    """Reply and read what was replied, one after the other, until the end."""
    client = await Client.connect(at.port)
    seen: dict[str, int] = {}
    while not ended.is_set():
        uid, members = random.choice(talks)  # noqa: S311 - no secret
        person = random.choice(members) + 1  # noqa: S311
        path = f"/api/42/messageConversations/{uid}"
        began = time.perf_counter()
        answer = await client.ask(request("POST", path, person, _TEXT))
        assert answer.status == _CREATED, answer
        replied = time.perf_counter()
        answer = await client.ask(request("GET", f"{path}?fields=messageCount", person))
        assert answer.status == _OK, answer
        count = msgspec.json.decode(answer.body)["messageCount"]
        # Nobody goes back in time; others may have replied too, so it may be more.
        assert count > seen.get(uid, 0), (uid, count, seen)
        seen[uid] = count
        noticed.replies.append(replied - began)
        noticed.reads.append(time.perf_counter() - replied)
    client.close()


async def _rebuild(dsn: str) -> float:
    """Run the command; give its seconds."""
    began = time.perf_counter()
    command = ["-m", "convstore", "rebuild", "--all", "--grace", "0", "--dsn", dsn]
    child = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await child.communicate()
    assert child.returncode == 0
    assert said.decode().count("built anew and in use; the old tables were equal") == len(discover()), said
    return time.perf_counter() - began


async def measure(dsn: str, owner: Conn, arguments: argparse.Namespace) -> dict[str, Any]:
    """Use the server without a rebuild, then with one."""
    await seed_log(owner, arguments.events, 1)
    await catch_up(dsn, list(discover()))
    people = await add_people(owner, arguments.people)
    talks = await seed(dsn, people, arguments.conversations)
    await catch_up(dsn, list(discover()))
    async with serving(dsn) as at:
        await log_in(at.port, range(1, len(people) + 1))
        before, during, ended = Noticed(), Noticed(), asyncio.Event()
        clients = [asyncio.create_task(_use(at, talks, before, ended)) for _ in range(arguments.clients)]
        await asyncio.sleep(arguments.seconds)
        ended.set()
        await asyncio.gather(*clients)
        ended = asyncio.Event()
        clients = [asyncio.create_task(_use(at, talks, during, ended)) for _ in range(arguments.clients)]
        events = sum([row["position"] for row in await owner.fetch("SELECT position FROM head")])
        took = await _rebuild(dsn)
        ended.set()
        await asyncio.gather(*clients)
    assert await compare(dsn) == []
    return {
        "rebuilt_events": events,
        "rebuild_s": round(took, 2),
        "rebuilt_per_s": round(events / took),
        "replies_per_s": {
            "before": round(len(before.replies) / arguments.seconds),
            "during": round(len(during.replies) / took),
        },
        "reply_p99_ms": {"before": percentile(before.replies, 99), "during": percentile(during.replies, 99)},
        "read_p99_ms": {"before": percentile(before.reads, 99), "during": percentile(during.reads, 99)},
        "longest_read_ms": percentile(during.reads, 100),
    }


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--conversations", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=4.0, help="without a rebuild")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args)
        report(bench="rebuild_load", clients=args.clients, **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
