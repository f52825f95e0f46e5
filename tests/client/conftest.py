"""A server as its operator runs it, with the demo on a store of its own, and clients of it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from dialling import RETRIES, Dial
from relay import Relay, relaying

from convstore.client import Client
from served import Served, serving


async def _execute(server: str, statement: str) -> None:
    conn = await asyncpg.connect(server)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


@pytest.fixture(scope="session")
def store(server: str, templates: Callable[[int], str]) -> Iterator[str]:
    """Give the owner's DSN of a store with four partitions."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {templates(4)}"))
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def served(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Run a server on it for all tests."""
    with serving(tmp_path_factory.mktemp("client"), "--demo", "--dsn", store) as served:
        yield served


@pytest.fixture
async def relay(served: Served) -> AsyncIterator[Relay]:
    """Give a network between client and server that can fail."""
    async with relaying(served.url) as relay:
        yield relay


@pytest.fixture
def dial(served: Served) -> Dial:
    """Give a function that makes a client for one of the demo's people."""

    def make(user: str = "mobile", url: str = "") -> Client:
        return Client(url or served.url, user=user, password="district", timeout=10, retries=RETRIES)

    return make
