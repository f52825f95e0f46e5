"""How long an event takes from the log to who follows it, and what a thousand idle followers cost.

    python bench/feed.py [--rate 1000] [--seconds 10] [--followers 1000] [--readers 4] [--people 50]
                         [--conversations 200] [--dsn OWNER]

First so many follow the stream for a type of event that never comes: memory of the server, and transactions of the
database, with them and without. Then another process appends so many events a second, and some readers take all of
them, beside the idle ones. The lag is from ``recorded_at``, which is before the commit, to the reader's clock: both are
of one machine.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common import fresh_store, percentile, report, run, server
from serving import Cpu, Server, add_people, log_in, postmaster, request, serving

from convstore.database import Conn, connect, open_pool
from convstore.domain.commands import Reply, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import UserId, new_uid
from convstore.log.recorded import Meta
from convstore.log.store import Store

STREAM = "/api/messageConversations/events/stream?after=latest&types="
_PATIENCE = 60.0
# Appended together, this many times a second.
_TICKS = 100
_TIME = re.compile(rb'"time":"([^"]+)"')

_transactions = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"


class Reader:
    """One who follows the stream, and how late each event was, in seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.lags: list[float] = []

    @classmethod
    async def open(cls, port: int, types: str, person: int) -> "Reader":
        """Begin to follow; returns when the server has begun to answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(request("GET", STREAM + types, person))
        assert b" 200 " in await reader.readline()
        await reader.readuntil(b"retry: ")
        return cls(reader, writer)

    async def take(self, events: int) -> None:
        """Read so many events, and note how late they came."""
        while len(self.lags) < events:
            line = await self._reader.readline()
            assert line, "the stream ended"
            now = time.time()
            if line.startswith(b"data: "):
                found = _TIME.search(line)
                assert found is not None, line
                self.lags.append(now - datetime.fromisoformat(found[1].decode()).timestamp())


async def idle(
    owner: Conn, running: Server, followers: int, people: int, seconds: float
) -> tuple[list[Reader], dict[str, Any]]:
    """Let so many follow what never comes, and say what that costs."""
    alone = await _per_second(owner, seconds)
    before = running.memory()[0]
    opened: list[Reader] = []
    async with asyncio.timeout(_PATIENCE):
        while len(opened) < followers:
            number = len(opened)
            some = range(number, min(number + 100, followers))
            opened += await asyncio.gather(
                *(Reader.open(running.port, "status-set", 1 + each % people) for each in some)
            )
    cpu = Cpu(server=running.pid, postgres=await postmaster(owner))
    with_them = await _per_second(owner, seconds)
    return opened, {
        "followers": followers,
        "followers_mb": running.memory()[0] - before,
        "transactions_per_s": {"without": alone, "with": with_them},
        "idle_cpu_us_a_second": cpu.per(max(1, round(seconds))),
    }


async def _per_second(owner: Conn, seconds: float) -> float:
    # What was done before is counted up to a second later.
    await asyncio.sleep(min(2.0, seconds))
    await owner.execute("SELECT pg_stat_clear_snapshot()")
    before = await owner.fetchval(_transactions)
    await asyncio.sleep(seconds)
    await owner.execute("SELECT pg_stat_clear_snapshot()")
    return round((await owner.fetchval(_transactions) - before) / seconds, 1)


async def feed(dsn: str, running: Server, people: Sequence[UserId], args: argparse.Namespace) -> dict[str, Any]:
    """Append at a steady rate from this process, and see when the readers have it."""
    async with await open_pool(dsn) as pool, await Store.open(pool) as store:
        uids = [new_uid() for _ in range(args.conversations)]
        meta = Meta(actor=people[0])
        actor = Actor(id=people[0])
        await asyncio.gather(
            *(
                store.submit(
                    [
                        SendMessage(
                            conversation_id=uid,
                            actor=actor,
                            message_id=new_uid(),
                            subject="Feed",
                            text="Come.",
                            recipients=tuple(people[1:5]),
                        )
                    ],
                    meta,
                )
                for uid in uids
            )
        )
        readers = [await Reader.open(running.port, "message-posted", 1) for _ in range(args.readers)]
        events = round(args.rate * args.seconds)
        reading = [asyncio.create_task(reader.take(events)) for reader in readers]
        began = time.perf_counter()
        appended = 0
        late = 0.0
        while appended < events:
            due = began + appended / args.rate
            late = max(late, time.perf_counter() - due)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            some = range(appended, min(appended + max(1, args.rate // _TICKS), events))
            appended = some.stop
            await asyncio.gather(
                *(
                    store.submit(
                        [
                            Reply(
                                conversation_id=uids[each % len(uids)],
                                actor=actor,
                                message_id=new_uid(),
                                text="It does not start. " * 5,
                            )
                        ],
                        meta,
                    )
                    for each in some
                )
            )
        took = time.perf_counter() - began
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*reading)
    lags = [lag for reader in readers for lag in reader.lags]
    assert len(lags) == events * args.readers
    for reader in readers:
        reader.writer.close()
    return {
        "events": events,
        "readers": args.readers,
        "events_per_s": round(events / took),
        "lag_p50_ms": percentile(lags, 50),
        "lag_p99_ms": percentile(lags, 99),
        "lag_max_ms": round(max(lags) * 1000, 1),
        "server_mb": running.memory()[0],
    }


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--followers", type=int, default=1_000, help="that wait for what never comes")
    parser.add_argument("--idle", type=float, default=5.0, help="how long they are looked at, in seconds")
    parser.add_argument("--readers", type=int, default=4, help="that take all events")
    parser.add_argument("--people", type=int, default=50, help="whom the followers are; each has to log in once")
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        people = await add_people(owner, args.people)
        async with serving(dsn) as running:
            await log_in(running.port, range(1, len(people) + 1))
            waiting, facts = await idle(owner, running, args.followers, len(people), args.idle)
            facts |= await feed(dsn, running, people, args)
            for reader in waiting:
                reader.writer.close()
        report(bench="feed", **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
