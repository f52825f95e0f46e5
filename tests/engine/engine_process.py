"""A process with an engine and nothing else, to be killed: ``python engine_process.py DSN``."""

import asyncio
import sys

from convstore.database import open_pool
from convstore.engine import Engine
from convstore.log.store import Store


async def main(dsn: str) -> None:
    """Carry events until killed."""
    async with await open_pool(dsn) as pool, await Store.open(pool) as store:
        engine = Engine(pool, dsn, store)
        await engine.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
