"""Export the log to a compressed file, check the file, and import it into an empty store.

    python bench/transfer.py [--events 100000] [--compression zst] [--dsn OWNER]

The memory is what the process has grown by from the first to the last event of export and import together.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from common import fresh_store, report, run, server
from read import seed

from convstore.database import connect, open_pool
from convstore.log.archive import compression_of
from convstore.log.create import facts
from convstore.log.export import Start, export
from convstore.log.importing import check, import_
from convstore.log.store import Store
from convstore.log.verify import verify


def _memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1_000_000 if sys.platform == "darwin" else 1_000)


async def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--compression", choices=("zst", "gz", "none"), default="zst")
    parser.add_argument("--dsn")
    args = parser.parse_args()
    name = f"log.ndjson.{args.compression}"
    compression = compression_of(name)
    async with fresh_store(args.dsn) as source, fresh_store(args.dsn) as target:
        async with await open_pool(source) as pool, await Store.open(pool) as store:
            await seed(store, args.events)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            conn = await connect(source, role="convstore_server")
            before = _memory_mb()
            began = time.perf_counter()
            with path.open("wb") as out:
                done = await export(conn, out, compression, await facts(conn), Start((0,)))
            exported = time.perf_counter() - began
            assert args.events == done.events
            await conn.close()
            began = time.perf_counter()
            with path.open("rb") as file:
                assert args.events == check(file, compression)
            checked = time.perf_counter() - began
            conn = await connect(target, role=None)
            began = time.perf_counter()
            with path.open("rb") as file:
                assert args.events == (await import_(conn, file, compression)).events
            imported = time.perf_counter() - began
            grown = _memory_mb() - before
            assert not (await verify(conn, texts=False)).findings
            report(
                bench="transfer",
                events=args.events,
                compression=args.compression,
                file_mb=round(path.stat().st_size / 1e6, 1),
                exported_per_s=round(args.events / exported),
                checked_per_s=round(args.events / checked),
                imported_per_s=round(args.events / imported),
                memory_grown_mb=round(grown),
                **await server(conn),
            )
            await conn.close()


if __name__ == "__main__":
    run(main)
