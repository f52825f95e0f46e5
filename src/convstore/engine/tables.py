"""Makes the tables of read models. Runs as the owner: the server may fill them, not make them."""

from convstore.database import SCHEMA, SERVER_ROLE, Conn
from convstore.engine.checkpoint import sql
from convstore.projections import Projection, discover


async def create_all(conn: Conn) -> None:
    """Make the tables and checkpoints of every read model of this release that the database does not have yet.

    A server then fills those of a store that has events, and serves nobody before it has; ``convstore rebuild`` fills
    them beside the server of the release before.
    """
    for projection in discover():
        await create_tables(conn, projection, SCHEMA)


async def create_tables(conn: Conn, projection: Projection, schema: str) -> None:
    """Make one read model's tables in this schema, with the server's rights on them, and its checkpoints, at 0.

    Nothing happens when they are there. The session's search path must begin with the schema.
    """
    async with conn.transaction():
        if (
            await conn.fetchval("SELECT to_regclass(quote_ident($1) || '.' || $2)", schema, projection.tables[0])
            is None
        ):
            await conn.execute(projection.table_sql)
            for table in projection.tables:
                await conn.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {table} TO {SERVER_ROLE}")
        if schema == SCHEMA:
            await conn.execute(sql.name_tables, projection.id, list(projection.tables))
        await conn.execute(sql.make_checkpoints, projection.id)
