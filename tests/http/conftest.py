"""A whole server on a real database: a small directory, and clients that are logged in as its people."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from msgspec import structs
from people import FEEDBACK, PASSWORD, Client, MakeClient

from convstore.backend import Backend
from convstore.config import Settings
from convstore.database import open_pool, open_readers
from convstore.directory import Directory
from convstore.directory.importing import import_files
from convstore.directory.passwords import hash_now
from convstore.engine import Engine, progress
from convstore.files.service import Files
from convstore.files.storage import open_storage
from convstore.http.app import make_app
from convstore.log.store import Store

Templates = Callable[[int], str]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let requests wait 20 seconds for the read models, not one: a busy machine needs it, hardly any test means it.

    Gives a function for those that do: it sets the seconds.
    """

    def wait(seconds: float) -> None:
        monkeypatch.setattr(progress, "TOO_FAR_BEHIND", seconds)
        for module in ("handle", "http.as_of", "http.commands", "http.delta", "http.mark_all"):
            monkeypatch.setattr(f"convstore.{module}.WAIT", seconds)

    wait(20.0)
    return wait


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Give the hash of everybody's password: hashing is slow by design."""
    return hash_now(PASSWORD)


@pytest.fixture(scope="session")
def metadata() -> Path:
    """Give the file of a small directory, as DHIS2 exports it."""
    return Path(__file__).parent / "directory.json"


@pytest.fixture(scope="session")
def furnished(
    make_templates: Callable[..., AbstractContextManager[Templates]], metadata: Path, password_hash: str
) -> Iterator[Templates]:
    """Give the name of a database with this directory, by its number of partitions: importing it takes long."""

    async def furnish(dsn: str) -> None:
        async with await open_pool(dsn) as pool:
            await import_files(pool, [metadata])
            await pool.execute("UPDATE account SET password_hash = $1", password_hash)
            await Directory(pool).set_feedback_group(FEEDBACK)

    with make_templates(furnish) as templates:
        yield templates


@pytest.fixture
async def make_client(
    make_store: Callable[..., Awaitable[str]], furnished: Templates, tmp_path: Path
) -> AsyncIterator[MakeClient]:
    """Give a function that starts a server, on a fresh store with a small directory, and gives a client of it.

    A server started ``beside`` another works on the same store, as a second process would.
    """
    async with AsyncExitStack() as stack:

        async def make(partitions: int = 1, *, beside: Client | None = None, **settings: Any) -> Client:
            chosen = Settings(**settings)
            dsn = await make_store(partitions, like=furnished) if beside is None else beside.dsn
            pool = await stack.enter_async_context(await open_pool(dsn, size=max(6, partitions + 4)))
            store = await Store.open(pool)
            stack.push_async_callback(store.close)
            directory = Directory(pool)
            await directory.start()
            stack.push_async_callback(directory.stop)
            engine = Engine(pool, dsn, store)
            await engine.start()
            stack.push_async_callback(engine.stop)
            readers = await stack.enter_async_context(await open_readers(dsn, size=4))
            backend = Backend(
                pool=pool,
                readers=readers,
                store=store,
                engine=engine,
                directory=directory,
                files=Files(
                    pool, open_storage("", tmp_path), limit=chosen.max_attachment, partition_of=store.partition_of
                ),
                settings=chosen,
            )
            # Cookies are kept by who is a browser (browser.py), not by whoever comes after him.
            server = TestServer(make_app(backend))
            client = await stack.enter_async_context(TestClient(server, cookie_jar=DummyCookieJar()))
            return Client(client, backend, dsn)

        yield make


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    """Give a client of a server with default settings."""
    return await make_client()


@pytest.fixture
async def other_worker(client: Client) -> AsyncIterator[Client]:
    """Give a client of another server process on the same database, as far as people go: with a memory of its own."""
    directory = Directory(client.backend.pool)
    await directory.start()
    backend = structs.replace(client.backend, directory=directory)
    try:
        async with TestClient(TestServer(make_app(backend)), cookie_jar=DummyCookieJar()) as second:
            yield Client(second, backend, client.dsn)
    finally:
        await directory.stop()
