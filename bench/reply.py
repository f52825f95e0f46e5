"""Reply over HTTP: Basic authentication, five participants each, durable and visible when answered; 1 and 2 workers.

    python bench/reply.py [--clients 32] [--conversations 1000] [--people 50] [--seconds 6] [--rounds 3] [--dsn OWNER]

Servers of one worker and of two are asked in turns, never at once. Afterwards every acknowledged reply must be in the
log and in all copies, and a client that reads right after its reply must see it.
"""

import argparse
import asyncio
import random
from typing import Any

import msgspec
from common import fresh_store, percentile, report, run, server
from serving import Client, Cpu, Load, Server, add_people, load, log_in, postmaster, request, serving

from convstore.database import Conn, connect, open_pool
from convstore.domain.commands import SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.log.recorded import Meta
from convstore.log.store import Store

_PARTICIPANTS = 5
_CREATED = 201
_LOOKS = 50
_TEXT = ("The delivery of vaccines to the district store has been delayed by the floods. " * 3).encode()

# A conversation, and the numbers of the people in it.
Talks = list[tuple[Uid, list[int]]]


async def seed(dsn: str, people: list[UserId], conversations: int) -> Talks:
    """Start the conversations, each among five of these people."""
    talks = [(new_uid(), random.sample(range(len(people)), _PARTICIPANTS)) for _ in range(conversations)]
    async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
        await asyncio.gather(
            *(
                store.submit(
                    [
                        SendMessage(
                            conversation_id=uid,
                            actor=Actor(id=people[members[0]]),
                            message_id=new_uid(),
                            subject="Vaccines",
                            text="The delivery is late.",
                            recipients=tuple(people[member] for member in members),
                        )
                    ],
                    Meta(actor=people[members[0]]),
                )
                for uid, members in talks
            )
        )
    return talks


async def reply(at: Server, talks: Talks, clients: int, seconds: float) -> Load:
    """Let clients reply, anybody of a conversation in it, whichever comes."""

    def make(_client: int, _number: int) -> bytes:
        uid, members = random.choice(talks)  # noqa: S311 - no secret
        return request("POST", f"/api/42/messageConversations/{uid}", random.choice(members) + 1, _TEXT)  # noqa: S311

    return await load(at.port, clients, seconds, make, _CREATED)


async def look(at: Server, talks: Talks) -> int:
    """Reply and read as another participant right after it, on another connection; give the number of replies."""
    for uid, members in talks[:_LOOKS]:
        one, other = await Client.connect(at.port), await Client.connect(at.port)
        path = f"/api/42/messageConversations/{uid}"
        seen = request("GET", f"{path}?fields=messageCount,read", members[1] + 1)
        before = msgspec.json.decode((await other.ask(seen)).body)
        assert (await one.ask(request("POST", path, members[0] + 1, _TEXT))).status == _CREATED
        after = msgspec.json.decode((await other.ask(seen)).body)
        assert {"messageCount": before["messageCount"] + 1, "read": False} == after
        one.close()
        other.close()
    return min(_LOOKS, len(talks))


async def measure(dsn: str, owner: Conn, arguments: argparse.Namespace) -> dict[str, Any]:
    """Take turns between one worker and two."""
    people = await add_people(owner, arguments.people)
    talks = await seed(dsn, people, arguments.conversations)
    loads: dict[int, list[Load]] = {1: [], 2: []}
    memory: dict[int, int] = {}
    spent: dict[int, dict[str, int]] = {}
    replies = 0
    for _ in range(arguments.rounds):
        for workers, done in loads.items():
            async with serving(dsn, "--workers", str(workers)) as at:
                # Each worker checks each password once.
                for _ in range(workers * 2):
                    await log_in(at.port, range(1, len(people) + 1))
                replies += (await reply(at, talks, arguments.clients, min(1.0, arguments.seconds / 3))).answers
                cpu = Cpu(server=at.pid, postgres=await postmaster(owner))
                done.append(await reply(at, talks, arguments.clients, arguments.seconds / arguments.rounds))
                spent[workers] = cpu.per(done[-1].answers)
                replies += done[-1].answers + await look(at, talks)
                memory[workers] = max(at.memory())
    posted = await owner.fetchval("SELECT count(*) FROM event WHERE type = 'message-posted'")
    assert replies + arguments.conversations == posted, "every acknowledged reply is in the log, once"
    copies = await owner.fetchval("SELECT sum(message_count) FROM inbox_v1")
    assert posted * _PARTICIPANTS == copies, "every message is in every participant's copy"
    rates = {workers: sorted(each.rate for each in done)[len(done) // 2] for workers, done in loads.items()}
    took = {workers: [took for each in done for took in each.took] for workers, done in loads.items()}
    return {
        "per_s": round(rates[1]),
        "p50_ms": percentile(took[1], 50),
        "p99_ms": percentile(took[1], 99),
        "two_workers_per_s": round(rates[2]),
        "two_workers_p99_ms": percentile(took[2], 99),
        "two_workers_to_one": round(rates[2] / rates[1], 2),
        "not_reflected": sum(each.unreflected for done in loads.values() for each in done),
        "replies": replies,
        "cpu_us_a_reply": spent,
        "memory_mb": memory,
    }


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--conversations", type=int, default=1_000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=6.0, help="for each number of workers")
    parser.add_argument("--rounds", type=int, default=3, help="turns that these are shared between")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args)
        report(bench="reply", clients=args.clients, conversations=args.conversations, **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
