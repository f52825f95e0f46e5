"""Takes away the copies of people whom the directory no longer has; their texts stay (design section 9)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from convstore.database import Pool
from convstore.domain.commands import RemoveParticipant
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId
from convstore.engine import Engine
from convstore.errors import Busy
from convstore.handle import handle_many
from convstore.log import read
from convstore.log.presence import Presence
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.projections import load

# Commands that are carried out together; more would hold up everybody else's.
_AT_ONCE: Final = 1_000
# Seconds that the inbox may take to show all that was appended before.
_CATCH_UP: Final = 600.0
_LOOK_AGAIN: Final = 0.2


@asynccontextmanager
async def copies_remover(pool: Pool, dsn: str) -> AsyncIterator[Callable[[UserId], Awaitable[None]]]:
    """Give a function that removes all copies of one person, by the ordinary command, as if he had left himself.

    It looks at the inbox when that has taken in all that is in the log: an engine runs meanwhile, unless a server's
    does the work already.
    """
    inbox = load("inbox")
    async with Presence(dsn), await Store.open(pool) as store:
        engine = Engine(pool, dsn, store)
        await engine.start()
        try:

            async def remove(person: UserId) -> None:
                async with pool.acquire() as conn:
                    heads = await read.heads(conn)
                try:
                    async with asyncio.timeout(_CATCH_UP):
                        for partition, position in enumerate(heads):
                            while not await engine.wait(partition, position):  # noqa: ASYNC110 - it answers at once
                                await asyncio.sleep(_LOOK_AGAIN)
                except TimeoutError as error:
                    raise Busy("The inbox does not keep up with the log; see convstore status.") from error
                rows = await pool.fetch(inbox.queries.conversations_of, person)
                commands = [
                    RemoveParticipant(
                        conversation_id=Uid(row["conversation_id"]), actor=Actor(id=person), participant=person
                    )
                    for row in rows
                ]
                for first in range(0, len(commands), _AT_ONCE):
                    await handle_many(
                        store, engine, commands[first : first + _AT_ONCE], Meta(causation="left the directory")
                    )

            yield remove
        finally:
            await engine.stop()
