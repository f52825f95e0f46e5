"""A tiny run of the script about lists, so that it does not rot: it asserts and prints its line."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.skipif(not BENCH.is_dir(), reason="the scripts are in the checkout only")
async def test_it_runs_and_prints_one_line(server: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BENCH / "list_inbox.py"),
        *("--conversations", "500", "--seconds", "0.3", "--clients", "2", "--dsn", server),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    told, _ = await process.communicate()
    assert 0 == process.returncode
    assert 500 == msgspec.json.decode(told)["conversations"]
