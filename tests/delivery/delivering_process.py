"""A server process with delivery and nothing else, to be killed: ``python delivering_process.py DSN PORT FOLDER``."""

import asyncio
import sys
from pathlib import Path

from mailroom import mailing, process
from post import Post


async def main(dsn: str, port: int, folder: Path) -> None:
    """Deliver until killed."""
    async with process(dsn, mailing(Post(port=port)), folder):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
