"""Durable subscriptions: several consumers share the events of one name, and the server knows what was dealt with."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from followed import Event, ids, pages
from people import ADMIN, CLERK, Answer, Caller, Client, MakeClient, add_accounts

from convstore.http.drain import DRAIN
from convstore.stream.reading import SLOTS, slot_of
from eventually import eventually

SUBSCRIPTIONS = "/api/subscriptions"


class Consumer:
    """One of those that deal with a subscription's events."""

    def __init__(self, caller: Caller, name: str = "warehouse", consumer: str = "one") -> None:
        self.caller = caller
        self.name = name
        self.consumer = consumer

    async def ask(self, what: str, **more: Any) -> Answer:
        return await self.caller.post(f"{SUBSCRIPTIONS}/{self.name}/{what}", json={"consumer": self.consumer, **more})

    async def read(self, **more: Any) -> list[Event]:
        answer = await self.ask("events", **more)
        assert 200 == answer.status, answer.body
        return list(answer.json["events"])

    async def slots(self) -> int:
        return int((await self.ask("events", limit=1)).json["slots"])

    async def ack(self, *events: Event) -> int:
        answer = await self.ask("acknowledge", acks=[event["ack"] for event in events])
        assert 200 == answer.status, answer.body
        return int(answer.json["acknowledged"])

    async def drain(self, **more: Any) -> list[Event]:
        """Deal with events until there are none, and give them."""
        found: list[Event] = []
        while events := await self.read(**more):
            assert len(events) == await self.ack(*events)
            found += events
        return found


async def made(caller: Caller, name: str = "warehouse", **wanted: Any) -> Consumer:
    answer = await caller.post(SUBSCRIPTIONS, json={"name": name, "after": "start", **wanted})
    assert 201 == answer.status, answer.body
    assert answer.headers["Location"].endswith(f"{SUBSCRIPTIONS}/{name}")
    return Consumer(caller, name)


async def shown(caller: Caller, name: str = "warehouse") -> Any:
    return (await caller.get(f"{SUBSCRIPTIONS}/{name}")).json


@pytest.fixture
async def busy(make_client: MakeClient) -> Client:
    client = await make_client(partitions=4)
    for _ in range(6):
        uid = await client.as_mobile.send(CLERK)
        await client.as_clerk.reply(uid)
    return client


async def test_a_consumer_gets_every_event_and_each_conversation_in_order(busy: Client) -> None:
    consumer = await made(busy.as_admin)

    found = await consumer.drain(limit=5)

    assert sorted(ids(await pages(busy.as_admin))) == sorted(ids(found))
    for uid in {event["subject"] for event in found}:
        versions = [event["streamversion"] for event in found if event["subject"] == uid]
        assert [*range(1, len(versions) + 1)] == versions


async def test_what_is_not_acknowledged_comes_again(busy: Client) -> None:
    consumer = await made(busy.as_admin)
    first = await consumer.read(limit=7)
    assert ids(first) == ids(await consumer.read(limit=7))

    await consumer.ack(*first[:3])

    rest = await consumer.drain()
    assert set(ids(await pages(busy.as_admin))) == {*ids(first[:3]), *ids(rest)}
    assert not {*ids(first[:3])} & {*ids(rest)}


async def test_consumers_share_the_slots_and_take_over_when_one_goes(busy: Client) -> None:
    one = await made(busy.as_admin)
    two, three = Consumer(busy.as_admin, consumer="two"), Consumer(busy.as_admin, consumer="three")
    assert 64 == await one.slots()
    assert 0 == await two.slots()
    assert 32 == await one.slots()
    assert 32 == await two.slots()
    assert 10 >= await three.slots()

    await eventually(lambda: _even(one, two, three))

    assert 64 == SLOTS == sum([await each.slots() for each in (one, two, three)])
    mine = [await each.read(limit=1000) for each in (one, two, three)]
    taken = Counter(name for events in mine for name in ids(events))
    assert {1} == set(taken.values())
    assert set(ids(await pages(busy.as_admin))) == set(taken)
    assert 200 == (await two.ask("leave")).status
    await eventually(lambda: _even(one, three))


async def _even(*consumers: Consumer) -> bool:
    return sum([await each.slots() for each in consumers]) == SLOTS and max(
        [await each.slots() for each in consumers]
    ) == -(-SLOTS // len(consumers))


async def test_a_consumer_that_dies_loses_its_slots_with_what_it_had_not_acknowledged(busy: Client) -> None:
    dead = await made(busy.as_admin, lease=2)
    assert 2 == (await shown(busy.as_admin))["lease"] == (await dead.ask("events", limit=1)).json["lease"]
    had = await dead.read(limit=10)
    await dead.ack(had[0])
    other = Consumer(busy.as_admin, consumer="other")

    async def all_slots() -> bool:
        return await other.slots() == SLOTS

    await eventually(all_slots)
    found = await other.drain()

    assert set(ids(await pages(busy.as_admin))) == {had[0]["id"], *ids(found)}
    # It comes back from the dead: what it says of its old slots does not count.
    assert 0 == await dead.ack(*had)


async def test_what_a_consumer_has_in_hand_is_not_given_again_and_what_follows_is(busy: Client) -> None:
    one = await made(busy.as_admin)
    everything = ids(await one.read(limit=1000))
    in_hand: list[Event] = []
    while more := await one.read(limit=4, busy=[event["ack"] for event in in_hand]):
        in_hand += more
    assert sorted(everything) == sorted(ids(in_hand))
    assert len(in_hand) == len(set(ids(in_hand)))
    # Nothing of it was acknowledged by that: who forgets what he had gets it again.
    assert sorted(everything) == sorted(ids(await one.read(limit=1000)))


async def test_the_slots_of_what_a_consumer_has_in_hand_stay_its_own_when_another_comes(busy: Client) -> None:
    one = await made(busy.as_admin)
    two = Consumer(busy.as_admin, consumer="two")
    in_hand = await one.read(limit=1000)
    asked = {"limit": 1000, "busy": [event["ack"] for event in in_hand]}
    assert 0 == await two.slots()

    # It gives back what it is not busy with, and no more.
    kept = (await one.ask("events", **asked)).json["slots"]
    assert 32 == kept == SLOTS - await two.slots()
    assert [] == await two.read(limit=1000)
    assert len(in_hand) == await one.ack(*in_hand)

    # What it was busy with before it left is another's by now, and comes there.
    uid = await busy.as_mobile.send(CLERK)
    late = [event for event in await one.read(limit=1000) + await two.read(limit=1000) if event["subject"] == uid]
    assert late
    await one.ask("leave")
    await eventually(lambda: _even(two))
    assert {event["id"] for event in late} <= set(ids(await two.read(limit=1000, busy=[in_hand[0]["ack"]])))


async def test_an_event_that_cannot_be_dealt_with_becomes_a_dead_letter(busy: Client) -> None:
    consumer = await made(busy.as_admin)
    [bad] = await consumer.read(limit=1)

    assert 1 == (await consumer.ask("reject", ack=bad["ack"], reason="There is no such ward.")).json["rejected"]

    rest = await consumer.drain()
    assert bad["id"] not in ids(rest)
    [letter] = (await busy.as_admin.get(f"{SUBSCRIPTIONS}/warehouse/deadLetters")).json["deadLetters"]
    assert (bad["subject"], bad["streamversion"], "There is no such ward.", 1, False) == tuple(
        letter[name] for name in ("stream", "version", "reason", "attempts", "due")
    )
    assert 1 == (await shown(busy.as_admin))["deadLetters"]

    path = f"{SUBSCRIPTIONS}/warehouse/deadLetters"
    assert 1 == (await busy.as_admin.post(f"{path}/redeliver", json={})).json["redelivered"]
    [again] = await consumer.read()
    assert (bad["id"], bad["data"]) == (again["id"], again["data"])
    await consumer.ask("reject", ack=again["ack"], reason="Still none.")
    assert [] == await consumer.read()
    [letter] = (await busy.as_admin.get(path)).json["deadLetters"]
    assert ("Still none.", 2, False) == tuple(letter[name] for name in ("reason", "attempts", "due"))
    await busy.as_admin.post(f"{path}/redeliver", json={"ids": [letter["id"]]})
    assert 1 == await consumer.ack(*await consumer.read())
    assert [] == (await busy.as_admin.get(path)).json["deadLetters"]


async def test_dead_letters_can_be_thrown_away(busy: Client) -> None:
    consumer = await made(busy.as_admin)
    for event in await consumer.read(limit=2):
        await consumer.ask("reject", ack=event["ack"], reason="No.")
    path = f"{SUBSCRIPTIONS}/warehouse/deadLetters"
    first, _ = (await busy.as_admin.get(path)).json["deadLetters"]

    assert 1 == (await busy.as_admin.post(f"{path}/discard", json={"ids": [first["id"]]})).json["discarded"]
    assert 1 == (await busy.as_admin.post(f"{path}/discard", json={})).json["discarded"]
    assert 0 == (await shown(busy.as_admin))["deadLetters"]


async def test_a_consumer_can_wait_for_events(busy: Client) -> None:
    consumer = await made(busy.as_admin, after="latest", types=["message-posted"])
    assert [] == await consumer.read()
    waiting = asyncio.create_task(consumer.read(wait=60))
    await eventually(lambda: busy.backend.engine.grown.waiting)

    uid = await busy.as_mobile.send(CLERK)

    assert [uid] == [event["subject"] for event in await waiting]


async def test_one_that_waits_does_not_keep_a_server_from_stopping(busy: Client) -> None:
    consumer = await made(busy.as_admin, after="latest")
    waiting = asyncio.create_task(consumer.read(wait=60))
    await eventually(lambda: busy.backend.engine.grown.waiting)

    assert 0 == await busy._client.app[DRAIN].finish(10)
    assert [] == await waiting


async def test_a_subscription_tells_how_far_behind_it_is(busy: Client) -> None:
    consumer = await made(busy.as_admin, types=["message-posted"])
    before = await shown(busy.as_admin)
    assert ("warehouse", ADMIN, ["message-posted"], True, []) == tuple(
        before[name] for name in ("name", "user", "types", "texts", "consumers")
    )
    assert (await busy.events(), True) == (before["eventsBehind"], before["secondsBehind"] > 0)

    await consumer.drain()

    after = await shown(busy.as_admin)
    assert (0, 0, ["one"], False) == tuple(
        after[name] for name in ("eventsBehind", "secondsBehind", "consumers", "aheadOfLog")
    )
    assert [] == await pages(busy.as_admin, after=after["cursor"])


async def test_it_begins_with_what_is_to_come_or_where_it_is_told_to(busy: Client) -> None:
    latest = await made(busy.as_admin, "latest", after="latest")
    assert [] == await latest.drain()
    [*_, middle, _] = await pages(busy.as_admin)
    cursor = await made(busy.as_admin, "cursor", after=middle["cursor"])
    assert ids(await pages(busy.as_admin, after=middle["cursor"])) == ids(await cursor.drain())
    assert 400 == (await busy.as_admin.post(SUBSCRIPTIONS, json={"name": "a", "after": "nonsense"})).status


async def test_it_can_begin_anew(busy: Client) -> None:
    consumer = await made(busy.as_admin)
    [first] = await consumer.read(limit=1)
    await consumer.ask("reject", ack=first["ack"], reason="No.")
    all_of_it = [first, *await consumer.drain()]

    assert 200 == (await busy.as_admin.post(f"{SUBSCRIPTIONS}/warehouse/reset", json={"after": "start"})).status

    assert 0 == await consumer.ack(first)
    assert sorted(ids(all_of_it)) == sorted(ids(await consumer.drain()))
    assert 0 == (await shown(busy.as_admin))["deadLetters"]


async def test_it_can_be_ended(busy: Client) -> None:
    consumer = await made(busy.as_admin)
    await consumer.read()

    assert 200 == (await busy.as_admin.delete(f"{SUBSCRIPTIONS}/warehouse")).status

    assert 404 == (await consumer.ask("events")).message[0]
    assert 404 == (await busy.as_admin.delete(f"{SUBSCRIPTIONS}/warehouse")).message[0]
    assert [] == (await busy.as_admin.get(SUBSCRIPTIONS)).json["subscriptions"]


async def test_it_is_its_maker_s_alone_and_superusers(busy: Client) -> None:
    consumer = await made(busy.as_mobile)
    assert 404 == (await busy.as_clerk.get(f"{SUBSCRIPTIONS}/warehouse")).status
    assert 404 == (await Consumer(busy.as_clerk).ask("events")).status
    assert [] == (await busy.as_clerk.get(SUBSCRIPTIONS)).json["subscriptions"]
    assert ["warehouse"] == [each["name"] for each in (await busy.as_admin.get(SUBSCRIPTIONS)).json["subscriptions"]]
    assert 409 == (await busy.as_clerk.post(SUBSCRIPTIONS, json={"name": "warehouse"})).message[0]
    # His own inbox only, whoever reads it.
    mine = sorted(ids(await pages(busy.as_mobile)))
    assert mine == sorted(ids(await consumer.read()))
    assert mine == sorted(ids(await Consumer(busy.as_admin).read()))


async def test_nothing_is_passed_over_when_rights_end(busy: Client, tmp_path: Any, password_hash: str) -> None:
    await add_accounts(busy, tmp_path, password_hash, store=["F_EVENTS", "F_EVENTS_TEXTS"])
    consumer = await made(busy.by("store"), types=["message-posted"])
    plain = await made(busy.by("store"), "plain", types=["message-posted"], texts=False)
    assert "How are you?" in str(await consumer.read())
    assert "How are you?" not in str(await plain.read())
    assert 403 == (await busy.by("store").post(SUBSCRIPTIONS, json={"name": "b", "internal": True})).message[0]
    await add_accounts(busy, tmp_path, password_hash, store=["F_EVENTS"])

    # The server hears of the change a moment after it was made.
    await eventually(lambda: answers(403, consumer))
    assert 200 == (await plain.ask("events")).status

    await add_accounts(busy, tmp_path, password_hash, store=["F_EVENTS", "F_EVENTS_TEXTS"])
    await eventually(lambda: answers(200, consumer))
    assert 12 == len(await consumer.drain())


async def answers(status: int, consumer: Consumer) -> bool:
    return (await consumer.ask("events")).status == status


async def test_one_that_is_ahead_of_a_restored_log_is_told(busy: Client) -> None:
    consumer = await made(busy.as_admin)
    await consumer.drain()
    pool = busy.backend.pool
    await pool.execute("UPDATE subscription_checkpoint SET hash = '\\x00'")

    assert 409 == (await consumer.ask("events")).message[0]
    assert (await shown(busy.as_admin))["aheadOfLog"]
    await busy.as_admin.post(f"{SUBSCRIPTIONS}/warehouse/reset", json={"after": "latest"})
    assert [] == await consumer.read()
    await pool.execute("UPDATE subscription_checkpoint SET position = position + 1")
    assert 409 == (await consumer.ask("events")).message[0]


async def test_an_account_has_so_many_at_most(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convstore.stream.subscriptions._MOST", 2)
    for name in ("a", "b"):
        await made(client.as_clerk, name)
    status, text = (await client.as_clerk.post(SUBSCRIPTIONS, json={"name": "c"})).message
    assert (409, "An account has at most 2 subscriptions: end one first.") == (status, text)
    assert 200 == (await client.as_clerk.delete(f"{SUBSCRIPTIONS}/a")).status
    await made(client.as_clerk, "c")
    await made(client.as_mobile, "d")


WRONG: list[tuple[str, Any]] = [
    ("", {"name": "Warehouse"}),
    ("", {"name": "a" * 64}),
    ("", {"name": "a", "types": ["none"]}),
    ("", {"name": "a", "conversation": "none"}),
    ("", {"after": "latest"}),
    ("", []),
    ("/warehouse/events", {}),
    ("/warehouse/events", {"consumer": ""}),
    ("/warehouse/events", {"consumer": "a\0"}),
    ("/warehouse/events", {"consumer": "a", "limit": 1001}),
    ("/warehouse/events", {"consumer": "a", "wait": 61}),
    ("/warehouse/acknowledge", {"consumer": "a", "acks": ["1.2"]}),
    ("/warehouse/acknowledge", {"consumer": "a", "acks": ["64.1.0.1"]}),
    ("/warehouse/reject", {"consumer": "a", "ack": "x", "reason": "y"}),
    ("/warehouse/reset", {"after": "nonsense"}),
    ("/warehouse/deadLetters/redeliver", {"ids": ["a"]}),
    ("/warehouse/deadLetters/discard", {"ids": [2**80]}),
]


async def test_what_cannot_be_asked_is_said(client: Client) -> None:
    await made(client.as_admin)

    for path, body in WRONG:
        answer = await client.as_admin.post(f"{SUBSCRIPTIONS}{path}", json=body)
        assert 400 == answer.message[0], (path, body)


async def test_acks_of_what_there_is_not_move_nothing(busy: Client) -> None:
    consumer = await made(busy.as_admin)
    [first] = await consumer.read(limit=1)
    slot, epoch, partition, _ = first["ack"].split(".")
    assert int(slot) == slot_of(first["subject"])
    far = {**first, "ack": f"{slot}.{epoch}.{partition}.999999999"}
    nowhere = {**first, "ack": f"{slot}.{epoch}.77.1"}
    other = {**first, "ack": f"{slot}.{int(epoch) + 1}.{partition}.1"}

    assert 2 == await consumer.ack(far, nowhere, other)
    assert 0 == (await consumer.ask("reject", ack=far["ack"], reason="No.")).json["rejected"]

    assert [first["id"]] == ids(await consumer.read(limit=1))


async def test_nobody_learns_by_dead_letters_of_events_that_are_not_for_him(busy: Client) -> None:
    consumer = await made(busy.as_importer)
    assert [] == await consumer.read()
    rows = await busy.backend.pool.fetch("SELECT slot, epoch FROM subscription_slot")
    epochs = {row["slot"]: row["epoch"] for row in rows}
    for event in await pages(busy.as_admin):
        slot = slot_of(event["subject"])
        ack = f"{slot}.{epochs[slot]}.{event['partition']}.{event['position']}"
        assert 0 == (await consumer.ask("reject", ack=ack, reason="No.")).json["rejected"]

    assert [] == (await busy.as_importer.get(f"{SUBSCRIPTIONS}/warehouse/deadLetters")).json["deadLetters"]


async def test_a_token_for_events_is_enough(busy: Client) -> None:
    answer = await busy.as_admin.post("/api/apiToken", json={"scopes": ["events"]})
    caller = Caller(busy.as_admin._client, None)
    caller._headers = {"Authorization": f"ApiToken {answer.json['response']['key']}"}

    found = await (await made(caller)).drain()

    assert sorted(ids(await pages(busy.as_admin))) == sorted(ids(found))
    assert "How are you?" not in str(found)


def test_slots_are_what_they_always_were() -> None:
    assert [32, 25, 31] == [slot_of(uid) for uid in ("ZjHHSjyyeJ2", "GDBqVfkmnp2", "k7dyUc9rNmQ")]
