"""The log is immutable by the database: what the server's role may not do, and what even the owner is kept from."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from convstore.database import SERVER_ROLE, Conn, Pool, connect
from convstore.domain.uid import UserId
from convstore.errors import ConfigError
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.migrate import migrate, migrations, missing
from words import ANN, BOB, send_message

LOG = ["event", "batch", "head", "stream", "idempotency_key", "store"]


@pytest.fixture
async def filled(pool: Pool) -> Pool:
    """Give the server's connections to a store with something in its log."""
    async with await Store.open(pool) as store:
        await store.submit([send_message(BOB)], Meta(actor=UserId(ANN)))
    return pool


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[Conn]:
    conn = await connect(dsn, role=None)
    yield conn
    await conn.close()


@pytest.mark.parametrize("table", LOG)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET {column} = {column}",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "INSERT INTO {} SELECT * FROM {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "ALTER TABLE {} ADD COLUMN more int",
        "DROP TABLE {}",
        "CREATE RULE r AS ON INSERT TO {} DO INSTEAD NOTHING",
        "DO 'BEGIN LOCK {} IN EXCLUSIVE MODE; END'",
    ],
)
async def test_the_server_may_not_change_the_log(filled: Pool, table: str, statement: str) -> None:
    column = "name" if table == "store" else "partition"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await filled.execute(statement.replace("{}", table).replace("{column}", column))


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",
        "SELECT set_config('session_replication_role', 'replica', false)",
        "CREATE TABLE convstore.mine (x int)",
        "CREATE FUNCTION convstore.mine() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP FUNCTION refuse_change()",
        "ALTER FUNCTION forget_keys(int, interval, int) SET search_path = pg_temp",
        "DROP SCHEMA convstore CASCADE",
        "ALTER ROLE convstore_server SUPERUSER",
        "COPY event FROM PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
    ],
)
async def test_the_server_may_not_get_round_it(filled: Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await filled.execute(statement)


async def test_the_server_reads_the_log_and_keeps_checkpoints_and_snapshots(filled: Pool) -> None:
    for table in LOG:
        await filled.fetch(f"SELECT * FROM {table}")
    for table, columns, values in (
        ("checkpoint", "projection, partition", "'reader_v1', 7"),
        ("snapshot", "partition, stream, version, state", "7, 'a', 1, ''"),
    ):
        assert "INSERT 0 1" == await filled.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})")
        assert "UPDATE 1" == await filled.execute(f"UPDATE {table} SET partition = 8 WHERE partition = 7")
        assert "DELETE 1" == await filled.execute(f"DELETE FROM {table} WHERE partition = 8")


async def test_the_server_owns_nothing(filled: Pool) -> None:
    assert 0 == await filled.fetchval("SELECT count(*) FROM pg_class WHERE relowner = $1::regrole", SERVER_ROLE)
    assert 0 == await filled.fetchval("SELECT count(*) FROM pg_proc WHERE proowner = $1::regrole", SERVER_ROLE)


async def test_a_stranger_may_not_call_the_functions(owner: Conn) -> None:
    open_to_all = await owner.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'convstore'::regnamespace"
        " AND has_function_privilege('public', oid, 'EXECUTE')"
    )
    assert [] == open_to_all


@pytest.mark.parametrize("table", ["event", "batch"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET partition = partition", "DELETE FROM {}", "TRUNCATE {}"])
async def test_slips_of_the_owner_are_refused_with_a_clear_word(
    filled: Pool, owner: Conn, table: str, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(statement.replace("{}", table))


async def test_functions_that_act_as_the_owner_look_nowhere_else(owner: Conn) -> None:
    definers = await owner.fetch(
        "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'convstore'::regnamespace AND prosecdef"
    )
    assert {"append", "forget_keys"} <= {name for name, _ in definers}
    assert all("search_path=convstore, pg_temp" in config for _, config in definers)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
async def test_an_append_that_could_not_see_the_latest_is_refused(pool: Pool, level: str) -> None:
    nothing = "'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'"
    async with pool.acquire() as conn:
        await conn.execute(f"BEGIN ISOLATION LEVEL {level}")
        with pytest.raises(asyncpg.ActiveSQLTransactionError):
            await conn.execute(f"SELECT append(0, gen_random_uuid(), NULL, {nothing})")
        await conn.execute("ROLLBACK")


async def test_there_is_no_appending_to_a_partition_that_is_not_there(pool: Pool) -> None:
    nothing = "'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'"
    with pytest.raises(asyncpg.NoDataFoundError):
        await pool.execute(f"SELECT append(7, gen_random_uuid(), NULL, {nothing})")


async def test_several_stores_of_one_server_are_made_at_once(server: str) -> None:
    names = [f"beside_{secrets.token_hex(6)}" for _ in range(4)]
    conn = await asyncpg.connect(server)
    try:
        for name in names:
            await conn.execute(f"CREATE DATABASE {name}")
        dsns = [urlunsplit(urlsplit(server)._replace(path=f"/{name}")) for name in names]
        ran = await asyncio.gather(*(migrate(dsn) for dsn in dsns))
        assert 1 == len({tuple(migrations) for migrations in ran})
    finally:
        for name in names:
            await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await conn.close()


async def test_an_owner_who_may_not_make_roles_migrates_once_the_server_s_role_is_given_to_him(
    server: str, dsn: str
) -> None:
    owner, name = (f"{what}_{secrets.token_hex(6)}" for what in ("owner", "owned"))
    address = urlsplit(server)
    his = urlunsplit(address._replace(path=f"/{name}", query=f"{address.query}&role={owner}"))
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(f"CREATE ROLE {owner}")
        await conn.execute(f"CREATE DATABASE {name} OWNER {owner}")
        with pytest.raises(ConfigError, match=f"{owner} may not .*permission denied.*--no-migrate"):
            await migrate(his)
        await conn.execute(f"GRANT {SERVER_ROLE} TO {owner}")
        assert [migration.name for migration in migrations()] == await migrate(his)
    finally:
        await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await conn.execute(f"DROP ROLE {owner}")
        await conn.close()


async def test_whoever_works_as_the_server_may_ask_whether_the_schema_is_complete(dsn: str) -> None:
    address = urlsplit(dsn)
    assert [] == await missing(urlunsplit(address._replace(query=f"{address.query}&role={SERVER_ROLE}")))
