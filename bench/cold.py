"""The first reply to a large conversation after a start: nothing of it in memory, durable when answered.

    python bench/cold.py [--participants 100000] [--messages 10000] [--times 7] [--dsn OWNER]

Once with the snapshot that the store has written by itself by then, once without any, as after somebody dropped them.
"""

import argparse
import asyncio
import time
from typing import Any

from common import fresh_store, percentile, report, run, server

from convstore.database import Conn, connect, open_pool
from convstore.domain.commands import Reply, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.log.recorded import Meta
from convstore.log.store import Store

_ANN = UserId("AnnAnnAnn01")
_META = Meta(actor=_ANN)
_TEXT = "The delivery of vaccines to the district store has been delayed by the floods. " * 3


def _reply(uid: Uid) -> Reply:
    return Reply(conversation_id=uid, actor=Actor(id=_ANN), message_id=new_uid(), text=_TEXT)


async def start(store: Store, participants: int) -> Uid:
    """Start a conversation with so many people."""
    uid = new_uid()
    people = tuple(UserId(f"P{number:010}") for number in range(participants))
    command = SendMessage(
        conversation_id=uid, actor=Actor(id=_ANN), message_id=new_uid(), subject="All", text=_TEXT, recipients=people
    )
    await store.submit([command], _META)
    return uid


async def first_replies(dsn: str, uid: Uid, times: int) -> list[float]:
    """Reply once from each of so many new processes, as far as the store can tell."""
    took = []
    for _ in range(times):
        async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
            # Connection and statements are there: a server that starts has them before its first request.
            await store.submit([_reply(await start(store, 1))], _META)
            await store.states([new_uid()])
            began = time.perf_counter()
            outcome = await store.submit([_reply(uid)], _META)
            took.append(time.perf_counter() - began)
            assert len(outcome.recorded) == 1
    return took


async def measure(dsn: str, owner: Conn, uid: Uid, times: int) -> dict[str, Any]:
    """Measure with and without snapshot."""
    facts: dict[str, Any] = {}
    kept = await owner.fetchval("SELECT version FROM snapshot WHERE stream = $1", uid)
    assert kept, "the store has written a snapshot by itself"
    for name in ("snapshot", "no_snapshot"):
        if name == "no_snapshot":
            # Before each, for the store writes one when it has replayed a long stream.
            took = []
            for _ in range(times):
                await owner.execute("DELETE FROM snapshot WHERE stream = $1", uid)
                took += await first_replies(dsn, uid, 1)
        else:
            took = await first_replies(dsn, uid, times)
        facts[f"{name}_p50_ms"] = percentile(took, 50)
        facts[f"{name}_max_ms"] = percentile(took, 100)
    facts["events"] = await owner.fetchval("SELECT count(*) FROM event WHERE stream = $1", uid)
    facts["snapshot_at"] = kept
    return facts


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--participants", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
            audience = await start(store, args.participants)
            thread = await start(store, 5)
            for _ in range(args.messages // 100):
                await store.submit([_reply(thread) for _ in range(100)], _META)
            while await owner.fetchval("SELECT count(*) FROM snapshot") < 2:  # noqa: ASYNC110, PLR2004 - one each; in the database
                await asyncio.sleep(0.05)
        report(
            bench="cold",
            participants=args.participants,
            messages=args.messages,
            to_participants=await measure(dsn, owner, audience, args.times),
            to_messages=await measure(dsn, owner, thread, args.times),
            **await server(owner),
        )
        await owner.close()


if __name__ == "__main__":
    run(main)
