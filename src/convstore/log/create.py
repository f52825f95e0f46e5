"""Creates a store in a migrated database: how many partitions it has, which one it is, its secret."""

import secrets
import uuid
from importlib.resources import files
from typing import Final

from msgspec import Struct

from convstore.database import Conn
from convstore.errors import ConfigError
from convstore.sql import Statements

_sql: Final = Statements(files(__package__) / "statements.sql")

DEFAULT_PARTITIONS = 1


class Facts(Struct, frozen=True):
    """What was settled when the store was created: which one it is, how many partitions it has, its secret.

    ``importing``: a log is being carried into it, and nobody is to be served from it yet.
    """

    id: str
    partitions: int
    secret: bytes
    importing: bool = False


async def facts(conn: Conn) -> Facts:
    """Give the facts about the store of this database.

    Raises:
        ConfigError: there is none.
    """
    found = {row["name"]: row["value"] for row in await conn.fetch(_sql.facts)}
    if "partitions" not in found:
        raise ConfigError("There is no store in this database: run convstore migrate.")
    return Facts(found["id"], int(found["partitions"]), bytes.fromhex(found["secret"]), "importing" in found)


async def create(conn: Conn, partitions: int = DEFAULT_PARTITIONS) -> None:
    """Make the store's head rows, its id and its secret, if they are not there yet.

    Raises:
        ConfigError: the store has another number of partitions already; it is fixed when the store is created.
    """
    async with conn.transaction():
        await conn.executemany(
            "INSERT INTO store (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            [("partitions", str(partitions)), ("id", uuid.uuid4().hex), ("secret", secrets.token_hex(32))],
        )
        has = int(await conn.fetchval("SELECT value FROM store WHERE name = 'partitions'"))
        if partitions not in (has, DEFAULT_PARTITIONS):
            raise ConfigError(
                f"This store has {has} partitions, not {partitions}: export and import it to change that."
            )
        await conn.execute(
            "INSERT INTO head (partition) SELECT generate_series(0, $1 - 1) ON CONFLICT (partition) DO NOTHING", has
        )
