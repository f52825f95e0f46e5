"""The event stream in pages: every event, once, in order, from any cursor on."""

import asyncio
import itertools
import random
import uuid
from collections import defaultdict
from typing import Any

import pytest
from followed import EVENTS, Event, ids, pages, tags
from people import CLERK, MC, MOBILE, NO_CONVERSATION, SUPPORT, Client, MakeClient

from convstore.log import cursor


async def logged(client: Client) -> list[str]:
    """Give the ids of all events of the log, by partition, in order."""
    rows = await client.backend.pool.fetch("SELECT stream, version FROM event ORDER BY partition, position")
    return [f"{row['stream']}@{row['version']}" for row in rows]


def in_order(events: list[Event]) -> bool:
    """Tell whether each partition's positions go up."""
    last: defaultdict[int, int] = defaultdict(int)
    for event in events:
        if int(event["position"]) <= last[event["partition"]]:
            return False
        last[event["partition"]] = int(event["position"])
    return True


async def test_a_reader_gets_every_event_once_and_in_order(make_client: MakeClient) -> None:
    client = await make_client(partitions=8)
    for _ in range(12):
        uid = await client.as_mobile.send(CLERK)
        await client.as_clerk.reply(uid)

    for limit in (1, 7, 1_000):
        found = await pages(client.as_admin, limit=limit)

        assert in_order(found)
        assert sorted(await logged(client)) == sorted(ids(found))


async def test_whoever_goes_on_after_any_event_misses_none_and_gets_none_twice(make_client: MakeClient) -> None:
    client = await make_client(partitions=8)
    for _ in range(6):
        await client.as_mobile.send(CLERK)
    found = await pages(client.as_admin, limit=7)
    # What happens after the first reading is no part of it.
    whole = set(ids(found))

    for at, event in enumerate(found):
        rest = await pages(client.as_admin, limit=5, after=event["cursor"])
        assert whole - set(ids(found[: at + 1])) == set(ids(rest))
        assert len(rest) == len(set(ids(rest)))


async def test_readers_that_come_and_go_while_partitions_grow_get_all(make_client: MakeClient) -> None:
    client = await make_client(partitions=8)
    chance = random.Random(7)
    done = asyncio.Event()
    found: list[Event] = []

    async def read() -> None:
        after = ""
        while True:
            last = done.is_set()
            answer = (await client.as_admin.get(f"{EVENTS}?limit={chance.randint(1, 20)}&after={after}")).json
            # It dies after some event of the page, and comes again with that one's cursor, or has done the page.
            kept = chance.randint(0, len(answer["events"]))
            found.extend(answer["events"][:kept])
            if kept == len(answer["events"]):
                after = answer["cursor"]
                if last and not answer["more"]:
                    return
            elif kept:
                after = answer["events"][kept - 1]["cursor"]

    async def write() -> None:
        for _ in range(20):
            uid = await client.as_mobile.send(CLERK)
            await client.as_clerk.reply(uid)
        done.set()

    await asyncio.gather(read(), write())

    assert in_order(found)
    assert sorted(await logged(client)) == sorted(ids(found))


async def test_an_event_comes_in_a_cloudevents_envelope(client: Client) -> None:
    uid = await client.as_mobile.send(CLERK, subject="Fridge", text="It is warm.")

    [posted] = await pages(client.as_admin, "types=message-posted")

    assert {
        "specversion": "1.0",
        "id": f"{uid}@3",
        "source": uuid.UUID(client.backend.store.id).urn,
        "type": "message-posted",
        "subject": uid,
        "datacontenttype": "application/json",
        "partition": 0,
        "position": "3",
        "streamversion": 3,
        "actor": MOBILE,
        "cursor": cursor.encode([3], client.backend.store.id),
    } == {name: value for name, value in posted.items() if name not in ("time", "data")}
    assert ("message-posted", MOBILE, "It is warm.") == tuple(posted["data"][n] for n in ("type", "sender", "text"))
    assert posted["time"].endswith("Z")


async def test_types_and_a_conversation_choose(make_client: MakeClient) -> None:
    client = await make_client(partitions=4)
    uids = [await client.as_mobile.send(CLERK) for _ in range(4)]
    for uid in uids:
        await client.as_clerk.reply(uid)

    one = await pages(client.as_admin, f"conversation={uids[1]}", limit=2)
    assert {uids[1]} == {event["subject"] for event in one}
    assert [1, 2, 3, 4] == [event["streamversion"] for event in one][:4]
    both = await pages(client.as_admin, "types=conversation-started,participants-added&types=message-posted", limit=3)
    assert 4 * 4 == len(both)
    assert {"message-posted"} == set(tags(await pages(client.as_admin, f"types=message-posted&conversation={uids[0]}")))
    assert [] == await pages(client.as_admin, f"conversation={NO_CONVERSATION}")


async def test_few_among_many_are_found_in_pages_that_may_be_empty(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convstore.stream.reading._EXAMINED", 4)
    for _ in range(4):
        await client.as_mobile.send(CLERK)
    uid = await client.as_mobile.ticket()

    assert uid in {event["subject"] for event in await pages(client.as_admin, "types=conversation-started")}
    first = (await client.as_admin.get(f"{EVENTS}?types=status-set")).json
    assert ([], True) == (first["events"], first["more"])
    assert [] == await pages(client.as_admin, "types=status-set")


async def test_a_page_of_long_texts_has_fewer_events(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convstore.stream.reading._BYTES", 20_000)
    client = await make_client(partitions=2)
    uids = [await client.as_mobile.send(CLERK, text="x" * 9_000) for _ in range(6)]
    for uid in uids:
        await client.as_clerk.reply(uid, "y" * 50_000)

    first = await client.as_admin.get(f"{EVENTS}?limit=1000")
    found = await pages(client.as_admin, limit=1000)

    assert first.json["more"]
    assert sorted(await logged(client)) == sorted(ids(found))
    assert in_order(found)
    one = await pages(client.as_admin, f"conversation={uids[0]}&types=message-posted")
    assert [9_000, 50_000] == [len(event["data"]["text"]) for event in one]


async def test_a_list_s_cursor_leads_to_what_the_list_does_not_have_yet(client: Client) -> None:
    first = await client.as_mobile.send(CLERK)
    listed = await client.as_clerk.get(f"{MC}?fields=id")
    assert [first] == [each["id"] for each in listed.json["messageConversations"]]
    later = await client.as_mobile.send(CLERK)

    found = await pages(client.as_clerk, after=listed.headers["Convstore-Cursor"])

    assert {later} == {event["subject"] for event in found}


async def test_a_page_can_be_had_in_three_forms(client: Client) -> None:
    await client.as_mobile.send(CLERK)

    whole = await client.as_admin.get(EVENTS)
    lines = await client.as_admin.get(EVENTS, headers={"Accept": "application/x-ndjson"})
    batch = await client.as_admin.get(EVENTS, headers={"Accept": "application/cloudevents-batch+json, */*;q=0.1"})

    assert whole.json["cursor"] == lines.headers["Convstore-Cursor"] == batch.headers["Convstore-Cursor"]
    assert "application/x-ndjson" == lines.headers["Content-Type"]
    assert lines.body == (await client.as_admin.get(f"{EVENTS}.ndjson", headers={"Accept": "text/html"})).body
    assert whole.body == (await client.as_admin.get(f"{EVENTS}.json", headers={"Accept": "application/xml"})).body
    assert len(whole.json["events"]) == len(lines.body.splitlines())
    assert 406 == (await client.as_admin.get(EVENTS, headers={"Accept": "application/xml"})).status
    head = await client.as_admin("HEAD", EVENTS)
    assert (200, b"") == (head.status, head.body)


WRONG = (
    *("after=nonsense", "types=conversation-started,none", "conversation=nonsense", "own=perhaps"),
    *("limit=0", "limit=1001", "limit=many"),
)


async def test_what_cannot_be_asked_is_said(client: Client) -> None:
    for query in WRONG:
        assert 400 == (await client.as_admin.get(f"{EVENTS}?{query}")).message[0], query
    for query in WRONG[:4]:
        assert 400 == (await client.as_admin.get(f"{EVENTS}/stream?closeAfter=0&{query}")).message[0], query


async def test_a_cursor_ahead_of_the_log_is_told(client: Client) -> None:
    await client.as_mobile.send(CLERK)
    [head] = await client.backend.pool.fetchrow("SELECT position FROM head")
    ahead = cursor.encode([head + 1], client.backend.store.id)

    assert 409 == (await client.as_admin.get(f"{EVENTS}?after={ahead}")).message[0]
    assert 409 == (await client.as_admin.get(f"{EVENTS}/stream?after={ahead}")).message[0]


async def test_a_transaction_held_open_makes_nobody_miss_an_event(make_client: MakeClient) -> None:
    client = await make_client(partitions=2)
    other = await make_client(beside=client)
    async with client.backend.pool.acquire() as held, held.transaction():
        await held.execute("SELECT txid_current()")
        await held.execute("SELECT hold_head(0)")
        # Partition 0 stands still; what is sent there waits, what is sent to the other is read.
        sending = [asyncio.create_task(client.as_mobile.send(CLERK)) for _ in range(6)]
        sending += [asyncio.create_task(other.as_mobile.send(CLERK)) for _ in range(6)]
        while len(before := await pages(client.as_admin)) < 3:
            await asyncio.sleep(0.01)
        assert {1} == {event["partition"] for event in before}
    await asyncio.gather(*sending)

    after = await pages(client.as_admin, after=before[-1]["cursor"])

    assert sorted(await logged(client)) == sorted(ids([*before, *after]))
    assert 12 == tags([*before, *after]).count("message-posted")


async def test_positions_of_a_page_are_those_of_the_log(client: Client) -> None:
    for _ in range(3):
        await client.as_mobile.send(CLERK, SUPPORT)

    found = await pages(client.as_admin, limit=2)

    assert [*range(1, len(found) + 1)] == [int(event["position"]) for event in found]
    times: list[Any] = [event["time"] for event in found]
    assert all(earlier <= later for earlier, later in itertools.pairwise(times))
