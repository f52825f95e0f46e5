"""Ask over HTTP how much is unread in an inbox where very much is, beside the bare query for the same number.

    python bench/unread.py [--unread 50000] [--seconds 4] [--clients 16] [--dsn OWNER]

The read models are filled by their own folds, without a log. One client asks by itself, then many at once.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from common import fresh_store, percentile, report, run, server
from serving import Client, add_people, load, log_in, request, serving

from convstore.database import SERVER_ROLE, Conn, connect
from convstore.domain.events import ConversationStarted, MessagePosted, ParticipantsAdded
from convstore.domain.types import MessageType
from convstore.domain.uid import Uid, UserId
from convstore.log.recorded import Recorded
from convstore.projections import load as read_model
from search import fill

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_SENDER = UserId("SenderSende")
_OK = 200
_READER = 2
_ASK = request("GET", "/api/me/dashboard", _READER)


def recorded(reader: UserId, unread: int) -> Iterator[Recorded]:
    """Tell of so many conversations, of all types, of which the reader has read none."""
    types = list(MessageType)
    position = 0
    for number in range(unread):
        for version, event in enumerate(
            (
                ConversationStarted(message_type=types[number % len(types)], subject="Vaccines", sender=_SENDER),
                ParticipantsAdded(participants=(reader,)),
                MessagePosted(message_id=Uid("MessageUid1"), sender=_SENDER, text="The delivery is late."),
            ),
            1,
        ):
            position += 1
            at = _BEGAN + timedelta(seconds=number)
            yield Recorded(0, position, Uid(f"C{number:010}"), version, event, at, "{}")


async def bare(dsn: str, reader: UserId, seconds: float) -> list[float]:
    """Run the one query over and over on one connection, and give the times."""
    conn = await connect(dsn, role=SERVER_ROLE)
    took = []
    query = await conn.prepare(read_model("inbox").queries.total_unread)
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        await query.fetchval(reader)
        took.append(time.perf_counter() - began)
    await conn.close()
    return took


async def measure(dsn: str, owner: Conn, unread: int, clients: int, seconds: float) -> dict[str, Any]:
    """Fill an inbox, and ask."""
    people = await add_people(owner, _READER)
    reader = people[_READER - 1]
    conn = await connect(dsn, role=SERVER_ROLE)
    await fill(conn, recorded(reader, unread))
    await conn.close()
    await owner.execute("VACUUM ANALYZE")
    async with serving(dsn) as at:
        await log_in(at.port, [_READER])
        await load(at.port, 1, min(0.5, seconds), lambda _client, _number: _ASK, _OK)
        alone = await load(at.port, 1, seconds, lambda _client, _number: _ASK, _OK)
        many = await load(at.port, clients, seconds, lambda _client, _number: _ASK, _OK)
        client = await Client.connect(at.port)
        told = msgspec.json.decode((await client.ask(_ASK)).body)
        client.close()
    assert unread == told["unreadMessageConversations"]
    assert unread == await owner.fetchval("SELECT count(*) FROM inbox_v1 WHERE user_id = $1 AND unread", reader)
    floor = await bare(dsn, reader, seconds)
    return {
        "p50_ms": percentile(alone.took, 50),
        "p99_ms": percentile(alone.took, 99),
        "per_s": round(alone.rate),
        "many_p99_ms": percentile(many.took, 99),
        "many_per_s": round(many.rate),
        "floor_p50_ms": percentile(floor, 50),
        "floor_per_s": round(len(floor) / seconds),
        "of_floor": round(alone.rate / (len(floor) / seconds), 2),
    }


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--unread", type=int, default=50_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each of the three questions")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args.unread, args.clients, args.seconds)
        report(bench="unread", unread=args.unread, clients=args.clients, **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
