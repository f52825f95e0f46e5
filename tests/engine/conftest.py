"""A store with an engine that carries its events, as one server process has them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from engines import MakeEngine

from convstore.database import Conn, Pool, connect, open_pool
from convstore.engine import Engine
from convstore.log.store import Store
from rebuilt import assert_rebuilt_equals_live


@pytest.fixture
async def store(pool: Pool) -> AsyncIterator[Store]:
    async with await Store.open(pool) as store:
        yield store


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[Conn]:
    """Give a connection that may do what the server may not: break things."""
    conn = await connect(dsn, role=None, application="test")
    try:
        yield conn
    finally:
        await conn.close()


@pytest.fixture
async def make_engine(dsn: str, pool: Pool) -> AsyncIterator[MakeEngine]:
    """Give a function that starts one more engine on the store, as another process would. None of them appends."""
    async with AsyncExitStack() as stack:

        async def make() -> Engine:
            # A pool of its own: processes share nothing but the database.
            own = await stack.enter_async_context(await open_pool(dsn))
            other = await stack.enter_async_context(await Store.open(own))
            engine = Engine(own, dsn, other)
            await engine.start()
            stack.push_async_callback(engine.stop)
            return engine

        yield make
    # Whatever a test did to engines: the read models are what the log says.
    await assert_rebuilt_equals_live(dsn)


@pytest.fixture
async def engine(dsn: str, pool: Pool, store: Store, make_engine: MakeEngine) -> AsyncIterator[Engine]:
    """Give an engine in the process of ``store``. After the test, a replay must give the same rows."""
    engine = Engine(pool, dsn, store)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()
