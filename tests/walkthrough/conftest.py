"""The README's server, running on a fresh folder."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
_PATIENCE = 90.0  # seconds that a server may take to come up on a busy machine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which the README's relative names mean this installation and a fresh data folder."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / ".venv" / "bin").mkdir(parents=True)
    command = folder / ".venv" / "bin" / "convstore"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m convstore "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """Run the README's serve command on a free port; give the address."""
    port = free_port()
    serve = next(line for line in README.read_text("utf-8").splitlines() if "convstore serve --demo" in line)
    command = [*serve.partition("&& ")[2].partition("&& ")[2].split(), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSTORE_")}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stderr=log, env=environment)
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
