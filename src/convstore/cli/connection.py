"""How a command reaches the store: a DSN that it was given, a server that runs already, or one of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from convstore.config import default_data_dir
from convstore.database import Pool, open_pool
from convstore.embedded import Cluster, attach
from convstore.embedded.folder import Folder
from convstore.errors import ConfigError
from convstore.migrate import migrate, missing


@asynccontextmanager
async def owner_dsn(dsn: str | None, data_dir: Path | None) -> AsyncIterator[str]:
    """Give the owner's address of the database, whatever its schema.

    Without a DSN the embedded server in the data folder is used: the one that ``serve`` runs at the moment, else one
    that is started for as long as this lasts.
    """
    if dsn is not None:
        yield dsn
        return
    folder = data_dir or default_data_dir()
    if running := attach(folder):
        yield running
        return
    async with Cluster(folder) as cluster:
        yield cluster.dsn()


@asynccontextmanager
async def present_store(dsn: str | None, data_dir: Path | None) -> AsyncIterator[str]:
    """Give the owner's address of a store that is there, with this release's schema: nothing is made or migrated.

    Raises:
        ConfigError: there is no such store, or its schema is older.
    """
    folder = Folder(data_dir or default_data_dir())
    if dsn is None and folder.major() is None:
        raise ConfigError(f"There is no store in {folder.path}: name another with --data-dir or --dsn.")
    async with owner_dsn(dsn, data_dir) as address:
        if lacks := await missing(address):
            raise ConfigError(f"The database lacks {', '.join(lacks)}: run `convstore migrate` first.")
        yield address


@asynccontextmanager
async def store_dsn(dsn: str | None, data_dir: Path | None) -> AsyncIterator[str]:
    """Give the owner's address of a store with this release's schema.

    An embedded one is created or migrated when needed; one named by DSN is its operator's to migrate.

    Raises:
        ConfigError: the database that the DSN names has no store, or an older one.
    """
    async with owner_dsn(dsn, data_dir) as address:
        if dsn is None:
            await migrate(address)
        elif lacks := await missing(address):
            raise ConfigError(f"The database lacks {', '.join(lacks)}: run `convstore migrate` first.")
        yield address


@asynccontextmanager
async def opened(dsn: str | None, data_dir: Path | None) -> AsyncIterator[Pool]:
    """Give connections that work as the server does, to a store with this release's schema."""
    async with (
        store_dsn(dsn, data_dir) as address,
        await open_pool(address, size=4, application="convstore cli") as pool,
    ):
        yield pool
