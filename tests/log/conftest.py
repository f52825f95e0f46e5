"""Stores on the databases of the tests, and somebody who may look at what is in them."""

from collections.abc import AsyncIterator

import pytest

from convstore.database import Conn, Pool, connect
from convstore.log.store import Store


@pytest.fixture
async def store(pool: Pool) -> AsyncIterator[Store]:
    """Give a store as one server process has it."""
    async with await Store.open(pool) as store:
        yield store


@pytest.fixture
async def other(pool: Pool) -> AsyncIterator[Store]:
    """Give the same store as another server process has it: its cache knows nothing of the first one's."""
    async with await Store.open(pool) as store:
        yield store


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[Conn]:
    """Give a connection of the owner, who sees everything."""
    conn = await connect(dsn, role=None)
    yield conn
    await conn.close()
