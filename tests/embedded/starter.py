"""A program with an embedded server that tests may kill: starts it, writes rows, says each row that was acknowledged.

python starter.py FOLDER start|write|thread|fork [WRITERS]
"""

import asyncio
import itertools
import os
import sys
import threading
import time

import asyncpg
import structlog

from convstore.embedded import Cluster


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201  # the tests read it  # the tests read it


async def keep(conn: asyncpg.Connection, ids: "itertools.count[int]") -> None:
    for number in ids:
        await conn.execute("INSERT INTO kept (id, filler) VALUES ($1, repeat('x', 200))", number)
        say("kept", number)


async def main(folder: str, what: str, writers: int) -> None:
    began = time.monotonic()
    cluster = await Cluster(folder).start()
    took_ms = round((time.monotonic() - began) * 1000)
    if what == "fork" and os.fork() == 0:
        sys.stdin.read()  # a worker that outlives its parent
        os._exit(0)
    say("ready", cluster.pid, took_ms, cluster.dsn())
    if what == "write":
        conns = [await asyncpg.connect(cluster.dsn()) for _ in range(writers)]
        await conns[0].execute("CREATE TABLE IF NOT EXISTS kept (id bigint PRIMARY KEY, filler text NOT NULL)")
        ids = itertools.count(1 + await conns[0].fetchval("SELECT coalesce(max(id), 0) FROM kept"))
        await asyncio.gather(*(keep(conn, ids) for conn in conns))
    await asyncio.to_thread(sys.stdin.read)
    await cluster.stop()
    say("stopped")


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _, folder, what, *rest = sys.argv
    program = main(folder, what, int(rest[0]) if rest else 1)
    if what == "thread":
        thread = threading.Thread(target=asyncio.run, args=(program,))
        thread.start()
        thread.join()
    else:
        asyncio.run(program)
