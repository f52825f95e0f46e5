"""What a document prints, run as it is printed: each line in one shell, and its answer as it is shown."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PRINTED_AT = "localhost:8080"
_SEPARATOR = "=== end of answer ==="
_PATIENCE = 90.0  # seconds that a server may take to come up on a busy machine


def steps(text: str) -> list[tuple[str, str | None]]:
    """Give the commands of a text's ``sh`` blocks, and what each answer must match (None: nothing is said of it)."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    found: list[tuple[str, str | None]] = []
    for line in lines:
        if line.startswith("# → "):
            found[-1] = (found[-1][0], line.removeprefix("# → "))
        else:
            found.append((line, None))
    return found


def check(printed: list[tuple[str, str | None]], server: str, folder: Path) -> None:
    """Run the commands in a folder, against a server, and compare what they answer."""
    script = "\n".join(f"{command.replace(_PRINTED_AT, server)}\necho; echo '{_SEPARATOR}'" for command, _ in printed)

    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input=script, capture_output=True, text=True, cwd=folder, check=False
    )

    assert 0 == done.returncode, done.stderr
    for (command, expected), answer in zip(printed, done.stdout.split(_SEPARATOR), strict=False):
        if expected is not None:
            pattern = ".*".join(re.escape(part) for part in expected.split("…"))
            assert re.fullmatch(pattern, answer.strip(), re.DOTALL), f"{command}\nanswered\n{answer}\nnot\n{expected}"


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: str, folder: Path) -> Iterator[str]:
    """Run a printed serve command in a folder, on a free port, until the end of the block; give the address."""
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
