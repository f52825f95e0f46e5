"""Read the log in order, decoded to typed events, and check its chain.

    python bench/read.py [--events 200000] [--dsn OWNER]

The floor of reading is the same pages fetched and thrown away undecoded.
"""

import argparse
import time
from collections.abc import Awaitable, Callable

from common import fresh_store, report, run, server

from convstore.database import Conn, connect, open_pool
from convstore.domain.commands import Reply, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import UserId, new_uid
from convstore.log import read
from convstore.log.read import sql
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.log.verify import verify

_ANN, _BOB = UserId("AnnAnnAnn01"), UserId("BobBobBob02")
_META = Meta(actor=_ANN, request_id="0" * 32, user_agent="bench")
_TEXT = "The delivery of vaccines to the district store has been delayed by the floods. " * 3
_PAGE = 2_000
_CONVERSATIONS = 100
_ROUNDS = 3


async def seed(store: Store, events: int) -> None:
    """Write so many events, in batches of a hundred, by the ordinary way."""
    actor = Actor(id=_ANN)
    uids = [new_uid() for _ in range(_CONVERSATIONS)]
    outcome = await store.submit(
        [
            SendMessage(
                conversation_id=uid,
                actor=actor,
                message_id=new_uid(),
                subject="Vaccines",
                text=_TEXT,
                recipients=(_BOB,),
            )
            for uid in uids
        ],
        _META,
    )
    position = outcome.position
    while position < events:
        wanted = uids[: events - position]
        outcome = await store.submit(
            [Reply(conversation_id=uid, actor=actor, message_id=new_uid(), text=_TEXT) for uid in wanted], _META
        )
        position = outcome.position


async def best(work: Callable[[], Awaitable[int]], events: int) -> float:
    """Give events per second, of the best of a few rounds: the others were disturbed."""
    rates = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        assert await work() == events
        rates.append(events / (time.perf_counter() - began))
    return max(rates)


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
            await seed(store, args.events)
        conn = await connect(dsn, role=None)
        await conn.execute("VACUUM ANALYZE")

        async def decoded() -> int:
            seen = position = 0
            while page := await read.read_partition(conn, 0, position, _PAGE):
                seen, position = seen + len(page), page[-1].position
            return seen

        async def raw() -> int:
            seen = position = 0
            while page := await conn.fetch(sql.partition_page, 0, position, _PAGE):
                seen, position = seen + len(page), page[-1]["position"]
            return seen

        rate, floor = await best(decoded, args.events), await best(raw, args.events)
        chain = await best(lambda: _check(conn, texts=False), args.events)
        whole = await best(lambda: _check(conn, texts=True), args.events)
        report(
            bench="read",
            events=args.events,
            decoded_per_s=round(rate),
            floor_per_s=round(floor),
            of_floor=round(rate / floor, 2),
            chain_checked_per_s=round(chain),
            verified_per_s=round(whole),
            **await server(conn),
        )
        await conn.close()


async def _check(conn: Conn, *, texts: bool) -> int:
    checked = await verify(conn, texts=texts)
    assert not checked.findings
    return checked.events


if __name__ == "__main__":
    run(main)
