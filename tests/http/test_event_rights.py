"""Who may follow which events, and what of them."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, encode_basic_auth
from followed import EVENTS, STREAM, Event, following, pages, tags
from people import ADMIN, CLERK, MC, PASSWORD, SUPPORT, Caller, Client, MakeClient, add_accounts

from convstore.directory.scopes import SCOPES, TAGS
from convstore.domain.uid import Uid
from convstore.stream.rights import CONVERSATION_TAGS, authority_of

TEXT, SUBJECT, FILE, INSIDE = "It leaks everywhere.", "A leaking fridge", "leak-photo.png", "Do they pay?"


@pytest.fixture
async def warehouse(client: Client, tmp_path: Path, password_hash: str) -> Client:
    """Give a server where a ticket was told with text, file and internal reply, and accounts that follow events."""
    accounts = {
        "everything": ["F_EVENTS"],
        "texts": ["F_EVENTS", "F_EVENTS_TEXTS"],
        "insider": ["F_EVENTS", "F_EVENTS_TEXTS", "F_EVENTS_INTERNAL"],
        "messages": [authority_of("message-posted"), authority_of("status-set")],
        "nobody": [],
    }
    await add_accounts(client, tmp_path, password_hash, **accounts)
    await told(client)
    return client


async def told(client: Client) -> Uid:
    uid = await client.as_mobile.ticket(SUBJECT, TEXT)
    data = FormData()
    data.add_field("file", b"a file", filename=FILE, content_type="image/png")
    uploaded = await client.as_mobile.post(f"{MC}/attachments", data=data)
    file = uploaded.json["id"]
    assert 200 == (await client.as_mobile.post(f"{MC}/{uid}?attachments={file}", data="See.", headers=PLAIN)).status
    assert 200 == (await client.as_support.reply(uid, INSIDE, internal=True)).status
    status = await client.as_support.post(f"{MC}/{uid}/status?messageConversationStatus=PENDING")
    assert 200 == status.status
    return uid


PLAIN = {"Content-Type": "text/plain"}


async def with_token(caller: Caller, *scopes: str) -> "Caller":
    answer = await caller.post("/api/apiToken", json={"scopes": list(scopes)})
    assert 201 == answer.status, answer.body
    by = Caller(caller._client, None)
    by._headers = {"Authorization": f"ApiToken {answer.json['response']['key']}"}
    return by


def seen(events: list[Event]) -> set[str]:
    """Give which of the words of people can be read in events."""
    return {word for word in (TEXT, SUBJECT, FILE, INSIDE) if word in str(events)}


async def test_all_events_come_without_what_people_wrote(warehouse: Client) -> None:
    found = await pages(warehouse.by("everything"))

    assert set() == seen(found)
    assert {"conversation-started", "message-posted", "status-set"} < set(tags(found))
    [started] = [event["data"] for event in found if event["type"] == "conversation-started"]
    assert "TICKET" == started["message_type"]
    [attached] = [event["data"]["attachments"] for event in found if "attachments" in event["data"]]
    assert [{"content_type": "image/png", "length": 6}] == [
        {name: each[name] for name in each if name != "id"} for each in attached
    ]


async def test_texts_and_internal_messages_come_to_who_was_granted_them(warehouse: Client) -> None:
    assert {TEXT, SUBJECT, FILE} == seen(await pages(warehouse.by("texts")))
    assert {TEXT, SUBJECT, FILE, INSIDE} == seen(await pages(warehouse.by("insider")))
    assert {TEXT, SUBJECT, FILE, INSIDE} == seen(await pages(warehouse.as_admin))


async def test_named_types_are_all_that_some_may_follow(warehouse: Client) -> None:
    by = warehouse.by("messages")

    assert {"message-posted", "status-set"} == set(tags(await pages(by)))
    assert 403 == (await by.get(f"{EVENTS}?types=status-set,conversation-started")).message[0]
    assert 403 == (await by.get(f"{STREAM}?types=conversation-started")).message[0]


async def test_somebody_without_a_right_follows_his_own_inbox(warehouse: Client) -> None:
    assert [] == await pages(warehouse.by("nobody"))
    uid = await warehouse.as_mobile.send(CLERK, text="For you.")
    await warehouse.as_mobile.send(SUPPORT)
    await warehouse.as_clerk.post(f"{MC}/followup", json=[uid])

    found = await pages(warehouse.as_clerk)

    assert {uid} == {event["subject"] for event in found}
    assert "For you." in str(found)
    assert "follow-up-flagged" in tags(found)
    # The clerk's marks are his own.
    assert "follow-up-flagged" not in tags(await pages(warehouse.as_mobile, f"conversation={uid}"))
    # Nor does anybody see internal messages by having a copy.
    assert INSIDE not in seen(await pages(warehouse.as_mobile))
    assert INSIDE in seen(await pages(warehouse.as_support))


async def test_somebody_learns_that_his_copy_went(warehouse: Client) -> None:
    uid, other = [await warehouse.as_mobile.send(CLERK) for _ in range(2)]
    assert 200 == (await warehouse.as_clerk.delete(f"{MC}/{uid}/{CLERK}")).status
    assert 200 == (await warehouse.as_admin.delete(f"{MC}/{other}")).status

    found = await pages(warehouse.as_clerk)

    assert {(uid, "participant-removed"), (other, "conversation-deleted")} == {
        (event["subject"], event["type"]) for event in found
    }


async def test_who_may_follow_all_can_follow_his_own_inbox_alone(warehouse: Client) -> None:
    uid = await warehouse.as_mobile.send(ADMIN, text="For you.")

    assert {uid} == {event["subject"] for event in await pages(warehouse.as_admin, "own=true")}


async def test_who_looked_at_what_is_for_those_who_may_follow_all(warehouse: Client) -> None:
    await warehouse.as_admin.get(f"{MC}?user={CLERK}&fields=id")
    record = await warehouse.backend.pool.fetchval("SELECT count(*) FROM event WHERE type LIKE '%-viewed'")
    viewed = set(TAGS) - CONVERSATION_TAGS

    assert {"inbox-viewed", "history-viewed", "explanation-viewed"} == viewed
    for by, allowed in ((warehouse.as_admin, True), (warehouse.by("everything"), True), (warehouse.as_clerk, False)):
        assert (record if allowed else 0) == len([each for each in tags(await pages(by)) if each in viewed])
        assert (200 if allowed else 403) == (await by.get(f"{EVENTS}?types=inbox-viewed")).status
    assert 403 == (await warehouse.by("messages").get(f"{EVENTS}?types=inbox-viewed")).status


async def test_texts_of_a_deleted_conversation_come_to_nobody(warehouse: Client) -> None:
    [started] = await pages(warehouse.as_admin, "types=conversation-started")
    async with following(warehouse, {"Authorization": encode_basic_auth("insider", PASSWORD)}) as stream:
        gone = await told(warehouse)
        assert {TEXT, SUBJECT, INSIDE} <= seen(await stream.take(6))
    for uid in (started["subject"], gone):
        assert 200 == (await warehouse.as_admin.delete(f"{MC}/{uid}")).status

    for by in (warehouse.as_admin, warehouse.by("insider")):
        found = await pages(by)
        assert set() == seen(found)
        assert 2 == tags(found).count("conversation-deleted")


async def test_a_conversation_deleted_a_moment_ago_has_no_texts_on_the_ring(warehouse: Client) -> None:
    after = (await warehouse.as_admin.get(f"{EVENTS}?after=latest")).json["cursor"]
    async with following(warehouse, {"Authorization": encode_basic_auth("admin", PASSWORD)}):
        uid = await warehouse.as_mobile.send(CLERK, subject=SUBJECT, text=TEXT)
        await warehouse.as_admin.delete(f"{MC}/{uid}")
        ring = f"{STREAM}?closeAfter=5&after={after}&types=conversation-started,message-posted,conversation-deleted"

        answer = await warehouse.as_admin.get(ring)

    assert 3 == answer.body.count(b"data: ")
    assert TEXT not in str(answer.body)
    assert SUBJECT not in str(answer.body)


class TestTokens:
    """A token may do what its account may, or less."""

    async def test_one_for_events_opens_nothing_else(self, warehouse: Client) -> None:
        by = await with_token(warehouse.as_admin, "events")

        assert 200 == (await by.get(EVENTS)).status
        assert 403 == (await by.get(MC)).message[0]
        assert 403 == (await by.post(f"{MC}/read", json=[])).message[0]

    async def test_what_it_does_not_name_it_does_not_give(self, warehouse: Client) -> None:
        assert set() == seen(await pages(await with_token(warehouse.as_admin, "events")))
        assert {TEXT, SUBJECT, FILE} == seen(
            await pages(await with_token(warehouse.as_admin, "events", "events:texts"))
        )
        all_of_it = await with_token(warehouse.as_admin, "events", "events:texts", "events:internal")
        assert {TEXT, SUBJECT, FILE, INSIDE} == seen(await pages(all_of_it))

    async def test_one_for_named_types(self, warehouse: Client) -> None:
        by = await with_token(warehouse.as_admin, "events:status-set", "events:message-posted")

        assert {"message-posted", "status-set"} == set(tags(await pages(by)))
        assert 403 == (await by.get(f"{EVENTS}?types=inbox-viewed")).status

    async def test_one_for_the_own_inbox(self, warehouse: Client) -> None:
        assert [] == await pages(await with_token(warehouse.as_admin, "events:own"))
        found = await pages(await with_token(warehouse.as_support, "events:own", "events:texts"))
        assert {TEXT, SUBJECT, FILE} == seen(found)
        marks = await pages(await with_token(warehouse.as_support, "events:own", "events:message-posted"))
        assert {"message-posted"} == set(tags(marks))

    async def test_it_never_gives_more_than_the_account_may(self, warehouse: Client) -> None:
        by = await with_token(warehouse.by("everything"), "events", "events:texts", "events:internal")
        assert set() == seen(await pages(by))
        by = await with_token(warehouse.by("nobody"), "events", "events:texts", "events:internal")
        assert [] == await pages(by)

    async def test_full_and_reading_ones_give_all_that_the_account_may(self, warehouse: Client) -> None:
        for scope in ("full", "read"):
            by = await with_token(warehouse.as_admin, scope)
            assert {TEXT, SUBJECT, FILE, INSIDE} == seen(await pages(by))

    @pytest.mark.parametrize("scopes", [["events:texts"], ["events:internal", "events:texts"], ["events:none"]])
    async def test_it_must_be_for_something(self, client: Client, scopes: list[str]) -> None:
        assert 409 == (await client.as_admin.post("/api/apiToken", json={"scopes": scopes})).message[0]

    def test_there_is_a_scope_for_each_type(self) -> None:
        assert {f"events:{tag}" for tag in TAGS} < SCOPES.keys()


async def test_what_is_chosen_on_the_ring_is_what_the_database_chooses(
    make_client: MakeClient, tmp_path: Path, password_hash: str
) -> None:
    client = await make_client(partitions=2)
    await add_accounts(
        client,
        tmp_path,
        password_hash,
        everything=["F_EVENTS"],
        texts=["F_EVENTS", "F_EVENTS_TEXTS"],
        messages=[authority_of("message-posted")],
    )
    names: list[Any] = ["everything", "texts", "messages", "admin"]
    uid = await client.as_mobile.send(CLERK)
    queries = ["", "types=status-set,message-posted", f"conversation={uid}"]
    streams = []
    async with AsyncExitStack() as stack:
        for name in names:
            for query in queries:
                headers = {"Authorization": encode_basic_auth(name, PASSWORD)}
                chosen = "types=message-posted" if name == "messages" and "types" in query else query
                opened = await stack.enter_async_context(following(client, headers, f"after=&{chosen}"))
                streams.append((name, chosen, opened))
        await told(client)
        await client.as_clerk.reply(uid)
        for name, query, opened in streams:
            expected = await pages(client.by(name), query)
            found = await opened.take(len(expected))
            assert sorted((each["id"], str(each["data"])) for each in expected) == sorted(
                (each["id"], str(each["data"])) for each in found
            ), (name, query)
