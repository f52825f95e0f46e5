"""Folders with a cluster that needs no initdb, and programs that own a server and may be killed."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convstore.embedded import THROWAWAY, Cluster
from embedded.started import Start, Started

STARTER = Path(__file__).with_name("starter.py")


@pytest.fixture(scope="session")
def made_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose cluster was made and stopped."""
    folder = tmp_path_factory.mktemp("embedded") / "data"

    async def make() -> None:
        async with Cluster(folder, settings=THROWAWAY):
            pass

    asyncio.run(make())
    return folder


@pytest.fixture
def data_dir(made_before: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test."""
    return shutil.copytree(made_before, tmp_path / "data")


@pytest.fixture
def start() -> Iterator[Start]:
    """Run ``starter.py`` until it says that its server is ready."""
    running: list[subprocess.Popen[str]] = []

    def run(folder: Path, *words: str, ready: bool = True, user: str | None = None) -> Started:
        process = subprocess.Popen(
            [sys.executable, str(STARTER), str(folder), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },  # the package we run, wheel or not
            user=user,
        )
        running.append(process)
        if not ready:
            return Started(process, 0, 0, "")
        assert process.stdout
        said = process.stdout.readline().split()
        if not said:
            raise AssertionError(process.communicate()[1])
        return Started(process, int(said[1]), int(said[2]), said[3])

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
