"""Workers of one subscription share it; what one has not dealt with when it dies comes to another."""

import asyncio
import time
from collections import Counter, defaultdict

import pytest
from dialling import RETRIES, Dial
from relay import relaying

from convstore.client import Client, Conflict, Delivery, Forbidden, NotFound
from convstore.client import subscription as module
from eventually import eventually
from served import Served

pytestmark = pytest.mark.slow

ADMIN, MOBILE = "xE7jOejl9FI", "PhzytPW3g2J"


async def written(client: Client, letters: int) -> set[str]:
    """Write letters with a reply each; give the ids of the messages' events."""
    begin = (await client.page("latest")).cursor
    for number in range(letters):
        uid = await client.send(f"Letter {number}", "text", users=[MOBILE])
        await client.reply(uid, "more")
    return {event.id for event in (await client.page(begin, types=["message-posted"], limit=1_000)).events}


async def work(client: Client, name: str, consumer: str, into: dict[str, list[str]], *, pause: float = 0) -> None:
    """Deal with events for ever."""
    async with client.subscription(name, consumer=consumer, limit=10) as subscription:
        async for event in subscription:
            into[consumer].append(event.id)
            await asyncio.sleep(pause)


async def left(client: Client, name: str) -> list[str]:
    """Give the events that a consumer would be given now."""
    said = await client.request("POST", f"subscriptions/{name}/events", json={"consumer": "last"})
    await client.request("POST", f"subscriptions/{name}/leave", json={"consumer": "last"})
    return [event["id"] for event in said.read(dict)["events"]]


async def consumers(client: Client, name: str) -> list[str]:
    return list((await client.request("GET", f"subscriptions/{name}")).read(dict)["consumers"])


async def test_two_workers_share_and_one_takes_over_when_the_other_dies(dial: Dial, served: Served) -> None:
    done: dict[str, list[str]] = defaultdict(list)
    async with dial("admin") as admin:
        await admin.subscribe("shared", types=["message-posted"], lease=2)
        async with relaying(served.url) as relay:
            mortal = Client(relay.url, user="admin", password="district", retries=RETRIES)
            async with mortal:
                tasks = [
                    asyncio.create_task(work(admin, "shared", "stays", done)),
                    asyncio.create_task(work(mortal, "shared", "dies", done, pause=0.05)),
                ]
                async with asyncio.timeout(20):
                    while len(await consumers(admin, "shared")) < 2:
                        await asyncio.sleep(0.02)
                expected = await written(admin, 20)
                await eventually(lambda: len(done["dies"]) > 3 and len(done["stays"]) > 3)
                # As if it had been killed: nothing more of it reaches the server, not even that it goes.
                relay.target = 9
                relay.cut()
                tasks[1].cancel()
                await eventually(lambda: set(done["stays"]) | set(done["dies"]) >= expected, within=60)
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    assert expected == set(done["stays"]) | set(done["dies"])
    assert {1} == set(Counter(done["stays"]).values())
    for ids in done.values():
        last: Counter[str] = Counter()
        for event in ids:
            stream, _, version = event.partition("@")
            assert int(version) > last[stream]
            last[stream] = int(version)


async def test_what_the_body_is_through_with_is_done_and_what_it_raises_at_comes_again(dial: Dial) -> None:
    async with dial("admin") as admin:
        await admin.subscribe("raising", types=["message-posted"])
        expected = await written(admin, 2)
        seen: list[str] = []

        async def fail_at(number: int) -> None:
            async with admin.subscription("raising") as subscription:
                async for event in subscription:
                    seen.append(event.id)
                    if len(seen) == number:
                        raise ZeroDivisionError

        for number in (2, 3):
            with pytest.raises(ZeroDivisionError):
                await fail_at(number)
        assert seen[1] == seen[2]
        async with admin.subscription("raising") as subscription:
            async for event in subscription:
                seen.append(event.id)
                if len(set(seen)) == len(expected):
                    assert await event.ack()
                    break
        assert expected == set(seen)
        assert [] == await left(admin, "raising")


async def test_a_loop_begun_again_gets_what_the_last_one_broke_off_at(dial: Dial) -> None:
    async with dial("admin") as admin:
        await admin.subscribe("again", types=["message-posted"])
        await written(admin, 2)
        async with admin.subscription("again") as subscription:
            async for event in subscription:
                first = event.id
                break
            async for event in subscription:
                assert first == event.id
                break


async def test_what_is_rejected_is_a_dead_letter_and_the_next_ones_come(dial: Dial) -> None:
    async with dial("admin") as admin:
        await admin.subscribe("rejecting", types=["message-posted"])
        expected = await written(admin, 2)
        seen: list[str] = []
        async with admin.subscription("rejecting") as subscription:
            async for event in subscription:
                seen.append(event.id)
                if len(seen) == 2:
                    assert await event.reject("no such ward")
                if len(seen) == len(expected):
                    assert await event.ack()
                    break
        letters = (await admin.request("GET", "subscriptions/rejecting/deadLetters")).read(dict)["deadLetters"]
        assert [(seen[1].partition("@")[0], "no such ward")] == [(each["stream"], each["reason"]) for each in letters]
        assert [] == await left(admin, "rejecting")


async def test_without_auto_only_what_is_acknowledged_is_done_and_nothing_comes_twice(dial: Dial) -> None:
    async with dial("admin") as admin:
        await admin.subscribe("by-hand", types=["message-posted"])
        expected = await written(admin, 3)
        held: list[Delivery] = []
        async with admin.subscription("by-hand", auto=False, limit=4) as subscription:
            async for event in subscription:
                held.append(event)
                if len(held) == 4:
                    # No more than the limit are in hand: these make room for the rest.
                    assert [True] * 4 == [await each.ack() for each in held]
                if len(held) == len(expected):
                    break
        assert expected == {each.id for each in held}
        assert 6 == len(held)
        async with admin.subscription("by-hand") as subscription:
            assert held[4].subject in {(await anext(subscription)).subject, held[5].subject}


async def test_a_body_that_takes_long_keeps_its_share(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    # The server counts a consumer as dead after 15 seconds; here it is seen that it is told, and what.
    monkeypatch.setattr(module, "_ALIVE", 0.05)
    async with dial("admin") as admin:
        await admin.subscribe("long", types=["message-posted"])
        await written(admin, 5)
        async with admin.subscription("long", consumer="slow") as slow:
            first = await anext(slow)
            assert 64 == slow.slots
            async with admin.subscription("long", consumer="quick") as quick:
                # It gets no slot that the other is busy with, however often that one says that it is there.
                others = asyncio.create_task(anext(quick))
                began = time.monotonic()
                await eventually(lambda: 0 < quick.slots or time.monotonic() - began > 1)
                assert not others.done()
                assert await first.ack()
                others.cancel()
                await asyncio.wait([others])


async def test_what_cannot_be_followed_is_said(dial: Dial) -> None:
    async with dial("admin") as admin, dial() as mobile:
        async with admin.subscription("nowhere") as subscription:
            with pytest.raises(NotFound, match="nowhere"):
                await anext(subscription)
        with pytest.raises(Forbidden):
            await mobile.subscribe("hers", types=["inbox-viewed"])
        await admin.subscribe("his")
        with pytest.raises(Conflict):
            await admin.subscribe("his")
        await admin.unsubscribe("his")
        with pytest.raises(NotFound):
            await admin.unsubscribe("his")
