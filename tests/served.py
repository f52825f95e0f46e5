"""``convstore`` in a process of its own, as an operator runs it: a command to its end, or a server for a while."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_PATIENCE = 90.0  # seconds that a server may take to come up on a busy machine
_STOPS_WITHIN = 40.0
# Below those that systems take for outgoing connections; processes of one suite begin apart from each other.
_ports = (15_000 + (os.getpid() * 137 + 3 * n) % 15_000 for n in itertools.count())


def environment() -> dict[str, str]:
    """Give this process's environment without what is set for convstore: what is tested is what the command says."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CONVSTORE_")}


def free_port(in_a_row: int = 1) -> int:
    """Give the first of so many ports that nobody listens on.

    They are none that the system would give to another connection before they are used, or between two uses.
    """
    for first in _ports:
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + in_a_row):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError


def convstore(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
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
    """A server that runs; ``url`` is its API's, ``log`` the file that it writes its lines to."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def address(self) -> str:
        """Host and port, as documents print it."""
        return f"localhost:{urlsplit(self.url).port}"

    def lines(self) -> list[dict[str, object]]:
        """Give what it has logged; a line that is still being written is none yet."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def stop(self) -> int:
        """Tell it to stop, and wait until it has."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOPS_WITHIN)


@contextmanager
def serving(folder: Path, *options: str, command: Sequence[str] | None = None) -> Iterator[Served]:
    """Run a server in a folder, on a free port, until the end of the block, where it must stop in good order.

    By default it is ``convstore serve`` with these options and its data in ``data``; or any command that serves.
    """
    chosen = command or [sys.executable, "-m", "convstore", "serve", "--data-dir", "data"]
    log = folder / f"serve-{time.monotonic_ns()}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen([*chosen, "--port", "0", *options], cwd=folder, stderr=stderr, env=environment())
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
        assert process.poll() is not None or 0 == served.stop(), log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
