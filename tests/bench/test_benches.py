"""A tiny run of each script that no other test runs: it asserts its result and prints one line. None is left out."""

import asyncio
import os
import re
import sys
from pathlib import Path

import msgspec
import pytest

BENCH = Path(__file__).parents[2] / "bench"
TESTS = Path(__file__).parents[1]
HELPERS = {"all", "common", "serving"}
# Each of these people has to log in.
FEW = ("--people", "5", "--conversations", "9")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BENCH.is_dir(), reason="the scripts are in the checkout only"),
]


@pytest.mark.parametrize(
    ("script", "arguments", "figure"),
    [
        ("rebuild.py", ["--events", "500"], "per_s"),
        ("rebuild_load.py", [*("--events", "500", "--seconds", "0.3", "--clients", "2"), *FEW], "rebuilt_per_s"),
        ("mark_read.py", ["--participants", "500", "--readers", "100"], "large_to_small"),
        ("fan_out.py", ["--people", "20"], "to_20"),
        ("unread.py", ["--unread", "200", "--seconds", "0.1"], "p99_ms"),
        ("mark_all_read.py", ["--unread", "300", "--counts", "5"], "counts_p99_ms"),
        ("poll.py", ["--conversations", "50", "--seconds", "0.1", "--followers", "3"], "poll_to_list"),
        ("feed.py", ["--rate", "100", "--seconds", "0.3", "--followers", "5", "--idle", "0.1", *FEW], "lag_p99_ms"),
        ("push.py", ["--events", "200", "--conversations", "20"], "pushed_per_s"),
        ("reply.py", ["--seconds", "0.2", "--rounds", "1", *FEW], "per_s"),
        ("delivery.py", ["--people", "40"], "mails_per_s"),
        ("memory.py", ["--events", "500", "--participants", "200", "--seconds", "0.2", *FEW], "memory_mb"),
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


def test_every_script_is_run_by_some_test_and_by_make_bench() -> None:
    scripts = {script.stem for script in BENCH.glob("*.py")} - HELPERS
    tests = "".join(test.read_text("utf-8") for test in TESTS.rglob("test_*.py"))
    assert set() == {script for script in scripts if f"{script}.py" not in tests}
    listed = (BENCH / "all.py").read_text("utf-8")
    assert set() == scripts - set(re.findall(r'"(\w+)\.py"', listed))


async def test_one_that_fails_makes_the_whole_run_fail(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BENCH / "all.py"),
        *("--only", "fan_out", "--dsn", "postgresql://nobody@127.0.0.1:1/nowhere"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    told, errors = await process.communicate()
    assert 1 == process.returncode
    assert b"" == told
    assert b"fan_out.py" in errors
