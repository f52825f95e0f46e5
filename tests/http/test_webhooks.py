"""Webhooks: events are pushed to a receiver, signed, in order, at least once, whatever it says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from people import ADMIN, CLERK, MOBILE, Client, MakeClient, add_accounts
from receiver import LEASE, LOOPBACK, Event, Receiver, endless, logged, pushing, receiving, shown, subscribed

from convstore.directory import accounts
from convstore.webhook import service
from eventually import eventually

WEBHOOK = "/api/subscriptions/hook/webhook"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often than a server does."""
    monkeypatch.setattr(service, "_LOOK", 0.05)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await patient(make_client)


async def patient(make_client: MakeClient, **settings: Any) -> Client:
    chosen = {"webhook_networks": LOOPBACK, "webhook_retry_seconds": 0.02, "webhook_timeout": 5.0, **settings}
    return await make_client(partitions=2, **chosen)


async def write(client: Client, conversations: int = 5) -> None:
    for _ in range(conversations):
        uid = await client.as_mobile.send(CLERK)
        await client.as_clerk.reply(uid)


async def all_arrived(client: Client, receiver: Receiver) -> bool:
    return await logged(client) == set(receiver.ids)


async def settled(client: Client) -> bool:
    """Tell whether everything is acknowledged."""
    found = (await client.as_admin.get("/api/subscriptions/hook")).json
    return bool(found["eventsBehind"] == 0)


class TestPushing:
    async def test_every_event_arrives_signed_and_each_conversation_in_order(
        self, client: Client, receiver: Receiver
    ) -> None:
        await write(client)
        made = await subscribed(client.as_admin, receiver)
        async with pushing(client.backend, client.dsn) as webhooks:
            await write(client)
            await eventually(lambda: all_arrived(client, receiver))
            await eventually(lambda: settled(client))
            assert len(receiver.taken) == webhooks.counted["hook"].outcomes["taken"]
        receiver.check_order()
        assert len(receiver.asked) == len(receiver.taken)
        assert made["secrets"][0].startswith("whsec_")
        first = receiver.taken[0]
        assert ("1.0", first["subject"] + "@1") == (first["specversion"], first["id"])
        assert "How are you?" == next(e for e in receiver.taken if e["type"] == "message-posted")["data"]["text"]

    async def test_one_request_at_a_time_of_each_slot_and_not_too_many_of_all(
        self, make_client: MakeClient, receiver: Receiver
    ) -> None:
        client = await patient(make_client, webhook_connections=12)

        async def slowly(_request: web.Request, _event: Event) -> web.Response:
            await asyncio.sleep(0.01)
            return web.Response()

        receiver.always = slowly
        await write(client, 12)
        await subscribed(client.as_admin, receiver)
        async with pushing(client.backend, client.dsn):
            await eventually(lambda: all_arrived(client, receiver))
        assert 1 == receiver.most_of_a_slot
        assert 2 <= receiver.most_at_once <= 3

    async def test_it_begins_where_the_subscription_stands_and_goes_on_there_after_a_pause(
        self, client: Client, receiver: Receiver
    ) -> None:
        await write(client)
        before = await logged(client)
        await subscribed(client.as_admin, receiver, after="latest")
        async with pushing(client.backend, client.dsn):
            await write(client, 1)
            new = await logged(client) - before
            await eventually(lambda: set(receiver.ids) == new)
            assert 200 == (await client.as_admin.post(f"{WEBHOOK}/pause")).status
            await eventually(lambda: no_consumers(client))
            await write(client, 1)
            assert "paused" == (await shown(client.as_admin))["state"]
            assert new == set(receiver.ids)
            await client.as_admin.post(f"{WEBHOOK}/resume")
            await eventually(lambda: all_after(client, before, receiver))
        assert "pushing" == (await shown(client.as_admin))["state"]

    async def test_an_own_inbox_is_pushed_and_nothing_else(
        self, client: Client, receiver: Receiver, tmp_path: Path, password_hash: str
    ) -> None:
        uids = await add_accounts(client, tmp_path, password_hash, bridge=["F_WEBHOOKS"])
        await subscribed(client.by("bridge"), receiver, own=True)
        theirs = await client.as_mobile.send(ADMIN)
        his = await client.as_mobile.send(uids["bridge"])
        async with pushing(client.backend, client.dsn):
            await eventually(lambda: f"{his}@2" in receiver.ids)
            await eventually(lambda: settled(client))
        assert theirs not in {event["subject"] for event in receiver.taken}

    async def test_what_nobody_asked_for_is_passed_over_at_once(
        self, client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("convstore.stream.reading._EXAMINED", 3)
        await write(client, 6)
        await client.as_admin.post(
            f"/api/messageConversations/{await client.as_mobile.ticket()}/status?messageConversationStatus=SOLVED"
        )
        await subscribed(client.as_admin, receiver, types=["status-set"])
        async with pushing(client.backend, client.dsn):
            await eventually(lambda: len(receiver.taken) == 1)

    async def test_two_processes_share_and_one_takes_over_when_the_other_ends(
        self, client: Client, make_client: MakeClient, receiver: Receiver
    ) -> None:
        await subscribed(client.as_admin, receiver)
        second_process = await patient(make_client, beside=client)
        async with pushing(client.backend, client.dsn) as first:
            async with pushing(second_process.backend, client.dsn) as second:
                await eventually(lambda: shared(client))
                await write(client, 15)
                await eventually(lambda: all_arrived(client, receiver))
                assert first.counted["hook"].outcomes["taken"] > 0
                assert second.counted["hook"].outcomes["taken"] > 0
            await write(client)
            await eventually(lambda: all_arrived(client, receiver))
        receiver.check_order()


class TestAReceiverInTrouble:
    async def test_that_is_down_gets_everything_when_it_is_up(self, client: Client, receiver: Receiver) -> None:
        await subscribed(client.as_admin, receiver)
        await receiver.close()
        await write(client)
        async with pushing(client.backend, client.dsn):
            await eventually(lambda: failing(client))
            found = await shown(client.as_admin)
            assert ("failing", "no connection, ConnectionRefusedError") == (found["state"], found["reason"])
            await receiver.open()
            await eventually(lambda: all_arrived(client, receiver))
            await eventually(lambda: pushes(client))
        receiver.check_order()

    async def test_that_answers_500_for_a_while_gets_everything_in_order(
        self, client: Client, receiver: Receiver
    ) -> None:
        receiver.script = [500, 502, 404] * 10
        await write(client)
        await subscribed(client.as_admin, receiver)
        async with pushing(client.backend, client.dsn):
            await eventually(lambda: all_arrived(client, receiver))
        receiver.check_order()
        assert len(receiver.taken) + 30 == len(receiver.asked)

    async def test_that_is_slow_is_asked_again(self, make_client: MakeClient, receiver: Receiver) -> None:
        client = await patient(make_client, webhook_timeout=0.3)

        async def never(_request: web.Request, _event: Event) -> web.Response:
            await asyncio.sleep(60)
            raise AssertionError

        async def late() -> bool:
            return "no answer in time" == (await shown(client.as_admin))["reason"]

        receiver.always = never
        await write(client, 1)
        await subscribed(client.as_admin, receiver)
        async with pushing(client.backend, client.dsn):
            await eventually(late)
            receiver.always = None
            await eventually(lambda: all_arrived(client, receiver))

    async def test_that_talks_without_end_is_cut_off(self, client: Client, receiver: Receiver) -> None:
        receiver.always = endless
        await write(client, 1)
        await subscribed(client.as_admin, receiver)
        async with pushing(client.backend, client.dsn) as webhooks:
            # It has said that it took them.
            await eventually(lambda: settled(client))
            assert 0 == webhooks.counted["hook"].outcomes["refused"]

    async def test_that_leads_elsewhere_is_not_followed(self, client: Client, receiver: Receiver) -> None:
        async with receiving() as elsewhere:

            async def lead(_request: web.Request, _event: Event) -> web.Response:
                raise web.HTTPTemporaryRedirect(elsewhere.url)

            receiver.script = [lead]
            await write(client, 1)
            await subscribed(client.as_admin, receiver)
            async with pushing(client.backend, client.dsn) as webhooks:
                await eventually(lambda: all_arrived(client, receiver))
                assert 1 == webhooks.counted["hook"].outcomes["refused"]
            assert [] == elsewhere.asked

    async def test_that_is_gone_is_asked_no_more_until_somebody_says_so(
        self, client: Client, receiver: Receiver
    ) -> None:
        receiver.always = 410
        await write(client)
        await subscribed(client.as_admin, receiver)
        async with pushing(client.backend, client.dsn):
            await eventually(lambda: paused(client))
            await eventually(lambda: no_consumers(client))
            asked = len(receiver.asked)
            await write(client, 1)
            found = await shown(client.as_admin)
            assert ("paused", "the receiver wants no more events (HTTP 410)") == (found["state"], found["reason"])
            assert asked == len(receiver.asked)
            receiver.always = None
            await client.as_admin.post(f"{WEBHOOK}/resume")
            await eventually(lambda: all_arrived(client, receiver))
        receiver.check_order()

    async def test_that_asks_for_time_is_left_alone_altogether(self, client: Client, receiver: Receiver) -> None:
        async def later(_request: web.Request, _event: Event) -> web.Response:
            return web.Response(status=429, headers={"Retry-After": "3600"})

        uid = await client.as_mobile.send(CLERK)
        await subscribed(client.as_admin, receiver)
        receiver.script = [later]
        async with pushing(client.backend, client.dsn):
            await eventually(lambda: failing(client))
            await write(client)
            # They are at hand, in other slots too, and wait.
            await eventually(lambda: woken_since(client))
            assert [f"{uid}@1"] == receiver.asked
            due = await client.backend.pool.fetchval("SELECT due - now() > interval '50 minutes' FROM webhook_try")
            assert due
            await client.as_admin.post(f"{WEBHOOK}/resume")
            await eventually(lambda: all_arrived(client, receiver))

    async def test_that_never_takes_an_event_gets_the_others_and_that_one_when_somebody_says_so(
        self, make_client: MakeClient, receiver: Receiver
    ) -> None:
        client = await patient(make_client, webhook_attempts=3)
        await write(client)
        poison = min(await logged(client)).partition("@")[0] + "@2"

        async def choose(_request: web.Request, event: Event) -> web.Response:
            return web.Response(status=422 if event["id"] == poison else 200)

        receiver.always = choose
        await subscribed(client.as_admin, receiver)
        async with pushing(client.backend, client.dsn) as webhooks:
            everything = await logged(client)
            await eventually(lambda: everything - {poison} == set(receiver.ids))
            await eventually(lambda: settled(client))
            letters = (await client.as_admin.get("/api/subscriptions/hook/deadLetters")).json["deadLetters"]
            assert ["HTTP 422, 3 attempts"] == [letter["reason"] for letter in letters]
            assert (3, 1) == (receiver.asked.count(poison), webhooks.counted["hook"].outcomes["dead"])
            assert "pushing" == (await shown(client.as_admin))["state"]
            receiver.always = None
            await client.as_admin.post("/api/subscriptions/hook/deadLetters/redeliver", json={})
            await eventually(lambda: all_arrived(client, receiver))
            await eventually(lambda: no_letters(client))

    async def test_whoever_takes_over_knows_how_often_an_event_was_tried(
        self, make_client: MakeClient, receiver: Receiver
    ) -> None:
        client = await patient(make_client, webhook_attempts=6, webhook_retry_seconds=0.3)
        receiver.always = 500
        await client.as_mobile.send(CLERK)
        await subscribed(client.as_admin, receiver, types=["conversation-started"])
        for _ in range(2):
            tried = len(receiver.asked)
            async with pushing(client.backend, client.dsn):
                await eventually(lambda tried=tried: len(receiver.asked) > tried)
        assert len(receiver.asked) == (await shown(client.as_admin))["attempts"]


class TestRights:
    async def test_that_end_stop_it_and_nothing_is_passed_over(
        self, client: Client, receiver: Receiver, tmp_path: Path, password_hash: str
    ) -> None:
        bridge = (await add_accounts(client, tmp_path, password_hash, bridge=["F_WEBHOOKS"]))["bridge"]
        await subscribed(client.by("bridge"), receiver, own=True)
        pool = client.backend.pool
        async with pushing(client.backend, client.dsn):
            first = await client.as_mobile.send(bridge)
            await eventually(lambda: f"{first}@2" in receiver.ids)
            await accounts.set_disabled(pool, "bridge", disabled=True)
            second = await client.as_mobile.send(bridge)
            await eventually(lambda: halted(client))
            found = await shown(client.as_admin)
            assert "its owner may not be given all that it follows" == found["reason"]
            assert second not in {event["subject"] for event in receiver.taken}
            await accounts.set_disabled(pool, "bridge", disabled=False)
            await eventually(lambda: f"{second}@2" in receiver.ids)
            await eventually(lambda: pushes(client))

    async def test_of_an_account_that_are_less_by_now_stop_it_too(
        self, client: Client, receiver: Receiver, tmp_path: Path, password_hash: str
    ) -> None:
        everything = ["F_EVENTS", "F_EVENTS_TEXTS", "F_WEBHOOKS"]
        await add_accounts(client, tmp_path, password_hash, warehouse=everything)
        await subscribed(client.by("warehouse"), receiver)
        async with pushing(client.backend, client.dsn):
            await write(client, 1)
            await eventually(lambda: all_arrived(client, receiver))
            for less, why in (
                (["F_EVENTS", "F_WEBHOOKS"], "its owner may not be given all that it follows"),
                (["F_EVENTS", "F_EVENTS_TEXTS"], "its owner may not have events pushed: F_WEBHOOKS"),
            ):
                await add_accounts(client, tmp_path, password_hash, warehouse=less)
                await eventually(lambda why=why: halted_because(client, why))
                asked = len(receiver.asked)
                await write(client, 1)
            await add_accounts(client, tmp_path, password_hash, warehouse=everything)
            await eventually(lambda: all_arrived(client, receiver))
        assert all("text" in event["data"] for event in receiver.taken if event["type"] == "message-posted")
        assert asked < len(receiver.asked)

    async def test_somebody_elses_webhook_is_not_there(
        self, client: Client, receiver: Receiver, tmp_path: Path, password_hash: str
    ) -> None:
        await subscribed(client.as_admin, receiver)
        await add_accounts(client, tmp_path, password_hash, bridge=["F_WEBHOOKS"])
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/secrets")):
            answer = await client.by("bridge")(method, WEBHOOK + path, json={"url": receiver.url})
            assert 404 == answer.status, (method, path)

    async def test_without_the_authority_ones_own_inbox_is_followed_and_not_pushed(
        self, client: Client, receiver: Receiver
    ) -> None:
        assert 201 == (await client.as_clerk.post("/api/subscriptions", json={"name": "hook", "own": True})).status
        for method, path in (("PUT", ""), ("POST", "/test"), ("POST", "/resume"), ("POST", "/secrets")):
            answer = await client.as_clerk(method, WEBHOOK + path, json={"url": receiver.url})
            assert (403, "Access is denied, requires one Authority from [F_WEBHOOKS]") == answer.message
        assert 200 == (await client.as_clerk.post("/api/subscriptions/hook/events", json={"consumer": "a"})).status

    async def test_a_token_for_following_events_is_not_enough(self, client: Client, receiver: Receiver) -> None:
        await subscribed(client.as_admin, receiver)
        made = await client.as_admin.post("/api/apiToken", json={"scopes": ["events", "events:texts"]})
        headers = {"Authorization": f"ApiToken {made.json['response']['key']}"}
        for method, path in (("PUT", ""), ("GET", ""), ("POST", "/secrets")):
            answer = await client.as_nobody(method, WEBHOOK + path, json={"url": receiver.url}, headers=headers)
            assert (403, "This token is not meant for such requests") == answer.message
        assert 200 == (await client.as_admin.get(WEBHOOK)).status


class TestSayingWhere:
    @pytest.mark.parametrize(
        "body",
        [
            {"url": "ftp://example.org/"},
            {"url": "//example.org/"},
            {"url": "hook"},
            {"url": "http://user:secret@example.org/"},
            {"url": "http://example.org/#here"},
            {"url": "http://169.254.169.254/latest/meta-data"},
            {"url": "http://[::ffff:10.0.0.1]/"},
            {"url": "http://[::1]:8080/"},
            {"url": "http://2130706433/"},
            {"url": "http://0x7f.1/"},
            {"url": "http://0177.0.0.1/"},
            {"url": "http://exa mple.org/"},
            {"url": "http://example..org/"},
            {"url": "http://example.org/", "headers": {"Webhook-Id": "1"}},
            {"url": "http://example.org/", "headers": {"Host": "example.com"}},
            {"url": "http://example.org/", "headers": {"X": "a\r\nY: b"}},
            {"url": "http://example.org/", "secrets": []},
            {"url": "http://example.org/", "secrets": ["short"]},
            {"url": "http://example.org/", "secrets": ["whsec_c2hvcnQ="]},
            {"url": "http://example.org/" + "a" * 2_000},
        ],
    )
    async def test_what_cannot_be_used_is_refused(self, client: Client, receiver: Receiver, body: Any) -> None:
        await subscribed(client.as_admin, receiver)
        assert 400 == (await client.as_admin("PUT", WEBHOOK, json=body)).message[0]
        assert receiver.url == (await shown(client.as_admin))["url"]

    async def test_secrets_are_shown_once_and_changed_without_a_gap(self, client: Client, receiver: Receiver) -> None:
        old = (await subscribed(client.as_admin, receiver))["secrets"]
        assert "secrets" not in await shown(client.as_admin)
        made = await client.as_admin.post(f"{WEBHOOK}/secrets")
        receiver.secrets = [*made.json["secrets"], *old]
        async with pushing(client.backend, client.dsn):
            await write(client, 1)
            await eventually(lambda: all_arrived(client, receiver))
            assert 1 == (await client.as_admin.delete(f"{WEBHOOK}/secrets")).json["secretCount"]
            receiver.secrets = made.json["secrets"]

            async def signed_once() -> bool:
                await client.as_mobile.send(CLERK)
                return len(receiver.headers[-1]["webhook-signature"].split()) == 1

            # The process that pushes looks a little later than it was said.
            await eventually(signed_once)
            await eventually(lambda: all_arrived(client, receiver))
        assert 2 == len(receiver.headers[0]["webhook-signature"].split())

    async def test_a_secret_of_the_receivers_own_and_its_headers_are_used_and_not_shown(
        self, client: Client, receiver: Receiver
    ) -> None:
        await subscribed(client.as_admin, receiver)
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        body = {"url": receiver.url, "headers": {"Authorization": "Bearer x"}, "secrets": [secret]}
        answer = await client.as_admin("PUT", WEBHOOK, json=body)
        assert (200, ["Authorization"], False) == (answer.status, answer.json["headers"], "secrets" in answer.json)
        receiver.secrets = [secret]
        tried = await client.as_admin.post(f"{WEBHOOK}/test")
        assert (True, 204) == (tried.json["taken"], tried.json["status"])
        assert "Bearer x" == receiver.headers[-1]["Authorization"]
        assert "webhook-test" == receiver.taken[-1]["type"]

    async def test_one_that_is_ended_pushes_no_more_and_its_subscription_goes_on(
        self, client: Client, receiver: Receiver
    ) -> None:
        await subscribed(client.as_admin, receiver)
        async with pushing(client.backend, client.dsn):
            await write(client, 1)
            await eventually(lambda: all_arrived(client, receiver))
            assert 200 == (await client.as_admin.delete(WEBHOOK)).status
            await eventually(lambda: no_consumers(client))
            asked = len(receiver.asked)
            await write(client, 1)
            answer = await client.as_admin.post("/api/subscriptions/hook/events", json={"consumer": "a"})
            assert {event["actor"] for event in answer.json["events"]} <= {MOBILE, CLERK}
            assert answer.json["events"]
            assert asked == len(receiver.asked)
        assert 404 == (await client.as_admin.get(WEBHOOK)).message[0]


async def all_after(client: Client, before: set[str], receiver: Receiver) -> bool:
    return await logged(client) - before == set(receiver.ids)


async def no_consumers(client: Client) -> bool:
    return [] == (await client.as_admin.get("/api/subscriptions/hook")).json["consumers"]


async def no_letters(client: Client) -> bool:
    return 0 == (await client.as_admin.get("/api/subscriptions/hook")).json["deadLetters"]


async def failing(client: Client) -> bool:
    return (await shown(client.as_admin))["state"] == "failing"


async def halted_because(client: Client, why: str) -> bool:
    found = await shown(client.as_admin)
    return ("halted", why) == (found["state"], found["reason"])


async def halted(client: Client) -> bool:
    return (await shown(client.as_admin))["state"] == "halted"


async def paused(client: Client) -> bool:
    return (await shown(client.as_admin))["state"] == "paused"


async def pushes(client: Client) -> bool:
    return (await shown(client.as_admin))["state"] == "pushing"


async def shared(client: Client) -> bool:
    rows = await client.backend.pool.fetch("SELECT owner, count(*) FROM subscription_slot GROUP BY owner")
    return [32, 32] == [row["count"] for row in rows if row["owner"]]


async def woken_since(client: Client) -> bool:
    """Tell whether a consumer has renewed its lease after the last event."""
    return bool(
        await client.backend.pool.fetchval(
            "SELECT bool_or(alive_until - make_interval(secs => $1) > (SELECT max(recorded_at) FROM event)) "
            "FROM subscription_consumer",
            float(LEASE),
        )
    )
