"""One's own inbox as it changes: server-sent events that say which conversation, and what may be seen by a GET then."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from aiohttp import encode_basic_auth
from doings import Doings, asked_of_readers
from followed import Following, Received, following
from people import CLERK, MC, MOBILE, PASSWORD, Client, MakeClient
from test_delta import CHANGES, age, since

from convstore.http.live import WATCH
from eventually import eventually

LIVE = "/api/me/events"


@asynccontextmanager
async def inbox(client: Client, who: str, query: str = "", last: str | None = None) -> AsyncIterator[Following]:
    """Follow somebody's inbox."""
    headers = {"Authorization": encode_basic_auth(who, PASSWORD)}
    if last is not None:
        headers["Last-Event-ID"] = last
    async with following(client, headers, query, path=LIVE) as stream:
        yield stream


async def told(stream: Following, count: int = 1) -> list[Received]:
    """Give the next so many events; comments are passed over."""
    found: list[Received] = []
    async with asyncio.timeout(20):
        async for each in stream.received():
            if each.data is not None:
                found.append(each)
                if len(found) == count:
                    break
    assert count == len(found)
    return found


async def test_it_says_when_it_begins_and_then_which_conversation_changed(client: Client) -> None:
    await client.as_admin.send(MOBILE)
    async with inbox(client, "mobile") as stream:
        [ready] = await told(stream)
        assert ("ready", {"unread": 1}) == (ready.event, ready.data)
        uid = await client.as_admin.send(MOBILE, CLERK)
        await client.as_admin.send(CLERK)
        [new] = await told(stream)
        assert ("changed", {"unread": 2, "conversation": uid}) == (new.event, new.data)
        assert 200 == (await client.as_mobile.get(f"{MC}/{uid}")).status
        await client.as_mobile.post(f"{MC}/read", json=[uid])
        assert {"unread": 1, "conversation": uid} == (await told(stream))[0].data
        await client.as_mobile.delete(f"{MC}/{uid}/{MOBILE}")
        [gone] = await told(stream)
        assert ("removed", {"unread": 1, "conversation": uid}) == (gone.event, gone.data)
    assert ready.id is not None
    said = await since(client.as_mobile, ready.id)
    assert ([], [uid], gone.id) == (said["messageConversations"], said["removed"], said["cursor"])


async def test_who_comes_again_is_told_what_he_missed_and_nothing_twice(client: Client) -> None:
    async with inbox(client, "mobile") as stream:
        await told(stream)
        first = await client.as_admin.send(MOBILE)
        [last] = await told(stream)
        assert first == last.data["conversation"]
    missed = [await client.as_admin.send(MOBILE) for _ in range(3)]
    async with inbox(client, "mobile", last=last.id) as stream:
        assert missed == [each.data["conversation"] for each in await told(stream, 3)]
    async with inbox(client, "mobile", query=f"since={last.id}&closeAfter=0") as stream:
        found = [each.data async for each in stream.received() if each.data is not None]
        assert missed == [data["conversation"] for data in found]


async def test_nobody_hears_of_internal_messages_that_he_does_not_see(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    async with inbox(client, "mobile") as plain, inbox(client, "support") as internal:
        await told(plain), await told(internal)
        await client.as_admin.reply(uid, "Is it insured?", internal=True)
        assert uid == (await told(internal))[0].data["conversation"]
        other = await client.as_admin.send(MOBILE)
        assert other == (await told(plain))[0].data["conversation"]


async def test_it_ends_with_the_right_that_it_began_with_and_begins_anew(client: Client) -> None:
    async with inbox(client, "support") as stream:
        [ready] = await told(stream)
        await client.backend.directory.set_feedback_group(None)
        assert "internal messages has changed" in await stream.end()
    async with inbox(client, "support", last=ready.id) as stream:
        [reset] = await told(stream)
        assert "reset" == reset.event
        uid = await client.as_admin.send("SupportUs01")
        assert uid == (await told(stream))[0].data["conversation"]


async def test_an_id_that_is_too_old_begins_anew(client: Client) -> None:
    old = (await client.as_mobile.get(CHANGES)).json["cursor"]
    await client.as_admin.send(MOBILE)
    await age(client, timedelta(days=31))
    async with inbox(client, "mobile", last=old) as stream:
        assert "reset" == (await told(stream))[0].event


async def test_what_cannot_be_gone_on_from_is_refused(client: Client) -> None:
    ahead = client.backend.store.cursor([99])
    assert 400 == (await client.as_mobile.get(f"{LIVE}?since=nonsense")).message[0]
    assert 409 == (await client.as_mobile.get(f"{LIVE}?since={ahead}")).message[0]
    assert 400 == (await client.as_mobile.get(f"{LIVE}?closeAfter=-1")).message[0]


async def test_another_process_tells_it_too(make_client: MakeClient) -> None:
    one = await make_client(partitions=2)
    other = await make_client(beside=one)
    async with inbox(one, "mobile") as here, inbox(other, "mobile") as there:
        await told(here), await told(there)
        uid = await one.as_admin.send(MOBILE)
        assert uid == (await told(here))[0].data["conversation"] == (await told(there))[0].data["conversation"]


async def test_idle_followers_ask_nothing_and_one_question_serves_them_all(client: Client) -> None:
    watch = client._client.app[WATCH]  # type: ignore[index] - aiohttp's test client knows it to be there
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(inbox(client, "mobile")) for _ in range(30)]
        for stream in streams:
            await told(stream)
        assert 30 == watch.followers
        seen = await asked_of_readers(client)
        # Every read by somebody else is a reason to ask, and none to look.
        uids = [await client.as_admin.send(CLERK) for _ in range(3)]
        await client.as_clerk.post(f"{MC}/read", json=uids)
        await eventually(lambda: bool(seen))
        uid = await client.as_admin.send(MOBILE)
        for stream in streams:
            assert uid == (await told(stream))[0].data["conversation"]
        looks = [query for query in seen if "inbox_gone_v1" in query and "expired" in query]
        # Twice at most: one that was on its way when he was woken may be followed by another.
        assert 30 <= len(looks) <= 60
    await eventually(lambda: watch.followers == 0)


async def test_following_with_interruptions_tells_all_that_changed(make_client: MakeClient) -> None:
    client = await make_client(partitions=3)
    dice = random.Random(7)
    doings = Doings(client, dice)
    for _ in range(5):
        await doings.something()
    begun = (await client.as_support.get(CHANGES)).json["cursor"]
    last: str = begun
    kinds: dict[str, str] = {}
    for _ in range(8):
        async with inbox(client, "support", last=last) as stream:
            for _ in range(dice.randrange(5)):
                await doings.something()
            if dice.random() < 0.5:
                continue
            last = await _take_over(client, stream, kinds, last)
    said = await since(client.as_support, begun, fields="id", pageSize="1000")
    async with inbox(client, "support", last=last) as stream:
        await _take_over(client, stream, kinds, last)
    assert {found["id"] for found in said["messageConversations"]} <= {uid for uid in kinds if kinds[uid] == "changed"}
    assert set(said["removed"]) <= {uid for uid in kinds if kinds[uid] == "removed"}
    assert said["messageConversations"]


async def _take_over(client: Client, stream: Following, kinds: dict[str, str], last: str) -> str:
    """Take what a stream says until it has come to the present."""
    while (said := await since(client.as_support, last))["messageConversations"] or said["removed"]:
        [each] = await told(stream)
        assert each.event is not None
        assert each.id is not None
        kinds[each.data["conversation"]] = each.event
        last = each.id
    return last
