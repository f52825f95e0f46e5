"""Kill everything, start again at once, and look for every row that was acknowledged.

CONVSTORE_KILL_ROUNDS says how often, 50 before a release; CONVSTORE_KILL_MAJOR, on which PostgreSQL of those here.
``pytest -s`` shows the figures.
"""

import contextlib
import os
import random
import signal
import statistics
import threading
from pathlib import Path

import asyncpg
import pytest

from convstore.embedded import Cluster, find
from convstore.embedded.folder import Folder
from convstore.embedded.occupants import occupants
from embedded.started import Start, Started

ROUNDS = int(os.environ.get("CONVSTORE_KILL_ROUNDS", "3"))
MAJOR = os.environ.get("CONVSTORE_KILL_MAJOR")
WRITERS = 4


def kill_everything(owner: Started, folder: Path) -> None:
    """The program, the postmaster and its children, in no particular order, as an out-of-memory killer would."""
    pids = [owner.process.pid, *(occupants(folder / "pg", Folder(folder).mark) or [])]
    random.shuffle(pids)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * ROUNDS)
async def test_no_acknowledged_row_is_lost_and_every_restart_works(tmp_path: Path, start: Start) -> None:
    data_dir = tmp_path / "data"
    async with Cluster(data_dir, binaries=next(b for b in find() if MAJOR in (None, str(b.major)))) as made:
        version = made.version
    acknowledged: set[int] = set()
    took: list[int] = []
    for _ in range(ROUNDS):
        owner = start(data_dir, "write", str(WRITERS))
        took.append(owner.took_ms)
        conn = await asyncpg.connect(owner.dsn)
        found = {row["id"] for row in await conn.fetch("SELECT id FROM kept")} if acknowledged else set()
        await conn.close()
        assert set() == acknowledged - found
        killer = threading.Timer(random.uniform(0.2, 1.0), kill_everything, (owner, data_dir))
        killer.start()
        acknowledged |= {int(line.split()[1]) for line in owner.lines() if line.endswith("\n")}
        killer.join()
        owner.process.wait()
    assert acknowledged
    print(  # noqa: T201  # the figures of a release
        f"\npostgres={version} rounds={ROUNDS} restarts_ok={len(took)} "
        f"rows_acknowledged={len(acknowledged)} rows_lost=0 "
        f"restart_median_ms={statistics.median(took)} restart_worst_ms={max(took)}"
    )
