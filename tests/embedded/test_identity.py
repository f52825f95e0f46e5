import os
import pwd
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from convstore.embedded import THROWAWAY, Binaries, Cluster, FolderUnusable, NoIdentity, find
from convstore.embedded import identity as who
from convstore.embedded.folder import Folder
from convstore.embedded.occupants import occupants
from embedded.started import Start

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can take on another identity")
ordinary_only = pytest.mark.skipif(os.getuid() == 0, reason="root owns or may read everything")


def runs_as(pid: int | None) -> int:
    """The uid of a process as seen from here."""
    return Path(f"/proc/{pid}").stat().st_uid


def modes_above(path: Path) -> dict[Path, tuple[int, int, int]]:
    return {p: ((s := p.stat()).st_mode, s.st_uid, s.st_gid) for p in path.parents}


def everybody_reaches(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user can enter; pytest's own are private."""
    place = Path(tempfile.mkdtemp(prefix="convstore-test-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Docker, whose default seccomp profile forbids them."""
    monkeypatch.setattr(who, "_namespaces", lambda: iter(()))


async def once(folder: Path, binaries: Binaries | None = None) -> int:
    """Start, ask, stop: the uid of the server."""
    async with Cluster(folder, binaries=binaries, settings=THROWAWAY) as cluster:
        conn = await asyncpg.connect(cluster.dsn())
        assert 1 == await conn.fetchval("SELECT 1")
        await conn.close()
        assert occupants(folder / "pg", Folder(folder).mark)
        return runs_as(cluster.pid)


@ordinary_only
async def test_an_ordinary_user_runs_it_alone(data_dir: Path) -> None:
    assert os.getuid() == await once(data_dir)


@root_only
async def test_root_in_a_namespace_keeps_its_files_private(tmp_path: Path) -> None:
    if not isinstance(next(who._namespaces(), None), who.Identity):
        pytest.skip("no user but root")
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    before = modes_above(private / "data")
    await once(private / "data")
    assert before == modes_above(private / "data")
    if (private / "data" / "pg").stat().st_uid != 0:
        pytest.skip("this system forbids user namespaces")
    assert 0o700 == stat.S_IMODE((private / "data").stat().st_mode)


@root_only
async def test_root_without_namespaces_gives_the_cluster_to_another_user(open_place: Path, no_namespaces: None) -> None:
    folder = open_place / "data"
    before = modes_above(folder)
    server = await once(folder)
    assert server != 0
    assert server == (folder / "pg").stat().st_uid == (folder / "run").stat().st_uid
    assert server == await once(folder)
    assert before == modes_above(folder)
    # The folder stays root's, who writes there; the group may pass, and nobody else.
    assert (0, 0o710) == ((found := folder.stat()).st_uid, stat.S_IMODE(found.st_mode))


@root_only
async def test_a_cluster_of_an_ordinary_user_is_run_by_that_user(open_place: Path, no_namespaces: None) -> None:
    folder = open_place / "data"
    server = await once(folder)
    with pytest.MonkeyPatch.context() as undone:
        undone.setattr(who, "_namespaces", lambda: pytest.fail("not even tried"))
        assert server == await once(folder)


@root_only
async def test_roots_cluster_is_handed_over_when_namespaces_go(
    open_place: Path, made_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(made_before, open_place / "data")
    monkeypatch.setattr(who, "_namespaces", lambda: iter(()))
    server = await once(folder)
    assert server != 0
    assert {server} == {p.lstat().st_uid for p in (folder / "pg").rglob("*")}


@root_only
async def test_programs_in_a_private_place_are_copied_beside_the_data(open_place: Path, no_namespaces: None) -> None:
    wheel = next((b for b in find() if b.libs), None)
    if wheel is None or wheel.libs is None:
        pytest.skip("no wheel with libraries of its own")
    private = open_place / "root"
    private.mkdir(mode=0o700)
    prefix = wheel.bindir.parent
    shutil.copytree(prefix, private / prefix.relative_to(wheel.root), symlinks=True)
    shutil.copytree(wheel.libs, private / wheel.libs.name)
    hidden = replace(
        wheel, root=private, bindir=private / wheel.bindir.relative_to(wheel.root), libs=private / wheel.libs.name
    )
    folder = open_place / "data"
    assert 0 != await once(folder, hidden)
    assert (folder / f"programs-{wheel.version}").is_dir()
    assert 0 != await once(folder, hidden)
    assert 0o700 == stat.S_IMODE(private.stat().st_mode)


@root_only
async def test_a_data_folder_that_nobody_can_reach_is_explained(tmp_path: Path, no_namespaces: None) -> None:
    before = modes_above(tmp_path / "data")
    with pytest.raises(NoIdentity, match=r"data folder cannot be entered.*--data-dir /var/lib/convstore"):
        await Cluster(tmp_path / "data").start()
    assert before == modes_above(tmp_path / "data")


@root_only
async def test_a_start_by_an_ordinary_user(open_place: Path, start: Start) -> None:
    user = pwd.getpwnam("nobody")
    if not everybody_reaches(Path(sys.executable)) or not everybody_reaches(Path(__file__)):
        pytest.skip("that user cannot run this Python")
    os.chown(open_place, user.pw_uid, user.pw_gid)
    owner = start(open_place / "data", "start", user="nobody")
    assert user.pw_uid == runs_as(owner.server)
    conn = await asyncpg.connect(owner.dsn)
    assert 1 == await conn.fetchval("SELECT 1")
    await conn.close()
    owner.process.communicate("", timeout=20)
    assert 0 == owner.process.returncode


@ordinary_only
async def test_a_cluster_that_one_may_not_read_is_refused(data_dir: Path) -> None:
    (data_dir / "pg").chmod(0)
    try:
        with pytest.raises(FolderUnusable, match="belongs to another user"):
            await Cluster(data_dir).start()
    finally:
        (data_dir / "pg").chmod(0o700)
