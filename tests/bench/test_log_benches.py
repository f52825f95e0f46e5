"""A tiny run of each script about the log, so that none rots: it asserts its result and prints its line."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.skipif(not BENCH.is_dir(), reason="the scripts are in the checkout only")
@pytest.mark.parametrize(
    ("script", "arguments", "figure"),
    [
        ("append.py", ["--writers", "3", "--batch", "2", "--partitions", "2", "--seconds", "0.5"], "events_per_s"),
        ("read.py", ["--events", "2000"], "chain_checked_per_s"),
        ("transfer.py", ["--events", "2000"], "imported_per_s"),
        ("cold.py", ["--participants", "50000", "--messages", "3000", "--times", "1"], "to_messages"),
    ],
)
async def test_it_runs_and_prints_one_line(server: str, script: str, arguments: list[str], figure: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BENCH / script),
        *arguments,
        "--dsn",
        server,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    told, _ = await process.communicate()
    assert 0 == process.returncode
    assert figure in msgspec.json.decode(told)
