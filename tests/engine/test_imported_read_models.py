"""What read models show of a log that was imported is what they showed of it where it came from."""

import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from convstore.database import connect, open_pool
from convstore.domain.types import Actor, Priority, Status
from convstore.domain.uid import Uid, new_uid
from convstore.engine import Engine
from convstore.log import read
from convstore.log.create import facts
from convstore.log.export import Start, export
from convstore.log.importing import import_
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.projections import discover
from words import (
    ANN,
    BOB,
    CID,
    DAN,
    EVE,
    add_participants,
    assign,
    delete_conversation,
    flag_follow_up,
    manager,
    mark_read,
    remove_participant,
    reply,
    send_message,
    send_ticket,
    set_priority,
    set_status,
)

MakeStore = Callable[..., Awaitable[str]]

# Places in a partition, which are others where there are more partitions or fewer: told by the event that is there.
_PLACES = ("position", "changed", "since", "until")


def _told(uid: Uid) -> list[list[Any]]:
    """Give what happens to a conversation, by what is carried out at once."""
    return [
        [send_ticket(ANN, DAN, conversation=uid, text="It does not start.")],
        [set_status(Status.OPEN, conversation=uid), set_priority(Priority.HIGH, conversation=uid)],
        [assign(DAN, conversation=uid), add_participants(BOB, conversation=uid)],
        [reply(by=manager(DAN), text="An old one.", internal=True, managers=(DAN,), conversation=uid)],
        [mark_read(by=BOB, conversation=uid), flag_follow_up(by=ANN, conversation=uid)],
        [reply(by=BOB, conversation=uid), remove_participant(BOB, conversation=uid)],
    ]


async def _talk(dsn: str) -> None:
    async with await open_pool(dsn, size=6) as pool, await Store.open(pool) as store:
        uids = [new_uid() for _ in range(9)]
        # Step by step through all of them, so that no partition has one after another.
        for steps in zip(*map(_told, uids), strict=True):
            for commands in steps:
                await store.submit(commands, Meta(actor=ANN))
        for uid in uids[:2]:
            await store.submit(
                [delete_conversation(by=Actor(id=EVE, superuser=True, may_delete=True), conversation=uid)],
                Meta(actor=EVE),
            )
        gone = new_uid()
        await store.submit([send_message(CID, conversation=gone), remove_participant(CID, conversation=gone)], Meta())


async def _carried(dsn: str) -> None:
    """Let a server's engine take the log in."""
    async with await open_pool(dsn, size=6) as pool, await Store.open(pool) as store:
        engine = Engine(pool, dsn, store)
        await engine.start()
        try:
            async with pool.acquire() as conn:
                heads = await read.heads(conn)
            for partition, head in enumerate(heads):
                assert await engine.wait(partition, head, timeout=30)
        finally:
            await engine.stop()


async def _moved(source: str, target: str) -> None:
    file = io.BytesIO()
    conn = await connect(source, role="convstore_server")
    try:
        store = await facts(conn)
        await export(conn, file, "zstd", store, Start((0,) * store.partitions))
    finally:
        await conn.close()
    file.seek(0)
    conn = await connect(target, role=None)
    try:
        await import_(conn, file, "zstd")
    finally:
        await conn.close()


async def _shown(dsn: str, *, places: bool) -> dict[str, list[str]]:
    """Give the rows of every table; without ``places``, those are named by their events, and counts added up."""
    conn = await connect(dsn, role=None)
    try:
        events = {
            (row["partition"], row["position"]): f"{row['stream']}@{row['version']}"
            for row in await conn.fetch("SELECT partition, position, stream, version FROM event")
        }
        partitions = {row["stream"]: row["partition"] for row in await conn.fetch("SELECT * FROM stream")}
        shown = {}
        for table in (name for projection in discover() for name in projection.tables):
            rows = [json.loads(row[0]) for row in await conn.fetch(f"SELECT to_jsonb(t)::text FROM {table} AS t")]
            if not places and table == "inbox_count_v1":
                rows = _added_up(rows)
            elif not places:
                for row in rows:
                    row.pop("partition", None)
                    partition = partitions[row["conversation_id"]]
                    row |= {name: events.get((partition, row[name])) for name in _PLACES if name in row}
            shown[table] = sorted(json.dumps(row, sort_keys=True) for row in rows)
        return shown
    finally:
        await conn.close()


def _added_up(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        of = sums.setdefault((row["user_id"], row["message_type"]), [0, 0, 0])
        of[:] = [a + row[name] for a, name in zip(of, ("total", "unread", "unread_all"), strict=True)]
    return [{"of": of, "sums": numbers} for of, numbers in sums.items()]


@pytest.mark.parametrize(("before", "after"), [(2, 2), (3, 1), (1, 3)])
async def test_read_models_of_an_imported_log_show_the_same(make_store: MakeStore, before: int, after: int) -> None:
    source, target = await make_store(partitions=before), await make_store(partitions=after)
    await _talk(source)
    await _carried(source)

    await _moved(source, target)
    await _carried(target)

    same = before == after
    shown = await _shown(source, places=same)
    assert all(shown.values())
    assert shown == await _shown(target, places=same)
