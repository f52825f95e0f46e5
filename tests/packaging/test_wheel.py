"""The wheel carries what lies at the top of the tree, and works away from it."""

import os
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

import convstore
from convstore.http.front import assets
from convstore.migrate import migrations
from convstore.projections import discover

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    if not (ROOT / "src").is_dir():
        pytest.skip("runs on a checkout: here the wheel itself is under test")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_every_migration_and_every_read_model(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())

    for migration in (ROOT / "migrations").glob("*.sql"):
        assert f"convstore/migrations/{migration.name}" in names
    for file in (ROOT / "projections").rglob("*.*"):
        if "__pycache__" not in file.parts:
            assert f"convstore/projections/{file.relative_to(ROOT / 'projections')}" in names


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    tracked = subprocess.run(["git", "ls-files", "src/convstore"], cwd=ROOT, check=True, capture_output=True, text=True)

    assert {name.removeprefix("src/") for name in tracked.stdout.split()} <= set(wheel.namelist())


def test_migrations_and_read_models_are_found() -> None:
    assert "0001_log" in [migration.name for migration in migrations()]
    assert {"inbox", "thread"} <= {projection.name for projection in discover()}


def test_the_web_page_is_found() -> None:
    assert "index.html" in assets()


@pytest.mark.skipif("CONVSTORE_TEST_WHEEL" not in os.environ, reason="asks whether the wheel is what runs")
def test_the_suite_runs_on_the_installed_wheel() -> None:
    assert "site-packages" in str(files(convstore))


def test_the_command_says_its_version() -> None:
    said = subprocess.run([sys.executable, "-m", "convstore", "--version"], check=True, capture_output=True, text=True)

    assert convstore.__version__ == said.stdout.strip()
