"""The loopback ports of ``convstore serve``: one for each worker, none unless asked for."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from convstore.config import Settings
from convstore.errors import ConfigError
from eventually import eventually
from served import free_port

from .command import convstore


@asynccontextmanager
async def serving(dsn: str, *arguments: str) -> AsyncIterator[None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSTORE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "convstore", "serve", "--dsn", dsn, *arguments, env=environment
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert 0 == await process.wait()


async def scrape(port: int) -> str | None:
    """Give the metrics of a port; None when nobody listens there."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
            return await response.text()
    except aiohttp.ClientConnectorError:
        return None


async def test_each_worker_has_a_port_of_its_own_and_one_carries_each_read_model(dsn: str) -> None:
    first = free_port(3)
    ports = ["--port", str(first + 2), "--workers", "2", "--metrics-port", str(first)]
    async with serving(dsn, *ports):
        told = [await eventually(partial(scrape, port), within=60) for port in (first, first + 1)]

        async def carried() -> dict[str, float]:
            numbers: dict[str, float] = {}
            for port in (first, first + 1):
                for family in parse(await scrape(port) or ""):
                    for sample in family.samples:
                        if sample.name == "convstore_projection_carried":
                            name = sample.labels["projection"]
                            numbers[name] = numbers.get(name, 0) + sample.value
            return numbers

        async def each_once() -> bool:
            return set((await carried()).values()) == {1}

        await eventually(each_once)
    for worker, text in enumerate(told):
        assert {str(worker)} == {sample.labels["worker"] for family in parse(text) for sample in family.samples}


async def test_without_the_setting_there_is_no_such_port(dsn: str) -> None:
    assert 0 == Settings().metrics_port
    port = free_port()
    async with serving(dsn, "--port", str(port)):
        await eventually(lambda: _serves(port), within=60)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as response,
        ):
            assert 404 == response.status


async def _serves(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_port_that_is_taken_ends_the_start(dsn: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = await convstore("serve", "--dsn", dsn, "--port", "0", "--metrics-port", str(port))
    assert 2 == ran.code
    assert f"Cannot listen on 127.0.0.1 port {port} for metrics" in ran.err


@pytest.mark.parametrize(("port", "workers", "metrics_port"), [(8080, 1, 8080), (8081, 2, 8080), (80, 2, 65_535)])
def test_ports_that_cannot_be_are_refused(port: int, workers: int, metrics_port: int) -> None:
    with pytest.raises(ConfigError, match="metrics-port"):
        Settings(port=port, workers=workers, metrics_port=metrics_port)


@pytest.mark.parametrize(("port", "workers", "metrics_port"), [(8080, 1, 0), (8082, 2, 8080), (80, 2, 65_534)])
def test_ports_beside_each_other_are_not(port: int, workers: int, metrics_port: int) -> None:
    assert metrics_port == Settings(port=port, workers=workers, metrics_port=metrics_port).metrics_port
