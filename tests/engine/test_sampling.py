"""Single conversations are replayed by themselves and compared, by command and by a running server."""

import pytest

from convstore.database import Conn
from convstore.domain.access import InboxViewed, View
from convstore.domain.types import Status
from convstore.domain.uid import Uid
from convstore.engine import Engine
from convstore.engine.rebuild import drop_retired, rebuild
from convstore.engine.sample import (
    Place,
    choose,
    choose_person,
    choose_row,
    connect_to_sample,
    recount,
    recount_within,
    sample,
    sample_some,
)
from convstore.engine.verify import compare
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.overview import read_overview
from convstore.projections import discover, load
from eventually import eventually
from seeding import tell
from words import (
    ANN,
    BOB,
    CID,
    CONVERSATION,
    EVE,
    OTHER_CONVERSATION,
    add_participants,
    follow_up_flagged,
    mark_read,
    posted_internally,
    remove_participant,
    reply,
    send_message,
    set_status,
)

_HERE = Place(0, CONVERSATION)
_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0"


async def _talk(engine: Engine, store: Store, owner: Conn) -> None:
    """Let happen what leaves a row in every table."""
    outcome = await store.submit(
        [
            send_message(BOB),
            reply(by=BOB),
            mark_read(by=ANN),
            set_status(Status.OPEN),
            add_participants(CID),
            remove_participant(BOB),
            send_message(CID, conversation=OTHER_CONVERSATION),
        ],
        Meta(),
    )
    position = await tell(owner, posted_internally(CID, by=ANN), follow_up_flagged(by=CID))
    assert outcome.position < position
    assert await engine.wait(0, position, timeout=20)


async def test_nothing_differs_after_ordinary_work(engine: Engine, store: Store, dsn: str, owner: Conn) -> None:
    await _talk(engine, store, owner)
    conn = await connect_to_sample(dsn)
    try:
        places = await choose(conn, 10)
        assert {CONVERSATION, OTHER_CONVERSATION} == {place.conversation for place in places}
        # Twice on one connection: nothing of the first is left.
        for place in places * 2:
            assert [] == await sample(conn, place)
    finally:
        await conn.close()


@pytest.mark.parametrize("table", [table for projection in discover() for table in projection.by_conversation])
async def test_every_table_that_is_compared_is_compared(
    engine: Engine, store: Store, dsn: str, owner: Conn, table: str
) -> None:
    await _talk(engine, store, owner)
    lost = await owner.fetchval(
        f"WITH gone AS (DELETE FROM {table} WHERE conversation_id = $1 RETURNING 1) SELECT count(*) FROM gone",
        CONVERSATION,
    )
    assert lost
    conn = await connect_to_sample(dsn)
    try:
        found = await sample(conn, _HERE)
        assert found is not None
        assert [(table, "missing")] * lost == [(each.table, each.kind) for each in found]
        assert [] == await sample(conn, Place(0, OTHER_CONVERSATION))
    finally:
        await conn.close()
    # As it was, for the replay at the end of every test.
    await rebuild(dsn, next(each for each in discover() if table in each.tables), grace=0)
    await drop_retired(dsn)


async def test_a_row_that_no_event_made_is_found_from_its_own_end(
    engine: Engine, store: Store, dsn: str, owner: Conn
) -> None:
    await _talk(engine, store, owner)
    nowhere = Uid("Nowhere0001")
    # Each table has rows of conversations only that the log does not know, all but the inbox of somebody nobody knows.
    for projection in discover():
        for table in projection.by_conversation:
            columns = await owner.fetchval(
                "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
                " WHERE attrelid = to_regclass($1) AND attnum > 0 AND attname NOT IN ('conversation_id', 'user_id')",
                table,
            )
            person = "user_id" in {row[0] for row in await owner.fetch(_COLUMNS, table)}
            await owner.execute(
                f"WITH one AS (SELECT * FROM {table} LIMIT 1), gone AS (DELETE FROM {table})"
                f" INSERT INTO {table} ({'user_id, ' if person else ''}conversation_id, {columns})"
                f" SELECT {'$2, ' if person else ''}$1, {columns} FROM one",
                nowhere,
                *([EVE] if person else []),
            )
    conn = await connect_to_sample(dsn)
    try:
        for projection in discover():
            for table in projection.by_conversation:
                place = await choose_row(conn, table, 1)
                assert place is not None
                assert nowhere == place.conversation
                found = await sample(conn, place, [projection])
                assert found is not None
                assert (table, "extra") in [(each.table, each.kind) for each in found]
                # Its events would not have led there.
                assert await sample(conn, Place(0, nowhere), [projection]) is None
    finally:
        await conn.close()
    for projection in discover():
        await rebuild(dsn, projection, grace=0)
    await drop_retired(dsn)


async def test_tombstones_that_may_have_been_cleared_away_are_not_missed(
    engine: Engine, store: Store, dsn: str, owner: Conn
) -> None:
    await _talk(engine, store, owner)
    before = await owner.fetch("DELETE FROM inbox_gone_v1 RETURNING *")
    assert before
    conn = await connect_to_sample(dsn)
    try:
        assert ["missing"] == [each.kind for each in await sample(conn, _HERE) or []]
        # As if the log had gone on for longer than they last.
        at = await owner.fetchval("SELECT recorded_at FROM head")
        await owner.execute("UPDATE head SET recorded_at = recorded_at + interval '31 days'")
        assert [] == await sample(conn, _HERE)
        await owner.execute("UPDATE head SET recorded_at = $1", at)
    finally:
        await conn.close()
    await rebuild(dsn, load("inbox"), grace=0)
    await drop_retired(dsn)


async def test_counts_of_a_person_are_made_again(engine: Engine, store: Store, dsn: str, owner: Conn) -> None:
    await _talk(engine, store, owner)
    await owner.execute("CREATE TABLE kept AS TABLE inbox_count_v1")
    conn = await connect_to_sample(dsn)
    try:
        assert await choose_person(conn, "inbox_count_v1") in {ANN, CID}
        assert [] == await recount(conn, load("inbox"), "inbox_count_v1", ANN)
        for wrong, kind in (
            ("UPDATE inbox_count_v1 SET unread = unread + 1 WHERE user_id = $1", "differs"),
            ("DELETE FROM inbox_count_v1 WHERE user_id = $1", "missing"),
            ("INSERT INTO inbox_count_v1 VALUES ($1, 'TICKET', 0, 1, 0, 0)", "extra"),
        ):
            await owner.execute(wrong, ANN)
            found = await recount(conn, load("inbox"), "inbox_count_v1", ANN)
            assert [("inbox_count_v1", kind)] == [(each.table, each.kind) for each in found]
            assert f"user_id={ANN}" in found[0].key
            before = engine.samples.differing
            while engine.samples.differing == before:
                await sample_some(dsn, engine)
            await owner.execute("DELETE FROM inbox_count_v1")
            await owner.execute("INSERT INTO inbox_count_v1 SELECT * FROM kept")
        seen = {each.projection: each for each in (await read_overview(owner)).samples}["inbox_v1"]
        assert (None, "inbox_count_v1") == (seen.last_conversation, seen.last_table)
    finally:
        await conn.close()


async def test_counts_that_take_too_long_are_left_alone(engine: Engine, store: Store, dsn: str, owner: Conn) -> None:
    await _talk(engine, store, owner)
    inbox = load("inbox")
    conn = await connect_to_sample(dsn)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE inbox_v1")
            assert await recount_within(conn, inbox, "inbox_count_v1", ANN, 0.01) is None
        assert [] == await recount_within(conn, inbox, "inbox_count_v1", ANN, 20)
    finally:
        await conn.close()


async def test_what_weighs_too_much_is_left_alone(engine: Engine, store: Store, dsn: str, owner: Conn) -> None:
    await _talk(engine, store, owner)
    conn = await connect_to_sample(dsn)
    try:
        assert await sample(conn, _HERE, limit=100) is None
        assert [] == await sample(conn, _HERE, limit=100_000)
        assert await sample(conn, Place(0, Uid("Nowhere0001"))) is None
    finally:
        await conn.close()


async def test_a_server_samples_and_names_what_differs(
    engine: Engine, store: Store, dsn: str, owner: Conn, capsys: pytest.CaptureFixture[str]
) -> None:
    await _talk(engine, store, owner)
    # Whose stream is no conversation is passed over.
    await store.record(InboxViewed(person=BOB, view=View.LIST), Meta(actor=ANN))
    while not engine.samples.conversations:
        await sample_some(dsn, engine)
    assert 0 == engine.samples.differing
    assert (await read_overview(owner)).healthy

    await owner.execute("UPDATE thread_v1 SET text = 'Dear Bob' WHERE conversation_id = $1", CONVERSATION)

    async def differs() -> bool:
        await sample_some(dsn, engine)
        return engine.samples.differing > 0

    await eventually(differs)
    seen = await read_overview(owner)
    assert not seen.healthy
    of = {each.projection: each for each in seen.samples}
    assert (CONVERSATION, "thread_v1") == (of["thread_v1"].last_conversation, of["thread_v1"].last_table)
    assert 0 == of["inbox_v1"].differing < of["inbox_v1"].conversations
    said = capsys.readouterr().out
    assert "sample.differs" in said
    assert CONVERSATION in said
    assert "Dear Bob" not in said
    # After a rebuild all is well again, and said to be.
    await rebuild(dsn, load("thread"), grace=0)
    await drop_retired(dsn)
    assert (await read_overview(owner)).healthy
    assert [] == await compare(dsn)
