"""The README's server, running on a fresh folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from printed import serving

README = Path(__file__).parents[2] / "README.md"


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
    serve = next(line for line in README.read_text("utf-8").splitlines() if "convstore serve --demo" in line)
    with serving(folder, command=serve.partition("&& ")[2].partition("&& ")[2].split()) as served:
        yield served.address
