"""Consumers that are killed at random, while much is written, end with exactly what the log has."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from people import ADMIN, CLERK, MOBILE, Client, MakeClient

from convstore.domain.commands import Command, Reply, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, new_uid
from convstore.handle import handle
from convstore.log.recorded import Meta
from eventually import eventually

# CONTRIBUTING.md: how many events are written, and how often each consumer is killed meanwhile.
EVENTS = int(os.environ.get("CONVSTORE_TEST_EVENTS", "900"))
KILLS = max(3, EVENTS // 1500)
SCRIPT = Path(__file__).parent / "consumer_process.py"
PATIENCE = 60 + EVENTS / 100

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + EVENTS / 50)]


@contextmanager
def consumer(way: str, client: Client, token: str, file: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a consumer until the end of the block; it is killed there."""
    process = subprocess.Popen([sys.executable, str(SCRIPT), way, client.url, token, str(file)])
    try:
        yield process
        assert process.poll() is None, f"{way} ended by itself"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def noted(*files: Path) -> list[str]:
    """Give the ids that consumers noted, in order."""
    lines = (line for file in files if file.exists() for line in file.read_text().split("\n")[:-1])
    return [line.split(" ")[1] for line in lines]


async def write(client: Client) -> None:
    """Write many events to many conversations of all partitions; ends when all are in the log."""
    uids = [new_uid() for _ in range(max(20, EVENTS // 100))]
    store, engine, chance = client.backend.store, client.backend.engine, random.Random(3)

    async def say(command: Command) -> None:
        await handle(store, engine, [command], Meta(actor=MOBILE))

    def start(uid: Uid) -> Command:
        return SendMessage(
            conversation_id=uid,
            actor=Actor(id=MOBILE),
            message_id=new_uid(),
            subject="a",
            text="b",
            recipients=(CLERK,),
        )

    await asyncio.gather(*(say(start(uid)) for uid in uids))
    left = EVENTS - 3 * len(uids)
    while left > 0:
        together = min(left, 20)
        left -= together
        await asyncio.gather(
            *(
                say(
                    Reply(
                        conversation_id=chance.choice(uids),
                        actor=Actor(id=MOBILE),
                        message_id=new_uid(),
                        text="c",
                    )
                )
                for _ in range(together)
            )
        )
        # About as fast as consumers that die all the time can follow: else they would only be killed at the start.
        await asyncio.sleep(0.02)


async def follow(client: Client, way: str, token: str, file: Path) -> None:
    """Run a consumer and kill it again and again, each time after it has noted some more."""
    chance = random.Random(way + file.name)
    for _ in range(KILLS):
        had = len(noted(file))
        more = chance.randint(1, max(2, EVENTS // (KILLS * 3)))
        with consumer(way, client, token, file):
            await eventually(lambda had=had, more=more: len(noted(file)) >= min(had + more, EVENTS), within=PATIENCE)


async def test_whatever_dies_when_nothing_is_missed_and_nothing_doubled(
    make_client: MakeClient, tmp_path: Path
) -> None:
    client = await make_client(partitions=4)
    answer = await client.as_admin.post("/api/apiToken", json={"scopes": ["full"]})
    token = answer.json["response"]["key"]
    made = await client.as_admin.post("/api/subscriptions", json={"name": "warehouse", "after": "start", "lease": 2})
    assert (201, ADMIN) == (made.status, made.json["user"])
    files = {name: tmp_path / name for name in ("pull", "stream", "subscription", "other")}
    ways = {"pull": "pull", "stream": "stream", "subscription": "subscription", "other": "subscription"}

    # A transaction that was begun before, and ends after, hides nothing and holds nobody up.
    async with client.backend.pool.acquire() as held, held.transaction():
        await held.execute("SELECT txid_current()")
        writing = asyncio.create_task(write(client))
        await asyncio.gather(writing, *(follow(client, ways[name], token, files[name]) for name in files))
    rows = await client.backend.pool.fetch("SELECT stream, version FROM event ORDER BY partition, position")
    logged = Counter(f"{row['stream']}@{row['version']}" for row in rows)
    assert EVENTS <= logged.total()

    for name in ("pull", "stream"):
        with consumer(ways[name], client, token, files[name]):
            await eventually(lambda name=name: len(noted(files[name])) >= logged.total(), within=PATIENCE)
        assert logged == Counter(noted(files[name]))
        check_order(noted(files[name]))
    both = files["subscription"], files["other"]
    with consumer("subscription", client, token, both[0]), consumer("subscription", client, token, both[1]):
        await eventually(lambda: set(noted(*both)) >= logged.keys(), within=PATIENCE)
    assert logged.keys() == set(noted(*both))
    for file in both:
        check_order(noted(file))


def check_order(ids: list[str]) -> None:
    """See that no conversation's events were noted out of order."""
    last: defaultdict[str, int] = defaultdict(int)
    for event in ids:
        stream, _, version = event.partition("@")
        assert int(version) > last[stream], event
        last[stream] = int(version)
