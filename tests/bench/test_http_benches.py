"""A tiny run of the scripts about lists, so that they do not rot: they assert and print their line."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("list_inbox.py", ("--conversations", "500", "--seconds", "0.1", "--clients", "2")),
        ("as_of.py", ("--conversations", "500", "--events", "200", "--rounds", "2")),
    ],
)
@pytest.mark.slow
@pytest.mark.skipif(not BENCH.is_dir(), reason="the scripts are in the checkout only")
async def test_it_runs_and_prints_one_line(server: str, script: str, arguments: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BENCH / script),
        *(*arguments, "--dsn", server),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    told, _ = await process.communicate()
    assert 0 == process.returncode
    assert 500 == msgspec.json.decode(told)["conversations"]
