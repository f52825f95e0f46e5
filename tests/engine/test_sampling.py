"""Single conversations are replayed by themselves and compared, by command and by a running server."""

import pytest

from convstore.database import Conn
from convstore.domain.access import InboxViewed, View
from convstore.domain.types import Status
from convstore.domain.uid import Uid
from convstore.engine import Engine
from convstore.engine.rebuild import drop_retired, rebuild
from convstore.engine.sample import Place, choose, connect_to_sample, sample, sample_some
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


async def test_what_weighs_too_much_is_left_alone(engine: Engine, store: Store, dsn: str, owner: Conn) -> None:
    await _talk(engine, store, owner)
    conn = await connect_to_sample(dsn)
    try:
        assert await sample(conn, _HERE, limit=100) is None
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
