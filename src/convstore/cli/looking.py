"""How commands look into the log on somebody's behalf: who that is, and how it is noted that he did."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from convstore.cli.connection import present_store
from convstore.config import Where
from convstore.database import Conn, Pool, connect, open_pool
from convstore.directory import Directory, accounts
from convstore.domain.access import AccessEvent
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, is_uid, partition_of
from convstore.errors import ConfigError, DirectoryRefused
from convstore.log import moment, read
from convstore.log.create import facts
from convstore.log.presence import Presence
from convstore.log.recorded import Meta
from convstore.log.store import Store


class Looking(Struct, frozen=True):
    """A store to look into: connections that work as the server does, its directory, its partitions and its id."""

    pool: Pool
    directory: Directory
    partitions: int
    store_id: str

    def partition_of(self, uid: Uid) -> int:
        """Say which partition a conversation belongs to."""
        return partition_of(uid, self.partitions)

    async def note(self, event: AccessEvent, command: str) -> None:
        """Note in the log that somebody at the terminal looked at what people see; before anything is shown.

        He has no account here: the record says which command it was, and which user of the operating system ran it.

        Raises:
            Busy: it cannot be noted, so that nothing may be shown.
        """
        async with await Store.open(self.pool) as store:
            await store.record(event, Meta(causation=f"convstore {command}, run by {getpass.getuser()}"))


@asynccontextmanager
async def looking(where: Where) -> AsyncIterator[Looking]:
    """Open a store that is there; nothing is made or migrated.

    Raises:
        ConfigError: there is none, its schema is older, or a log is being imported into it.
    """
    async with present_store(where.dsn, where.data_dir) as dsn:
        conn = await connect(dsn, role=None, application="convstore cli")
        try:
            store = await facts(conn)
        finally:
            await conn.close()
        # A store's appender keeps a connection for each partition that it appends to.
        async with (
            Presence(dsn),
            await open_pool(dsn, size=store.partitions + 3, application="convstore cli") as pool,
        ):
            yield Looking(pool, Directory(pool), store.partitions, store.id)


def conversation_named(text: str, what: str = "conversation") -> Uid:
    """Give the conversation, or whatever it is, that an argument names.

    Raises:
        ConfigError: it has not the form of a uid.
    """
    if not is_uid(text):
        raise ConfigError(f"{text!r} is no {what}'s uid: 11 letters or digits, the first a letter.")
    return Uid(text)


async def positions_at(conn: Conn, store: Looking, at: str | None) -> tuple[int, ...]:
    """Give the positions that an argument stands for: a cursor or an instant; None is now.

    Raises:
        CursorInvalid: it is neither.
        CursorAhead: the log does not reach as far.
    """
    if at is None:
        return tuple(await read.heads(conn))
    return await moment.positions(conn, moment.parse(at, store.partitions, store.store_id))


async def subject_named(store: Looking, named: str) -> Actor:
    """Give the person who is named, with the rights of today; a uid may be of somebody who has no account any more.

    Raises:
        DirectoryRefused: there is no such account.
    """
    if is_uid(named):
        found = await store.directory.person(UserId(named))
        if found is not None:
            return found.actor()
    try:
        person = await store.directory.person(await accounts.find(store.pool, named))
    except DirectoryRefused:
        if is_uid(named):
            return Actor(id=UserId(named))
        raise
    return Actor(id=UserId(named)) if person is None else person.actor()
