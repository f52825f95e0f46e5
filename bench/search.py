"""Search in a large inbox over HTTP: the first page with its total, for rare and for common words.

    python bench/search.py --conversations 100000 [--others 0] [--rounds 20] [--dsn OWNER]

The reader has a copy of each of the conversations, of one to five messages each, and of none of ``--others``, which
only stand in the way. The read models are filled by their own folds, without a log. ``post_100_ms`` is what it costs
the read model of words to take in a page of 100 messages of 40 words.
"""

import argparse
import bisect
import itertools
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import encode_basic_auth
from aiohttp.test_utils import TestClient, TestServer
from common import fresh_store, percentile, report, run, server

from convstore.backend import Backend
from convstore.config import Settings
from convstore.database import SERVER_ROLE, Conn, connect, open_pool, open_readers
from convstore.directory import Directory
from convstore.directory.accounts import NewAccount, add
from convstore.domain.events import ConversationEvent, ConversationStarted, MessagePosted, ParticipantsAdded
from convstore.domain.types import MessageType
from convstore.domain.uid import Uid, UserId
from convstore.engine import Engine
from convstore.files.service import Files
from convstore.files.storage import open_storage
from convstore.http.app import make_app
from convstore.log.recorded import Recorded
from convstore.log.store import Store
from convstore.projections import discover, load

_PASSWORD = "a long password"  # noqa: S105 - opens nothing but this bench
_PAGE = 20_000
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_SENDERS = 2_000
_RARE = 5_000
_OK = 200
_WORDS = 30_000
_LIST = (
    "/api/messageConversations?filter=messageType:eq:PRIVATE&pageSize=35&page=1&fields=id,displayName,subject,"
    "messageType,lastSender[id,displayName],assignee[id,displayName],status,priority,lastUpdated,read,lastMessage,"
    "followUp&order=lastMessage:desc&queryString="
)


class Writer:
    """Makes up texts: words as often as in a language, and some that are looked for."""

    def __init__(self) -> None:
        self.random = random.Random(1)  # noqa: S311 - the same texts each time
        letters = "aaeeiioubcdfghjklmnprstvy"
        self._words = ["".join(self.random.choices(letters, k=self.random.randint(3, 10))) for _ in range(_WORDS)]
        self._weights = list(itertools.accumulate(1 / (rank + 5) for rank in range(_WORDS)))

    def text(self, length: int, *more: str) -> str:
        """Give a text of so many words, and these."""
        top = self._weights[-1]
        picked = [self._words[bisect.bisect(self._weights, self.random.random() * top)] for _ in range(length)]
        return " ".join([*picked, *more])

    def sender(self) -> UserId:
        """Give somebody's id."""
        return UserId(f"Sender{self.random.randrange(_SENDERS):05}")


def conversation(writer: Writer, number: int, reader: UserId) -> Iterator[ConversationEvent]:
    """Tell one conversation. Each says *Données* once, one of ten *Mortality*, one of ``_RARE`` *Zyzzyva*."""
    sender = writer.sender()
    yield ConversationStarted(
        message_type=MessageType.PRIVATE, subject=writer.text(6, *["Mortality"] * (number % 10 == 0)), sender=sender
    )
    yield ParticipantsAdded(participants=(reader,))
    yield MessagePosted(
        message_id=Uid("MessageUid1"),
        sender=sender,
        text=writer.text(40, "Données", *["Zyzzyva"] * (number % _RARE == 0)),
    )
    for _ in range(number % 5):
        yield MessagePosted(message_id=Uid("MessageUid2"), sender=writer.sender(), text=writer.text(40))


def recorded(writer: Writer, conversations: int, others: int, reader: UserId) -> Iterator[Recorded]:
    """Tell all of it, one after another, a second apart."""
    position = 0
    for number in range(conversations + others):
        own = number < conversations
        uid = Uid(f"{'C' if own else 'D'}{number:010}")
        for version, event in enumerate(conversation(writer, number, reader if own else UserId("SomebodyEls")), 1):
            position += 1
            yield Recorded(0, position, uid, version, event, _BEGAN + timedelta(seconds=number), "{}")


async def fill(conn: Conn, events: Iterator[Recorded]) -> None:
    """Take the events into all read models."""
    while page := list(itertools.islice(events, _PAGE)):
        async with conn.transaction():
            for projection in discover():
                for change in projection.fold(page):
                    await conn.execute(projection.apply[change.statement], *change.args)


async def post(conn: Conn, writer: Writer, rounds: int) -> list[float]:
    """Take pages of 100 messages into the words, and give how long each took."""
    search = load("search")
    took = []
    for number in range(rounds):
        event = MessagePosted(message_id=Uid("MessageUid3"), sender=writer.sender(), text=writer.text(40))
        page = [
            Recorded(
                0,
                number,
                Uid(f"C{writer.random.randrange(1_000):010}"),
                1_000 + number * 100 + place,
                event,
                _BEGAN,
                "{}",
            )
            for place in range(100)
        ]
        began = time.perf_counter()
        for change in search.fold(page):
            await conn.execute(search.apply[change.statement], *change.args)
        took.append(time.perf_counter() - began)
    return took


async def measure(dsn: str, conversations: int, others: int, rounds: int) -> dict[str, Any]:
    """Fill a store and search in it."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await open_pool(dsn))
        reader = await add(pool, NewAccount(username="reader", first_name="Rea", surname="Der"), _PASSWORD)
        owner = await connect(dsn, role=None)
        await owner.execute(
            "INSERT INTO account (id, username, first_name, surname, name_words, uuid)"
            " SELECT 'Sender' || lpad(n::text, 5, '0'), 'sender' || n, 'Given' || n % 100, 'Family' || n,"
            " array_to_tsvector(ARRAY['given' || n % 100, 'family' || n]), gen_random_uuid()"
            " FROM generate_series(0, $1::int - 1) AS n", _SENDERS)  # fmt: skip
        conn = await connect(dsn, role=SERVER_ROLE)
        writer = Writer()
        began = time.perf_counter()
        await fill(conn, recorded(writer, conversations, others, reader))
        filled = time.perf_counter() - began
        await owner.execute("VACUUM ANALYZE")
        posts = await post(conn, writer, rounds)
        store = await Store.open(pool)
        stack.push_async_callback(store.close)
        directory = Directory(pool)
        await directory.start()
        stack.push_async_callback(directory.stop)
        engine = Engine(pool, dsn, store)
        await engine.start()
        stack.push_async_callback(engine.stop)
        readers = await stack.enter_async_context(await open_readers(dsn))
        backend = Backend(
            pool=pool,
            readers=readers,
            store=store,
            engine=engine,
            directory=directory,
            files=Files(
                pool,
                open_storage(stack.enter_context(TemporaryDirectory()), Path()),
                limit=1,
                partition_of=store.partition_of,
            ),
            settings=Settings(),
        )
        client = await stack.enter_async_context(TestClient(TestServer(make_app(backend))))
        searches = {
            "common": ("Donn%C3%A9es", conversations),
            "frequent": ("mortality", -(-conversations // 10)),
            "rare": ("zyzzyva", -(-conversations // _RARE)),
            "none": ("qqqqqq", 0),
            "two words": ("donn%C3%A9es+zyzz", -(-conversations // _RARE)),
            "one letter": ("a", None),
            "sender": ("family7", None),
        }
        took = {}
        for name, (asked, total) in searches.items():
            durations = []
            for _ in range(rounds + 1):
                began = time.perf_counter()
                async with client.get(
                    _LIST + asked, headers={"Authorization": encode_basic_auth("reader", _PASSWORD)}
                ) as response:
                    answer = await response.json()
                durations.append(time.perf_counter() - began)
                assert response.status == _OK, answer
                assert total in (answer["pager"]["total"], None), (name, answer["pager"])
            # The first one logs in, or plans.
            took[name] = {
                "found": answer["pager"]["total"],
                "p50_ms": percentile(durations[1:], 50),
                "p95_ms": percentile(durations[1:], 95),
            }
        facts = await server(owner)
        sizes = await owner.fetchrow(
            "SELECT count(*) AS texts, pg_total_relation_size('search_v1') >> 20 AS table_mb,"
            " pg_relation_size('search_v1_by_words') >> 20 AS words_mb FROM search_v1"
        )
        await conn.close()
        await owner.close()
    return {
        "bench": "search",
        **facts,
        "conversations": conversations,
        "others": others,
        **dict(sizes or {}),
        "filled_s": round(filled, 1),
        "post_100_ms": {"p50": percentile(posts, 50), "p95": percentile(posts, 95)},
        "searches": took,
    }


async def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dsn", help="owner of a server to measure on; an embedded one by default")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        report(**await measure(dsn, args.conversations, args.others, args.rounds))


if __name__ == "__main__":
    run(main)
