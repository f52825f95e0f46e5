"""The bench of searches still runs, and finds what it says; how fast is told by the bench itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_bench_of_searches_runs(server: str) -> None:
    script = ROOT / "bench" / "search.py"
    arguments = ["--conversations", "50", "--others", "10", "--rounds", "2", "--dsn", server]
    run = subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert 0 == run.returncode, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    found = {name: searched["found"] for name, searched in told["searches"].items()}
    assert {"common": 50, "frequent": 5, "rare": 1, "none": 0, "two words": 1} == {
        name: found[name] for name in ("common", "frequent", "rare", "none", "two words")
    }
