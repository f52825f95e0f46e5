"""List 50 conversations of a large inbox over HTTP, beside a bare handler that runs one query for the same rows.

    python bench/list_inbox.py [--conversations 100000] [--seconds 5] [--clients 16] [--dsn OWNER]

Both servers are processes of their own, on the same database, and are asked in turns; the bare one is aiohttp with one
prepared asyncpg statement, without rights, paging, totals or links. ``small`` is an inbox of 100 beside the large one.
The read models are filled by their own folds, without a log.
"""

import argparse
import asyncio
import base64
import itertools
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web
from common import fresh_store, percentile, report, run, server

from convstore.database import Conn, connect, open_pool, open_readers
from convstore.directory.accounts import NewAccount, add
from convstore.domain.events import ConversationEvent, ConversationStarted, MessagePosted, ParticipantsAdded
from convstore.domain.types import MessageType
from convstore.domain.uid import Uid, UserId
from convstore.log.recorded import Recorded
from convstore.projections import discover

_PASSWORD = "a long password"  # noqa: S105 - opens nothing but this bench
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_SENDERS = 1_000
_SMALL = 100
_PAGE = 50
_FOLDED = 20_000
_ROUNDS = 3
_STARTS_WITHIN = 30.0

_FIELDS = (
    "id,displayName,subject,messageType,lastSender[id,%20displayName],assignee[id,%20displayName],status,priority,"
    "lastUpdated,read,lastMessage,followUp"
)
LIST = (
    f"/api/42/messageConversations?filter=messageType:eq:PRIVATE&pageSize={_PAGE}&page=1&fields={_FIELDS}"
    "&order=lastMessage:desc"
)
_BADGE = "/api/42/messageConversations?fields=read&filter=read:eq:false&filter=messageType:eq:PRIVATE&pageSize=1"
_DEEP = LIST.replace("&page=1&", "&page={}&")
_BARE = """
SELECT i.conversation_id, i.subject, i.message_type, s.id AS sender, s.first_name || ' ' || s.surname AS sender_name,
       a.id AS assignee, a.first_name || ' ' || a.surname AS assignee_name, i.status, i.priority, i.last_updated,
       NOT i.unread AS read, i.last_message, i.follow_up
  FROM inbox_v1 AS i
  LEFT JOIN account AS s ON s.id = i.last_sender
  LEFT JOIN account AS a ON a.id = i.assignee
 WHERE i.user_id = $1
   AND i.message_type = 'PRIVATE'
 ORDER BY i.last_message DESC, i.conversation_id
 LIMIT 50
"""


def conversation(number: int, reader: UserId) -> Iterator[ConversationEvent]:
    """Tell one conversation; of ten, eight are private."""
    kind = (MessageType.VALIDATION_RESULT, MessageType.TICKET, *[MessageType.PRIVATE] * 8)[number % 10]
    sender = UserId(f"Sender{number % _SENDERS:05}")
    yield ConversationStarted(message_type=kind, subject=f"Vaccines for district {number}", sender=sender)
    yield ParticipantsAdded(participants=(reader,))
    yield MessagePosted(message_id=Uid("MessageUid1"), sender=sender, text="The delivery is late.")


def recorded(readers: dict[UserId, int]) -> Iterator[Recorded]:
    """Tell the conversations of each reader, a second apart."""
    position = 0
    for prefix, (reader, conversations) in zip("AB", readers.items(), strict=True):
        for number in range(conversations):
            for version, event in enumerate(conversation(number, reader), 1):
                position += 1
                at = _BEGAN + timedelta(seconds=number)
                yield Recorded(0, position, Uid(f"{prefix}{number:010}"), version, event, at, "{}")


async def fill(conn: Conn, events: Iterator[Recorded]) -> None:
    """Take the events into all read models."""
    while page := list(itertools.islice(events, _FOLDED)):
        async with conn.transaction():
            for projection in discover():
                for change in projection.fold(page):
                    await conn.execute(projection.apply[change.statement], *change.args)


async def serve_bare(dsn: str, reader: str, port: int) -> None:
    """Be the floor, until killed."""
    # The same kind of connections as the server reads through: the floor gets every advantage.
    pool = await open_readers(dsn)
    encode = msgspec.json.Encoder().encode

    async def handler(_request: web.Request) -> web.Response:
        rows = await pool.fetch(_BARE, reader)
        return web.Response(body=encode([dict(row) for row in rows]), content_type="application/json")

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


@asynccontextmanager
async def process(port: int, *arguments: str) -> AsyncIterator[None]:
    """Run a server, and give when it answers."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + _STARTS_WITHIN
        while True:
            assert child.returncode is None, "the server ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the server does not start"
                await asyncio.sleep(0.05)
        yield
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


class Load:
    """Asks for one path over and over, on so many connections, and keeps the times in seconds."""

    def __init__(self, port: int, path: str, username: str, clients: int) -> None:
        credentials = base64.b64encode(f"{username}:{_PASSWORD}".encode()).decode()
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credentials}\r\n"
            "Accept: application/json\r\n\r\n"
        ).encode()
        self._port = port
        self._clients = clients
        self.times: list[float] = []
        self.rates: list[float] = []
        self.body = b""

    async def go(self, seconds: float) -> None:
        """Ask for so long."""
        end = time.perf_counter() + seconds
        counts = await asyncio.gather(*(self._client(end) for _ in range(self._clients)))
        self.rates.append(sum(counts) / seconds)

    async def _client(self, end: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        count = 0
        while (began := time.perf_counter()) < end:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self.body = await reader.readexactly(length)
            self.times.append(time.perf_counter() - began)
            count += 1
        writer.close()
        return count

    @property
    def rate(self) -> float:
        """Requests per second, of the median round."""
        return sorted(self.rates)[len(self.rates) // 2]


async def measure(dsn: str, conversations: int, seconds: float, clients: int) -> dict[str, Any]:
    """Fill a store, serve it twice, and ask both."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await open_pool(dsn, size=2))
        big, small = [
            await add(pool, NewAccount(username=name, first_name="Rea", surname="Der"), _PASSWORD)
            for name in ("big", "small")
        ]
        owner = await connect(dsn, role=None)
        await owner.execute(
            "INSERT INTO account (id, username, first_name, surname, uuid)"
            " SELECT 'Sender' || lpad(n::text, 5, '0'), 'sender' || n, 'First' || n, 'Sur' || n, gen_random_uuid()"
            " FROM generate_series(0, $1) AS n",
            _SENDERS - 1,
        )
        await fill(owner, recorded({big: conversations, small: _SMALL}))
        await owner.execute("VACUUM ANALYZE")
        facts = await server(owner)
        await owner.close()
        port, bare_port = _free_port(), _free_port()
        await stack.enter_async_context(
            process(port, "-m", "convstore", "serve", "--dsn", dsn, "--no-migrate", "--port", str(port))
        )
        await stack.enter_async_context(
            process(bare_port, __file__, "--bare", str(bare_port), "--reader", big, "--dsn", dsn)
        )
        loads = {
            "bare": Load(bare_port, "/", "big", clients),
            "list": Load(port, LIST, "big", clients),
            "small": Load(port, LIST, "small", clients),
            "badge": Load(port, _BADGE, "big", clients),
        }
        for load in loads.values():
            await load.go(min(seconds, 1.0))
            load.times.clear()
            load.rates.clear()
        for _, load in itertools.product(range(_ROUNDS), loads.values()):
            await load.go(seconds / _ROUNDS)
        private = conversations // 10 * 8
        deep = Load(port, _DEEP.format(private // _PAGE), "big", 1)
        await deep.go(seconds / _ROUNDS)
        listed = msgspec.json.decode(loads["list"].body)
        bare = msgspec.json.decode(loads["bare"].body)
        assert private == listed["pager"]["total"]
        assert [row["conversation_id"] for row in bare] == [found["id"] for found in listed["messageConversations"]]
        assert {"id", "displayName"} == listed["messageConversations"][0]["lastSender"].keys()
        assert private == msgspec.json.decode(loads["badge"].body)["pager"]["total"]
        assert private == msgspec.json.decode(deep.body)["pager"]["total"]
        return facts | {
            "conversations": conversations,
            "clients": clients,
            "per_second": {name: round(load.rate) for name, load in loads.items()},
            "ratio_to_bare": round(loads["list"].rate / loads["bare"].rate, 2),
            "p50_ms": {name: percentile(load.times, 50) for name, load in loads.items()},
            "p99_ms": {name: percentile(load.times, 99) for name, load in loads.items()},
            "p99_large_to_small": round(percentile(loads["list"].times, 99) / percentile(loads["small"].times, 99), 2),
            "last_page_ms": percentile(deep.times, 50),
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each of the four questions")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        await serve_bare(args.dsn, args.reader, args.bare)
        return
    async with fresh_store(args.dsn) as dsn:
        facts = await measure(dsn, args.conversations, args.seconds, args.clients)
    report(bench="list_inbox", **facts)


if __name__ == "__main__":
    run(main)
