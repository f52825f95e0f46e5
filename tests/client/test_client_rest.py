"""What a program reads and writes in somebody's name, over a network that loses answers."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from http import HTTPStatus

import msgspec
import pytest
from aiohttp import web
from dialling import RETRIES, Dial
from relay import Relay

from convstore.client import (
    Client,
    ClientError,
    Conflict,
    Forbidden,
    Invalid,
    KeyReused,
    MessageType,
    NotAuthenticated,
    NotFound,
    Priority,
    Retries,
    Status,
    Unavailable,
    Unreachable,
    Unreadable,
)
from served import Served, free_port

ADMIN, MOBILE, SUPPORT = "xE7jOejl9FI", "PhzytPW3g2J", "zWu3VHOAJAz"


async def test_a_letter_with_a_file_is_read_and_answered(dial: Dial) -> None:
    async with dial() as mobile, dial("admin") as admin:
        file = await mobile.upload('cases "Bo", März.csv', b"district,cases\n", content_type="text/csv")
        uid = await mobile.send("Cases", "See the täble.", users=[ADMIN], attachments=[file])
        await admin.reply(uid, "Thanks.")

        found = await mobile.conversation(uid)

    assert ["See the täble.", "Thanks."] == [message.text for message in found.messages]
    assert ('cases "Bo", März.csv', "text/csv", 15) == msgspec.structs.astuple(found.messages[0].attachments[0])[1:]
    assert (MessageType.PRIVATE, False, 2) == (found.message_type, found.read, found.message_count)


async def test_marks_are_set_and_taken_back(dial: Dial) -> None:
    async with dial() as mobile:
        uid = await mobile.send("Marks", "text", users=[ADMIN])
        await mobile.mark_unread(uid)
        await mobile.follow_up(uid)
        marked = await mobile.conversation(uid)
        await mobile.mark_read(uid)
        await mobile.unfollow(uid)
        cleared = await mobile.conversation(uid)

    assert (False, True) == (marked.read, marked.follow_up)
    assert (True, False) == (cleared.read, cleared.follow_up)


async def test_everything_is_marked_read_as_far_as_a_list_showed_it(dial: Dial) -> None:
    async with dial("support") as support, dial() as mobile:
        uid = await mobile.feedback("Old", "text")
        seen = await anext(aiter(support.pages()))
        later = await mobile.feedback("Later", "text")
        await support.mark_all_read(seen.cursor)

        assert (await support.conversation(uid)).read
        assert not (await support.conversation(later)).read
        await support.mark_all_read()
        assert 0 == (await support.counts()).unread


async def test_a_ticket_is_looked_after(dial: Dial) -> None:
    async with dial() as mobile, dial("support") as support:
        uid = await mobile.feedback("Tablet", "It does not start.")
        await support.set_status(uid, Status.PENDING)
        await support.set_priority(uid, Priority.HIGH)
        await support.assign(uid, SUPPORT)
        await support.reply(uid, "Again the plug?", internal=True)
        theirs, hers = await support.conversation(uid), await mobile.conversation(uid)
        await support.assign(uid, None)
        free = await support.conversation(uid)

    assert (Status.PENDING, Priority.HIGH) == (theirs.status, theirs.priority)
    assert theirs.assignee is not None
    assert SUPPORT == theirs.assignee.id
    assert free.assignee is None
    assert [False, True] == [message.internal for message in theirs.messages]
    assert ["It does not start."] == [message.text for message in hers.messages]


async def test_a_list_is_walked_page_by_page_and_gives_each_once(dial: Dial) -> None:
    async with dial() as mobile:
        for number in range(5):
            await mobile.send(f"Walk {number}", "text", users=[ADMIN])
        found = [each async for each in mobile.conversations(filters=["subject:like:Walk"], page_size=2)]
        counts = await mobile.counts()
        everything = [each.id async for each in mobile.conversations()]

    assert [f"Walk {number}" for number in (4, 3, 2, 1, 0)] == [each.subject for each in found]
    assert counts.total == len(everything) == len(set(everything))
    assert counts.total == sum(each.total for each in counts.message_types.values())


async def test_changes_go_on_from_a_list(dial: Dial) -> None:
    async with dial() as mobile:
        kept = await mobile.send("Kept", "text", users=[ADMIN])
        page = await anext(aiter(mobile.pages()))
        gone = await mobile.send("Gone", "text", users=[ADMIN])
        await mobile.request("DELETE", f"messageConversations/{gone}/{MOBILE}", key="one")
        await mobile.follow_up(kept)

        changes = await mobile.changes(page.cursor)
        same = await mobile.changes(changes.cursor)

    assert ([kept], (gone,)) == ([each.id for each in changes.message_conversations if each.follow_up], changes.removed)
    assert (False, (), ()) == (same.more, same.message_conversations, same.removed)


async def test_a_letter_whose_answer_is_lost_is_sent_once(dial: Dial, relay: Relay) -> None:
    async with dial(url=relay.url) as mobile:
        relay.mute = True
        sending = asyncio.create_task(mobile.send("Lost", "answer", users=[ADMIN]))
        while relay.lost < 3:
            await asyncio.sleep(0.01)
        relay.mute = False
        uid = await sending
        replying = asyncio.create_task(mobile.reply(uid, "once"))
        relay.cut()
        await replying

        assert [uid] == [each.id async for each in mobile.conversations(filters=["subject:eq:Lost"])]
        assert ["answer", "once"] == [each.text for each in (await mobile.conversation(uid)).messages]


async def test_a_key_of_ones_own_sends_once_however_often(dial: Dial) -> None:
    async with dial() as mobile:
        first = await mobile.send("Own key", "text", users=[ADMIN], key="letter 1")
        assert first == await mobile.send("Own key", "text", users=[ADMIN], key="letter 1")
        with pytest.raises(KeyReused, match="with another request"):
            await mobile.send("Own key", "another", users=[ADMIN], key="letter 1")


async def test_refusals_say_what_the_server_says(dial: Dial) -> None:
    async with dial() as mobile, dial("admin") as admin:
        theirs = await admin.send("Private", "text", users=["Hm04Zj2k7T4"])
        with pytest.raises(NotFound, match="404: No MessageConversation found with UID: nono") as missing:
            await mobile.conversation("nono")
        with pytest.raises(Forbidden):
            await mobile.reply(theirs, "me too")
        with pytest.raises(Conflict):
            await mobile.send("", "text", users=[ADMIN])
        with pytest.raises(Invalid, match="not a cursor"):
            await mobile.changes("AAAA")
    assert missing.value.web_message is not None
    assert ("E1005", 404) == (missing.value.web_message.error_code, missing.value.web_message.http_status_code)
    assert missing.value.request_id


async def test_a_wrong_password_is_said_at_once(served: Served) -> None:
    async with Client(served.url, user="grace", password="wrong", retries=RETRIES) as client:
        with pytest.raises(NotAuthenticated):
            await client.counts()


async def test_a_server_that_is_not_there_is_said_after_a_while() -> None:
    quick = Retries(within=0.3, first_pause=0.02, longest_pause=0.1)
    async with Client(f"http://127.0.0.1:{free_port()}", token="d2pat_x", retries=quick) as client:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
            await client.counts()
        with pytest.raises(Unreachable):
            await anext(client.events())


def test_what_cannot_be_a_client_is_said_when_it_is_made() -> None:
    for who in ({}, {"token": "a", "user": "b", "password": "c"}, {"user": "b"}):
        with pytest.raises(ValueError, match="token"):
            Client("http://localhost", **who)
    with pytest.raises(ValueError, match="no address"):
        Client("localhost:8080", token="a")


def test_nothing_of_the_server_comes_with_it() -> None:
    asked = (
        "import sys, convstore.client; print(*sorted(name for name in sys.modules if name.startswith('convstore.')))"
    )
    said = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)

    packages = {name.split(".")[1] for name in said.stdout.split()}
    assert {"client", "domain", "errors"} >= packages


async def test_a_client_that_was_not_opened_says_so(dial: Dial) -> None:
    with pytest.raises(ClientError, match="async with"):
        await dial().counts()


async def answering(handler: Callable[[web.Request], web.StreamResponse]) -> web.AppRunner:
    """Run something that is not convstore; give what runs it."""

    async def serve(request: web.Request) -> web.StreamResponse:
        return handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def test_a_busy_server_is_asked_again_when_it_says_so_and_only_what_may_be_asked_twice() -> None:
    asked: list[tuple[str, str | None]] = []

    def busy(request: web.Request) -> web.Response:
        asked.append((request.method, request.headers.get("Idempotency-Key")))
        if len(asked) % 3:
            return web.Response(status=(503, 429)[len(asked) % 2], headers={"Retry-After": "0"})
        return web.json_response({"unread": 1, "total": 2, "messageTypes": {}})

    runner = await answering(busy)
    try:
        async with Client(f"http://127.0.0.1:{runner.addresses[0][1]}/", token="x", retries=RETRIES) as client:
            assert 2 == (await client.counts()).total
            assert [("GET", None)] * 3 == asked
            asked.clear()
            await client.mark_read("AAAAAAAAAAA")
            assert 3 == len(asked)
            assert 1 == len({key for _, key in asked if key})
            asked.clear()
            with pytest.raises(Unavailable):
                await client.request("POST", "x")
            assert 1 == len(asked)
    finally:
        await runner.cleanup()


async def test_what_is_not_convstore_is_found_out_and_never_told_who_asks_elsewhere() -> None:
    def other(request: web.Request) -> web.Response:
        if request.path.endswith("counts"):
            return web.Response(text="<html>hello</html>")
        return web.Response(status=HTTPStatus.FOUND, headers={"Location": "http://127.0.0.1:9/"})

    runner = await answering(other)
    try:
        async with Client(f"http://127.0.0.1:{runner.addresses[0][1]}/dhis", token="x", retries=RETRIES) as client:
            with pytest.raises(Unreadable):
                await client.counts()
            with pytest.raises(ClientError, match="302"):
                await client.conversation("AAAAAAAAAAA")
    finally:
        await runner.cleanup()
