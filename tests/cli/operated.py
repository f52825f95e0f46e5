"""``convstore serve`` in a process of its own, as an operator runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 90.0  # seconds that a server may take to come up on a busy machine


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CONVSTORE_")}


def convstore(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "convstore", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment(),
        timeout=60,
    )


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    """Run the server on a free port until the block ends; its log lines are read from a file."""
    log = folder / f"serve-{time.monotonic_ns()}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "convstore", "serve", "--data-dir", str(folder / "data"), "--port", "0", *options],
            stderr=stderr,
            env=environment(),
        )
    served = Served(process, "", log)
    try:
        until = time.monotonic() + _PATIENCE
        while not served.url:
            ready = [line for line in served.lines() if line["event"] == "server.ready"]
            if ready:
                served.url = str(ready[0]["url"])
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield served
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
