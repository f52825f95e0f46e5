"""Creates a store in a migrated database: how many partitions it has, which one it is, its secret."""

import secrets
import uuid

from convstore.database import Conn
from convstore.errors import ConfigError

DEFAULT_PARTITIONS = 1


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
