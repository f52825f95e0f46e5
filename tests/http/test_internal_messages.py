"""Internal messages do not exist for those who may not see them, on whatever path they look (contract section 9.1).

Everything is asked before and after an internal message came: not a byte may differ for those without the right. The
same is asked for a ticket manager, and for him most of it must differ, or the question would tell nothing.
"""

import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from people import CLERK, FEEDBACK, FRIENDS, MC, SUPPORT, Caller, Client, add_accounts

from convstore.domain.events import MessagePosted
from convstore.domain.uid import Uid, UserId
from convstore.http.dates import stamp

SECRET = "Zanzibar"
ACCEPT = {"json": "application/json", "xml": "application/xml"}


class Question:
    """A path below /api; ``tells``: whether its answer differs for those who see the internal message."""

    def __init__(self, path: str, *, tells: bool = True) -> None:
        self.path = path
        self.tells = tells


def listed(query: str, *, tells: bool = True) -> Question:
    return Question(f"messageConversations?{query}", tells=tells)


def questions(uid: Uid, kind: str, message: Uid, instant: str) -> Sequence[Question]:
    """Give what can be asked about a conversation with an internal message that was posted after this instant."""
    whole = "fields=*,messages[*,sender[*]],userMessages[*,user[*]],lastSender[*]"
    one = f"messageConversations/{uid}"
    mine = f"filter=id:eq:{uid}"
    return (
        # What happened, and why.
        Question(f"{one}/history"),
        Question(f"{one}/history?after=1&pageSize=1", tells=False),
        Question(f"{one}/explanation"),
        Question(f"{one}/explanation?message={message}"),
        # Lists.
        listed("fields=*"),
        listed(whole),
        listed(f"{whole}&filter=messageType:eq:{kind}"),
        listed(f"{whole}&paging=false"),
        *(listed(f"fields={name}&{mine}") for name in ("lastMessage", "lastUpdated", "lastSender[name]", "messages")),
        listed(f"fields=lastSenderSurname,lastSenderFirstname&{mine}"),
        listed(f"fields=messages[text,sender[name],internal,created]&{mine}"),
        listed(f"fields=messages~size&{mine}"),
        listed(f"fields=messages~pluck(text)&{mine}"),
        listed(f"fields=messages~keyBy(internal)[internal]&{mine}"),
        listed(f"fields=userMessages[read,user[name]]&{mine}"),
        listed(f"fields=messageCount&{mine}", tells=False),
        listed(f"fields=read&{mine}"),
        # Filters.
        listed("fields=id&filter=read:eq:false"),
        listed(f"fields=id&filter=read:eq:false&filter=messageType:eq:{kind}&pageSize=1"),
        listed("fields=id&filter=read:eq:true"),
        listed(f"fields=id&filter=read:eq:true&filter=messageType:eq:{kind}"),
        listed(f"fields=id&filter=lastSender.id:eq:{SUPPORT}"),
        listed("fields=id&filter=lastSender.displayName:like:Help"),
        listed("fields=id&filter=lastSenderSurname:eq:Desk"),
        listed(f"fields=id&filter=lastMessage:ge:{instant}&filter=subject:eq:Tablet"),
        listed(f"fields=id&filter=lastUpdated:gt:{instant}&filter=subject:eq:Tablet"),
        listed(f"fields=id&filter=messages.text:like:{SECRET}"),
        listed(f"fields=id&filter=messages.text:!like:{SECRET}", tells=False),
        listed(f"fields=id&filter=messages.text:token:{SECRET}"),
        listed("fields=id&filter=messages.internal:eq:true"),
        listed(f"fields=id&filter=messages.id:eq:{message}"),
        listed(f"fields=id&filter=messages.created:gt:{instant}&{mine}"),
        listed(f"fields=id&filter=messages.sender.id:eq:{SUPPORT}"),
        listed("fields=id&filter=messages.sender.name:ilike:help"),
        listed(f"fields=id&filter=messages:gte:2&{mine}"),
        listed("fields=id&filter=messageCount:gt:1", tells=False),
        listed(f"fields=id&filter=userMessages.read:eq:false&{mine}"),
        listed(f"fields=id&filter=messages.text:like:{SECRET}&filter=subject:eq:none&rootJunction=OR"),
        # Orders, against a conversation that is newer than all but the internal message.
        *(
            listed(f"fields=id&order={name}:{way},subject:{way}")
            for name in ("lastMessage", "lastUpdated", "read")
            for way in ("asc", "desc")
        ),
        listed("fields=id"),
        listed("fields=id&order=messageCount:desc", tells=False),
        listed("fields=id&order=lastSenderSurname:asc,subject:asc"),
        # Search.
        listed(f"fields=id&queryString={SECRET}"),
        listed(f"fields=id&queryString={SECRET[:4].lower()}"),
        listed(f"fields=id&queryString={SECRET}&queryOperator=like"),
        listed(f"fields=id&queryString={SECRET}&queryOperator=eq", tells=False),
        listed(f"fields=id&queryString={SECRET}&filter=messageType:eq:{kind}"),
        listed("fields=id&queryString=Desk"),
        listed(f"fields=id&query={SECRET}", tells=False),
        # The object and its properties.
        Question(one),
        Question(f"{one}?{whole}"),
        Question(f"{one}?fields=messages[text]"),
        Question(f"{one}?fields=messages~size"),
        Question(f"{one}?fields=read,lastMessage,lastSender,lastUpdated"),
        *(
            Question(f"{one}/{name}")
            for name in ("messages", "userMessages", "lastSender", "lastMessage", "lastUpdated", "read")
        ),
        Question(f"{one}/messageCount", tells=False),
        Question(f"{one}/messages?fields=text,internal"),
        # Badges.
        Question("messageConversations/counts"),
        Question("me/dashboard"),
    )


async def answers(caller: Caller, asked: Sequence[Question], accept: str) -> dict[str, tuple[int, bytes]]:
    """Ask everything; an answer is its status and its body."""
    found = {}
    for question in asked:
        answer = await caller.get(f"/api/{question.path}", headers={"Accept": ACCEPT[accept]})
        assert answer.status < 500, question.path
        found[question.path] = answer.status, answer.body
    return found


async def conversation(client: Client, kind: str, *more: UserId) -> Uid:
    """Start one of a kind, with a ticket manager among its participants."""
    if kind == "PRIVATE":
        return await client.as_mobile.send(CLERK, SUPPORT, *more, subject="Tablet")
    uid = await client.as_mobile.ticket("Tablet")
    users = [{"id": user} for user in (CLERK, *more)]
    assert 204 == (await client.as_mobile.post(f"{MC}/{uid}/recipients", json={"users": users})).status
    return uid


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PRIVATE", "TICKET"])
@pytest.mark.parametrize("accept", ACCEPT)
async def test_not_a_byte_of_it_reaches_those_who_may_not_see_it(
    client: Client, accept: str, kind: str, tmp_path: Path, password_hash: str
) -> None:
    added = await add_accounts(client, tmp_path, password_hash, stranger=[], removed=[])
    uid = await conversation(client, kind, added["removed"])
    await client.by("removed").delete(f"{MC}/{uid}/{added['removed']}")
    newer = await client.as_mobile.send(CLERK, SUPPORT, subject="Newer")
    outsiders = {name: client.by(name) for name in ("mobile", "clerk", "removed", "stranger")}
    manager = client.as_support
    for caller in (*outsiders.values(), manager):
        await caller.post(f"{MC}/read?all=true")
    instant = stamp((await client.records(newer))[-1].recorded_at + timedelta(milliseconds=2))
    unknown = Uid("AAAAAAAAAAA")
    asked = questions(uid, kind, unknown, instant)
    before = {name: await answers(caller, asked, accept) for name, caller in outsiders.items()}
    before_manager = await answers(manager, asked, accept)

    # While some of those worked on tickets too, it concerned them: now that they do not, it never did.
    await client.backend.directory.set_feedback_group(FRIENDS)
    assert 200 == (await client.as_admin.reply(uid, f"Who knows {SECRET}?", internal=True)).status
    await client.backend.directory.set_feedback_group(FEEDBACK)
    assert 200 == (await client.as_admin.reply(uid, f"Ask {SECRET}.", internal=True)).status
    assert 200 == (await client.as_support.reply(uid, f"I asked {SECRET}.", internal=True)).status

    posted = (await client.history(uid))[-1]
    assert isinstance(posted, MessagePosted)
    again = questions(uid, kind, posted.message_id, instant)
    for name, caller in outsiders.items():
        after = await answers(caller, again, accept)
        for old, new in zip(asked, again, strict=True):
            status, body = before[name][old.path]
            # Links repeat what was asked.
            assert (status, body.replace(unknown.encode(), posted.message_id.encode())) == after[new.path], new.path
    after = await answers(manager, again, accept)
    silent = [
        new.path
        for old, new in zip(asked, again, strict=True)
        if new.tells and before_manager[old.path][1] == after[new.path][1]
    ]
    assert [] == silent


@pytest.mark.parametrize("kind", ["PRIVATE", "TICKET"])
async def test_marks_do_not_tell_of_it_either(client: Client, kind: str) -> None:
    uid = await conversation(client, kind)
    for caller in (client.as_clerk, client.as_support):
        await caller.post(f"{MC}/read", json=[uid])
    await client.backend.directory.set_feedback_group(FRIENDS)
    await client.as_admin.reply(uid, SECRET, internal=True)
    await client.backend.directory.set_feedback_group(FEEDBACK)
    await client.as_admin.reply(uid, SECRET, internal=True)
    before = await client.events()

    assert {"markedRead": []} == (await client.as_clerk.post(f"{MC}/read", json=[uid])).json
    assert {"markedRead": []} == (await client.as_clerk.post(f"{MC}/{uid}/read")).json
    assert {"marked": 0} == (await client.as_clerk.post(f"{MC}/read?all=true")).json
    assert {"read": True} == (await client.as_clerk.get(f"{MC}/{uid}?markRead=true&fields=read")).json
    assert before == await client.events()
    assert {"markedUnread": []} == (await client.as_support.post(f"{MC}/unread", json=[uid])).json
    assert {"markedRead": [uid]} == (await client.as_support.post(f"{MC}/read", json=[uid])).json
    assert {"markedUnread": [uid]} == (await client.as_clerk.post(f"{MC}/unread", json=[uid])).json


async def test_it_is_there_for_whoever_becomes_a_ticket_manager_and_gone_when_he_is_none_any_more(
    client: Client,
) -> None:
    uid = await conversation(client, "TICKET")
    await client.as_admin.reply(uid, SECRET, internal=True)
    texts = f"{MC}/{uid}?fields=messages~pluck(text)"
    found = f"{MC}?queryString={SECRET}&fields=id"
    assert 2 == len((await client.as_support.get(texts)).json["messages"])

    await client.backend.directory.set_feedback_group(None)

    assert 1 == len((await client.as_support.get(texts)).json["messages"])
    assert [] == (await client.as_support.get(found)).json["messageConversations"]
    assert 403 == (await client.as_support.reply(uid, "a", internal=True)).status
    await client.backend.directory.set_feedback_group(FEEDBACK)
    assert [{"id": uid}] == (await client.as_support.get(found)).json["messageConversations"]


async def test_its_files_are_for_those_who_see_it(client: Client) -> None:
    uid = await conversation(client, "TICKET")
    uploaded = await client.as_support.post(f"{MC}/attachments", data={"file": io.BytesIO(SECRET.encode())})
    file = uploaded.json["id"]
    sent = await client.as_support.post(f"{MC}/{uid}?internal=true&attachments={file}", data="See the file.")
    assert 200 == sent.status
    posted = (await client.history(uid))[-1]
    assert isinstance(posted, MessagePosted)
    download = f"{MC}/{uid}/{posted.message_id}/attachments/{file}"

    for caller in (client.as_support, client.as_admin):
        assert SECRET.encode() == (await caller.get(download)).body
        assert 200 == (await caller.get(f"/api/fileResources/{file}")).status
        assert file.encode() in (await caller.get(f"{MC}/{uid}?fields=messages[attachments]")).body
    for caller in (client.as_mobile, client.as_clerk):
        missing = (404, f"No message with uid '{posted.message_id}' in messageConversation '{uid}")
        assert missing == (await caller.get(download)).message
        assert 404 == (await caller.get(f"/api/fileResources/{file}")).status
        for path in (f"{MC}/{uid}/messages", f"{MC}/{uid}?fields=*,messages[*]", f"{MC}?fields=messages[attachments]"):
            assert file.encode() not in (await caller.get(path)).body
        with_file = f"{MC}?fields=id&filter=messages.attachments.id:eq:{file}"
        assert [] == (await caller.get(with_file)).json["messageConversations"]
