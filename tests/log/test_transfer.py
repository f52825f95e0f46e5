"""The log in a file, and out of one: everything as it was, whatever happens in between."""

import gzip
import io
import json
import random
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import pytest
import zstandard
from test_chain import META

from convstore.database import connect, open_pool
from convstore.domain.access import HistoryViewed
from convstore.domain.types import Attachment, Priority, Status
from convstore.domain.uid import Uid, derive_uid, new_uid
from convstore.errors import ArchiveDamaged, ConfigError, ConversationExists, ImportRefused
from convstore.log import importing
from convstore.log.archive import Compression, compression_of
from convstore.log.create import Facts, facts
from convstore.log.export import Exported, Start, export, go_on
from convstore.log.importing import Imported, check, import_
from convstore.log.outcome import IdempotencyKey
from convstore.log.pseudonyms import Pseudonyms
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.log.verify import verify
from words import (
    ANN,
    BOB,
    CID,
    DAN,
    EVE,
    PICTURE,
    assign,
    flag_follow_up,
    manager,
    mark_read,
    remove_participant,
    reply,
    send_message,
    send_system_message,
    send_ticket,
    set_priority,
    set_status,
)

MakeStore = Callable[..., Awaitable[str]]
EVENTS = "SELECT partition, position, stream, version, type, data::text, meta::text, recorded_at FROM event"
LETTERS = ("It does not start, and Mrs Okoro waits.", "Tablet 7 of Mrs Okoro", 'ärgerlich\u2028\n"', "run-7/Okoro")
# Some clients write the file's name there, too.
NAMED_PICTURE = Attachment(id=Uid("fTpI4GOmujy"), name="b.png", content_type='image/png; name="Okoro.png"', length=9)
META_OF_PEOPLE = Meta(actor=BOB, on_behalf_of=CID, request_id="req-77", user_agent="Okoro-App/1.0", causation="Okoro's")


async def talked(dsn: str, conversations: int = 12) -> None:
    """Fill a store with conversations in which nearly everything happens."""
    text, subject, ugly, external = LETTERS
    async with await open_pool(dsn, size=8) as pool, await Store.open(pool) as store:
        for number in range(conversations):
            uid = new_uid()
            if number % 3 == 2:
                await store.submit(
                    [send_system_message(ANN, BOB, conversation=uid, subject=subject, text=ugly, external_id=external)],
                    META,
                )
            elif number % 3:
                await store.submit([send_ticket(CID, DAN, conversation=uid, subject=subject, text=text)], META)
                await store.submit([set_status(Status.SOLVED, conversation=uid)], META)
                await store.submit([set_priority(Priority.HIGH, conversation=uid)], META)
                await store.submit([assign(CID, conversation=uid)], META_OF_PEOPLE)
                by_a_manager = reply(by=manager(CID), text=text, internal=True, managers=(CID, DAN), conversation=uid)
                await store.submit([by_a_manager], META)
            else:
                await store.submit(
                    [
                        send_message(
                            BOB,
                            CID,
                            conversation=uid,
                            subject=subject,
                            text=text,
                            attachments=(PICTURE, NAMED_PICTURE),
                            user_agent="Okoro-App/1.0",
                        )
                    ],
                    META,
                )
                await store.submit([reply(by=BOB, text=ugly, conversation=uid)], META_OF_PEOPLE)
                await store.submit([mark_read(by=CID, conversation=uid)], META)
                await store.submit([flag_follow_up(by=BOB, conversation=uid)], META)
                await store.submit([remove_participant(CID, conversation=uid)], META)
            await store.record(HistoryViewed(conversation_id=uid, person=BOB), Meta(actor=EVE))


async def rows(dsn: str) -> list[asyncpg.Record]:
    """Give all that the log of a store holds."""
    conn = await connect(dsn, role=None)
    try:
        return await conn.fetch(f"{EVENTS} ORDER BY 1, 2")
    finally:
        await conn.close()


async def execute(dsn: str, statement: str) -> None:
    conn = await connect(dsn, role=None)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def exported(
    dsn: str, name: str = "a.ndjson", *, into: bytes = b"", disguise: Pseudonyms | None = None, identity: bool = False
) -> tuple[bytes, Exported]:
    """Export a store, maybe going on with what an earlier export left; give what the file holds then."""
    compression = compression_of(name)
    file = io.BytesIO(into)
    conn = await connect(dsn, role="convstore_server")
    try:
        store = await facts(conn)
        start = go_on(file, compression, store)
        file.truncate(file.seek(start.cut if start else 0))
        begin = start or Start((0,) * store.partitions)
        done = await export(conn, file, compression, store, begin, disguise=disguise, identity=identity)
    finally:
        await conn.close()
    return file.getvalue(), done


async def imported(dsn: str, raw: bytes, name: str = "a.ndjson") -> Imported:
    conn = await connect(dsn, role=None)
    try:
        return await import_(conn, io.BytesIO(raw), compression_of(name))
    finally:
        await conn.close()


async def assert_sound(dsn: str) -> None:
    conn = await connect(dsn, role=None)
    try:
        assert () == (await verify(conn)).findings
    finally:
        await conn.close()


def by_stream(found: Sequence[asyncpg.Record]) -> dict[str, list[tuple[object, ...]]]:
    streams: dict[str, list[tuple[object, ...]]] = {}
    for row in sorted(found, key=lambda row: (row["stream"], row["version"])):
        streams.setdefault(row["stream"], []).append(tuple(row)[3:7])
    return streams


def events_of(raw: bytes) -> list[bytes]:
    return [line for line in raw.splitlines() if b'"type":"convstore.export-' not in line]


@pytest.mark.parametrize(("partitions", "name"), [(1, "a.zst"), (3, "a.ndjson.gz"), (2, "a.ndjson")])
async def test_into_as_many_partitions_everything_comes_as_it_was(
    make_store: MakeStore, partitions: int, name: str
) -> None:
    source, target = await make_store(partitions=partitions), await make_store(partitions=partitions)
    await talked(source)
    raw, done = await exported(source, name)

    first = await imported(target, raw, name)
    again = await imported(target, raw, name)

    before = await rows(source)
    assert len(before) == done.events
    assert before == await rows(target)
    assert Imported(len(before), 0, equal_positions=True) == first
    assert Imported(len(before), len(before), equal_positions=True) == again
    await assert_sound(target)


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 4)])
async def test_into_another_number_of_partitions_every_stream_comes_as_it_was(
    make_store: MakeStore, before: int, after: int
) -> None:
    source, target = await make_store(partitions=before), await make_store(partitions=after)
    await talked(source)
    raw, _ = await exported(source)

    assert not (await imported(target, raw)).equal_positions
    await imported(target, raw)

    assert by_stream(await rows(source)) == by_stream(await rows(target))
    await assert_sound(target)


async def test_a_store_that_was_imported_goes_on(make_store: MakeStore) -> None:
    source, target = await make_store(), await make_store()
    await talked(source)
    await imported(target, (await exported(source))[0])
    await talked(target)
    await assert_sound(target)


@pytest.mark.parametrize("name", ["a.zst", "a.gz", "a.ndjson"])
async def test_an_export_that_broke_off_anywhere_is_gone_on_with(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("convstore.log.export.FRAME", 4_000)
    source = await make_store(partitions=2)
    await talked(source, 6)
    whole, _ = await exported(source, name)
    lines = events_of(_opened(whole, name))
    chance = random.Random(name)
    for cut in (0, 1, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(12))):
        raw, done = await exported(source, name, into=whole[:cut])
        assert lines == events_of(_opened(raw, name))
        check(io.BytesIO(raw), compression_of(name))
        assert done.events <= len(lines)


async def test_an_export_does_not_write_over_what_is_no_export_or_another_stores(make_store: MakeStore) -> None:
    source, other = await make_store(), await make_store()
    await execute(
        other, "UPDATE store SET value = gen_random_uuid() WHERE name = 'id'"
    )  # of one template, they share it
    raw, _ = await exported(other)
    for there, name in ((b"My letters", "a.ndjson"), (b"x" * 5_000_000, "a.gz"), (raw, "a.ndjson")):
        with pytest.raises(ArchiveDamaged, match="The file is there already"):
            await exported(source, name, into=there)


async def test_an_export_goes_on_with_what_was_appended_since(make_store: MakeStore) -> None:
    source, target = await make_store(), await make_store()
    await talked(source, 3)
    first, _ = await exported(source, "a.zst")
    assert Exported(0, (len(await rows(source)),)) == (await exported(source, "a.zst", into=first))[1]
    await imported(target, first, "a.zst")
    await talked(source, 3)

    second, done = await exported(source, "a.zst", into=first)
    found = (await imported(target, second, "a.zst")).found

    assert second.startswith(first)
    assert await rows(source) == await rows(target)
    assert len(await rows(source)) == found + done.events


async def test_an_import_that_broke_off_goes_on_and_until_then_nobody_is_served(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_PAGE", 10)
    source, target = await make_store(partitions=2), await make_store(partitions=2)
    await talked(source)
    raw, _ = await exported(source)

    with pytest.raises(ArchiveDamaged, match="Line 41: It breaks off"):
        await imported(target, b"\n".join(raw.split(b"\n")[:40]) + b"\n{")

    assert 30 == len(await rows(target))
    async with await open_pool(target) as pool:
        with pytest.raises(ConfigError, match="import into this store is unfinished"):
            await Store.open(pool)
    assert 30 == (await imported(target, raw)).found
    assert await rows(source) == await rows(target)
    async with await open_pool(target) as pool:
        await (await Store.open(pool)).close()


async def test_a_store_with_other_content_is_refused_and_stays_as_it_was(make_store: MakeStore) -> None:
    source, target = await make_store(), await make_store()
    await talked(source, 3)
    await talked(target, 2)
    raw, _ = await exported(source)
    before = await rows(target)

    with pytest.raises(ImportRefused, match="another content"):
        await imported(target, raw)
    with pytest.raises(ImportRefused, match="more than the file"):
        await imported(source, (await exported(await make_store()))[0])

    assert before == await rows(target)
    async with await open_pool(target) as pool:
        await (await Store.open(pool)).close()


async def test_a_file_that_is_damaged_or_no_export_is_refused_with_the_line_and_the_reason(
    make_store: MakeStore,
) -> None:
    source = await make_store()
    await talked(source, 3)
    raw, _ = await exported(source)
    lines = raw.splitlines(keepends=True)
    text = json.dumps(LETTERS[0]).encode()[1:-1]
    assert text in raw
    changed = next(number for number, line in enumerate(lines) if text in line)

    def damaged(number: int, line: bytes) -> bytes:
        return b"".join([*lines[:number], line, *lines[number + 1 :]])

    for what, reason, name in (
        (b"", "Line 1: It breaks off", "a.ndjson"),
        (b"hello\n", "Line 1: It does not begin as an export does", "a.ndjson"),
        (b'{"specversion":"1.0"}\n', "Line 1: It does not begin", "a.ndjson"),
        (b"".join(lines[1:]), "Line 1: It does not begin as an export does, but with", "a.ndjson"),
        (raw, "Line 1: It is not compressed with zstd", "a.zst"),
        (raw, "Line 1: It is not compressed with gzip", "a.gz"),
        (gzip.compress(raw)[:-20], "It breaks off: the end of the file is missing", "a.gz"),
        (b"".join(lines[:-1]), "the line that ends an export is missing", "a.ndjson"),
        (raw[: len(raw) // 2], "It breaks off within this line", "a.ndjson"),
        (damaged(5, b"{}\n"), "Line 6: It is no event of an export", "a.ndjson"),
        (damaged(5, b""), "Line 6: Position 5 of partition 0 is missing: here is 6", "a.ndjson"),
        (damaged(5, lines[5].replace(b'"time":"2', b'"time":"1')), "Line 6: The time runs backwards", "a.ndjson"),
        (damaged(5, lines[5].replace(b'"partition":0', b'"partition":7')), "Line 6: There is no partition", "a.ndjson"),
        (
            damaged(5, lines[5].replace(b'"data":{"type":"', b'"data":{"type":"un')),
            "Line 6: .* The text cannot be read",
            "a.ndjson",
        ),
        (
            damaged(changed, lines[changed].replace(b"Okoro", b"Okori")),
            "The events before it are not those that were written",
            "a.ndjson",
        ),
    ):
        with pytest.raises(ArchiveDamaged, match=reason):
            check(io.BytesIO(what), compression_of(name))


async def test_a_pseudonymised_export_has_nothing_of_the_original_in_it_and_the_same_shape(
    make_store: MakeStore,
) -> None:
    source, target = await make_store(), await make_store()
    await talked(source)
    raw, _ = await exported(source, disguise=Pseudonyms())
    other, _ = await exported(source, disguise=Pseudonyms())

    found = await rows(source)
    for row in found:
        for value in (
            row["stream"].removeprefix("access-"),
            *_letters(json.loads(row["data"])),
            *_letters(json.loads(row["meta"])),
        ):
            assert json.dumps(value)[1:-1].encode() not in raw, value
    assert not set(_uids(raw)) & set(_uids(other))
    await imported(target, raw)
    await assert_sound(target)
    shape = [(row["position"], row["version"], row["type"], row["recorded_at"]) for row in found]
    assert shape == [(row["position"], row["version"], row["type"], row["recorded_at"]) for row in await rows(target)]
    streams = {row["stream"]: new["stream"] for row, new in zip(found, await rows(target), strict=True)}
    assert len(set(streams.values())) == len(streams)


async def test_nothing_that_was_imported_is_left_to_be_sent(make_store: MakeStore) -> None:
    source, target = await make_store(partitions=2), await make_store(partitions=2)
    await talked(source, 4)
    conn = await connect(target, role=None)
    try:
        await conn.execute("INSERT INTO delivery_checkpoint SELECT 'email', p, 0, '' FROM generate_series(0, 1) AS p")
        await conn.execute(
            "INSERT INTO subscription (name, user_id, types, own, texts, internal, lease) "
            "VALUES ('s', $1, '{}', true, true, true, 30)",
            ANN,
        )
        await conn.execute("INSERT INTO subscription_place SELECT 's', p, 7, 0 FROM generate_series(0, 1) AS p")
        await conn.execute("INSERT INTO subscription_checkpoint SELECT 's', p, 0, '' FROM generate_series(0, 1) AS p")
        await imported(target, (await exported(source))[0])

        assert 0 == await conn.fetchval("SELECT count(*) FROM delivery_checkpoint")
        for table in ("subscription_place", "subscription_checkpoint"):
            behind = f"SELECT count(*) FROM {table} s JOIN head h USING (partition) WHERE s.position < h.position"
            assert 0 == await conn.fetchval(behind)
    finally:
        await conn.close()


async def test_what_waits_to_be_sent_is_sent_though_the_file_of_all_of_it_is_imported(make_store: MakeStore) -> None:
    store = await make_store()
    await talked(store, 1)
    await execute(store, "INSERT INTO delivery_checkpoint VALUES ('email', 0, 0, '')")

    done = await imported(store, (await exported(store))[0])

    assert done.events == done.found
    conn = await connect(store, role=None)
    try:
        assert [0] == [row["position"] for row in await conn.fetch("SELECT position FROM delivery_checkpoint")]
    finally:
        await conn.close()


async def test_a_store_that_moves_takes_its_id_and_secret_along(make_store: MakeStore) -> None:
    source, target = await make_store(), await make_store()
    await talked(source, 1)
    await execute(target, "UPDATE store SET value = md5(value) WHERE name IN ('id', 'secret')")
    raw, _ = await exported(source, identity=True)
    assert (await facts_of(source)).secret.hex().encode() not in (await exported(source))[0]

    await imported(target, raw)

    assert await facts_of(source) == await facts_of(target)


@pytest.mark.parametrize("partitions", [1, 3])
async def test_a_keyed_conversation_that_is_sent_again_to_the_store_it_moved_to_does_not_come_twice(
    make_store: MakeStore, partitions: int
) -> None:
    source, target = await make_store(), await make_store(partitions=partitions)
    key = IdempotencyKey(ANN, "8e03978e-40d5-43dd-bc93-6894a57f9324", b"one")

    async def send(dsn: str) -> None:
        async with await open_pool(dsn, size=5) as pool, await Store.open(pool) as store:
            uid = derive_uid(store.secret, ANN, key.key)
            await store.submit([send_message(BOB, conversation=uid)], Meta(actor=ANN), key)

    await send(source)
    await execute(target, "UPDATE store SET value = md5(value) WHERE name IN ('id', 'secret')")
    await imported(target, (await exported(source, identity=True))[0])
    with pytest.raises(ConversationExists):
        await send(target)


async def facts_of(dsn: str) -> Facts:
    conn = await connect(dsn, role=None)
    try:
        return await facts(conn)
    finally:
        await conn.close()


def _opened(raw: bytes, name: str) -> bytes:
    kind: Compression = compression_of(name)
    if kind == "zstd":
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True).read()
    return gzip.decompress(raw) if kind == "gzip" else raw


# Members whose values rules work by, and that tell nothing of anybody.
_KEPT = {"type", "message_type", "status", "priority", "old", "new", "view"}


def _letters(value: object, name: str = "") -> list[str]:
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in _letters(inner, key)]
    if isinstance(value, list):
        return [text for inner in value for text in _letters(inner, name)]
    kept = name in _KEPT or value == PICTURE.content_type
    return [value] if isinstance(value, str) and value and not kept else []


def _uids(raw: bytes) -> list[str]:
    return [json.loads(line)["subject"] for line in events_of(raw)]
