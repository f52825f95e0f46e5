"""Puts people, groups and units into a directory, and waits until processes have heard of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from convstore.database import Pool
from convstore.directory import Directory
from convstore.domain.uid import new_uid

AddPerson = Callable[..., Awaitable[str]]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds that another process or connection brings about."""
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def stopping(directory: Directory) -> AsyncIterator[Directory]:
    """Stop a directory whatever happens: a pool waits for the connection on which it listens."""
    try:
        yield directory
    finally:
        await directory.stop()


class Tables:
    """Writes rows as an import would, without one."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def group(self, *members: str, public: str = "r-------", owner: str | None = None, name: str = "G") -> str:
        """Add a group and give its uid."""
        uid = new_uid()
        await self.pool.execute(
            "INSERT INTO user_group (id, name, public_access, owner) VALUES ($1, $2, $3, $4)", uid, name, public, owner
        )
        await self.pool.executemany(
            "INSERT INTO user_group_member (group_id, user_id) VALUES ($1, $2)", [(uid, member) for member in members]
        )
        return uid

    async def share(self, group: str, kind: str, grantee: str, access: str) -> None:
        """Share a group with one person ('user') or the members of a group ('group')."""
        await self.pool.execute("INSERT INTO user_group_access VALUES ($1, $2, $3, $4)", group, kind, grantee, access)

    async def unit(self, *members: str, parent: str | None = None) -> str:
        """Add a unit and give its uid."""
        uid = new_uid()
        path = await self.pool.fetchval("SELECT path FROM organisation_unit WHERE id = $1", parent) or ""
        await self.pool.execute(
            "INSERT INTO organisation_unit (id, name, parent_id, path, level) VALUES ($1, 'U', $2, $3, $4)",
            uid, parent, f"{path}/{uid}", path.count("/") + 1,
        )  # fmt: skip
        await self.pool.executemany(
            "INSERT INTO organisation_unit_member (unit_id, user_id) VALUES ($1, $2)",
            [(uid, member) for member in members],
        )
        return uid
