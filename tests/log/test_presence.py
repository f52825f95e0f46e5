"""Servers and an import keep each other off a store, from the first moment to the last."""

import asyncio
import io

import pytest
from test_transfer import MakeStore, exported, talked

from convstore.database import Conn, connect
from convstore.errors import ArchiveDamaged, ConfigError, ImportRefused
from convstore.log import importing, presence
from convstore.log.importing import import_
from convstore.log.presence import Presence, take_alone
from eventually import eventually


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "PATIENCE", 0.2)


async def _import(conn: Conn, raw: bytes) -> None:
    await import_(conn, io.BytesIO(raw), "none")


async def test_an_import_is_refused_as_long_as_anybody_works_on_the_store(make_store: MakeStore) -> None:
    source, target = await make_store(), await make_store()
    await talked(source, 1)
    raw, _ = await exported(source)
    conn = await connect(target, role=None)
    try:
        async with Presence(target):
            async with Presence(target):
                pass
            with pytest.raises(ImportRefused, match="A server, or another import, works on this store"):
                await _import(conn, raw)
        await _import(conn, raw)
    finally:
        await conn.close()


async def test_from_the_first_look_of_an_import_to_its_end_no_server_and_no_other_import_begins(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_PAGE", 2)
    source, target = await make_store(), await make_store()
    await talked(source, 1)
    raw, _ = await exported(source)
    first, second = await connect(target, role=None), await connect(target, role=None)
    try:
        # It has looked, and has not written anything yet.
        assert await take_alone(first)
        with pytest.raises(ConfigError, match="A log is being imported into this store"):
            await Presence(target).__aenter__()
        with pytest.raises(ImportRefused, match="or another import"):
            await _import(second, raw)
        with pytest.raises(ArchiveDamaged):
            await _import(first, raw[:-300])
    finally:
        await first.close()
    try:
        # It broke off: others stay out until it is finished.
        with pytest.raises(ConfigError, match="An import into this store is unfinished"):
            await Presence(target).__aenter__()
        await eventually(lambda: _imported(second, raw))
    finally:
        await second.close()
    async with Presence(target):
        pass


async def _imported(conn: Conn, raw: bytes) -> bool:
    """Import, unless the database has not noticed yet that the connection of the one before is closed."""
    try:
        await _import(conn, raw)
    except ImportRefused:
        return False
    return True


async def test_a_server_whose_connection_is_lost_comes_back_or_ends_when_an_import_has_begun(
    make_store: MakeStore, server: str
) -> None:
    target = await make_store()
    stop = asyncio.Event()
    elsewhere, conn = await connect(server, role=None), await connect(target, role=None)
    name = await conn.fetchval("SELECT current_database()")
    lost = (
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
        f"WHERE datname = '{name}' AND application_name = 'convstore presence'"
    )
    try:
        async with Presence(target, stop) as here:
            assert 1 == await elsewhere.fetchval(lost)
            await eventually(lambda: elsewhere.fetchval(lost.replace("pg_terminate_backend(pid, 5000)", "*")))
            here.check()
            # Away for longer, and an import is there first.
            await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await eventually(lambda: elsewhere.fetchval(lost))
            await eventually(lambda: take_alone(conn))
            assert not stop.is_set()
            await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await eventually(stop.is_set)
            with pytest.raises(ConfigError, match="A log is being imported"):
                here.check()
    finally:
        await elsewhere.close()
        await conn.close()
