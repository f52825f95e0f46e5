"""A tiny run of the script about catching up, so that it does not rot: it asserts and prints its line."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.skipif(not BENCH.is_dir(), reason="the scripts are in the checkout only")
@pytest.mark.parametrize("partitions", [1, 3])
async def test_it_runs_and_prints_one_line(server: str, partitions: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BENCH / "catch_up.py"),
        *("--events", "3000", "--partitions", str(partitions), "--dsn", server),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    told, _ = await process.communicate()
    assert 0 == process.returncode
    assert 3_000 == msgspec.json.decode(told)["events"]
