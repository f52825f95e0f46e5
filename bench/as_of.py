"""Look at a large inbox, and at a long conversation, as of times when they were other than now, over HTTP.

    python bench/as_of.py [--conversations 10000] [--events 100000] [--rounds 20] [--dsn OWNER]

One client asks one thing after another. ``list``: the first page of 50 with its total, newest first, as of a time since
which every conversation got a reply and half of them were read, so that nothing is as it is now. ``unread_list`` asks
for unread ones only, ``counts`` for the number on the badge. ``recent`` is the list as of a moment ago, ``now`` without
``asOf``. ``object`` is a conversation of so many events (of ten, four replies and six marks), half of them since the
time asked for: whole, with its messages' ids, and ``messages`` with their texts. ``instant`` is the list by a time.
"""

import argparse
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from common import fresh_store, percentile, report, run, server
from serving import Client, add_people, log_in, request, serving

from convstore.database import Conn, connect, open_pool
from convstore.domain.commands import ClearFollowUp, ConversationCommand, FlagFollowUp, MarkRead, Reply, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.log.read import heads
from convstore.log.recorded import Meta
from convstore.log.store import Store

_SENDER, _READER = 1, 2
_TEXT = "The delivery of vaccines to the district store has been delayed by the floods."
_AT_ONCE = 500
_OK = 200
_PATIENCE = 300.0
_BEHIND = "SELECT min(position) FROM checkpoint"
_MC = "/api/messageConversations"
_FIELDS = (
    "fields=id,displayName,subject,messageType,lastSender[id,displayName],status,lastUpdated,read,lastMessage,followUp"
)


async def submit(store: Store, commands: Sequence[ConversationCommand]) -> None:
    """Carry commands out, many in one batch."""
    for first in range(0, len(commands), _AT_ONCE):
        await store.submit(commands[first : first + _AT_ONCE], Meta())


def start(uid: Uid, number: int, sender: UserId, people: Sequence[UserId]) -> SendMessage:
    """Start a conversation."""
    return SendMessage(
        conversation_id=uid,
        actor=Actor(id=sender),
        message_id=new_uid(),
        subject=f"Vaccines {number}",
        text=_TEXT,
        recipients=tuple(people),
    )


def reply(uid: Uid, sender: UserId) -> Reply:
    """Reply to it."""
    return Reply(conversation_id=uid, actor=Actor(id=sender), message_id=new_uid(), text=_TEXT)


def course(uid: Uid, number: int, people: Sequence[UserId]) -> ConversationCommand:
    """Give the next of many commands on one conversation, each of which makes one event."""
    who = people[number // 10 % len(people)]
    asker = Actor(id=who)
    match number % 10:
        case 0 | 3 | 5 | 8:
            return reply(uid, people[number % len(people)])
        case 1 | 6:
            return FlagFollowUp(conversation_id=uid, actor=asker, participant=who)
        case 2 | 7:
            return ClearFollowUp(conversation_id=uid, actor=asker, participant=who)
        case _:
            return MarkRead(conversation_id=uid, actor=asker, reader=who)


async def fill(dsn: str, people: Sequence[UserId], conversations: int, events: int) -> dict[str, Any]:
    """Fill the log; give the long conversation, and the times to ask for: two cursors and an instant."""
    sender, reader = people[0], people[1]
    async with await open_pool(dsn) as pool, await Store.open(pool) as store:
        uids = [new_uid() for _ in range(conversations)]
        await submit(store, [start(uid, number, sender, (reader,)) for number, uid in enumerate(uids)])
        async with pool.acquire() as conn:
            before = store.cursor(await heads(conn))
            instant: datetime = await conn.fetchval("SELECT max(recorded_at) FROM event")
        await submit(store, [reply(uid, sender) for uid in uids])
        await submit(store, [MarkRead(conversation_id=uid, actor=Actor(id=reader), reader=reader) for uid in uids[::2]])
        long = new_uid()
        # Its people are not the reader of the inbox, whose list it would join.
        await submit(store, [start(long, 0, sender, people[2:])])
        commands = [course(long, number, people[2:]) for number in range(events)]
        await submit(store, commands[: events // 2])
        async with pool.acquire() as conn:
            middle = store.cursor(await heads(conn))
        await submit(store, commands[events // 2 :])
    return {"before": before, "instant": instant, "long": long, "middle": middle}


async def timed(client: Client, path: str, person: int, rounds: int) -> tuple[list[float], Any]:
    """Ask for a path again and again; give how long each took, and what the last one said."""
    took = []
    sent = request("GET", path, person)
    for _ in range(rounds):
        began = time.perf_counter()
        answer = await client.ask(sent)
        took.append(time.perf_counter() - began)
        assert answer.status == _OK, answer
    return took, msgspec.json.decode(answer.body)


async def caught_up(owner: Conn) -> None:
    """Wait until the read models have taken all in."""
    end = time.monotonic() + _PATIENCE
    (head,) = await heads(owner)
    while await owner.fetchval(_BEHIND) < head:
        assert time.monotonic() < end, "the read models do not catch up"
        time.sleep(0.1)  # noqa: ASYNC251 - nothing else is to be done


async def measure(dsn: str, owner: Conn, conversations: int, events: int, rounds: int) -> dict[str, Any]:
    """Fill a store, and ask."""
    people = await add_people(owner, 7)
    times = await fill(dsn, people, conversations, events)
    async with serving(dsn) as at:
        await caught_up(owner)
        await owner.execute("VACUUM ANALYZE")
        await log_in(at.port, [_SENDER, _READER, 3])
        client = await Client.connect(at.port)
        instant = times["instant"].isoformat().replace("+00:00", "Z")
        found: dict[str, Any] = {}
        said: dict[str, Any] = {}
        present = (await client.ask(request("GET", f"{_MC}?pageSize=1", _READER))).head
        recent = present.partition(b"Convstore-Cursor: ")[2].partition(b"\r\n")[0].decode()
        for name, path, person, times_asked in (
            ("list", f"{_MC}?{_FIELDS}&asOf={times['before']}", _READER, rounds),
            ("instant", f"{_MC}?{_FIELDS}&asOf={instant}", _READER, rounds),
            ("unread_list", f"{_MC}?{_FIELDS}&filter=read:eq:false&asOf={times['before']}", _READER, rounds),
            ("counts", f"{_MC}/counts?asOf={times['before']}", _READER, rounds),
            ("recent", f"{_MC}?{_FIELDS}&asOf={recent}", _READER, rounds),
            ("now", f"{_MC}?{_FIELDS}", _READER, rounds),
            ("object", f"{_MC}/{times['long']}?asOf={times['middle']}", 3, max(3, rounds // 4)),
            ("messages", f"{_MC}/{times['long']}/messages?asOf={times['middle']}", 3, max(3, rounds // 4)),
        ):
            took, said[name] = await timed(client, path, person, times_asked)
            found[f"{name}_p50_ms"] = percentile(took, 50)
            found[f"{name}_p95_ms"] = percentile(took, 95)
        client.close()
    for name in ("list", "instant", "unread_list"):
        assert conversations == said[name]["pager"]["total"], (name, said[name]["pager"])
    assert said["list"]["messageConversations"] == said["instant"]["messageConversations"]
    assert conversations == said["counts"]["unread"] == said["counts"]["total"]
    assert conversations == said["now"]["pager"]["total"] == said["recent"]["pager"]["total"]
    assert events + 3 == await owner.fetchval("SELECT version FROM stream WHERE stream = $1", times["long"])
    assert events // 5 + 1 == said["object"]["messageCount"]
    assert said["object"]["messageCount"] == len(said["object"]["messages"]) == len(said["messages"]["messages"])
    return found


async def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    async with fresh_store(args.dsn) as dsn:
        owner = await connect(dsn, role=None)
        facts = await measure(dsn, owner, args.conversations, args.events, args.rounds)
        report(bench="as_of", conversations=args.conversations, events=args.events, **facts, **await server(owner))
        await owner.close()


if __name__ == "__main__":
    run(main)
