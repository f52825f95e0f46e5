"""Whoever follows misses nothing and gets nothing twice, whatever happens to connections and servers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dialling import RETRIES, Dial
from relay import Relay, relaying

from convstore.client import By, Client, Event, Forbidden, InboxChange, InboxEvent, NotAuthenticated
from convstore.client import data as said
from convstore.client.data import ConversationStarted, File, Known, MessagePosted, Unknown, read_data
from convstore.domain import events as logged
from convstore.domain.access import LoggedEvent
from convstore.domain.types import Attachment
from eventually import eventually
from served import Served, serving

ADMIN = "xE7jOejl9FI"


async def write(client: Client, letters: int) -> None:
    """Write letters, each with a reply."""
    for number in range(letters):
        uid = await client.send(f"Letter {number}", "text", users=[ADMIN])
        await client.reply(uid, "more")


async def all_events(client: Client, after: str = "start") -> list[str]:
    """Give the ids of all events after a place."""
    found: list[str] = []
    while (page := await client.page(after, limit=50)).events or page.more:
        found += [event.id for event in page.events]
        after = page.cursor
    return found


@asynccontextmanager
async def following(client: Client, after: str, *, pause: float = 0, **how: Any) -> AsyncIterator[list[Event]]:
    """Follow events until the end of the block; give the list that they come into."""
    found: list[Event] = []

    async def follow() -> None:
        async with aclosing(client.events(after, **how)) as events:
            async for event in events:
                found.append(event)
                await asyncio.sleep(pause)

    task = asyncio.create_task(follow())
    try:
        yield found
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def check_all(client: Client, after: str, found: list[Event]) -> None:
    """See that all events after a place come, each once, and those of each conversation in order."""
    expected = await all_events(client, after)
    await eventually(lambda: len(found) >= len(expected), within=60)
    assert Counter(expected) == Counter(event.id for event in found)
    last: Counter[str] = Counter()
    for event in found:
        assert event.streamversion > last[event.subject]
        last[event.subject] = event.streamversion


@pytest.mark.parametrize("by", list(By))
async def test_pages_and_streams_tell_the_same(dial: Dial, by: By) -> None:
    async with dial("admin") as admin:
        begin = (await admin.page("latest")).cursor
        async with following(admin, begin, by=by, poll=0.02) as found:
            await write(admin, 3)
            await check_all(admin, begin, found)

        assert {True} == {event.time.tzinfo is not None and bool(event.cursor) for event in found}
        subjects = {event.data.subject for event in found if isinstance(event.data, ConversationStarted)}
        assert {"Letter 0", "Letter 1", "Letter 2"} == subjects
        async with following(admin, found[4].cursor or "", by=by, poll=0.02) as rest:
            await eventually(lambda: len(rest) >= len(found) - 5)
            assert Counter(event.id for event in found[5:]) == Counter(event.id for event in rest)


async def test_whose_connection_breaks_off_again_and_again_misses_and_doubles_nothing(dial: Dial, relay: Relay) -> None:
    async def break_off(found: list[Event]) -> None:
        pause, had = 0.05, 0
        while True:
            await asyncio.sleep(pause)
            # A machine so busy that nothing arrived in between gets longer for it.
            pause = 0.05 if len(found) > had else min(2 * pause, 1)
            had = len(found)
            relay.cut()

    async with dial("admin") as admin, dial("admin", relay.url) as follower:
        begin = (await admin.page("latest")).cursor
        async with following(follower, begin) as found:
            broken = asyncio.create_task(break_off(found))
            await write(admin, 30)
            await check_all(admin, begin, found)
        broken.cancel()

    assert 5 < relay.accepted


async def test_a_follower_goes_on_when_the_server_is_started_again(
    make_store: Callable[..., Awaitable[str]], tmp_path: Path
) -> None:
    dsn = await make_store(partitions=2)
    heard: list[InboxChange] = []

    async def listen(client: Client) -> None:
        async with aclosing(client.inbox()) as inbox:
            async for change in inbox:
                heard.append(change)  # noqa: PERF401 - somebody looks at it meanwhile

    with serving(tmp_path, "--demo", "--dsn", dsn) as first:
        async with (
            relaying(first.url) as relay,
            Client(relay.url, user="admin", password="district", retries=RETRIES) as client,
            following(client, "start") as found,
        ):
            inbox = asyncio.create_task(listen(client))
            await write(client, 2)
            await eventually(lambda: heard)
            assert 0 == await asyncio.to_thread(first.stop)
            with serving(tmp_path, "--dsn", dsn) as again:
                relay.target = int(again.address.rpartition(":")[2])
                uid = await client.send("After", "text", users=["PhzytPW3g2J"])
                await client.follow_up(uid)
                await check_all(client, "start", found)
                await eventually(lambda: uid in {change.conversation for change in heard}, within=60)
                inbox.cancel()
                await asyncio.wait([inbox])

    assert f"{uid}@1" in {event.id for event in found}
    assert [InboxEvent.READY] == [change.event for change in heard if change.conversation is None]


async def test_a_reader_with_a_slow_body_gets_everything(dial: Dial) -> None:
    async with dial("admin") as admin:
        begin = (await admin.page("latest")).cursor
        # More than the buffers of both sides hold.
        for number in range(40):
            await admin.send(f"Long {number}", "é" * 50_000, users=["PhzytPW3g2J"])
        async with following(admin, begin, pause=0.005) as found:
            await check_all(admin, begin, found)

    texts = [event.data.text for event in found if isinstance(event.data, MessagePosted)]
    assert Counter({"é" * 50_000: 40}) == Counter(texts)


async def test_a_token_that_is_revoked_ends_the_stream_with_what_it_is(dial: Dial, served: Served) -> None:
    async with dial("admin") as admin:
        answer = await admin.request("POST", "apiToken", json={"scopes": ["events"]})
        token = msgspec.json.decode(answer.body)["response"]
        async with Client(served.url, token=token["key"], retries=RETRIES) as consumer:
            with pytest.raises(Forbidden):
                await consumer.counts()
            events = consumer.events(conversation="ZjHHSjyyeJ2")
            await anext(events)
            await admin.request("DELETE", f"apiToken/{token['uid']}")
            with pytest.raises(NotAuthenticated):
                await asyncio.wait_for(exhaust(events), 20)


async def exhaust(events: AsyncIterator[Event]) -> None:
    async for _ in events:
        pass


async def test_only_what_is_asked_for_comes_and_texts_only_to_who_may_have_them(dial: Dial, served: Served) -> None:
    async with dial("admin") as admin:
        answer = await admin.request("POST", "apiToken", json={"scopes": ["events:message-posted"]})
        token = msgspec.json.decode(answer.body)["response"]["key"]
        begin = (await admin.page("latest")).cursor
        file = await admin.upload("a.txt", b"abc")
        uid = await admin.send("Subject", "text", users=["PhzytPW3g2J"], attachments=[file])
        async with Client(served.url, token=token, retries=RETRIES) as consumer:
            event = await anext(consumer.events(begin, conversation=uid))
            with pytest.raises(Forbidden, match="conversation-started"):
                await consumer.page(types=["conversation-started"])

    assert isinstance(event.data, MessagePosted)
    assert (None, (File(id=file, content_type="application/octet-stream", length=3),)) == (
        event.data.text,
        event.data.attachments,
    )


async def test_an_inbox_tells_what_changes_after_the_place_where_it_was_left(dial: Dial, relay: Relay) -> None:
    async with dial("admin") as admin, dial(url=relay.url) as mobile:
        async with aclosing(mobile.inbox()) as inbox:
            first = await anext(inbox)
            uid = await admin.send("Live", "text", users=["PhzytPW3g2J"])
            second = await anext(inbox)
            relay.cut()
            await admin.reply(uid, "more")
            third = await anext(inbox)
        await mobile.mark_read(uid)
        async with aclosing(mobile.inbox(third.cursor)) as inbox:
            fourth = await anext(inbox)

    assert (InboxEvent.READY, None) == (first.event, first.conversation)
    assert {(InboxEvent.CHANGED, uid)} == {(each.event, each.conversation) for each in (second, third, fourth)}
    assert [first.unread + 1, first.unread + 1, first.unread] == [second.unread, third.unread, fourth.unread]


def test_what_the_client_knows_is_what_the_log_holds() -> None:
    known = {each.__struct_config__.tag: each for each in Known.__args__}
    kept = {each.__struct_config__.tag: each for each in LoggedEvent.__args__}

    assert kept.keys() == known.keys()
    # What a type checker lets programs import.
    assert {kind.__name__ for kind in known.values()} <= set(said.__all__)
    for tag, kind in kept.items():
        assert kind.__struct_fields__ == known[tag].__struct_fields__, tag
    assert Attachment.__struct_fields__ == File.__struct_fields__


def test_what_a_newer_server_says_stops_nobody() -> None:
    for json in (b'{"type":"status-dreamt","of":1}', b'{"type":"status-set","old":"NONE","new":"DREAMT"}'):
        assert Unknown(json) == read_data(json)
    assert logged.StatusSet(old="NONE", new="OPEN") == read_data(b'{"type":"status-set","old":"NONE","new":"OPEN"}')
