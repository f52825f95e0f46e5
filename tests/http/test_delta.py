"""What changed in one's inbox: a list and what these pages say of it are the list of later."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from doings import Doings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from people import CLERK, MC, MOBILE, Caller, Client, MakeClient

from chance import examples
from convstore.database import connect

CHANGES = f"{MC}/changes"
NS = "{http://dhis2.org/schema/dxf/2.0}"
FIELDS = (
    "id,subject,messageType,read,followUp,status,priority,assignee[id],lastMessage,lastUpdated,lastSender[id],"
    "messageCount,messages[id,text,internal]"
)


async def since(caller: Caller, cursor: str, **more: str) -> Any:
    """Ask what changed after a cursor, and give the document."""
    answer = await caller.get(f"{CHANGES}?{'&'.join(f'{name}={value}' for name, value in more.items())}&since={cursor}")
    assert 200 == answer.status, answer.body
    return answer.json


async def begin(caller: Caller) -> str:
    """Give the cursor of a list."""
    cursor: str = (await caller.get(MC)).headers["Convstore-Cursor"]
    return cursor


class Kept:
    """A client's copy of its inbox, with the cursor from which it goes on."""

    def __init__(self, caller: Caller, dice: random.Random) -> None:
        self.caller = caller
        self.dice = dice
        self.found: dict[str, Any] = {}
        self.cursor = ""

    async def snapshot(self, doings: Doings) -> None:
        """Read the whole inbox page by page, while things happen; the first page says where it begins."""
        following: str | None = ""
        first = True
        while following is not None:
            answer = await self.caller.get(f"{MC}?fields={FIELDS}&pageSize=3&cursor={following}")
            self.found |= {found["id"]: found for found in answer.json["messageConversations"]}
            if first:
                self.cursor = answer.headers["Convstore-Cursor"]
                first = False
            following = answer.json["pager"].get("nextCursor")
            if self.dice.random() < 0.5:
                await doings.something()

    async def page(self) -> bool:
        """Take one page over, unless it is lost on the way; say whether there is more."""
        size = self.dice.choice([1, 1, 2, 1000])
        said = await since(self.caller, self.cursor, fields=FIELDS, pageSize=str(size))
        assert len(said["messageConversations"]) + len(said["removed"]) <= size
        if self.dice.random() < 0.3:
            return True
        for found in said["messageConversations"]:
            self.found[found["id"]] = found
        for uid in said["removed"]:
            self.found.pop(uid, None)
        self.cursor = said["cursor"]
        more: bool = said["more"]
        return more

    async def check(self) -> None:
        """See that it is the inbox."""
        answer = await self.caller.get(f"{MC}?fields={FIELDS}&paging=false")
        assert {found["id"]: found for found in answer.json["messageConversations"]} == self.found
        counts = (await self.caller.get(f"{MC}/counts")).json["messageTypes"]
        totals = Counter(found["messageType"] for found in self.found.values())
        unread = Counter(found["messageType"] for found in self.found.values() if not found["read"])
        assert {(kind, unread[kind], totals[kind]) for kind in counts} == {
            (kind, count["unread"], count["total"]) for kind, count in counts.items()
        }


@pytest.fixture(params=[1, 3])
async def store(make_client: MakeClient, request: pytest.FixtureRequest) -> Client:
    return await make_client(partitions=request.param)


# A seed has nothing to shrink.
@settings(deadline=None, phases=[Phase.generate], max_examples=examples(6), suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_a_list_and_its_changes_are_the_list_of_later(store: Client, seed: int) -> None:
    dice = random.Random(seed)
    doings = Doings(store, dice)
    for _ in range(dice.randrange(3, 12)):
        await doings.something()
    kept = [Kept(store.by(name), dice) for name in ("mobile", "support", "admin")]
    for each in kept:
        await each.snapshot(doings)
    for _ in range(12):
        writing = asyncio.create_task(doings.something())
        if dice.random() < 0.7:
            await dice.choice(kept).page()
        await writing
    for each in kept:
        while await each.page():
            if dice.random() < 0.1:
                await doings.something()
    for each in kept:
        while await each.page():
            pass
        await each.check()


async def test_a_changed_and_a_new_and_a_removed_one_are_told_once(client: Client) -> None:
    changed = await client.as_admin.send(MOBILE)
    removed = await client.as_admin.send(MOBILE, CLERK)
    untouched = await client.as_admin.send(MOBILE)
    cursor = await begin(client.as_mobile)
    await client.as_admin.reply(changed)
    await client.as_admin.reply(changed)
    new = await client.as_admin.send(MOBILE)
    await client.as_mobile.delete(f"{MC}/{removed}/{MOBILE}")
    await client.as_clerk.post(f"{MC}/read", json=[removed])
    said = await since(client.as_mobile, cursor, fields="id,read")
    assert [{"id": changed, "read": False}, {"id": new, "read": False}] == said["messageConversations"]
    assert [removed] == said["removed"]
    assert not said["more"]
    assert untouched not in str(said)
    again = await since(client.as_mobile, said["cursor"])
    assert ([], [], False) == (again["messageConversations"], again["removed"], again["more"])


async def test_pages_end_where_they_say(client: Client) -> None:
    cursor = (await client.as_mobile.get(CHANGES)).json["cursor"]
    sent = [await client.as_admin.send(MOBILE) for _ in range(3)]
    await client.as_mobile.delete(f"{MC}/{sent[1]}/{MOBILE}")
    told = []
    more = True
    while more:
        said = await since(client.as_mobile, cursor, pageSize="1", fields="id")
        told += [found["id"] for found in said["messageConversations"]] + said["removed"]
        cursor, more = said["cursor"], said["more"]
    assert [sent[0], sent[2], sent[1]] == told


async def test_without_a_cursor_it_says_where_to_begin(client: Client) -> None:
    await client.as_admin.send(MOBILE)
    said = (await client.as_mobile.get(CHANGES)).json
    assert ([], [], False) == (said["messageConversations"], said["removed"], said["more"])
    uid = await client.as_admin.send(MOBILE)
    assert [uid] == [found["id"] for found in (await since(client.as_mobile, said["cursor"]))["messageConversations"]]


async def test_in_xml(client: Client) -> None:
    cursor = await begin(client.as_mobile)
    kept = await client.as_admin.send(MOBILE, subject="Kept & sound")
    removed = await client.as_admin.send(MOBILE, CLERK)
    await client.as_mobile.delete(f"{MC}/{removed}/{MOBILE}")
    answer = await client.as_mobile.get(f"{CHANGES}.xml?since={cursor}&fields=id,name")
    root = answer.xml
    assert (f"{NS}changes", "false") == (root.tag, root.get("more"))
    (found,) = root.find(f"{NS}messageConversations")
    assert (f"{NS}messageConversation", kept, "Kept & sound") == (found.tag, found.get("id"), found.get("name"))
    assert [removed] == [uid.text for uid in root.find(f"{NS}removed")]
    again = await since(client.as_mobile, root.get("cursor"))
    assert ([], []) == (again["messageConversations"], again["removed"])


async def test_an_internal_message_changes_nothing_for_those_who_do_not_see_it(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    plain, internal = await begin(client.as_mobile), await begin(client.as_support)
    await client.as_admin.reply(uid, "Is it insured?", internal=True)
    assert [] == (await since(client.as_mobile, plain))["messageConversations"]
    assert [uid] == [found["id"] for found in (await since(client.as_support, internal))["messageConversations"]]


@pytest.mark.parametrize("given_by", ["changes", "a list", "a list as of now"])
async def test_a_cursor_is_good_for_its_owner_in_his_view_only(client: Client, given_by: str) -> None:
    await client.as_mobile.ticket()
    cursor = (await client.as_support.get(CHANGES)).json["cursor"]
    if given_by != "changes":
        as_of = "" if given_by == "a list" else f"?asOf={cursor}"
        cursor = (await client.as_support.get(f"{MC}{as_of}")).headers["Convstore-Cursor"]
    assert 400 == (await client.as_mobile.get(f"{CHANGES}?since={cursor}")).status
    assert 200 == (await client.as_support.get(f"{CHANGES}?since={cursor}")).status
    await client.backend.directory.set_feedback_group(None)
    status, text = (await client.as_support.get(f"{CHANGES}?since={cursor}")).message
    assert 410 == status
    assert "internal messages has changed" in text


async def test_a_list_of_all_tickets_is_no_beginning_for_changes_of_ones_own(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    await client.as_support.delete(f"{MC}/{uid}")
    for query in ("filter=messageType:eq:TICKET", "filter=messageType:eq:TICKET&asOf=2999-01-01"):
        listed = await client.as_support.get(f"{MC}?{query}")
        assert [uid] == [found["id"] for found in listed.json["messageConversations"]]
        cursor = listed.headers["Convstore-Cursor"]
        status, text = (await client.as_support.get(f"{CHANGES}?since={cursor}")).message
        assert 400 == status
        assert text.startswith("This cursor is of a list of all tickets")
        # Whoever finds none but his own there goes on from it.
        own = (await client.as_mobile.get(f"{MC}?{query}")).headers["Convstore-Cursor"]
        assert [] == (await since(client.as_mobile, own))["removed"]


async def test_cursors_of_lists_and_of_changes_are_places_of_the_log_too(client: Client) -> None:
    for cursor in (await begin(client.as_admin), (await client.as_admin.get(CHANGES)).json["cursor"]):
        assert 200 == (await client.as_admin.get(f"{MC}/events?after={cursor}")).status
        assert 200 == (await client.as_admin.get(f"{MC}?asOf={cursor}")).status


@pytest.mark.parametrize(
    "query", ["since=nonsense", "filter=read:eq:false", "order=subject:asc", "page=2", "pageSize=x"]
)
async def test_what_it_cannot_do_is_refused(client: Client, query: str) -> None:
    assert 400 == (await client.as_mobile.get(f"{CHANGES}?{query}")).message[0]


async def test_a_cursor_ahead_of_the_log_is_refused(client: Client) -> None:
    ahead = client.backend.store.cursor([999])
    assert 409 == (await client.as_mobile.get(f"{CHANGES}?since={ahead}")).message[0]


async def test_after_thirty_days_a_cursor_has_expired_unless_nothing_happened(client: Client) -> None:
    await client.as_admin.send(MOBILE)
    cursor = await begin(client.as_mobile)
    old = client.backend.store.cursor([0])
    await age(client, timedelta(days=31))
    assert 410 == (await client.as_mobile.get(f"{CHANGES}?since={old}")).message[0]
    assert [] == (await since(client.as_mobile, cursor))["messageConversations"]
    uid = await client.as_admin.send(MOBILE)
    assert [uid] == [found["id"] for found in (await since(client.as_mobile, cursor))["messageConversations"]]


async def age(client: Client, by: timedelta) -> None:
    """Let time go by: everything that the log has is so much older."""
    conn = await connect(client.dsn, role=None)
    try:
        await conn.execute("ALTER TABLE event DISABLE TRIGGER event_is_append_only")
        await conn.execute("UPDATE event SET recorded_at = recorded_at - $1::interval", by)
    finally:
        await conn.close()
