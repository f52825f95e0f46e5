"""Processes that push are killed at random, while much is written: the receiver ends with exactly what the log has."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from people import Client, MakeClient
from receiver import LOOPBACK, Receiver, logged, receiving, subscribed
from test_event_kill import EVENTS, KILLS, PATIENCE, write

from eventually import eventually

SCRIPT = Path(__file__).with_name("pushing_process.py")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + EVENTS / 50)]


@contextmanager
def pusher(client: Client) -> Iterator["subprocess.Popen[bytes]"]:
    """Push in a process of its own until the end of the block; it is killed there."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen([sys.executable, str(SCRIPT), client.dsn], env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
        assert process.poll() is None, "it ended by itself"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


async def push(client: Client, receiver: Receiver, chance: random.Random) -> None:
    """Push and be killed again and again, each time after some more has arrived."""
    for _ in range(KILLS):
        wanted = min(len(receiver.taken) + chance.randint(1, max(2, EVENTS // (KILLS * 3))), EVENTS)
        with pusher(client) as process:
            await eventually(
                lambda process=process, wanted=wanted: process.poll() is not None or len(receiver.taken) >= wanted,
                within=PATIENCE,
            )


async def test_whichever_process_dies_when_the_receiver_gets_everything_in_order(make_client: MakeClient) -> None:
    client = await make_client(partitions=4, webhook_networks=LOOPBACK)
    async with receiving() as receiver:
        await subscribed(client.as_admin, receiver)
        await asyncio.gather(write(client), *(push(client, receiver, random.Random(seed)) for seed in (1, 2)))
        everything = await logged(client)
        assert EVENTS <= len(everything)
        with pusher(client), pusher(client):
            await eventually(lambda: set(receiver.ids) >= everything, within=PATIENCE)
    assert everything == set(receiver.ids)
    receiver.check_order()
