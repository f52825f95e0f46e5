"""Many people read one conversation of very many at once, beside as many who read conversations of a hundred.

    python bench/mark_read.py [--participants 100000] [--readers 20000] [--at-once 64] [--dsn OWNER]

Each is one command through the store, answered when it is durable and the inbox shows it.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

from common import fresh_store, percentile, report, run, server

from convstore.database import Conn, connect, open_pool
from convstore.domain.commands import MarkRead, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.engine import Engine
from convstore.handle import handle
from convstore.log.recorded import Meta
from convstore.log.store import Store

_SENDER = UserId("SenderSende")
_FEW = 100
_PATIENCE = 600.0
_READ = "SELECT count(*) FROM inbox_v1 WHERE NOT unread AND user_id <> $1"


def everybody(number: int) -> tuple[UserId, ...]:
    """Give so many people."""
    return tuple(UserId(f"P{person:010}") for person in range(number))


async def start(store: Store, people: Sequence[UserId]) -> Uid:
    """Start a conversation with these people."""
    uid = new_uid()
    command = SendMessage(
        conversation_id=uid,
        actor=Actor(id=_SENDER),
        message_id=new_uid(),
        subject="All",
        text="All",
        recipients=(*people,),
    )
    await store.submit([command], Meta(actor=_SENDER))
    return uid


async def read(store: Store, engine: Engine, who: Iterator[tuple[Uid, UserId]], at_once: int) -> list[float]:
    """Let these people read, so many at once; give how long each waited."""
    took: list[float] = []

    async def reader() -> None:
        for uid, person in who:
            began = time.perf_counter()
            command = MarkRead(conversation_id=uid, actor=Actor(id=person), reader=person)
            handled = await handle(store, engine, [command], Meta(actor=person))
            took.append(time.perf_counter() - began)
            assert len(handled.outcome.recorded) == 1

    await asyncio.gather(*(reader() for _ in range(at_once)))
    return took


async def measure(dsn: str, owner: Conn, participants: int, readers: int, at_once: int) -> dict[str, Any]:
    """Measure in the one conversation, then in the many."""
    people = everybody(participants)
    async with await open_pool(dsn) as pool, await Store.open(pool) as store:
        engine = Engine(pool, dsn, store)
        await engine.start()
        try:
            large = await start(store, people)
            small = [
                (uid, group)
                for first in range(0, readers, _FEW)
                for group in [people[first : first + _FEW]]
                for uid in [await start(store, group)]
            ]
            await _reflected(engine, store)
            await owner.execute("VACUUM ANALYZE")
            rates, waits = [], []
            for who in (
                ((large, person) for person in people[:readers]),
                ((uid, person) for uid, group in small for person in group),
            ):
                began = time.perf_counter()
                waits.append(await read(store, engine, itertools.islice(who, readers), at_once))
                rates.append(readers / (time.perf_counter() - began))
            await _reflected(engine, store)
            assert 2 * readers == await owner.fetchval(_READ, _SENDER)
        finally:
            await engine.stop()
    return {
        "per_s": round(rates[0]),
        "p50_ms": percentile(waits[0], 50),
        "p99_ms": percentile(waits[0], 99),
        "of_a_hundred_per_s": round(rates[1]),
        "large_to_small": round(rates[0] / rates[1], 2),
    }


async def _reflected(engine: Engine, store: Store) -> None:
    async with asyncio.timeout(_PATIENCE):
        while any(status.position < status.head for status in engine.status()) or store.waiting():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--participants", type=int, default=100_000)
    parser.add_argument("--readers", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    assert args.readers <= args.participants
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args.participants, args.readers, args.at_once)
        report(
            bench="mark_read",
            participants=args.participants,
            readers=args.readers,
            at_once=args.at_once,
            **facts,
            **await server(owner),
        )
        await owner.close()


if __name__ == "__main__":
    run(main)
