"""Append beside the peers that install: ``eventsourcing`` (PyPI) and ``@event-driven-io/emmett-postgresql`` (npm).

    python bench/peers/compare.py [--writers 1 --writers 16 --writers 64] [--batch 1 --batch 100] [--seconds 3]

All on one server, in turns, with events of the same size, each with the version that it expects. The peers get a
database of their own and their packages in a folder that is deleted afterwards (or kept, with ``--packages``). Ours
decides by the rules of conversations, hashes the chain and keeps exact order besides; every other store here keeps the
version of a stream and an order over all.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg
from msgspec import Struct

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from append import seed, write  # noqa: E402 - from the folder above
from common import fresh_store, report, run, server  # noqa: E402

from convstore.database import connect, open_pool  # noqa: E402
from convstore.log.store import Store  # noqa: E402

_PYPI = "eventsourcing[postgres]==9.5.6"
_NPM = (
    "@event-driven-io/emmett-postgresql@0.42.0",
    "@event-driven-io/emmett@0.42.0",
    "@event-driven-io/pongo@0.16.11",
)


async def call(*command: str, cwd: Path | None = None) -> str:
    """Run a command, and give what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": ""},
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"{command[:2]} failed: {err.decode()[-2000:]}"
    return out.decode()


async def install(folder: Path) -> None:
    """Install the peers, unless they are there."""
    if not (folder / "python").exists():
        await call(sys.executable, "-m", "venv", str(folder / "python"))
        await call(str(folder / "python/bin/pip"), "install", "--quiet", _PYPI)
    if not (folder / "node_modules").exists():
        (folder / "package.json").write_text('{"private": true}')
        await call("npm", "install", "--silent", "--no-audit", "--no-fund", *_NPM, cwd=folder)


async def ours(dsn: str, writers: int, batch: int, seconds: float) -> tuple[int, float, int]:
    """Append to convstore's log; give events, seconds, and the bytes of an event."""
    async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
        uids = await seed(store)
        await write(store, uids, writers, batch, min(0.5, seconds))
        began = time.perf_counter()
        events, _ = await write(store, uids, writers, batch, seconds)
        took = time.perf_counter() - began
    conn = await connect(dsn, role=None)
    size = await conn.fetchval(
        "SELECT round(avg(octet_length(data::text) + octet_length(meta::text)))::int FROM event"
        " WHERE type = 'message-posted' AND version > 3"
    )
    await conn.close()
    return events, took, size


class Task(Struct, frozen=True):
    """What a peer is to do: writers, events in one append, seconds, bytes of an event."""

    writers: int
    batch: int
    seconds: float
    size: int

    def words(self) -> list[str]:
        """Give it as arguments of a command."""
        return [str(self.writers), str(self.batch), str(self.seconds), str(self.size)]


Peer = Callable[[Path, str, Task], Awaitable[str]]


async def eventsourcing(folder: Path, dsn: str, task: Task) -> str:
    """Run the Python peer, and give what it printed."""
    parts = urlsplit(dsn)
    host = parts.hostname or parse_qs(parts.query)["host"][0]
    address = [host, str(parts.port or 5432), parts.username or "postgres", parts.path.lstrip("/")]
    python = str(folder / "python/bin/python")
    return await call(python, str(HERE / "eventsourcing_append.py"), *address, *task.words())


async def emmett(folder: Path, dsn: str, task: Task) -> str:
    """Run the Node peer, and give what it printed."""
    parts = urlsplit(dsn)
    if not parts.hostname:
        # node-pg wants some host before the query, where the folder of the socket stands and goes first.
        dsn = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[0] + "@localhost"))
    return await call("node", str(HERE / "emmett_append.mjs"), dsn, *task.words(), cwd=folder)


async def rate_of(peer: Peer, folder: Path, server_dsn: str, task: Task) -> float:
    """Give a peer a database of its own, and its events per second."""
    name = f"bench_peer_{secrets.token_hex(6)}"
    conn = await asyncpg.connect(server_dsn)
    try:
        await conn.execute(f"CREATE DATABASE {name}")
        told = await peer(folder, urlunsplit(urlsplit(server_dsn)._replace(path="/" + name)), task)
        result = json.loads(told.strip().splitlines()[-1])
        return float(result["events"] / result["seconds"])
    finally:
        await conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await conn.close()


async def main() -> None:
    """Measure as the arguments say; one line for each number of writers and size of a batch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--writers", type=int, action="append", help="may be given several times; 1, 16 and 64")
    parser.add_argument("--batch", type=int, action="append", help="events in one append; may be repeated; 1 and 100")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each store")
    parser.add_argument("--packages", type=Path, help="folder to keep the peers' packages in")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it an embedded one, fsync on")
    args = parser.parse_args()
    kept = args.packages is not None
    folder = args.packages or Path(tempfile.mkdtemp(prefix="convstore-peers-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        await install(folder)
        async with fresh_store(args.dsn) as dsn:
            owner = await connect(dsn, role=None)
            for batch in args.batch or [1, 100]:
                for writers in args.writers or [1, 16, 64]:
                    events, took, size = await ours(dsn, writers, batch, args.seconds)
                    rate = events / took
                    task = Task(writers, batch, args.seconds, size)
                    python = await rate_of(eventsourcing, folder, dsn, task)
                    node = await rate_of(emmett, folder, dsn, task)
                    report(
                        bench="peers",
                        writers=writers,
                        batch=batch,
                        bytes_of_an_event=size,
                        convstore_per_s=round(rate),
                        eventsourcing_per_s=round(python),
                        emmett_per_s=round(node),
                        to_eventsourcing=round(rate / python, 2),
                        to_emmett=round(rate / node, 2),
                        peers=[_PYPI, _NPM[0]],
                        **await server(owner),
                    )
            await owner.close()
    finally:
        if not kept:
            shutil.rmtree(folder)


if __name__ == "__main__":
    run(main)
