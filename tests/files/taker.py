"""A server process that takes a file for a message and stops there, to be killed: before it is posted, or after."""

import asyncio
import sys
from pathlib import Path

from convstore.database import open_pool
from convstore.files.service import Files
from convstore.files.storage import open_storage
from convstore.log.recorded import Meta
from convstore.log.store import Store
from words import ANN, BOB, CONVERSATION, MESSAGE, send_message


async def main(dsn: str, folder: Path, file: str, *, posts: bool) -> None:
    async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
        files = Files(pool, open_storage("", folder), limit=1_000, partition_of=store.partition_of)
        async with files.attaching([file], owner=ANN, conversation_id=CONVERSATION, message_id=MESSAGE) as attachments:
            if posts:
                await store.submit([send_message(BOB, attachments=attachments)], Meta(actor=ANN))
            print("here", flush=True)  # noqa: T201 - what the test waits for
            await asyncio.Event().wait()


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], posts=sys.argv[4] == "posted"))
