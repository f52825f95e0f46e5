"""The README's walkthrough, run as it is printed: a server on a fresh folder, then each line in one shell."""

import os
import re
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
_PRINTED_AT = "localhost:8080"
_PATIENCE = 90.0  # seconds that a server may take to come up on a busy machine

pytestmark = [pytest.mark.wheel, pytest.mark.slow]


def walkthrough() -> list[tuple[str, str | None]]:
    """Give the section's lines: a command, and what its answer must match (None: nothing is said of it)."""
    section = README.read_text("utf-8").partition("## Walkthrough")[2].partition("\n## ")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]
    steps: list[tuple[str, str | None]] = []
    for line in lines:
        if line.startswith("# → "):
            steps[-1] = (steps[-1][0], line.removeprefix("# → "))
        else:
            steps.append((line, None))
    return steps


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


def test_every_line_answers_what_the_readme_says(server: str, folder: Path) -> None:
    steps = walkthrough()
    separator = "=== end of answer ==="
    script = "\n".join(f"{command.replace(_PRINTED_AT, server)}\necho; echo '{separator}'" for command, _ in steps)

    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input=script, capture_output=True, text=True, cwd=folder, check=False
    )

    assert 0 == done.returncode, done.stderr
    answers = done.stdout.split(separator)
    for (command, expected), answer in zip(steps, answers, strict=False):
        if expected is not None:
            pattern = ".*".join(re.escape(part) for part in expected.split("…"))
            assert re.fullmatch(pattern, answer.strip(), re.DOTALL), f"{command}\nanswered\n{answer}\nnot\n{expected}"
