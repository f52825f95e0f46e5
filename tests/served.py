"""A server that a command starts, in a process of its own, for as long as it is looked at from outside."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 90.0  # seconds that a server may take to come up on a busy machine


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: str, folder: Path) -> Iterator[str]:
    """Run a serve command in a folder, on a free port, until the end of the block; give the address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSTORE_")}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen([*command.split(), "--port", str(port)], cwd=folder, stderr=log, env=environment)
    try:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health/live", timeout=5).close()
                break
            except OSError:
                said = (folder / "serve.log").read_text()
                assert process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
