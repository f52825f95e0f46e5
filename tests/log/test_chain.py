"""The chain: what it covers, and what a check of the log finds."""

import hashlib
import struct
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from convstore.database import Conn, Pool, connect, open_pool
from convstore.domain.uid import new_uid, partition_of
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.log.verify import Finding, verify
from seeding import tell
from words import (
    ANN,
    BOB,
    CONVERSATION,
    EVE,
    mark_read,
    participant_removed,
    posted,
    reply,
    send_message,
    started,
)

META = Meta(actor=ANN, user_agent="Ämter/1.0")


@pytest.fixture
async def filled(store: Store) -> Store:
    """Give a store with five batches: positions 1 to 3, 4 and 5, 6, 7, 8 to 10."""
    await store.submit([send_message(BOB)], META)
    await store.submit([reply(text="Ça va ?"), reply(text="Oui")], META)
    await store.submit([mark_read(by=BOB)], META)
    await store.submit([reply(by=BOB)], META)
    await store.submit([send_message(BOB, conversation=new_uid())], META)
    return store


@pytest.fixture
async def tamperer(owner: Conn) -> Conn:
    """Give an owner who has taken the guards away."""
    await owner.execute("ALTER TABLE event DISABLE TRIGGER ALL")
    await owner.execute("ALTER TABLE batch DISABLE TRIGGER ALL")
    return owner


async def found(conn: Conn, **more: object) -> list[tuple[int, int]]:
    """Check the log, and give the positions that are named."""
    checked = await verify(conn, **more)  # type: ignore[arg-type]  # passed on as they came
    return sorted({(finding.first_position, finding.last_position) for finding in checked.findings})


async def test_the_hash_covers_what_the_documentation_says(filled: Store, pool: Pool) -> None:
    def text(value: str) -> bytes:
        return struct.pack(">i", len(value.encode())) + value.encode()

    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    before = b""
    batches = await pool.fetch("SELECT * FROM batch ORDER BY last_position")
    for batch in batches:
        digest = hashlib.sha256(before)
        for event in await pool.fetch(
            "SELECT * FROM event WHERE position BETWEEN $1 AND $2 ORDER BY position",
            batch["first_position"],
            batch["last_position"],
        ):
            digest.update(struct.pack(">iq", event["partition"], event["position"]))
            digest.update(text(event["stream"]) + struct.pack(">i", event["version"]) + text(event["type"]))
            digest.update(struct.pack(">q", (event["recorded_at"] - epoch) // timedelta(microseconds=1)))
            digest.update(text(event["data"]) + text(event["meta"]))
        assert digest.digest() == batch["hash"]
        before = batch["hash"]
    assert before == await pool.fetchval("SELECT hash FROM head")


async def test_a_log_that_nobody_touched_is_sound(filled: Store, pool: Pool) -> None:
    progress: list[tuple[int, int]] = []
    async with pool.acquire() as conn:
        checked = await verify(
            conn, lambda done, total: progress.append((done, total)), cursors=[filled.positions(filled.cursor([10]))]
        )
    assert (10, 5, ()) == (checked.events, checked.batches, checked.findings)
    assert (20, 20) == progress[-1]


async def test_an_empty_log_is_sound(store: Store, owner: Conn) -> None:
    assert [] == await found(owner)


@pytest.mark.parametrize(
    "slip",
    [
        "UPDATE event SET data = replace(data::text, 'Oui', 'Non')::json WHERE position = 5",
        "UPDATE event SET data = replace(data::text, ',', ', ')::json WHERE position = 5",
        """UPDATE event SET meta = '{"actor":"BobBobBob02"}' WHERE position = 5""",
        "UPDATE event SET recorded_at = recorded_at + interval '1 microsecond' WHERE position = 5",
        "UPDATE event SET type = 'message-pasted' WHERE position = 5",
        "UPDATE event SET stream = 'Conversatio' WHERE position = 5",
        "UPDATE batch SET recorded_at = recorded_at + interval '1 microsecond' WHERE last_position = 5",
    ],
)
async def test_a_changed_byte_is_named_by_its_batch(filled: Store, tamperer: Conn, slip: str) -> None:
    await tamperer.execute(slip)
    assert (4, 5) in await found(tamperer, texts=False)
    assert not {(1, 3), (6, 6), (7, 7), (8, 10)} & set(await found(tamperer, texts=False))


async def test_a_missing_row_is_named(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute("DELETE FROM event WHERE position = 4")
    assert (4, 5) in await found(tamperer)


async def test_a_missing_batch_is_named(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute("DELETE FROM event WHERE position IN (4, 5)")
    await tamperer.execute("DELETE FROM batch WHERE last_position = 5")
    assert (6, 6) in await found(tamperer)


async def test_a_changed_order_is_named(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute("UPDATE event SET position = -position WHERE position IN (4, 5)")
    await tamperer.execute("UPDATE event SET position = 9 + position WHERE position IN (-4, -5)")
    assert [(1, 10), (4, 5)] == await found(tamperer)


async def test_a_changed_hash_is_named(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute("UPDATE batch SET hash = sha256('x') WHERE last_position = 5")
    assert [(4, 5), (6, 6)] == await found(tamperer)


async def test_who_seals_his_change_breaks_the_next_link(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute("UPDATE event SET data = replace(data::text, 'Oui', 'Non')::json WHERE position = 5")
    await tamperer.execute(
        """UPDATE batch b SET hash = sha256(
               (SELECT hash FROM batch WHERE last_position = 3) || (
                   SELECT string_agg(event_bytes(partition, position, stream, version, type, recorded_at, data::text,
                                                 meta::text), ''::bytea ORDER BY position)
                     FROM event WHERE position IN (4, 5)))
            WHERE last_position = 5"""
    )
    assert [(6, 6)] == await found(tamperer)


async def test_a_cut_tail_is_found_by_the_head_row(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute("DELETE FROM event WHERE position > 7")
    await tamperer.execute("DELETE FROM batch WHERE last_position > 7")
    assert (8, 10) in await found(tamperer)


async def cut_without_a_trace(conn: Conn) -> None:
    """Make the log end at position 7 as if there had never been more."""
    await conn.execute("DELETE FROM stream WHERE stream <> $1", CONVERSATION)
    await conn.execute("DELETE FROM event WHERE position > 7")
    await conn.execute("DELETE FROM batch WHERE last_position > 7")
    await conn.execute(
        "UPDATE head SET (position, hash, recorded_at) ="
        " (SELECT last_position, hash, recorded_at FROM batch ORDER BY last_position DESC LIMIT 1)"
    )


async def test_a_tail_cut_without_a_trace_is_found_by_a_cursor(filled: Store, tamperer: Conn) -> None:
    kept = filled.cursor([10])
    await cut_without_a_trace(tamperer)
    assert [] == await found(tamperer)
    assert [(8, 10)] == await found(tamperer, cursors=[filled.positions(kept)])


async def test_a_tail_cut_without_a_trace_is_found_by_a_checkpoint(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute(
        "INSERT INTO checkpoint (projection, partition, position, hash) SELECT 'reader_v1', 0, position, hash FROM head"
    )
    assert [] == await found(tamperer)
    await cut_without_a_trace(tamperer)
    assert [(10, 10)] == await found(tamperer)
    await filled.submit([reply()] * 3, META)  # another history, as long as the first
    assert [(10, 10)] == await found(tamperer)


@pytest.mark.parametrize(
    ("slip", "what"),
    [
        ("UPDATE stream SET version = version + 1 WHERE stream = 'ZjHHSjyyeJ2'", "ZjHHSjyyeJ2"),
        ("DELETE FROM stream WHERE stream = 'ZjHHSjyyeJ2'", "ZjHHSjyyeJ2"),
        ("INSERT INTO stream VALUES (0, 'NeverStarte', 1)", "NeverStarte"),
        ("UPDATE event SET version = 9 WHERE position = 5", "ZjHHSjyyeJ2"),
    ],
)
async def test_a_stream_that_is_not_dense_is_named(filled: Store, tamperer: Conn, slip: str, what: str) -> None:
    await tamperer.execute(slip)
    assert any(what in finding.what for finding in (await verify(tamperer)).findings)


async def test_a_head_row_that_is_not_the_last_batchs_is_found(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute("UPDATE head SET hash = sha256('x')")
    assert [(10, 10)] == await found(tamperer)


async def test_an_event_outside_the_log_is_found(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute(
        "INSERT INTO event SELECT partition, 11, 'SomeOtherOn', 1, type, data, meta, recorded_at FROM event"
        " WHERE position = 7"
    )
    assert (11, 11) in await found(tamperer)


async def test_an_event_that_cannot_be_read_is_named_without_its_text(filled: Store, tamperer: Conn) -> None:
    await tamperer.execute("""UPDATE event SET data = '{"type":"message-posted","text":"secret"}' WHERE position = 5""")
    findings = (await verify(tamperer)).findings
    assert {(4, 5), (5, 5)} == {(finding.first_position, finding.last_position) for finding in findings}
    assert "secret" not in "".join(map(str, findings))


async def test_an_event_that_the_rules_would_not_have_let_happen_is_named(filled: Store, owner: Conn) -> None:
    await tell(owner, participant_removed(ANN), posted(by=ANN), participant_removed(EVE), participant_removed(EVE))

    checked = await verify(owner)

    (finding,) = checked.findings
    assert (13, 13) == (finding.first_position, finding.last_position)
    assert f"{CONVERSATION}@10, participant-removed, does not follow from what came before" in finding.what


async def test_a_stream_in_the_wrong_partition_is_named(make_store: Callable[..., Awaitable[str]]) -> None:
    conn = await connect(await make_store(partitions=2), role=None)
    try:
        await tell(conn, started(ANN, BOB), partition=1 - partition_of(CONVERSATION, 2))
        (finding,) = (await verify(conn)).findings
    finally:
        await conn.close()
    assert f"{CONVERSATION} is of another partition" == finding.what


async def test_each_partition_is_checked(make_store: Callable[..., Awaitable[str]]) -> None:
    dsn = await make_store(partitions=8)
    async with await open_pool(dsn, size=10) as pool, await Store.open(pool) as store:
        uids = [new_uid() for _ in range(50)]
        for uid in uids:
            await store.submit([send_message(BOB, conversation=uid)], META)
    conn = await connect(dsn, role=None)
    try:
        assert 150 == (await verify(conn)).events
        await conn.execute("ALTER TABLE event DISABLE TRIGGER ALL")
        await conn.execute("UPDATE event SET meta = '{}' WHERE partition = 5 AND position = 2")
        assert (Finding,) == tuple({type(finding) for finding in (await verify(conn)).findings})
        assert {(5, 1, 3)} == {
            (finding.partition, finding.first_position, finding.last_position)
            for finding in (await verify(conn)).findings
        }
    finally:
        await conn.close()
