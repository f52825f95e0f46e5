"""A server process that only writes: replies to the given conversations, and tells which messages were acknowledged."""

import asyncio
import sys

import msgspec

from convstore.database import open_pool
from convstore.domain.uid import Uid, new_uid
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import ANN, reply

_WRITERS = 8


async def main(dsn: str, times: int, uids: list[Uid]) -> None:
    async with await open_pool(dsn, size=12) as pool, await Store.open(pool) as store:

        async def writer(number: int) -> list[Uid]:
            messages = []
            for i in range(times):
                message = new_uid()
                await store.submit(
                    [reply(conversation=uids[(number + i) % len(uids)], message=message)], Meta(actor=ANN)
                )
                messages.append(message)
            return messages

        written = await asyncio.gather(*(writer(number) for number in range(_WRITERS)))
    sys.stdout.write(msgspec.json.encode([message for messages in written for message in messages]).decode())


asyncio.run(main(sys.argv[1], int(sys.argv[2]), [Uid(uid) for uid in sys.argv[3:]]))
