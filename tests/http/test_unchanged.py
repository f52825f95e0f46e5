"""A client that has a document already is told so by a 304: never when it would differ, and mostly without a list."""

import json
import random
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path

import pytest
from doings import PEOPLE, Doings, asked_of_readers
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from people import ADMIN, CLERK, FEEDBACK, FRIENDS, MC, MOBILE, SUPPORT, Client, MakeClient

from chance import examples
from convstore.directory.importing import import_files

LISTS = (
    MC,
    f"{MC}.xml?fields=id,name,href,lastSender[displayName]",
    f"{MC}?fields=*&paging=false",
    f"{MC}?fields=id,read,messages[text,sender[name]]&pageSize=2",
    f"{MC}?fields=id,userMessages[read,user[name]]",
    f"{MC}?fields=id,userMessages~size",
    f"{MC}?filter=userMessages.user.id:eq:{CLERK}&filter=userMessages.read:eq:false",
    f"{MC}?fields=id,assignee[id,displayName],status&order=subject:asc&page=2&pageSize=2",
    f"{MC}?filter=messageType:eq:TICKET&fields=id,read,lastMessage",
    f"{MC}?filter=messageType:eq:TICKET&filter=status:eq:OPEN&order=priority:desc",
    f"{MC}?filter=read:eq:false&fields=read&pageSize=1",
    f"{MC}?filter=followUp:eq:true&fields=id,followUp",
    f"{MC}?queryString=tablet",
    f"{MC}?queryString=mobile&queryOperator=ilike",
    f"{MC}?filter=lastSender.displayName:ilike:e",
    f"{MC}?cursor=&pageSize=2&fields=id,messageCount",
)
OTHERS = (
    f"{MC}/counts",
    f"{MC}/counts.xml",
    "/api/me",
    "/api/me/authorization",
    "/api/userSettings",
    "/api/userGroups?fields=id,name,users[name]",
    "/api/configuration",
    "/api/userLookup?query=e",
)
ASKERS = ("mobile", "support", "admin", "clerk")


class Directory:
    """Changes people, their groups, rights and settings at random."""

    def __init__(self, client: Client, dice: random.Random, folder: Path) -> None:
        self.client = client
        self.dice = dice
        self._file = folder / "changed.json"
        self._kinds: tuple[Callable[[], Awaitable[object]], ...] = (
            self._rename,
            self._regroup,
            self._set_feedback_group,
            self._give_rights,
            self._set_setting,
        )

    async def something(self) -> None:
        """Change something."""
        await self.dice.choice(self._kinds)()

    async def _import(self, **document: object) -> None:
        self._file.write_text(json.dumps(document))
        await import_files(self.client.backend.pool, [self._file])

    async def _rename(self) -> None:
        username = self.dice.choice(ASKERS)
        name = self.dice.choice(["Eve", "Ada", "Bo"])
        user = {"id": PEOPLE[username], "username": username, "firstName": name, "surname": name}
        await self._import(users=[user])

    async def _regroup(self) -> None:
        members = self.dice.sample(sorted(PEOPLE.values()), 2)
        await self._import(
            userGroups=[
                {"id": self.dice.choice([FRIENDS, FEEDBACK]), "name": "G", "users": [{"id": m} for m in members]}
            ]
        )

    async def _set_feedback_group(self) -> None:
        await self.client.backend.directory.set_feedback_group(self.dice.choice([FEEDBACK, FRIENDS, None]))

    async def _give_rights(self) -> None:
        holders = [{"id": uid} for uid in (ADMIN, *self.dice.sample([CLERK, SUPPORT], self.dice.randrange(2)))]
        await self._import(userRoles=[{"id": "SomeRole001", "name": "R", "authorities": ["ALL"], "users": holders}])

    async def _set_setting(self) -> None:
        caller = self.client.by(self.dice.choice(ASKERS))
        await caller.post(f"/api/userSettings/keyUiLocale?value={self.dice.choice(['fr', 'en', 'pt'])}")


class Remembered:
    """What each person was answered last, by path, with its tag."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.kept: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.unchanged = 0

    async def look(self, who: str, path: str) -> None:
        """Ask with the tag of the last answer, and see that what is said is true."""
        caller = self.client.by(who)
        tag, before = self.kept.get((who, path), ('"none"', b""))
        answer = await caller.get(path, headers={"If-None-Match": tag})
        now = (await caller.get(path)).body
        if answer.status == 304:
            assert before == now, (who, path)
            assert tag == answer.headers["ETag"]
            self.unchanged += 1
            return
        assert 200 == answer.status, (who, path, answer.body)
        assert now == answer.body
        assert before != now, (who, path, "has not changed, and was sent again")
        self.kept[who, path] = answer.headers["ETag"], now


@pytest.fixture(params=[1, 3])
async def store(make_client: MakeClient, request: pytest.FixtureRequest) -> Client:
    return await make_client(partitions=request.param)


# A seed has nothing to shrink.
@settings(deadline=None, phases=[Phase.generate], max_examples=examples(3), suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_nobody_is_told_that_nothing_changed_when_something_did(store: Client, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    doings, directory, remembered = Doings(store, dice), Directory(store, dice, tmp_path), Remembered(store)
    for _ in range(6):
        await doings.something()
    asked = dice.sample(list(product(ASKERS, (*LISTS, *OTHERS))), 40)
    for who, path in asked:
        await remembered.look(who, path)
    for _ in range(12):
        await (directory if dice.random() < 0.25 else doings).something()
        for who, path in dice.sample(asked, 10):
            await remembered.look(who, path)
    assert remembered.unchanged


@pytest.mark.parametrize("who", ["mobile", "support"])
async def test_what_did_not_change_is_told_without_the_list(client: Client, who: str) -> None:
    for _ in range(3):
        await client.as_mobile.ticket()
        await client.as_admin.send(MOBILE, SUPPORT)
    caller = client.by(who)
    statements = await asked_of_readers(client)
    for path in LISTS:
        first = await caller.get(path)
        statements.clear()
        again = await caller.get(path, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
        assert (304, b"") == (again.status, again.body), path
        assert 1 == len(statements), statements
        assert first.headers["ETag"] == again.headers["ETag"]
        assert first.headers["Convstore-Cursor"] == again.headers["Convstore-Cursor"]
        assert "no-cache, private" == again.headers["Cache-Control"]
        assert "Accept, Accept-Encoding, Authorization, Cookie" == again.headers["Vary"] == first.headers["Vary"]


async def test_what_others_do_elsewhere_leaves_ones_list_as_it_is(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE, CLERK)
    path = f"{MC}?fields=id,read,messages[text]"
    tag = (await client.as_mobile.get(path)).headers["ETag"]
    await client.as_clerk.post(f"{MC}/read", json=[uid])
    await client.as_admin.send(CLERK)
    statements = await asked_of_readers(client)
    again = await client.as_mobile.get(path, headers={"If-None-Match": tag})
    assert (304, 1) == (again.status, len(statements))
    await client.as_mobile.post(f"{MC}/read", json=[uid])
    assert 200 == (await client.as_mobile.get(path, headers={"If-None-Match": tag})).status


async def test_an_internal_message_is_not_even_told_by_the_tag(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    plain, internal = await client.as_mobile.get(MC), await client.as_support.get(MC)
    await client.as_admin.reply(uid, "Is it insured?", internal=True)
    assert plain.headers["ETag"] == (await client.as_mobile.get(MC)).headers["ETag"]
    assert internal.headers["ETag"] != (await client.as_support.get(MC)).headers["ETag"]


async def test_one_who_comes_and_goes_leaves_the_list_as_it_was_and_no_wrong_tag(client: Client) -> None:
    await client.as_admin.send(MOBILE)
    path = f"{MC}?fields=id,subject"
    before = await client.as_mobile.get(path)
    uid = await client.as_admin.send(MOBILE, CLERK, subject="Gone soon")
    between = await client.as_mobile.get(path)
    await client.as_mobile.delete(f"{MC}/{uid}/{MOBILE}")
    after = await client.as_mobile.get(path)
    assert before.body == after.body != between.body
    assert 304 == (await client.as_mobile.get(path, headers={"If-None-Match": before.headers["ETag"]})).status
    assert 200 == (await client.as_mobile.get(path, headers={"If-None-Match": between.headers["ETag"]})).status


async def test_a_tag_is_of_one_person_one_question_and_one_address(client: Client) -> None:
    await client.as_admin.send(MOBILE, CLERK)
    tags = [
        (await caller.get(path)).headers["ETag"].partition("-")[0]
        for caller in (client.as_mobile, client.as_clerk)
        for path in (MC, f"{MC}.json", f"{MC}.xml", f"{MC}?fields=id", "/api/42/messageConversations")
    ]
    assert len(set(tags)) == len(tags)
