"""How much memory a server takes that has caught up, taken replies, listed, counted, searched, had a large audience.

    python bench/memory.py [--events 60000] [--participants 100000] [--people 20] [--conversations 1000]
                           [--seconds 4] [--dsn OWNER]

One process. It finds a log to catch up with when it starts; then people reply, list, count and search, and a superuser
marks a conversation of very many as read for many of them and replies to it. The figure is the most it ever had.
"""

import argparse
import asyncio
import itertools
import random
from typing import Any

import msgspec
from catch_up import seed as seed_log
from common import fresh_store, report, run, server
from mark_read import everybody, start
from reply import reply
from reply import seed as seed_talks
from serving import Client, Load, Server, add_people, load, log_in, request, serving

from convstore.database import Conn, connect, open_pool
from convstore.domain.uid import Uid, UserId
from convstore.log.store import Store

_CLIENTS = 32
_OK, _CREATED = 200, 201
_PATIENCE = 600.0
_BEHIND = """
SELECT count(*)
  FROM checkpoint c
  JOIN head h USING (partition)
 WHERE c.position < h.position
   AND c.stopped IS NULL
"""
_API = "/api/42/messageConversations"
_QUESTIONS = (
    f"{_API}?pageSize=50&fields=id,subject,read,lastSender[id,displayName],messages[id,text]",
    f"{_API}?pageSize=50&page=3&filter=read:eq:false",
    f"{_API}?queryString=vaccines&pageSize=35",
    "/api/me/dashboard",
)


async def ask(at: Server, people: int, seconds: float) -> Load:
    """Let everybody ask for lists, counts and searches."""

    def make(_client: int, number: int) -> bytes:
        return request("GET", _QUESTIONS[number % len(_QUESTIONS)], random.randrange(people) + 1)  # noqa: S311 - no secret

    return await load(at.port, _CLIENTS, seconds, make, _OK)


async def read_for_many(at: Server, uid: Uid, people: tuple[UserId, ...], seconds: float) -> Load:
    """Mark a conversation as read for one after another of these people."""
    waiting = itertools.cycle(people)

    def make(_client: int, _number: int) -> bytes:
        return request("POST", f"{_API}/{uid}/read?userUid={next(waiting)}", 1)

    return await load(at.port, _CLIENTS, seconds, make, _OK)


async def caught_up(owner: Conn) -> None:
    """Wait until the read models are at the head."""
    async with asyncio.timeout(_PATIENCE):
        while await owner.fetchval(_BEHIND):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.1)


async def measure(dsn: str, owner: Conn, args: argparse.Namespace) -> dict[str, Any]:
    """Give what the server did, and what it had of memory after each part."""
    people = await add_people(owner, args.people)
    audience = everybody(args.participants)
    await owner.execute(
        "INSERT INTO account (id, username, first_name, surname, uuid)"
        " SELECT id, lower(id), 'First', 'Sur', gen_random_uuid() FROM unnest($1::text[]) AS n (id)",
        audience,
    )
    await seed_log(owner, args.events, 1)
    talks = await seed_talks(dsn, people, args.conversations)
    async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
        uid = await start(store, audience)
    had: dict[str, int] = {}
    async with serving(dsn) as at:

        def note(what: str) -> None:
            had[what] = at.memory()[0]

        await caught_up(owner)
        note("caught up")
        await log_in(at.port, range(1, args.people + 1))
        replies = await reply(at, talks, _CLIENTS, args.seconds)
        note("replies")
        lists = await ask(at, args.people, args.seconds)
        note("lists")
        marks = await read_for_many(at, uid, audience, args.seconds)
        client = await Client.connect(at.port)
        answer = await client.ask(request("POST", f"{_API}/{uid}", 1, b"To all."))
        assert answer.status == _CREATED, answer
        listed = await client.ask(request("GET", f"{_API}/{uid}?fields=id,userMessages", 1))
        assert args.participants < len(msgspec.json.decode(listed.body)["userMessages"])
        client.close()
        await caught_up(owner)
        note("large audience")
    return {
        "memory_mb": max(had.values()),
        "after": had,
        "events": await owner.fetchval("SELECT sum(position)::bigint FROM head"),
        "replies": replies.answers,
        "lists": lists.answers,
        "marks": marks.answers,
    }


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--participants", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--conversations", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each kind of load")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args)
        report(bench="memory", participants=args.participants, **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
