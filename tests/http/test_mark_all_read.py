"""Everything read that was seen, in one call; in JSON and XML."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from people import CLERK, MC, MOBILE, NOBODY, SUPPORT, Answer, Caller, Client, MakeClient

from convstore.domain.events import ConversationRead
from convstore.domain.uid import Uid
from convstore.errors import Busy
from convstore.http import mark_all
from convstore.log import cursor
from convstore.log.store import Store
from rebuilt import assert_rebuilt_equals_live

ALL = f"{MC}/read?all=true"
TYPES = "Valid values are: [PRIVATE, SYSTEM, VALIDATION_RESULT, TICKET, SYSTEM_VERSION_UPDATE]"


async def unread(caller: Caller) -> set[Uid]:
    listed = (await caller.get(f"{MC}?fields=id&filter=read:eq:false&paging=false")).json
    return {found["id"] for found in listed["messageConversations"]}


async def seen(caller: Caller) -> str:
    """Give the cursor of a list that somebody looks at."""
    return (await caller.get(f"{MC}?fields=id")).headers["Convstore-Cursor"]


async def test_everything_is_read_and_counted(client: Client) -> None:
    for _ in range(3):
        await client.as_admin.send(MOBILE)
    mine = await client.as_mobile.send(CLERK)

    assert {"marked": 3} == (await client.as_mobile.post(ALL)).json
    assert set() == await unread(client.as_mobile)
    assert {"marked": 0} == (await client.as_mobile.post(ALL)).json
    assert {mine} == await unread(client.as_clerk)


async def test_what_was_posted_after_the_list_was_seen_stays_unread(make_client: MakeClient) -> None:
    client = await make_client(partitions=3)
    seen_ones = [await client.as_admin.send(MOBILE) for _ in range(6)]
    place = await seen(client.as_mobile)
    answered = seen_ones[:3]
    for uid in answered:
        await client.as_admin.reply(uid)
    later = await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.post(f"{ALL}&upTo={place}")

    # Those that were answered meanwhile are read as far as they were seen, and unread still.
    assert {"marked": 6} == answer.json
    assert {*answered, later} == await unread(client.as_mobile)
    assert ConversationRead(reader=MOBILE, up_to=3) == (await client.history(answered[0]))[-1]
    assert {"marked": 0} == (await client.as_mobile.post(f"{ALL}&upTo={place}")).json
    assert {"marked": 4} == (await client.as_mobile.post(f"{ALL}&upTo={await seen(client.as_mobile)}")).json
    assert set() == await unread(client.as_mobile)
    await assert_rebuilt_equals_live(client.dsn)


async def test_what_was_marked_unread_after_the_list_was_seen_stays_so(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    await client.as_mobile.post(f"{MC}/read", json=[uid])
    place = await seen(client.as_mobile)
    await client.as_mobile.post(f"{MC}/unread", json=[uid])

    assert {"marked": 0} == (await client.as_mobile.post(f"{ALL}&upTo={place}")).json
    assert {uid} == await unread(client.as_mobile)
    assert {"marked": 1} == (await client.as_mobile.post(ALL)).json


async def test_the_answer_of_any_read_or_command_says_how_far_one_has_seen(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    places = [
        (await client.as_mobile.get(f"{MC}/counts")).headers["Convstore-Cursor"],
        (await client.as_mobile.get(f"{MC}/{uid}")).headers["Convstore-Cursor"],
        (await client.as_mobile.reply(uid)).headers["Convstore-Cursor"],
    ]
    await client.as_admin.reply(uid)

    for place in places:
        await client.as_mobile.post(f"{ALL}&upTo={place}")
        assert {uid} == await unread(client.as_mobile)


async def test_only_one_type_when_it_is_named(client: Client) -> None:
    private = await client.as_admin.send(SUPPORT)
    ticket = await client.as_mobile.ticket()

    assert {"marked": 1} == (await client.as_support.post(f"{ALL}&messageType=ticket")).json
    assert {private} == await unread(client.as_support)
    assert {"marked": 1} == (await client.as_support.post(f"{ALL}&messageType=PRIVATE")).json
    assert {"marked": 0} == (await client.as_support.post(f"{ALL}&messageType=")).json
    assert [ConversationRead(reader=SUPPORT, up_to=3)] == [
        event for event in await client.history(ticket) if isinstance(event, ConversationRead)
    ]


async def test_internal_messages_are_read_by_those_who_see_them(client: Client) -> None:
    ticket = await client.as_mobile.ticket()
    await client.as_support.post(ALL)
    await client.as_mobile.post(f"{MC}/{ticket}/recipients", json={"users": [{"id": CLERK}]})
    await client.as_clerk.post(ALL)
    await client.as_admin.reply(ticket, internal=True)
    before = await client.events()

    assert {"marked": 0} == (await client.as_clerk.post(ALL)).json
    assert before == await client.events()
    assert {"marked": 1} == (await client.as_support.post(ALL)).json
    assert set() == await unread(client.as_support)


async def test_a_superuser_marks_for_others_and_nobody_else_does(client: Client) -> None:
    uid = await client.as_clerk.send(MOBILE, SUPPORT)
    own = await client.as_clerk.send("xE7jOejl9FI")

    assert {"marked": 1} == (await client.as_admin.post(f"{ALL}&user={MOBILE}")).json
    assert {own} == await unread(client.as_admin)
    record = (await client.records(uid))[-1]
    assert (ConversationRead(reader=MOBILE, up_to=3), MOBILE) == (record.event, record.meta.on_behalf_of)
    denied = (403, "Not authorized to change read property of this conversation.")
    assert denied == (await client.as_mobile.post(f"{ALL}&user={SUPPORT}")).message
    assert (404, f"No user with uid: {NOBODY}") == (await client.as_admin.post(f"{ALL}&user={NOBODY}")).message
    assert {uid} == await unread(client.as_support)


async def test_in_xml(client: Client) -> None:
    await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.post(f"{MC}/read.xml?all=true")

    assert ("response", "1") == (answer.xml.tag, answer.xml.findtext("marked"))


async def test_what_cannot_be_understood_is_refused_and_marks_nothing(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    foreign = cursor.encode([1], "another store")
    ahead = client.backend.store.cursor([99])

    for query, expected in (
        ("&upTo=abc", (400, "This is not a cursor of this store.")),
        (f"&upTo={foreign}", (400, "This is not a cursor of this store.")),
        (f"&upTo={ahead}", (409, "This cursor is ahead of the log, or from another history of it.")),
        ("&messageType=LETTER", (400, f"Value 'LETTER' is not valid for parameter messageType. {TYPES}")),
    ):
        assert expected == (await client.as_mobile.post(f"{ALL}{query}")).message
    named = await client.as_mobile.post(ALL, json=[uid])
    assert (400, "Either all=true marks all conversations read, or the body names those to be marked") == named.message
    assert 400 == (await client.as_mobile.post(f"{MC}/read?all=maybe", json=[uid])).status
    assert {uid} == await unread(client.as_mobile)
    assert {"markedRead": [uid]} == (await client.as_mobile.post(f"{MC}/read?all=false", json=[uid])).json


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b"{}", b"null"])
async def test_a_body_that_names_nothing_is_taken(client: Client, body: bytes) -> None:
    await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.post(ALL, data=body, headers={"Content-Type": "application/json"})

    assert {"marked": 1} == answer.json


async def test_more_than_a_page_is_done_page_by_page(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mark_all, "_PAGE", 4)
    client = await make_client(partitions=2)
    for _ in range(11):
        await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.post(ALL)

    assert {"marked": 11} == answer.json
    assert set() == await unread(client.as_mobile)
    assert sum(client.backend.store.positions(answer.headers["Convstore-Cursor"])) == await client.events()
    assert "Convstore-Reflected" not in answer.headers


async def test_what_is_deleted_or_left_meanwhile_is_left_out(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted, left, kept = [await client.as_admin.send(MOBILE) for _ in range(3)]
    submit = Store.submit
    interfered = False

    async def interfering(self, commands, meta, key=None):  # noqa: ANN001, ANN202 - as Store.submit
        nonlocal interfered
        if not interfered:
            interfered = True
            await client.as_admin.delete(f"{MC}/{deleted}")
            await client.as_mobile.delete(f"{MC}/{left}/{MOBILE}")
        return await submit(self, commands, meta, key)

    monkeypatch.setattr(Store, "submit", interfering)
    answer = await client.as_mobile.post(ALL)

    assert {"marked": 1} == answer.json
    assert interfered
    assert ConversationRead(reader=MOBILE, up_to=3) == (await client.history(kept))[-1]


@contextmanager
def full_at_the_third(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the store take two batches and no third one."""
    submit = Store.submit
    calls = 0

    async def full_at_last(self, commands, meta, key=None):  # noqa: ANN001, ANN202 - as Store.submit
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Busy
        return await submit(self, commands, meta, key)

    with monkeypatch.context() as full:
        full.setattr(Store, "submit", full_at_last)
        yield


async def test_a_server_that_cannot_take_more_says_how_far_it_came(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mark_all, "_PAGE", 2)
    for _ in range(5):
        await client.as_admin.send(MOBILE)

    with full_at_the_third(monkeypatch):
        answer = await client.as_mobile.post(ALL)

    assert (503, "1") == (answer.status, answer.headers["Retry-After"])
    assert answer.message[1].startswith("4 conversations were marked, then: The server has more to write")
    assert {"marked": 1} == (await client.as_mobile.post(ALL)).json


async def test_many_requests_at_once_mark_each_copy_once(client: Client) -> None:
    for _ in range(20):
        await client.as_admin.send(MOBILE)

    answers: list[Answer] = await asyncio.gather(*(client.as_mobile.post(ALL) for _ in range(10)))

    assert 20 == sum(answer.json["marked"] for answer in answers)


async def test_the_same_request_with_a_key_is_answered_the_same_and_marks_nothing_new(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mark_all, "_PAGE", 3)
    client = await make_client(partitions=2)
    for _ in range(8):
        await client.as_admin.send(MOBILE)
    key = {"Idempotency-Key": "all-of-them"}

    first = await client.as_mobile.post(ALL, headers=key)
    later = await client.as_admin.send(MOBILE)
    again = await client.as_mobile.post(ALL, headers=key)
    other = await client.as_mobile.post(f"{ALL}&messageType=PRIVATE", headers=key)

    assert {"marked": 8} == first.json == again.json
    assert {later} == await unread(client.as_mobile)
    assert 422 == other.status


async def test_the_same_request_many_times_at_once_marks_each_copy_once_and_says_how_many(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mark_all, "_PAGE", 2)
    client = await make_client(partitions=2)
    for _ in range(9):
        await client.as_admin.send(MOBILE)
    key = {"Idempotency-Key": "at-once"}

    answers = await asyncio.gather(*(client.as_mobile.post(ALL, headers=key) for _ in range(5)))
    again = await client.as_mobile.post(ALL, headers=key)

    assert {"marked": 9} == again.json
    assert {200} == {answer.status for answer in answers}
    assert set() == await unread(client.as_mobile)
    count = "SELECT count(*) FROM event WHERE type = 'conversation-read'"
    assert 9 == await client.backend.pool.fetchval(count)


async def test_what_was_cut_off_goes_on_and_is_counted_whole(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mark_all, "_PAGE", 2)
    for _ in range(6):
        await client.as_admin.send(MOBILE)
    key = {"Idempotency-Key": "cut-off"}

    with full_at_the_third(monkeypatch):
        refused = await client.as_mobile.post(ALL, headers=key)
    finished = await client.as_mobile.post(ALL, headers=key)

    assert 503 == refused.status
    assert {"marked": 6} == finished.json == (await client.as_mobile.post(ALL, headers=key)).json
