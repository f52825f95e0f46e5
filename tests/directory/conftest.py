"""A directory on a fresh store, and ways to put people, groups and units into it."""

import secrets
from collections.abc import AsyncIterator

import pytest
from registrar import AddPerson, Tables, stopping
from terminal import Command, command

from convstore.database import Pool
from convstore.directory import Directory
from convstore.directory.accounts import NewAccount, add
from convstore.domain.uid import UserId


@pytest.fixture
async def directory(pool: Pool) -> AsyncIterator[Directory]:
    """Give a directory that listens for changes, as the server's does."""
    async with stopping(Directory(pool)) as directory:
        await directory.start()
        yield directory


@pytest.fixture
def add_person(pool: Pool) -> AddPerson:
    """Give a function that adds an account, by default without authorities, and gives its uid."""

    async def make(
        username: str | None = None, *, password: str | None = None, authorities: tuple[str, ...] = ()
    ) -> UserId:
        name = username or f"person{secrets.token_hex(4)}"
        return await add(
            pool,
            NewAccount(username=name, first_name=name.title(), surname="Tester", authorities=authorities),
            password,
        )

    return make


@pytest.fixture
def tables(pool: Pool) -> Tables:
    """Give a writer of groups and units."""
    return Tables(pool)


@pytest.fixture
def convstore(dsn: str) -> Command:
    """Give a function that runs the command against the test's store, not at a terminal."""
    return command(dsn)
