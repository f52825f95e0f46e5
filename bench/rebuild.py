"""Replay a whole log into new tables of every read model, beside the live ones, as a rebuild does.

    python bench/rebuild.py [--events 60000] [--only inbox] [--dsn OWNER]

The log is the one of catch_up.py. Beside it, as a floor: reading and decoding the same events, and no more.
"""

import argparse
import asyncio
import resource
import time
from typing import Any

from catch_up import read_only, seed
from common import fresh_store, report, run, server

from convstore.database import Conn, connect
from convstore.engine.rebuild import collecting_seldom
from convstore.engine.shadow import open_shadow
from convstore.engine.shared import SharedReads
from convstore.log.read import heads
from convstore.projections import Projection, discover

# What must come out: a row of the first table for each event of the type.
_ROWS = {
    "inbox": ("bench_inbox.inbox_conversation_v1", "conversation-started"),
    "thread": ("bench_thread.thread_v1", "message-posted"),
}


async def measure(dsn: str, owner: Conn, events: int, only: list[str]) -> dict[str, Any]:
    """Make a log, then replay it for all read models at once."""
    await seed(owner, events, 1)
    await owner.execute("VACUUM ANALYZE event")
    floor = await read_only(dsn, 1)
    chosen = [projection for projection in discover() if not only or projection.name in only]
    ends = dict(enumerate(await heads(owner)))
    shared = SharedReads()
    began = time.perf_counter()
    with collecting_seldom():
        reached = await asyncio.gather(*(_build(dsn, projection, ends, shared) for projection in chosen))
    took = time.perf_counter() - began
    assert [ends] * len(chosen) == reached
    for projection in chosen:
        if projection.name in _ROWS:
            table, tag = _ROWS[projection.name]
            rows = await owner.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - from above
            assert rows == await owner.fetchval("SELECT count(*) FROM event WHERE type = $1", tag)
    return {
        "read_models": [projection.name for projection in chosen],
        "per_s": round(events / took),
        "read_only_per_s": round(events / floor),
        "of_read_only": round(floor / took, 2),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


async def _build(dsn: str, projection: Projection, ends: dict[int, int], shared: SharedReads) -> dict[int, int]:
    """Do what ``convstore rebuild`` does before it compares and switches."""
    async with open_shadow(dsn, projection, f"bench_{projection.name}") as shadow:
        reached = await shadow.replay(ends, shared=shared)
        await shadow.finish()
        return reached


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--only", action="append", default=[], help="only this read model; may be repeated")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args.events, args.only)
        report(bench="rebuild", events=args.events, **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
