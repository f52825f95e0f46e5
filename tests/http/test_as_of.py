"""``asOf`` on reads: what somebody could see then and may see now, by cursor and instant; and who looked at whose."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import Struct
from past_run import ask
from people import (
    ADMIN,
    CLERK,
    IMPORTER,
    MC,
    MOBILE,
    NOBODY,
    SUPPORT,
    Answer,
    Caller,
    Client,
    MakeClient,
    add_accounts,
)

from convstore.domain.access import InboxViewed, View, access_stream
from convstore.domain.uid import UserId
from convstore.log import cursor


class Told(Struct, frozen=True):
    """A conversation that two people have, and the cursors after each thing that happened in it."""

    uid: str
    started: str
    replied: str
    read: str


async def cursor_of(caller: Caller) -> str:
    """Give the cursor of what somebody's counts tell now."""
    return str((await caller.get(f"{MC}/counts")).headers["Convstore-Cursor"])


def reflected(client: Client, answer: Answer) -> str:
    """Give the cursor that an answer reflects, without the mark that tells whose list it was."""
    store = client.backend.store
    return store.cursor(store.positions(answer.headers["Convstore-Cursor"]))


async def told(client: Client) -> Told:
    """Let MOBILE write to CLERK, CLERK reply, and MOBILE read it."""
    uid = await client.as_mobile.send(CLERK, subject="Vaccines")
    started = await cursor_of(client.as_mobile)
    await client.as_clerk.reply(uid, "They came.")
    replied = await cursor_of(client.as_mobile)
    await client.as_mobile.post(f"{MC}/read", json=[uid])
    return Told(uid, started, replied, await cursor_of(client.as_mobile))


async def listed(caller: Caller, as_of: str, **given: str) -> set[str]:
    """Give the conversations of a list."""
    answer = await ask(caller, f"{MC}?fields=id&paging=false", asOf=as_of, **given)
    assert 200 == answer.status, answer.body
    return {each["id"] for each in answer.json["messageConversations"]}


async def status(caller: Caller, uid: str, as_of: str, **given: str) -> int:
    """Say what one conversation is answered with; the same as one of its properties."""
    answer = await ask(caller, f"{MC}/{uid}", asOf=as_of, **given)
    assert answer.status == (await ask(caller, f"{MC}/{uid}/subject", asOf=as_of, **given)).status
    return answer.status


async def seen(caller: Caller, uid: str, as_of: str) -> tuple[int, bool]:
    """Give how many messages a conversation had, and whether it was read."""
    said = (await ask(caller, f"{MC}/{uid}?fields=messageCount,read", asOf=as_of)).json
    return said["messageCount"], said["read"]


async def test_a_conversation_is_as_it_was(client: Client) -> None:
    at = await told(client)

    assert (1, True) == await seen(client.as_mobile, at.uid, at.started)
    assert (2, False) == await seen(client.as_mobile, at.uid, at.replied)
    assert (2, True) == await seen(client.as_mobile, at.uid, at.read)


async def test_the_answer_says_the_cursor_that_it_reflects(client: Client) -> None:
    at = await told(client)

    for path in (MC, f"{MC}/{at.uid}", f"{MC}/{at.uid}/messages", f"{MC}/counts", "/api/me/dashboard"):
        for suffix in ("", ".xml"):
            answer = await ask(client.as_mobile, path + suffix, asOf=at.replied)
            assert (200, at.replied) == (answer.status, reflected(client, answer))


async def test_every_read_says_the_cursor_that_it_reflects(client: Client) -> None:
    at = await told(client)

    for path in (MC, f"{MC}/{at.uid}", f"{MC}/{at.uid}/messages", f"{MC}/counts", "/api/me/dashboard"):
        assert at.read == reflected(client, await client.as_mobile.get(path))


async def test_links_to_other_pages_stay_in_that_time(client: Client) -> None:
    for _ in range(3):
        await client.as_mobile.send(CLERK)
    then = await cursor_of(client.as_clerk)
    await client.as_mobile.send(CLERK)

    first = (await ask(client.as_clerk, f"{MC}?pageSize=2", asOf=then)).json
    assert 3 == first["pager"]["total"]
    second = (await client.as_clerk.get("/api" + first["pager"]["nextPage"].partition("/api")[2])).json
    assert 1 == len(second["messageConversations"])


async def test_before_it_began_it_is_not_there(client: Client) -> None:
    nothing = await cursor_of(client.as_mobile)
    at = await told(client)

    assert 404 == await status(client.as_mobile, at.uid, nothing)
    assert set() == await listed(client.as_mobile, nothing)
    assert {at.uid} == await listed(client.as_mobile, at.started)


class TestSomebodyWhoWasRemoved:
    async def test_sees_no_more_what_he_could_see(self, client: Client) -> None:
        at = await told(client)
        await client.as_clerk.delete(f"{MC}/{at.uid}/{CLERK}")

        assert 403 == await status(client.as_clerk, at.uid, at.replied)
        assert set() == await listed(client.as_clerk, at.replied)
        assert 0 == (await ask(client.as_clerk, f"{MC}/counts", asOf=at.replied)).json["total"]
        assert (
            0 == (await ask(client.as_clerk, "/api/me/dashboard", asOf=at.started)).json["unreadMessageConversations"]
        )

    async def test_is_among_the_participants_of_that_time(self, client: Client) -> None:
        at = await told(client)
        await client.as_clerk.delete(f"{MC}/{at.uid}/{CLERK}")

        answer = await ask(client.as_mobile, f"{MC}/{at.uid}?fields=userMessages[user[id]]", asOf=at.replied)
        assert {MOBILE, CLERK} == {each["user"]["id"] for each in answer.json["userMessages"]}

    async def test_sees_it_again_when_he_is_back_but_not_the_time_between(self, client: Client) -> None:
        at = await told(client)
        await client.as_clerk.post(f"{MC}/read", json=[at.uid])
        await client.as_clerk.post(f"{MC}/followup", json=[at.uid])
        had = await cursor_of(client.as_clerk)
        await client.as_clerk.delete(f"{MC}/{at.uid}/{CLERK}")
        gone = await cursor_of(client.as_mobile)
        await client.as_mobile.post(f"{MC}/{at.uid}/recipients", json={"users": [{"id": CLERK}]})
        back = await cursor_of(client.as_clerk)
        await client.as_mobile.reply(at.uid, "Welcome back.")

        assert [200, 403, 200] == [await status(client.as_clerk, at.uid, when) for when in (had, gone, back)]
        assert [{at.uid}, set(), {at.uid}] == [await listed(client.as_clerk, when) for when in (had, gone, back)]
        # His copies are two, each with its own key and marks.
        key = f"{MC}/{at.uid}?fields=read,followUp,userMessages[key,user[id]]"
        first, second = [(await ask(client.as_clerk, key, asOf=when)).json for when in (had, back)]
        assert [(True, True), (False, False)] == [(said["read"], said["followUp"]) for said in (first, second)]
        assert 3 == len({each["key"] for said in (first, second) for each in said["userMessages"]})


async def test_who_came_later_sees_nothing_of_the_time_before(client: Client) -> None:
    at = await told(client)
    await client.as_mobile.post(f"{MC}/{at.uid}/recipients", json={"users": [{"id": IMPORTER}]})
    now = await cursor_of(client.as_importer)

    assert [403, 200] == [await status(client.as_importer, at.uid, when) for when in (at.read, now)]
    assert [set(), {at.uid}] == [await listed(client.as_importer, when) for when in (at.read, now)]


async def test_who_leaves_the_feedback_group_loses_the_past_of_tickets_too(client: Client) -> None:
    ticket = await client.as_mobile.ticket()
    await client.as_admin.reply(ticket, "between us", internal=True)
    await client.as_support.delete(f"{MC}/{ticket}/{SUPPORT}")
    another = await client.as_mobile.ticket()
    then = await cursor_of(client.as_support)
    tickets = f"{MC}?filter=messageType:eq:TICKET&fields=id,messages&paging=false"
    before = (await ask(client.as_support, tickets, asOf=then)).json["messageConversations"]
    assert {(ticket, 2), (another, 1)} == {(each["id"], len(each["messages"])) for each in before}

    await client.backend.directory.set_feedback_group(None)

    # His own copy stays his; the ticket of others, and what was internal, do not.
    after = (await ask(client.as_support, tickets, asOf=then)).json["messageConversations"]
    assert {(another, 1)} == {(each["id"], len(each["messages"])) for each in after}
    assert [403, 200] == [await status(client.as_support, uid, then) for uid in (ticket, another)]
    assert {another} == await listed(client.as_support, then)


async def test_what_was_internal_is_so_for_ever(client: Client) -> None:
    ticket = await client.as_mobile.ticket()
    await client.as_support.reply(ticket, "between us", internal=True)
    then = await cursor_of(client.as_mobile)
    await client.as_support.reply(ticket, "for all")

    messages = f"{MC}/{ticket}/messages"
    assert 1 == len((await ask(client.as_mobile, messages, asOf=then)).json["messages"])
    assert 2 == len((await ask(client.as_support, messages, asOf=then)).json["messages"])
    for words, found in (("between", 0), ("tablet", 1), ("all", 0)):
        assert found == len(await listed(client.as_mobile, then, queryString=words))
    assert 1 == len(await listed(client.as_support, then, queryString="between"))


async def test_an_internal_message_made_it_unread_for_those_who_see_it(client: Client) -> None:
    ticket = await client.as_mobile.ticket()
    for caller in (client.as_support, client.as_mobile):
        await caller.post(f"{MC}/read", json=[ticket])
    await client.as_admin.reply(ticket, "between us", internal=True)
    then = await cursor_of(client.as_support)
    await client.as_support.post(f"{MC}/read", json=[ticket])
    await client.as_support.reply(ticket, "for all")

    for caller, unread in ((client.as_support, 1), (client.as_mobile, 0)):
        assert unread == (await ask(caller, f"{MC}/counts", asOf=then)).json["unread"]
        assert unread == len(await listed(caller, then, filter="read:eq:false"))
    said = (await ask(client.as_support, f"{MC}/{ticket}?fields=userMessages[read,user[id]]", asOf=then)).json
    assert {(SUPPORT, False), (MOBILE, True)} == {(each["user"]["id"], each["read"]) for each in said["userMessages"]}


async def test_a_deleted_conversation_is_gone_as_of_any_time_for_everybody(client: Client) -> None:
    at = await told(client)
    assert 200 == (await client.as_admin.delete(f"{MC}/{at.uid}")).status

    for caller in (client.as_mobile, client.as_admin):
        assert 404 == await status(caller, at.uid, at.replied)
        assert set() == await listed(caller, at.replied)
        assert 0 == (await ask(caller, f"{MC}/counts", asOf=at.replied)).json["total"]
    assert 404 == await status(client.as_admin, at.uid, at.replied, user=MOBILE)
    assert set() == await listed(client.as_admin, at.replied, user=MOBILE)
    for name in ("copy", "change", "internal", "read", "follow_up"):
        assert 0 == await client.backend.pool.fetchval(f"SELECT count(*) FROM timeline_{name}_v1")


async def test_names_are_todays(client: Client) -> None:
    at = await told(client)
    await client.backend.pool.execute("UPDATE account SET surname = 'Renamed' WHERE id = $1", CLERK)

    said = (await ask(client.as_mobile, f"{MC}/{at.uid}?fields=lastSender[displayName]", asOf=at.replied)).json
    assert said["lastSender"]["displayName"].endswith("Renamed")


class TestInstants:
    async def times(self, client: Client, uid: str) -> list[datetime]:
        return [record.recorded_at for record in await client.records(uid)]

    async def test_what_was_recorded_then_had_happened(self, client: Client) -> None:
        at = await told(client)
        began, *_, replied, read = await self.times(client, at.uid)
        little = timedelta(microseconds=1)

        for instant, messages, is_read in (
            (began, 1, True),
            (replied - little, 1, True),
            (replied, 2, False),
            (replied + little, 2, False),
            (read - little, 2, False),
            (read, 2, True),
        ):
            assert (messages, is_read) == await seen(client.as_mobile, at.uid, _iso(instant))

    async def test_before_the_first_event_there_is_nothing(self, client: Client) -> None:
        at = await told(client)
        began, *_ = await self.times(client, at.uid)

        for instant in (_iso(began - timedelta(microseconds=1)), "1970-01-01", "0001-01-01T00:00:00Z"):
            assert set() == await listed(client.as_mobile, instant)
            assert 404 == await status(client.as_mobile, at.uid, instant)

    async def test_one_that_has_not_come_is_the_present(self, client: Client) -> None:
        at = await told(client)

        answer = await ask(client.as_mobile, MC, asOf="2999-12-31")
        assert (at.read, 1) == (reflected(client, answer), answer.json["pager"]["total"])

    async def test_zones_are_understood_also_when_the_plus_is_not_escaped(self, client: Client) -> None:
        at = await told(client)
        *_, replied, _ = await self.times(client, at.uid)
        local = (replied + timedelta(hours=2)).replace(tzinfo=None).isoformat()

        for written in (f"{local}%2B02:00", f"{local}+02:00", f"{local}+0200", _iso(replied).replace("Z", "")):
            assert at.replied == reflected(client, await ask(client.as_mobile, MC, asOf=written))

    async def test_an_instant_is_found_in_each_partition_by_itself(self, make_client: MakeClient) -> None:
        client = await make_client(partitions=3)
        kept: list[tuple[datetime, int]] = []
        for number in range(12):
            uid = await client.as_mobile.send(CLERK)
            kept.append(((await self.times(client, uid))[-1], number + 1))

        for instant, total in kept:
            assert total == len(await listed(client.as_clerk, _iso(instant)))
            assert total - 1 == len(await listed(client.as_clerk, _iso(instant - timedelta(microseconds=1))))


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    "text", ["yesterday", "", "2026-13-01", "2026-01-01T25:00", "9999-12-31T23:59:59-14:00", "%00", "5", "A" * 12]
)
async def test_what_is_no_moment_is_refused(client: Client, text: str) -> None:
    uid = await client.as_mobile.send(CLERK)

    for path in (MC, f"{MC}/{uid}", f"{MC}/{uid}/messages", f"{MC}/counts", "/api/me/dashboard"):
        assert 400 == (await ask(client.as_mobile, path, asOf=text)).status


async def test_a_cursor_of_another_store_is_refused(client: Client) -> None:
    other = cursor.encode([1], "another store")

    answer = await ask(client.as_mobile, MC, asOf=other)
    expected = "It should be an instant (ISO 8601) or a cursor of this store"
    assert (400, f"Value '{other}' is not valid for parameter asOf. {expected}") == answer.message


async def test_a_cursor_ahead_of_the_log_is_a_conflict(client: Client) -> None:
    ahead = cursor.encode([1_000], client.backend.store.id)

    assert 409 == (await ask(client.as_mobile, MC, asOf=ahead)).status


async def test_what_the_read_models_have_not_taken_in_is_waited_for(client: Client) -> None:
    uid = await client.as_mobile.send(CLERK)
    for _ in range(20):
        answer = await client.as_mobile.post(f"{MC}/{uid}", data="x", headers={"Prefer": "respond-async"})
    last = answer.headers["Convstore-Cursor"]

    assert (21, True) == await seen(client.as_mobile, uid, last)


async def test_what_they_cannot_take_in_is_not_there_yet(client: Client, patience: Callable[[float], None]) -> None:
    await client.as_mobile.send(CLERK)
    patience(0.2)
    await client.backend.engine.stop()
    uid = await client.as_mobile.send(CLERK)

    answer = await ask(client.as_mobile, f"{MC}/{uid}", asOf="2999-01-01")
    assert 503 == answer.status
    assert "Retry-After" in answer.headers


async def test_the_past_is_not_marked_as_read(client: Client) -> None:
    at = await told(client)
    events = await client.events()

    answer = await ask(client.as_mobile, f"{MC}/{at.uid}?markRead=true", asOf=at.replied)
    assert (400, "Parameter markRead cannot be used with asOf") == answer.message
    assert events == await client.events()


class TestThroughAnothersEyes:
    async def test_a_superuser_sees_what_somebody_could_see_though_he_may_not_now(self, client: Client) -> None:
        at = await told(client)
        await client.as_clerk.delete(f"{MC}/{at.uid}/{CLERK}")

        assert {at.uid} == await listed(client.as_admin, at.replied, user=CLERK)
        assert 200 == await status(client.as_admin, at.uid, at.replied, user=CLERK)
        assert 1 == (await ask(client.as_admin, f"{MC}/counts", asOf=at.replied, user=CLERK)).json["total"]
        now = await cursor_of(client.as_admin)
        assert set() == await listed(client.as_admin, now, user=CLERK)
        assert 403 == await status(client.as_admin, at.uid, now, user=CLERK)

    async def test_it_is_noted_whose_what_and_as_of_when(self, client: Client) -> None:
        at = await told(client)
        events = await client.events()
        given = {"asOf": at.replied, "user": CLERK}
        await ask(client.as_admin, MC, **given)
        await ask(client.as_admin, f"{MC}/{at.uid}", **given)
        await ask(client.as_admin, f"{MC}/{at.uid}/messages", **given)
        await ask(client.as_admin, f"{MC}/counts.xml", **given)
        await ask(client.as_admin, "/api/me/dashboard", **given)

        records = await client.records(access_stream(ADMIN))
        assert [
            InboxViewed(person=CLERK, view=View.LIST, as_of=at.replied),
            InboxViewed(person=CLERK, view=View.OBJECT, conversation_id=at.uid, as_of=at.replied),
            InboxViewed(person=CLERK, view=View.PROPERTY, conversation_id=at.uid, as_of=at.replied),
            InboxViewed(person=CLERK, view=View.COUNTS, as_of=at.replied),
            InboxViewed(person=CLERK, view=View.UNREAD, as_of=at.replied),
        ] == [record.event for record in records]
        assert {ADMIN} == {record.meta.actor for record in records}
        assert events + 5 == await client.events()

    async def test_one_who_looks_at_his_own_leaves_nothing(self, client: Client) -> None:
        at = await told(client)
        events = await client.events()
        await listed(client.as_clerk, at.replied)
        await listed(client.as_clerk, at.replied, user=CLERK)
        await listed(client.as_admin, at.replied)

        assert events == await client.events()

    async def test_nobody_else_may(self, client: Client) -> None:
        at = await told(client)
        events = await client.events()

        for caller in (client.as_clerk, client.as_support, client.as_importer):
            for path in (MC, f"{MC}/{at.uid}", f"{MC}/{at.uid}/messages", f"{MC}/counts", "/api/me/dashboard"):
                assert 403 == (await ask(caller, path, asOf=at.replied, user=MOBILE)).status
        assert events == await client.events()

    async def test_there_must_be_such_a_person(self, client: Client) -> None:
        answer = await ask(client.as_admin, MC, asOf="2999-01-01", user=NOBODY)
        assert (404, f"User with id {NOBODY} could not be found.") == answer.message

    async def test_somebody_whose_account_is_gone_still_had_an_inbox(
        self, client: Client, tmp_path: Path, password_hash: str
    ) -> None:
        uids = await add_accounts(client, tmp_path, password_hash, leaver=[])
        leaver = UserId(uids["leaver"])
        uid = await client.as_mobile.send(leaver)
        then = await cursor_of(client.as_mobile)
        await client.as_admin.delete(f"{MC}/{uid}/{leaver}")
        await client.backend.pool.execute("DELETE FROM account WHERE id = $1", leaver)

        assert {uid} == await listed(client.as_admin, then, user=leaver)

    async def test_the_view_is_that_persons_not_the_superusers(self, client: Client) -> None:
        ticket = await client.as_mobile.ticket()
        await client.as_support.reply(ticket, "between us", internal=True)
        then = await cursor_of(client.as_mobile)

        for user, messages in ((MOBILE, 1), (SUPPORT, 2)):
            answer = await ask(client.as_admin, f"{MC}/{ticket}/messages", asOf=then, user=user)
            assert messages == len(answer.json["messages"])
        tickets = {"filter": "messageType:eq:TICKET"}
        assert set() == await listed(client.as_admin, then, user=CLERK, **tickets)
        assert {ticket} == await listed(client.as_admin, then, user=SUPPORT, **tickets)

    async def test_a_look_that_cannot_be_noted_shows_nothing(self, client: Client) -> None:
        at = await told(client)
        await client.backend.store.close()

        assert 503 == (await ask(client.as_admin, MC, asOf=at.replied, user=CLERK)).status
        assert 200 == (await ask(client.as_admin, MC, asOf=at.replied)).status
