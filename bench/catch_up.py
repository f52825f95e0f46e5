"""Carry a log that is there already into the live read models, as a server does that was away for a while.

    python bench/catch_up.py --events 60000 [--partitions 1] [--only inbox] [--profile] [--dsn OWNER]

The log is made by the database's append function, without rules: conversations of five people, about a thousand of them
active at any time, each told in twelve events (begun, joined, five messages, four readings, a status), interleaved at
random. Then one engine starts, with the settings of the server, and is timed until every checkpoint is at the head.
What it made is compared with a replay. Beside it, as a floor: reading and decoding the same events, and no more.
"""

import argparse
import asyncio
import cProfile
import logging
import pstats
import random
import resource
import time
import uuid
from collections.abc import Iterator

from common import fresh_store, report, run, server

from convstore import logs
from convstore.database import SERVER_ROLE, Conn, connect, open_pool
from convstore.domain.events import (
    ConversationEvent,
    ConversationRead,
    ConversationStarted,
    MessagePosted,
    ParticipantsAdded,
    StatusSet,
)
from convstore.domain.types import MessageType, Status
from convstore.domain.uid import Uid, UserId, new_uid, partition_of
from convstore.engine import Engine
from convstore.engine.verify import compare
from convstore.log.codec import encode, encode_meta
from convstore.log.read import read_partition
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.projections import Projection, discover, load

_PEOPLE = [UserId(new_uid()) for _ in range(5_000)]
_TEXT = "The delivery of vaccines to the district store has been delayed by the floods. " * 3
_ACTIVE = 1_000
_BATCH = 500
_APPEND = """
SELECT stale_groups
  FROM append($1, $2, NULL, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '{}', '{}', '{}', '{}', '{}')
"""


def _conversation() -> Iterator[ConversationEvent]:
    people = random.sample(_PEOPLE, 5)
    yield ConversationStarted(
        message_type=MessageType.PRIVATE, subject="Vaccines", sender=people[0], created_by=people[0]
    )
    yield ParticipantsAdded(participants=tuple(people[1:]))
    yield MessagePosted(message_id=new_uid(), sender=people[0], text=_TEXT)
    for version, person in zip((3, 5, 7, 9), people[1:], strict=True):
        yield ConversationRead(reader=person, up_to=version)
        yield MessagePosted(message_id=new_uid(), sender=person, text=_TEXT)
    yield StatusSet(old=Status.NONE, new=Status.OPEN)


def _events(number: int) -> Iterator[tuple[Uid, int, ConversationEvent]]:
    """Give so many events of interleaved conversations, with their streams and versions."""
    active = [(new_uid(), enumerate(_conversation(), 1)) for _ in range(_ACTIVE)]
    while number:
        place = random.randrange(_ACTIVE)  # noqa: S311 - no secret, and the same at each run
        uid, story = active[place]
        if (following := next(story, None)) is None:
            active[place] = new_uid(), enumerate(_conversation(), 1)
            continue
        number -= 1
        yield uid, following[0], following[1]


async def seed(conn: Conn, number: int, partitions: int) -> None:
    """Append so many events, in batches."""
    meta = encode_meta(Meta(actor=_PEOPLE[0], request_id="0" * 32, user_agent="bench"))
    waiting: list[list[tuple[Uid, int, ConversationEvent]]] = [[] for _ in range(partitions)]
    for event in _events(number):
        here = partition_of(event[0], partitions)
        waiting[here].append(event)
        if len(waiting[here]) == _BATCH:
            await _append(conn, here, waiting[here], meta)
            waiting[here] = []
    for partition, rest in enumerate(waiting):
        if rest:
            await _append(conn, partition, rest, meta)


async def _append(conn: Conn, partition: int, events: list[tuple[Uid, int, ConversationEvent]], meta: str) -> None:
    first: dict[Uid, int] = {}
    last: dict[Uid, int] = {}
    for uid, version, _ in events:
        first.setdefault(uid, version - 1)
        last[uid] = version
    encoded = [encode(event) for _, _, event in events]
    stale = await conn.fetchval(
        _APPEND,
        partition,
        uuid.uuid4(),
        [0] * len(first),
        list(first),
        list(first.values()),
        list(last.values()),
        [0] * len(events),
        [uid for uid, _, _ in events],
        [version for _, version, _ in events],
        [tag for tag, _ in encoded],
        [data for _, data in encoded],
        [meta] * len(events),
    )
    assert not stale


async def read_only(dsn: str, partitions: int) -> float:
    """Give the seconds that reading and decoding the whole log takes."""
    conn = await connect(dsn, role=SERVER_ROLE)
    try:
        began = time.perf_counter()
        for partition in range(partitions):
            after = 0
            while page := await read_partition(conn, partition, after, 2_000):
                after = page[-1].position
        return time.perf_counter() - began
    finally:
        await conn.close()


async def catch_up(dsn: str, projections: list[Projection]) -> float:
    """Give the seconds from the start of an engine until its read models are at the head."""
    async with await open_pool(dsn) as pool, await Store.open(pool) as store:
        engine = Engine(pool, dsn, store, projections)
        began = time.perf_counter()
        await engine.start()
        while any(status.events or not status.mine for status in engine.status()):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.005)
        took = time.perf_counter() - began
        assert all(status.stopped is None for status in engine.status())
        await engine.stop()
        return took


async def main(arguments: argparse.Namespace) -> None:
    """Seed, measure, check, print."""
    random.seed(1)
    logs.configure(level=logging.WARNING)
    projections = [load(name) for name in arguments.only] or list(discover())
    async with fresh_store(arguments.dsn, partitions=arguments.partitions) as dsn:
        conn = await connect(dsn, role=None)
        await seed(conn, arguments.events, arguments.partitions)
        await conn.execute("VACUUM ANALYZE event")
        floor = await read_only(dsn, arguments.partitions)
        with cProfile.Profile() if arguments.profile else _Nothing() as profile:
            took = await catch_up(dsn, projections)
        if isinstance(profile, cProfile.Profile):
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        facts = await server(conn)
        await conn.close()
        assert await compare(dsn, projections) == []
        report(
            bench="catch_up",
            projections=[projection.id for projection in projections],
            partitions=arguments.partitions,
            events=arguments.events,
            seconds=round(took, 2),
            events_per_s=round(arguments.events / took),
            read_only_per_s=round(arguments.events / floor),
            memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            **facts,
        )


class _Nothing:
    """No profile."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="only this read model; may be repeated")
    parser.add_argument("--profile", action="store_true", help="print where this process spends its time")
    parser.add_argument("--dsn", help="the owner's; default: an embedded PostgreSQL")
    given = parser.parse_args()
    run(lambda: main(given))
