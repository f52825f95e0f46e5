"""The databases that tests run on: one server a session, one template, one database a test."""

import asyncio
import os
import secrets
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import psutil
import pytest

from convstore.database import Pool, open_pool
from convstore.migrate import migrate

MakeStore = Callable[..., Awaitable[str]]
Templates = Callable[[int], str]
MakeTemplates = Callable[..., AbstractContextManager[Templates]]

_MEMORY = Path("/dev/shm")
# Bytes that must be free there; the suite has been seen to take half a gigabyte at a time.
_ROOM = 4 * 2**30


def pytest_configure(config: pytest.Config) -> None:
    """Settle what each process of the suite, and each that a test starts, would otherwise pay for again."""
    # Keep xdist, where it is, from putting the files with the most tests first: see below.
    config.option.loadscopereorder = False
    # Hundreds of `convstore` are started: each would compile the package once more.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if _fit(_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def _fit(folder: Path) -> bool:
    """Whether temporary folders may lie here, in memory: a database is made and dropped six times faster than on disk.

    Some tests write programs and run them.
    """
    return (
        os.access(folder, os.W_OK)
        and not os.statvfs(folder).f_flag & os.ST_NOEXEC
        and min(shutil.disk_usage(folder).free, psutil.virtual_memory().available) >= _ROOM
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long: a process that starts one last would keep the others waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path], item.path))


def _on(server: str, database: str) -> str:
    """Give the DSN of another database on the same server."""
    return urlunsplit(urlsplit(server)._replace(path="/" + quote(database)))


async def _execute(server: str, statement: str) -> None:
    conn = await asyncpg.connect(server)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the owner's DSN of a PostgreSQL: the one of CONVSTORE_TEST_DSN, or an embedded one for this session."""
    if given := os.environ.get("CONVSTORE_TEST_DSN"):
        yield given
        return
    from convstore.embedded.cluster import Cluster

    folder: Path = tmp_path_factory.mktemp("pg")
    with asyncio.Runner() as runner:
        # What a test writes is worth nothing after it: no flush to the disk, and little of the log kept.
        settings = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB", "max_connections": "200"}
        cluster = Cluster(folder, settings=settings)
        runner.run(cluster.start())
        try:
            yield cluster.dsn(database="postgres")
        finally:
            runner.run(cluster.stop())


@pytest.fixture(scope="session")
def make_templates(server: str) -> MakeTemplates:
    """Give a function that makes ``templates``, with what is put into each."""

    @contextmanager
    def make(furnish: Callable[[str], Awaitable[None]] | None = None) -> Iterator[Templates]:
        made: dict[int, str] = {}

        async def prepare(name: str, partitions: int) -> None:
            await _execute(server, f"CREATE DATABASE {name}")
            await migrate(_on(server, name), partitions=partitions)
            if furnish is not None:
                await furnish(_on(server, name))

        def template(partitions: int) -> str:
            if partitions not in made:
                name = f"template_{partitions}_{secrets.token_hex(4)}"
                asyncio.run(prepare(name, partitions))
                made[partitions] = name
            return made[partitions]

        yield template
        for name in made.values():
            asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))

    return make


@pytest.fixture(scope="session")
def templates(make_templates: MakeTemplates) -> Iterator[Templates]:
    """Give the name of a migrated, empty store's database, by its number of partitions; made when first asked for."""
    with make_templates() as templates:
        yield templates


@pytest.fixture
async def make_store(server: str, templates: Templates) -> AsyncIterator[MakeStore]:
    """Give a function that makes a fresh store, empty or ``like`` other templates, and gives its owner's DSN."""
    made: list[str] = []

    async def make(partitions: int = 1, *, like: Templates = templates) -> str:
        template = await asyncio.to_thread(like, partitions)
        name = f"test_{secrets.token_hex(6)}"
        await _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
        made.append(name)
        return _on(server, name)

    yield make
    for name in made:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def dsn(make_store: MakeStore) -> str:
    """Give the owner's DSN of a fresh store with one partition."""
    return await make_store(partitions=1)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """Give connections to that store that work as the server does."""
    async with await open_pool(dsn) as pool:
        yield pool
