"""DHIS2's own and other people's clients, as they come from the registries, against a server with the demo.

Each script lists, reads, sends, replies and marks through one client, and checks what the client makes of the answers.
Where there is no network these are skipped; in CI that is a failure.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from served import serving

HERE = Path(__file__).parent
IN_CI = os.environ.get("CI", "").lower() == "true"
_INSTALL = 60.0  # seconds
_RUN = 30.0

pytestmark = pytest.mark.slow


def run(command: Sequence[str | Path], folder: Path, seconds: float) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, as an ordinary user would: with nothing of what is set for this project's own tools."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PIP_CONSTRAINT", "PYTHONPATH")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )


def install(*commands: Sequence[str | Path], folder: Path) -> None:
    """Run the commands that install clients; where they cannot be had, nothing can be tried with them."""
    for command in commands:
        try:
            done = run(command, folder, _INSTALL)
            failure = done.stderr if done.returncode else ""
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            failure = str(error)
        if failure and IN_CI:
            pytest.fail(f"{command[0]}: {failure}")
        if failure:
            pytest.skip(f"{command[0]} cannot install the clients here")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a Python that has the clients written in it."""
    folder = tmp_path_factory.mktemp("python-clients")
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    install(
        [sys.executable, "-m", "venv", "--without-pip", folder / "venv"],
        [*pip, "install", "--quiet", "--no-deps", "-r", HERE / "requirements.txt"],
        folder=folder,
    )
    return python


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the clients written in JavaScript, and the scripts."""
    folder = tmp_path_factory.mktemp("node-clients")
    for file in (*HERE.glob("package*.json"), *HERE.glob("*.cjs")):
        shutil.copy(file, folder)
    # Their install scripts are not needed, and are nobody's we know.
    install(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], folder=folder)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a server with the demo."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "--demo") as served:
        yield f"http://{served.address}"


@pytest.mark.parametrize("script", sorted(path.name for path in HERE.glob("with_*.py")))
def test_a_client_in_python_can_do_its_work(python: Path, server: str, script: str) -> None:
    done = run([python, HERE / script, server], python.parent, _RUN)

    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("script", sorted(path.name for path in HERE.glob("with_*.cjs")))
def test_a_client_in_javascript_can_do_its_work(node_folder: Path, server: str, script: str) -> None:
    done = run(["node", script, server], node_folder, _RUN)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_where_clients_cannot_be_had_only_ci_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ([tmp_path / "no-such-command"], [sys.executable, "-c", "raise SystemExit('no network')"]):
        for in_ci, outcome in ((True, pytest.fail.Exception), (False, pytest.skip.Exception)):
            monkeypatch.setattr(sys.modules[__name__], "IN_CI", in_ci)
            with pytest.raises(outcome):
                install(command, folder=tmp_path)
