"""What people looked at of others': in the same log, in streams of their own that no conversation can be."""

import asyncio

import pytest

from convstore.database import Conn, Pool
from convstore.domain.access import (
    TERMINAL,
    HistoryViewed,
    InboxViewed,
    View,
    access_stream,
    is_access_stream,
)
from convstore.domain.conversation import initial
from convstore.domain.uid import UserId, derive_uid, is_uid, new_uid
from convstore.errors import BadText, ConversationExists, ConversationNotFound
from convstore.log import read
from convstore.log.recorded import Meta
from convstore.log.states import States
from convstore.log.store import Store
from convstore.log.verify import verify
from words import ANN, BOB, CONVERSATION, EVE, mark_read, send_message

META = Meta(actor=EVE, request_id="r1")
LIST = InboxViewed(person=ANN, view=View.LIST)


def test_no_conversation_can_have_such_a_stream() -> None:
    assert not is_uid(access_stream(ANN))
    assert is_access_stream(access_stream(ANN))
    assert not any(is_access_stream(uid) for uid in (new_uid(), derive_uid(b"secret", "ann", "key"), CONVERSATION))
    assert not is_uid(TERMINAL), "no account has this id"


async def test_an_access_is_in_the_log_with_who_when_and_whose(store: Store, pool: Pool) -> None:
    outcome = await store.record(LIST, META)

    assert list(outcome.recorded) == await read.read_stream(pool, 0, access_stream(EVE))
    (recorded,) = outcome.recorded
    assert (LIST, META, 1) == (recorded.event, recorded.meta, recorded.version)
    assert list(outcome.recorded) == store.recent(0, 0, 10)


async def test_each_look_is_an_event_of_its_own(store: Store, other: Store, pool: Pool) -> None:
    """Also when several processes note at once."""
    await asyncio.gather(*(process.record(LIST, META) for process in (store, other) * 20))

    stream = await read.read_stream(pool, 0, access_stream(EVE))
    assert list(range(1, 41)) == [recorded.version for recorded in stream]
    assert [LIST] * 40 == [recorded.event for recorded in stream]


async def test_each_viewer_has_a_stream(store: Store, pool: Pool) -> None:
    await store.record(LIST, META)
    await store.record(HistoryViewed(conversation_id=CONVERSATION), Meta(actor=BOB))
    await store.record(LIST, Meta(causation="convstore as-of"))

    streams = [recorded.stream for recorded in await read.read_partition(pool, 0, 0, 10)]
    assert [access_stream(viewer) for viewer in (EVE, BOB, TERMINAL)] == streams


async def test_the_log_with_accesses_in_it_is_sound(store: Store, owner: Conn) -> None:
    await store.submit([send_message(BOB)], META)
    await store.record(LIST, META)
    await store.submit([mark_read(by=BOB)], META)

    checked = await verify(owner)
    assert (5, ()) == (checked.events, checked.findings)


async def test_to_the_rules_such_a_stream_is_no_conversation(store: Store, other: Store) -> None:
    stream = access_stream(EVE)
    await store.record(LIST, META)

    for process in (store, other):
        with pytest.raises(ConversationNotFound):
            await process.submit([mark_read(by=EVE, conversation=stream)], META)
        with pytest.raises(ConversationExists):
            await process.submit([send_message(BOB, by=EVE, conversation=stream)], META)
        assert {} == await process.states([stream])


async def test_a_state_brought_up_to_date_has_the_version_of_the_stream(store: Store, pool: Pool) -> None:
    for _ in range(3):
        await store.record(LIST, META)

    async with pool.acquire() as conn:
        states, _ = await States(1_000_000).refresh(conn, 0, [access_stream(EVE)])
    state = states[access_stream(EVE)]
    assert (3, False) == (state.version, state.exists)
    assert not initial(access_stream(EVE)).exists


async def test_a_viewer_that_cannot_be_stored_is_refused(store: Store) -> None:
    with pytest.raises(BadText):
        await store.record(LIST, Meta(actor=UserId("\x00")))
