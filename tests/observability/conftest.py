"""A server with the demo's people on a fresh store, with a loopback application beside it, and somebody to break it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestClient, TestServer

from convstore import demo
from convstore.backend import Backend
from convstore.config import Settings
from convstore.database import Conn, connect, open_pool, open_readers
from convstore.directory import Directory
from convstore.domain.uid import Uid
from convstore.engine import Engine
from convstore.files.service import Files
from convstore.files.storage import open_storage
from convstore.http.app import make_app
from convstore.http.monitoring import make_local_app
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import ANN, BOB, CONVERSATION, reply, send_message

Gone: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]

MC = "/api/messageConversations"


@dataclass
class Watched:
    """A server, a client of its public port, and one of its loopback port."""

    backend: Backend
    client: "TestClient[web.Request, web.Application]"
    local: "TestClient[web.Request, web.Application]"

    async def ask(self, method: str, path: str, by: str | None = "admin", **options: Any) -> tuple[int, str]:
        """Send a request by one of the demo's people, None for nobody; give status and body."""
        headers = options.pop("headers", {})
        if by is not None:
            headers["Authorization"] = encode_basic_auth(by, demo.PASSWORD)
        async with self.client.request(method, path, headers=headers, **options) as response:
            return response.status, await response.text()

    async def send(self) -> Uid:
        """Let the administrator start a conversation with the field worker, and give its uid."""
        body = {"subject": "Hey", "text": "How are you?", "users": [{"id": demo.MOBILE}]}
        headers = {"Authorization": encode_basic_auth("admin", demo.PASSWORD)}
        async with self.client.post(MC, json=body, headers=headers) as response:
            assert 201 == response.status
            return Uid(response.headers["Location"].rpartition("/")[2])


@pytest.fixture
async def watched(dsn: str, tmp_path: Path) -> AsyncIterator[Watched]:
    """Give a server as ``convstore serve`` runs it, as the third of its siblings."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await open_pool(dsn, size=6))
        await demo.load(pool)
        store = await stack.enter_async_context(await Store.open(pool))
        directory = Directory(pool)
        await directory.start()
        stack.push_async_callback(directory.stop)
        engine = Engine(pool, dsn, store)
        await engine.start()
        stack.push_async_callback(engine.stop)
        readers = await stack.enter_async_context(await open_readers(dsn, size=2))
        backend = Backend(
            pool=pool,
            readers=readers,
            store=store,
            engine=engine,
            directory=directory,
            files=Files(pool, open_storage("", tmp_path), limit=1_000, partition_of=store.partition_of),
            settings=Settings(),
        )
        app = make_app(backend, worker=2)
        client = await stack.enter_async_context(TestClient(TestServer(app)))
        local = await stack.enter_async_context(TestClient(TestServer(make_local_app(app))))
        yield Watched(backend, client, local)


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[Conn]:
    """Give a connection that may do what the server may not: break things."""
    conn = await connect(dsn, role=None, application="test")
    yield conn
    await conn.close()


@pytest.fixture
def database_gone(server: str, dsn: str) -> Gone:
    """Give a context in which nobody can reach the store's database: sessions are ended and new ones refused."""
    name = urlsplit(dsn).path.removeprefix("/")

    @asynccontextmanager
    async def gone() -> AsyncIterator[None]:
        conn = await asyncpg.connect(server)
        try:
            await conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
            try:
                yield
            finally:
                await conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        finally:
            await conn.close()

    return gone


POISON = "poison"
REFUSE = f"ALTER TABLE thread_v1 ADD CONSTRAINT no_poison CHECK (text <> '{POISON}')"
ACCEPT = "ALTER TABLE thread_v1 DROP CONSTRAINT no_poison"


async def poison(store: Store) -> int:
    """Append what ``thread`` cannot take in once ``REFUSE`` was said, and one more; give the position of the first."""
    await store.submit([send_message(BOB)], Meta())
    outcome = await store.submit([reply(by=ANN, text=POISON)], Meta())
    await store.submit([reply(by=BOB, conversation=CONVERSATION)], Meta())
    return outcome.position
