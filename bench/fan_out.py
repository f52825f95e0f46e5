"""One message to very many people, and a reply to it: when it is durable, when everybody sees it, what it writes.

    python bench/fan_out.py [--people 1000 --people 100000] [--dsn OWNER]

The floor is one bare INSERT … SELECT of the same copies into a table with the same indexes.
"""

import argparse
import time
from typing import Any

from common import fresh_store, report, run, server
from mark_read import everybody

from convstore.database import Conn, connect, open_pool
from convstore.domain.commands import ConversationCommand, Reply, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.engine import Engine
from convstore.log.recorded import Meta
from convstore.log.store import Store

_SENDER = UserId("SenderSende")
_PATIENCE = 120.0
_WAL = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
_COPIES = "SELECT count(*) FROM inbox_v1 WHERE conversation_id = $1 AND unread AND message_count = $2"


class Sender:
    """Sends to a conversation, and looks at the clock and at the database's journal."""

    def __init__(self, store: Store, engine: Engine, owner: Conn) -> None:
        self._store = store
        self._engine = engine
        self._owner = owner

    async def send(self, command: ConversationCommand) -> dict[str, float]:
        """Give milliseconds and kilobytes of journal until it was durable, and until the inboxes had it."""
        await self._owner.execute("CHECKPOINT")
        wal = await self._owner.fetchval(_WAL)
        began = time.perf_counter()
        outcome = await self._store.submit([command], Meta(actor=_SENDER))
        durable = time.perf_counter() - began
        durable_wal = await self._owner.fetchval(_WAL) - wal
        while not await self._engine.wait(outcome.partition, outcome.position, _PATIENCE):
            assert time.perf_counter() - began < _PATIENCE
        visible = time.perf_counter() - began
        return {
            "durable_ms": round(durable * 1e3, 1),
            "visible_ms": round(visible * 1e3, 1),
            "durable_wal_kb": round(durable_wal / 1024),
            "visible_wal_kb": round((await self._owner.fetchval(_WAL) - wal) / 1024),
        }


async def floor(owner: Conn, uid: Uid) -> float:
    """Give the milliseconds of the bare insert of a conversation's copies."""
    await owner.execute("DROP TABLE IF EXISTS floor; CREATE TABLE floor (LIKE inbox_v1 INCLUDING ALL); CHECKPOINT")
    began = time.perf_counter()
    await owner.execute("INSERT INTO floor SELECT * FROM inbox_v1 WHERE conversation_id = $1", uid)
    return round((time.perf_counter() - began) * 1e3, 1)


async def measure(dsn: str, owner: Conn, sizes: list[int]) -> dict[str, Any]:
    """Send to so many people each time."""
    facts: dict[str, Any] = {}
    async with await open_pool(dsn) as pool, await Store.open(pool) as store:
        engine = Engine(pool, dsn, store)
        await engine.start()
        try:
            sender = Sender(store, engine, owner)
            for number in sizes:
                uid = new_uid()
                message = SendMessage(
                    conversation_id=uid,
                    actor=Actor(id=_SENDER),
                    message_id=new_uid(),
                    subject="Announcement",
                    text="To all.",
                    recipients=everybody(number),
                )
                answer = Reply(conversation_id=uid, actor=Actor(id=_SENDER), message_id=new_uid(), text="And again.")
                told = {"message": await sender.send(message)}
                assert number == await owner.fetchval(_COPIES, uid, 1)
                bare = await floor(owner, uid)
                told["reply"] = await sender.send(answer)
                assert number == await owner.fetchval(_COPIES, uid, 2)
                facts[f"to_{number}"] = told | {
                    "floor_ms": bare,
                    "copies_per_s": round(number / told["message"]["visible_ms"] * 1e3),
                    "of_floor": round(bare / told["message"]["visible_ms"], 2),
                }
        finally:
            await engine.stop()
    return facts


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--people", type=int, action="append", help="may be given several times; 1000 and 100000")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args.people or [1_000, 100_000])
        report(bench="fan_out", **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
