"""Server-sent events: what comes, as it comes, for as long as the caller may have it."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import encode_basic_auth
from followed import EVENTS, STREAM, Received, following, ids, pages, tags
from people import CLERK, MOBILE, PASSWORD, Caller, Client, MakeClient, add_accounts

from convstore.directory import accounts
from convstore.http import sse
from convstore.http.drain import DRAIN
from convstore.http.events import HUB
from convstore.stream import hub as hubs
from eventually import eventually

ADMIN_HEADERS = {"Authorization": encode_basic_auth("admin", PASSWORD)}
CLERK_HEADERS = {"Authorization": encode_basic_auth("clerk", PASSWORD)}


def application(client: Client) -> Any:
    return client._client.app


async def token(caller: Caller, **wanted: Any) -> tuple[str, dict[str, str]]:
    """Have somebody make a token, and give its uid, and the header that shows it."""
    answer = await caller.post("/api/apiToken", json=wanted)
    assert 201 == answer.status, answer.body
    made = answer.json["response"]
    return made["uid"], {"Authorization": f"ApiToken {made['key']}"}


async def test_events_come_as_they_happen(make_client: MakeClient) -> None:
    client = await make_client(partitions=8)
    async with following(client, ADMIN_HEADERS) as stream:
        uids = [await client.as_mobile.send(CLERK) for _ in range(5)]

        found = await stream.take(15)

    assert sorted(f"{uid}@{version}" for uid in uids for version in (1, 2, 3)) == sorted(ids(found))
    # Each may be the last one that a reader has dealt with.
    for at, event in enumerate(found):
        rest = await pages(client.as_admin, after=event["cursor"])
        assert set(ids(found[at + 1 :])) == set(ids(rest))


async def test_what_happened_before_comes_first_without_a_hole(make_client: MakeClient) -> None:
    client = await make_client(partitions=4)
    before = [await client.as_mobile.send(CLERK) for _ in range(4)]
    async with following(client, ADMIN_HEADERS, "types=message-posted") as stream:
        after = [await client.as_mobile.send(CLERK) for _ in range(4)]

        found = await stream.take(8)

    assert {*before, *after} == {event["subject"] for event in found}


async def test_a_browser_that_comes_again_goes_on_where_it_was(make_client: MakeClient) -> None:
    client = await make_client(partitions=4)
    for _ in range(4):
        await client.as_mobile.send(CLERK)
    whole = await pages(client.as_admin)
    async with following(client, ADMIN_HEADERS, "after=") as stream:
        first = await stream.take(5)
    async with following(client, {**ADMIN_HEADERS, "Last-Event-ID": first[-1]["cursor"]}, "after=") as stream:
        rest = await stream.take(len(whole) - 5)

    assert sorted(ids(whole)) == sorted(ids([*first, *rest]))


async def test_what_another_process_appends_comes_too(client: Client, make_client: MakeClient) -> None:
    other = await make_client(beside=client)
    async with following(client, ADMIN_HEADERS, "after=latest&types=message-posted") as stream:
        uid = await other.as_mobile.send(CLERK)

        assert [uid] == [event["subject"] for event in await stream.take(1)]


async def test_somebody_s_own_inbox_can_be_followed(client: Client) -> None:
    async with following(client, CLERK_HEADERS) as stream:
        await client.as_mobile.send(MOBILE)
        uid = await client.as_mobile.send(CLERK, text="Come.")

        found = await stream.take(3)

    assert {uid} == {event["subject"] for event in found}
    assert "Come." == found[-1]["data"]["text"]


async def test_a_stream_can_end_when_it_has_given_what_there_is(client: Client) -> None:
    await client.as_mobile.send(CLERK)
    answer = await client.as_admin.get(f"{STREAM}?closeAfter=30")
    assert 3 == answer.body.count(b"\ndata: ")

    nothing = await client.as_admin.get(f"{STREAM}?closeAfter=0&after=latest")
    assert (200, 0) == (nothing.status, nothing.body.count(b"data:"))
    # It waits for something as long as it was told to.
    waiting = asyncio.create_task(client.as_admin.get(f"{STREAM}?closeAfter=30&after=latest"))
    await eventually(lambda: application(client)[HUB].followers)
    await client.as_mobile.send(CLERK)
    assert b"data:" in (await waiting).body
    for wrong in ("-1", "3601", "soon"):
        assert 400 == (await client.as_admin.get(f"{STREAM}?closeAfter={wrong}")).message[0]


async def test_a_silent_stream_shows_that_it_lives_and_where_it_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convstore.http.events.Pace", lambda **given: sse.Pace(heartbeat=0.05, **given))
    async with following(client, ADMIN_HEADERS, "after=latest&types=status-set") as stream:
        await client.as_mobile.send(CLERK)
        places: list[Received] = []
        async for each in stream.received():
            places.append(each)
            # What is not chosen is passed over: whoever comes again from there need not look at it once more.
            if each.id is not None and each.id == (await client.as_admin.get(f"{EVENTS}?after=latest")).json["cursor"]:
                break
    assert all(each.data is None for each in places)


async def test_nothing_is_asked_of_the_database_for_who_waits(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    read = hubs.read_partition

    async def counted(*args: Any, **more: Any) -> Any:
        nonlocal asked
        asked += 1
        return await read(*args, **more)

    monkeypatch.setattr(hubs, "read_partition", counted)
    hub = application(client)[HUB]
    async with (
        following(client, ADMIN_HEADERS, "after=latest&types=status-set") as _,
        following(client, ADMIN_HEADERS, "after=latest&types=priority-set") as _,
        following(client, ADMIN_HEADERS, "after=latest&types=message-posted") as stream,
    ):
        await eventually(lambda: len(hub._idle) == 3)
        await client.as_mobile.send(CLERK)
        await stream.take(1)

        # Once for all of them, and not at all when this process knew first that it had appended itself.
        assert asked <= 1
        assert 3 == hub.followers
    await eventually(lambda: hub.followers == 0)


async def test_followers_go_on_when_the_log_could_not_be_read_for_a_while(
    client: Client, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 3
    read = hubs.read_partition

    async def failing(*args: Any, **more: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise ConnectionResetError
        return await read(*args, **more)

    monkeypatch.setattr(hubs, "read_partition", failing)
    monkeypatch.setattr(hubs, "_PAUSE", 0.01)
    other = await make_client(beside=client)
    async with following(client, ADMIN_HEADERS, "after=latest&types=message-posted") as stream:
        await eventually(lambda: application(client)[HUB]._idle)
        # Of another process: this one must read it.
        uids = [await other.as_mobile.send(CLERK) for _ in range(3)]

        assert uids == [event["subject"] for event in await stream.take(3)]
    assert 0 == failures


async def test_a_reader_that_falls_behind_reads_the_log_at_its_own_pace(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "_EVENTS", 10)
    client = await make_client(partitions=4)
    async with following(client, ADMIN_HEADERS, "after=latest") as stream:
        await client.as_mobile.send(CLERK)
        first = await stream.take(3)
        uids = [await client.as_mobile.send(CLERK) for _ in range(30)]
        rest = await stream.take(90)
        assert application(client)[HUB].ring.end - application(client)[HUB].ring.first <= 10

    assert sorted(ids(await pages(client.as_admin))) == sorted(ids([*first, *rest]))
    assert set(uids) == {event["subject"] for event in rest}


async def test_a_client_that_takes_nothing_is_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convstore.http.events.Pace", lambda **given: sse.Pace(write_timeout=0.2, **given))
    uid = await client.as_mobile.send(CLERK)
    for _ in range(40):
        await client.as_clerk.reply(uid, "x" * 200_000)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", client.port))
    with connection:
        asked = f"GET {STREAM} HTTP/1.1\r\nHost: a\r\nAuthorization: {ADMIN_HEADERS['Authorization']}\r\n\r\n"
        connection.sendall(asked.encode())
        hub = application(client)[HUB]
        await eventually(lambda: hub.followers == 1)

        await eventually(lambda: hub.followers == 0)


class TestRightsEnd:
    """A stream ends with what let its reader in."""

    async def test_a_revoked_token(self, client: Client, other_worker: Client) -> None:
        uid, headers = await token(client.as_mobile)
        async with following(client, headers) as stream:
            assert 200 == (await other_worker.as_mobile.delete(f"/api/apiToken/{uid}")).status

            assert "Unauthorized" == await stream.end()

    async def test_an_expired_token(self, client: Client) -> None:
        uid, headers = await token(client.as_mobile)
        await client.backend.pool.execute(
            "UPDATE api_token SET expires = clock_timestamp() + interval '0.7 s' WHERE id = $1", uid
        )
        async with following(client, headers) as stream:
            assert "Unauthorized" == await stream.end()

    async def test_a_session_that_was_logged_out(self, client: Client) -> None:
        headers = {"Cookie": f"convstore_session={await session(client)}"}
        async with following(client, headers) as stream:
            shown = headers["Cookie"].partition("=")[2]
            await client.backend.directory.log_out(shown)

            assert "Unauthorized" == await stream.end()

    async def test_a_session_that_was_not_used(self, client: Client) -> None:
        headers = {"Cookie": f"convstore_session={await session(client, idle=0.7)}"}
        async with following(client, headers) as stream:
            assert "Unauthorized" == await stream.end()

    async def test_another_password(self, client: Client) -> None:
        async with following(client, CLERK_HEADERS) as stream:
            await accounts.set_password(client.backend.pool, "clerk", "another-one")

            assert "Unauthorized" == await stream.end()

    async def test_a_disabled_account(self, client: Client) -> None:
        async with following(client, CLERK_HEADERS) as stream:
            await accounts.set_disabled(client.backend.pool, "clerk", disabled=True)

            assert "Account disabled" == await stream.end()

    async def test_a_right_that_was_taken_away(self, client: Client, tmp_path: Any, password_hash: str) -> None:
        await add_accounts(client, tmp_path, password_hash, warehouse=["F_EVENTS"])
        headers = {"Authorization": encode_basic_auth("warehouse", PASSWORD)}
        async with following(client, headers, "after=latest&types=message-posted") as stream:
            await client.as_mobile.send(CLERK)
            assert ["message-posted"] == tags(await stream.take(1))
            await add_accounts(client, tmp_path, password_hash, warehouse=["F_OTHER"])

            assert "Your rights have changed; come again." == await stream.end()

    async def test_the_server_stops(self, client: Client) -> None:
        async with following(client, ADMIN_HEADERS) as stream:
            finished = asyncio.create_task(application(client)[DRAIN].finish(10))

            assert "The server is stopping; come again." == await stream.end()
            assert 0 == await finished


async def session(client: Client, *, idle: float = 3600) -> str:
    _, shown = await client.backend.directory.log_in("mobile", PASSWORD, idle=idle)
    return shown
