"""A server process that pushes to webhooks and does nothing else, to be killed: ``pushing_process.py DSN``."""

import asyncio
import sys

from receiver import LOOPBACK

from convstore.config import WebhookSettings
from convstore.database import open_pool
from convstore.directory import Directory
from convstore.engine import Engine
from convstore.log.store import Store
from convstore.webhook import service
from convstore.webhook.service import Webhooks


async def main(dsn: str) -> None:
    """Push until killed."""
    service._LOOK = 0.2  # type: ignore[misc]  # a new one begins soon
    async with await open_pool(dsn, size=8) as pool:
        store = await Store.open(pool)
        directory = Directory(pool)
        await directory.start()
        engine = Engine(pool, dsn, store)
        await engine.start()
        webhooks = Webhooks(
            dsn,
            pool,
            store=store,
            directory=directory,
            engine=engine,
            settings=WebhookSettings(webhook_networks=LOOPBACK, webhook_retry_seconds=0.1),
        )
        await webhooks.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
