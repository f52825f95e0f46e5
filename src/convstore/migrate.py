"""Brings a database to this release's schema: numbered SQL files, forward only, one process at a time.

Runs as the owner. The server itself works as ``convstore_server`` and never changes the schema (design section 4).
"""

import hashlib
from collections.abc import Collection, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import asyncpg
from msgspec import Struct

from convstore.database import SCHEMA, SERVER_ROLE, Conn, connect
from convstore.engine.tables import create_all
from convstore.errors import ConfigError
from convstore.log.create import create

# Any number: it only has to differ from other programs' in the same database.
_LOCK = 7_271_038_114

_BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS migration (
    name       text        NOT NULL PRIMARY KEY,
    sha256     bytea       NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(Struct, frozen=True):
    """One file: its name, such as ``0001_log``, and its SQL."""

    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        """What tells an edited file from the one that was applied."""
        return hashlib.sha256(self.sql.encode()).digest()


def _folder() -> Traversable:
    packaged = files("convstore") / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "migrations"


def migrations() -> Iterator[Migration]:
    """Give all migrations of this release, in the order in which they run."""
    for file in sorted(_folder().iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            yield Migration(file.name.removesuffix(".sql"), file.read_text("utf-8"))


async def migrate(dsn: str, *, partitions: int = 1) -> list[str]:
    """Bring the database to this release's schema, and give the names of the migrations that ran.

    ``partitions`` is taken when the store is created; afterwards it must be the same, or be left at 1.

    Raises:
        ConfigError: the database is of a later release, an applied file was changed since, the server is too old, or
            whom the DSN names may not change the schema.
    """
    conn = await connect(dsn, role=None, application="convstore migrate")
    try:
        if conn.get_server_version().major < 15:  # noqa: PLR2004 - the oldest that has all the SQL used here
            raise ConfigError(f"PostgreSQL {conn.get_server_version().major} is too old: convstore needs 15 or later.")
        await conn.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await conn.execute(_BOOKKEEPING)
        ran = await _run_missing(conn)
        await create(conn, partitions)
        await create_all(conn)
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigError(
            f"{await conn.fetchval('SELECT current_user')} may not bring the schema of this database up to date: "
            f"{error.args[0]}. Name its owner, who may make roles or has been given {SERVER_ROLE}; or let the owner "
            "run `convstore migrate`, and serve with --no-migrate. docs/deployment.md tells how."
        ) from error
    else:
        return ran
    finally:
        await conn.close()


async def missing(dsn: str) -> list[str]:
    """Name the migrations of this release that the database has not seen; all of them when it has no store at all."""
    applied = await _applied(dsn)
    return [migration.name for migration in migrations() if migration.name not in applied]


async def check_not_later(dsn: str) -> None:
    """See that the database is not of a later release than this one; it may be of an earlier one, or have no store.

    Raises:
        ConfigError: it is.
    """
    _refuse_later(await _applied(dsn))


async def _applied(dsn: str) -> set[str]:
    conn = await connect(dsn, role=None)
    try:
        known = await conn.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.migration") is not None
        return {row["name"] for row in await conn.fetch("SELECT name FROM migration")} if known else set()
    finally:
        await conn.close()


def _refuse_later(applied: Collection[str]) -> None:
    if later := sorted(set(applied) - {migration.name for migration in migrations()}):
        raise ConfigError(f"This database was migrated by a later release ({later[-1]}): install that one.")


async def _run_missing(conn: Conn) -> list[str]:
    applied = {row["name"]: row["sha256"] for row in await conn.fetch("SELECT name, sha256 FROM migration")}
    _refuse_later(applied)
    ran = []
    for migration in migrations():
        if migration.name not in applied:
            async with conn.transaction():
                await conn.execute(migration.sql)
                await conn.execute(
                    "INSERT INTO migration (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256
                )
            ran.append(migration.name)
        elif applied[migration.name] != migration.sha256:
            raise ConfigError(f"Migration {migration.name} is not the one that this database was made with.")
    return ran
