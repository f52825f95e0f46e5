"""Append through the store, rules included, against the bare floor of the same batches.

    python bench/append.py --writers 16 --batch 1 --seconds 10 [--partitions 8] [--dsn OWNER]

Writers reply, each in conversations of his own, ``--batch`` replies in one submit, and wait for the answer before the
next. Two floors, measured in turn with it on the same server: ``call`` sends batches of the size that the store came
to through the same append function; ``insert`` is a bare ``INSERT … SELECT FROM unnest`` of the same rows into a table
with the same indexes. Neither decides, waits for callers or keeps states. With several partitions the store has a
batch in flight in each of them, the floors one at a time, of the size that the store's had.
"""

import argparse
import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from common import fresh_store, percentile, report, run, server

from convstore.database import SERVER_ROLE, Conn, connect, open_pool
from convstore.domain.commands import Reply, SendMessage
from convstore.domain.events import MessagePosted
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.log.codec import encode, encode_meta
from convstore.log.read import sql
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.log.verify import verify

_CONVERSATIONS = 1_000
_PARTICIPANTS = 5
_TEXT = "The delivery of vaccines to the district store has been delayed by the floods. " * 3
_ROUNDS = 3
_FLOOR_PARTITION = 1_000

_PEOPLE = [UserId(new_uid()) for _ in range(_PARTICIPANTS)]
_META = Meta(actor=_PEOPLE[0], request_id="0" * 32, user_agent="bench")

_FLOOR_TABLE = "CREATE TABLE floor (LIKE event INCLUDING ALL)"
_FLOOR_INSERT = """
INSERT INTO floor (partition, position, stream, version, type, data, meta, recorded_at)
SELECT 0, p, s, v, t, d::json, m::json, now()
  FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[]) AS n (p, s, v, t, d, m)
"""


async def seed(store: Store) -> list[Uid]:
    """Start the conversations that are replied in."""
    uids = [new_uid() for _ in range(_CONVERSATIONS)]
    await asyncio.gather(
        *(
            store.submit(
                [
                    SendMessage(
                        conversation_id=uid,
                        actor=Actor(id=_PEOPLE[0]),
                        message_id=new_uid(),
                        subject="Vaccines",
                        text=_TEXT,
                        recipients=tuple(_PEOPLE),
                    )
                ],
                _META,
            )
            for uid in uids
        )
    )
    return uids


async def write(store: Store, uids: list[Uid], writers: int, batch: int, seconds: float) -> tuple[int, list[float]]:
    """Let the writers write; give the number of acknowledged events and how long each submit took."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def writer(own: list[Uid]) -> int:
        acknowledged = 0
        for uid in itertools.cycle(own):
            began = time.perf_counter()
            if began >= end:
                break
            replies = [
                Reply(conversation_id=uid, actor=Actor(id=_PEOPLE[i % _PARTICIPANTS]), message_id=new_uid(), text=_TEXT)
                for i in range(batch)
            ]
            outcome = await store.submit(replies, _META)
            took.append(time.perf_counter() - began)
            acknowledged += len(outcome.recorded)
        return acknowledged

    counts = await asyncio.gather(*(writer(uids[i::writers]) for i in range(writers)))
    return sum(counts), took


class Floor:
    """The same rows, without a store: ``size`` requests of ``per_stream`` events at a time, each in another stream."""

    def __init__(self, conn: Conn, size: int, per_stream: int) -> None:
        self.size = size
        self._conn = conn
        self._per_stream = per_stream
        self._uids = [new_uid() for _ in range(_CONVERSATIONS)]
        self._versions = dict.fromkeys(self._uids, 0)
        self._next = itertools.cycle(self._uids)
        self._position = 0

    async def call(self) -> None:
        """One call of the append function."""
        streams, of, numbers, types, data, meta = self._rows()
        groups = list(range(len(streams)))
        before = [self._versions[uid] - self._per_stream for uid in streams]
        after = [self._versions[uid] for uid in streams]
        events = ([place // self._per_stream for place in range(len(of))], of, numbers, types, data, meta)
        rows = await self._conn.fetch(
            sql.append,
            _FLOOR_PARTITION,
            uuid.uuid4(),
            None,
            groups,
            streams,
            before,
            after,
            *events,
            [],
            [],
            [],
            [],
            [],
        )
        assert not rows[0]["stale_groups"]

    async def insert(self) -> None:
        """One bare insert."""
        _, of, numbers, types, data, meta = self._rows()
        positions = list(range(self._position + 1, self._position + 1 + len(of)))
        self._position += len(of)
        await self._conn.execute(_FLOOR_INSERT, positions, of, numbers, types, data, meta)

    def _rows(self) -> tuple[list[Uid], list[Uid], list[int], list[str], list[str], list[str]]:
        streams = [next(self._next) for _ in range(self.size)]
        of, numbers, data = [], [], []
        for uid in streams:
            for _ in range(self._per_stream):
                self._versions[uid] += 1
                of.append(uid)
                numbers.append(self._versions[uid])
                data.append(encode(MessagePosted(message_id=new_uid(), sender=_PEOPLE[0], text=_TEXT))[1])
        return streams, of, numbers, ["message-posted"] * len(of), data, [encode_meta(_META)] * len(of)


async def timed(step: Callable[[], Awaitable[None]], seconds: float) -> float:
    """Repeat a step for so long, and give the steps per second."""
    began = time.perf_counter()
    for steps in itertools.count(1):
        await step()
        if (took := time.perf_counter() - began) >= seconds:
            return steps / took
    raise AssertionError


async def measure(dsn: str, writers: int, batch: int, seconds: float, partitions: int = 1) -> dict[str, Any]:
    """Take turns between the store and the floors, and check what the log holds then."""
    owner = await connect(dsn, role=None)
    await owner.execute(_FLOOR_TABLE)
    await owner.execute("GRANT INSERT ON floor TO convstore_server")
    await owner.execute("INSERT INTO head (partition) VALUES ($1)", _FLOOR_PARTITION)
    bare = await connect(dsn, role=SERVER_ROLE)
    acknowledged = 0
    took: list[float] = []
    rates: dict[str, list[float]] = {"store": [], "call": [], "insert": []}
    async with await open_pool(dsn, size=partitions + 3) as pool, await Store.open(pool) as store:
        uids = await seed(store)
        acknowledged += (await write(store, uids, writers, batch, min(1.0, seconds / 5)))[0]
        share = seconds / _ROUNDS / 3
        insert = Floor(bare, 0, batch)
        sizes = []
        for _ in range(_ROUNDS):
            batches, began = _batches(store), time.perf_counter()
            events, durations = await write(store, uids, writers, batch, share)
            rates["store"].append(events / (time.perf_counter() - began))
            took += durations
            acknowledged += events
            sizes.append(events / (_batches(store) - batches))
            requests = max(1, round(sizes[0] / batch))
            rates["call"].append(await timed(Floor(bare, requests, batch).call, share) * requests * batch)
            insert.size = requests
            rates["insert"].append(await timed(insert.insert, share) * requests * batch)
    await owner.execute("DELETE FROM head WHERE partition = $1", _FLOOR_PARTITION)
    checked = await verify(owner)
    posted = await owner.fetchval(
        "SELECT count(*) FROM event WHERE partition <> $1 AND type = 'message-posted'", _FLOOR_PARTITION
    )
    assert acknowledged + _CONVERSATIONS == posted, "every acknowledged reply is in the log, once"
    assert checked.events == await owner.fetchval("SELECT sum(position)::bigint FROM head")
    facts = await server(owner)
    await bare.close()
    await owner.close()
    median = {name: sorted(values)[len(values) // 2] for name, values in rates.items()}
    return {
        "bench": "append",
        "writers": writers,
        "batch": batch,
        "partitions": partitions,
        "events_per_s": round(median["store"]),
        "p50_ms": percentile(took, 50),
        "p99_ms": percentile(took, 99),
        "events_per_transaction": round(sum(sizes) / len(sizes), 1),
        "floor_call_per_s": round(median["call"]),
        "of_floor_call": round(median["store"] / median["call"], 2),
        "floor_insert_per_s": round(median["insert"]),
        "of_floor_insert": round(median["store"] / median["insert"], 2),
        "events_checked": checked.events,
        **facts,
    }


def _batches(store: Store) -> int:
    return sum(counted.batches for counted in store.counters())


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--batch", type=int, default=1, help="commands in one submit, each of one event")
    parser.add_argument("--partitions", type=int, default=1, help="of the log")
    parser.add_argument("--seconds", type=float, default=10.0, help="altogether, shared between store and floors")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn, partitions=args.partitions) as dsn:
        report(**await measure(dsn, args.writers, args.batch, args.seconds, args.partitions))


if __name__ == "__main__":
    run(main)
