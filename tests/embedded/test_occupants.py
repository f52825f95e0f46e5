from pathlib import Path

import pytest

from convstore.embedded import occupants


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc with one process in it, whose current directory may not be looked at."""
    process = tmp_path / "proc" / "17"
    process.mkdir(parents=True)
    (tmp_path / "proc" / "self").mkdir()
    (tmp_path / "proc" / "self" / "comm").write_text("python3\n")
    (process / "comm").write_text("postgres\n")
    (process / "cmdline").write_bytes(b"postgres: convstore-1234: walwriter \0")
    look = Path.stat

    def forbidden(path: Path, **options: bool) -> object:
        if path.name == "cwd":
            raise PermissionError
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", forbidden)
    monkeypatch.setattr(occupants, "_PROC", tmp_path / "proc")
    return process


def test_where_the_directory_is_hidden_the_title_decides(proc: Path) -> None:
    assert [17] == occupants.occupants(proc, "convstore-1234")
    assert [] == occupants.occupants(proc, "convstore-5678")


def test_an_operators_shell_in_the_directory_is_no_server(proc: Path) -> None:
    (proc / "comm").write_text("bash\n")
    assert [] == occupants.occupants(proc, "convstore-1234")


def test_nobody_is_in_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    assert [] == occupants.occupants(tmp_path / "pg", "convstore-1234")
