"""What it costs to ask whether anything changed, where nothing did, beside the list itself; and to follow an inbox.

    python bench/poll.py [--conversations 100000] [--seconds 5] [--clients 16] [--followers 1000] [--dsn OWNER]

``list`` is the app's list of 50 from a large inbox; ``poll`` the same with the tag of the last answer, which is a 304;
``changes`` asks what changed since. ``internal`` is the poll of a superuser, who sees internal messages. They are asked
in turns. Then so many clients follow one inbox each while nothing happens, and one message to all of them.
"""

import argparse
import asyncio
import itertools
import time
from typing import Any
from urllib.parse import quote

from common import fresh_store, percentile, report, run, server
from list_inbox import LIST, fill, recorded
from serving import Client, Cpu, Load, Server, add_people, load, log_in, postmaster, request, serving

from convstore.database import Conn, connect

_ROUNDS = 3
_OK, _NOT_MODIFIED, _CREATED = 200, 304, 201
_PATIENCE = 60.0
# At most so many people share the followers: each has to log in once.
_PEOPLE = 200


def with_header(sent: bytes, name: str, value: str) -> bytes:
    """Give a request one more header."""
    return sent.replace(b"\r\n\r\n", f"\r\n{name}: {value}\r\n\r\n".encode(), 1)


def header(head: bytes, name: str) -> str:
    """Give a header of an answer."""
    return head.decode().partition(f"\n{name}: ")[2].partition("\r")[0]


async def poll(owner: Conn, running: Server, people: list[int], args: argparse.Namespace) -> dict[str, Any]:
    """Ask for the list, and whether it is the same, in turns. ``people``: a superuser, and one with a large inbox."""
    superuser, reader = people
    client = await Client.connect(running.port)
    listed = await client.ask(request("GET", LIST, reader))
    tag, place = header(listed.head, "ETag"), header(listed.head, "Convstore-Cursor")
    internal = header((await client.ask(request("GET", LIST, superuser))).head, "ETag")
    changes = f"/api/42/messageConversations/changes?since={quote(place)}"
    unchanged = await client.ask(request("GET", changes, reader))
    assert b'"more":false,"messageConversations":[],"removed":[]' in unchanged.body, unchanged.body
    client.close()
    asked = {
        "list": (request("GET", LIST, reader), _OK),
        "poll": (with_header(request("GET", LIST, reader), "If-None-Match", tag), _NOT_MODIFIED),
        "internal": (with_header(request("GET", LIST, superuser), "If-None-Match", internal), _NOT_MODIFIED),
        "changes": (request("GET", changes, reader), _OK),
    }
    loads: dict[str, list[Load]] = {name: [] for name in asked}
    spent: dict[str, dict[str, int]] = {}
    for turn, (name, (sent, expected)) in itertools.product(range(_ROUNDS + 1), asked.items()):
        cpu = Cpu(server=running.pid, postgres=await postmaster(owner))
        done = await load(
            running.port, args.clients, args.seconds / _ROUNDS, lambda _client, _number, sent=sent: sent, expected
        )
        # The first turn warms up.
        if turn:
            loads[name].append(done)
            spent[name] = cpu.per(done.answers)
    rates = {name: sorted(each.rate for each in done)[len(done) // 2] for name, done in loads.items()}
    return {
        "per_s": {name: round(rate) for name, rate in rates.items()},
        "poll_to_list": round(rates["poll"] / rates["list"], 2),
        "p99_ms": {name: percentile([took for each in done for took in each.took], 99) for name, done in loads.items()},
        "cpu_us": spent,
        "bytes": {"list": len(listed.head) + len(listed.body), "changes": len(unchanged.head) + len(unchanged.body)},
    }


async def follow(owner: Conn, running: Server, number: int, followers: int, idle: float) -> dict[str, Any]:
    """Let so many follow their inboxes, doing nothing for so many seconds; then write to them all."""
    before = running.memory()[0]
    streams = []
    for follower in range(followers):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(request("GET", "/api/me/events", 1 + follower % number))
        streams.append((reader, writer))
    async with asyncio.timeout(_PATIENCE):
        await asyncio.gather(*(reader.readuntil(b"event: ready") for reader, _ in streams))
    cpu = Cpu(server=running.pid, postgres=await postmaster(owner))
    await asyncio.sleep(idle)
    spent = cpu.per(idle)
    everybody = [row["id"] for row in await owner.fetch("SELECT id FROM account ORDER BY id")]
    users = ",".join(f'{{"id":"{uid}"}}' for uid in everybody)
    body = f'{{"subject":"To all","text":"Come.","users":[{users}]}}'.encode()
    client = await Client.connect(running.port)
    began = time.perf_counter()
    answer = await client.ask(request("POST", "/api/messageConversations", 1, body, "application/json"))
    assert answer.status == _CREATED, answer
    async with asyncio.timeout(_PATIENCE):
        await asyncio.gather(*(reader.readuntil(b"event: changed") for reader, _ in streams))
    told = time.perf_counter() - began
    client.close()
    for _, writer in streams:
        writer.close()
    return {
        "followers": followers,
        "followers_mb": running.memory()[0] - before,
        "idle_cpu_us_a_second": spent,
        "all_told_ms": round(told * 1000),
    }


async def measure(dsn: str, owner: Conn, args: argparse.Namespace) -> dict[str, Any]:
    """Fill a store, serve it, and ask."""
    people = await add_people(owner, max(2, min(_PEOPLE, args.followers)))
    # The first is a superuser, in whose list internal messages would be.
    await fill(owner, recorded({people[0]: args.conversations // 10, people[1]: args.conversations}))
    await owner.execute("VACUUM ANALYZE")
    async with serving(dsn) as running:
        await log_in(running.port, range(1, len(people) + 1))
        facts = await poll(owner, running, [1, 2], args)
        return facts | await follow(owner, running, len(people), args.followers, args.seconds)


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each question")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--followers", type=int, default=1_000)
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args)
        report(bench="poll", conversations=args.conversations, clients=args.clients, **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
