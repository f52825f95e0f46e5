"""Mails to very many people, through a real SMTP dialogue with a server that takes everything.

    python bench/delivery.py [--people 10000] [--connections 4] [--dsn OWNER]

One message to so many people who all want mails. Asserts that each got exactly one, and that each has one final status;
measures from the moment when the message is durable: when all are queued, when all are sent, the memory of the sending
process and its processor time for one mail. The mail server runs in a process of its own.
"""

import argparse
import asyncio
import multiprocessing
import resource
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from common import fresh_store, report, run, server

from convstore.config import Settings
from convstore.database import Pool, open_pool
from convstore.delivery.service import Delivery
from convstore.directory import Directory
from convstore.domain.commands import SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import UserId, new_uid
from convstore.engine import Engine
from convstore.handle import handle
from convstore.log.recorded import Meta
from convstore.log.store import Store

_PEOPLE = """
INSERT INTO account (id, username, first_name, surname, email, uuid)
SELECT id, lower(id), 'Person', id, lower(id) || '@example.org', gen_random_uuid()
  FROM unnest($1::text[]) AS n (id)
"""
_WANT = """
INSERT INTO user_setting (user_id, name, value)
SELECT id, 'keyMessageEmailNotification', 'true'
  FROM unnest($1::text[]) AS n (id)
"""
_STATES = "SELECT state, count(*) AS number FROM delivery GROUP BY state"
_LOOK = 0.02


class _Taker:
    """Takes every mail, and counts them by recipient."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take one."""
        self.came.update(envelope.rcpt_tos)
        return "250 OK"


def _mail_server(pipe: Connection) -> None:
    """Serve until asked how many came."""

    async def serve() -> None:
        taker = _Taker()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: SMTP(taker, hostname="post.example"), "127.0.0.1", 0)
        pipe.send(listening.sockets[0].getsockname()[1])
        await loop.run_in_executor(None, pipe.recv)
        pipe.send(taker.came)

    asyncio.run(serve())


def _memory_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else ():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 2**20), 1)


async def _until(pool: Pool, people: int, *, final: bool) -> None:
    while True:
        states = {row["state"]: row["number"] for row in await pool.fetch(_STATES)}
        if states.get("sent", 0) == people if final else sum(states.values()) == people:
            return
        await asyncio.sleep(_LOOK)


async def _measure(dsn: str, people: int, connections: int, port: int) -> dict[str, Any]:
    settings = Settings(
        mail_server=f"127.0.0.1:{port}",
        mail_security="none",
        mail_from="dhis@example.org",
        base_url="https://example.org",
        mail_reply_address="reply@example.org",
        mail_rate=10_000,
        mail_connections=connections,
    )
    everybody = tuple(UserId(f"U{number:010}") for number in range(people))
    writer = UserId("Writer00001")
    async with await open_pool(dsn, size=6) as pool, await Store.open(pool) as store:
        await pool.execute(_PEOPLE, [writer, *everybody])
        await pool.execute(_WANT, everybody)
        directory = Directory(pool)
        await directory.start()
        engine = Engine(pool, dsn, store)
        await engine.start()
        delivery = Delivery(dsn, store, directory, engine, settings)
        await delivery.start()
        before, processor = _memory_mb(), time.process_time()
        command = SendMessage(
            conversation_id=new_uid(),
            actor=Actor(id=writer),
            message_id=new_uid(),
            subject="Measles",
            text="Please report by Friday.\n" * 10,
            recipients=everybody,
        )
        await handle(store, engine, [command], Meta(actor=writer), wait=False)
        durable = time.perf_counter()
        await _until(pool, people, final=False)
        queued = time.perf_counter() - durable
        await _until(pool, people, final=True)
        sent = time.perf_counter() - durable
        processor = time.process_time() - processor
        after = _memory_mb()
        assert {"sent": people} == {row["state"]: row["number"] for row in await pool.fetch(_STATES)}
        await delivery.stop()
        await engine.stop()
        await directory.stop()
    return {
        "mails": people,
        "connections": connections,
        "mails_per_s": round(people / sent, 1),
        "queued_s": round(queued, 2),
        "sent_s": round(sent, 2),
        "cpu_us_a_mail": round(processor / people * 1e6),
        "memory_mb": after,
        "memory_grew_mb": round(after - before, 1),
    }


async def main() -> None:
    """Measure, and print the line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    here, there = multiprocessing.Pipe()
    post = multiprocessing.get_context("spawn").Process(target=_mail_server, args=(there,), daemon=True)
    post.start()
    port = await asyncio.to_thread(here.recv)
    async with fresh_store(args.dsn) as dsn:
        figures = await _measure(dsn, args.people, args.connections, port)
        here.send("how many?")
        came: Counter[str] = await asyncio.to_thread(here.recv)
        assert {1: args.people} == Counter(came.values())
        async with await open_pool(dsn, size=1) as pool, pool.acquire() as conn:
            report(bench="delivery", **figures, **await server(conn))
    post.join()


if __name__ == "__main__":
    run(main)
