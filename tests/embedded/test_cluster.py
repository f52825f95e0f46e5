import asyncio
import fcntl
import os
import shlex
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from convstore.embedded import (
    THROWAWAY,
    Binaries,
    Cluster,
    EmbeddedError,
    FolderInUse,
    FolderUnusable,
    InitFailed,
    ServerFailed,
    Waiting,
    WrongMajor,
    attach,
    find,
)
from convstore.embedded import cluster as driver
from convstore.embedded.folder import SOCKET_PATH_LIMIT, Folder, take
from convstore.embedded.identity import choose
from convstore.embedded.occupants import occupants
from embedded.started import Start

INSTALLED = find()


async def ask(dsn: str, question: str) -> object:
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetchval(question)
    finally:
        await conn.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wrapped(tmp_path: Path, **scripts: str) -> Binaries:
    """The first installation with some of its programs replaced by shell scripts; {real} is the one replaced."""
    bindir = tmp_path / "wrapped" / "bin"
    bindir.mkdir(parents=True)
    bindir.parent.chmod(0o755)
    for name in ("postgres", "initdb"):
        real = INSTALLED[0].program(name)
        script = scripts.get(name, 'exec {real} "$@"').format(real=shlex.quote(real))
        (bindir / name).write_text(f"#!/bin/sh\n{script}\n")
        (bindir / name).chmod(0o755)
    return replace(INSTALLED[0], bindir=bindir, root=bindir.parent, libs=None)


async def test_an_empty_place_becomes_a_running_store(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    async with Cluster(folder) as cluster:
        assert cluster.version == find()[0].version
        async with asyncio.timeout(20):
            conn = await asyncpg.connect(cluster.dsn())
        assert "convstore" == await conn.fetchval("SELECT current_database()")
        assert "postgres" == await conn.fetchval(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        )
        settings = dict(await conn.fetch("SELECT name, setting FROM pg_settings"))
        query = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
        settings["datcollate"] = await conn.fetchval(query)
        await conn.close()
        expected = {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "datcollate": "C",
            "listen_addresses": "",
            "jit": "off",
            "TimeZone": "UTC",
            "max_connections": "100",
        }
        assert expected == {name: settings[name] for name in expected}
        assert [0o700, 0o700, 0o700] == [mode(folder), mode(folder / "pg"), mode(folder / "run")]
        assert 0o600 == mode(cluster.log_path)
    assert not (folder / "pg.new").exists()


@pytest.mark.parametrize("binaries", INSTALLED, ids=lambda b: f"{b.source}-{b.version}")
async def test_every_installation_here_makes_and_reopens_a_cluster(tmp_path: Path, binaries: Binaries) -> None:
    for expected in ("0", "1"):
        async with Cluster(tmp_path / "data", binaries=binaries, settings=THROWAWAY) as cluster:
            conn = await asyncpg.connect(cluster.dsn())
            await conn.execute("CREATE TABLE IF NOT EXISTS t (id int)")
            assert expected == str(await conn.fetchval("SELECT count(*) FROM t"))
            await conn.execute("INSERT INTO t VALUES (1)")
            assert (await conn.fetchval("SHOW server_version")).startswith(binaries.version)
            await conn.close()
    assert binaries.major == Folder(tmp_path / "data").major()


async def test_settings_can_be_overridden(data_dir: Path) -> None:
    async with Cluster(data_dir, settings={"fsync": "off", "work_mem": "7MB"}) as cluster:
        assert "off" == await ask(cluster.dsn(), "SHOW fsync")
        assert "7MB" == await ask(cluster.dsn(), "SHOW work_mem")


async def test_the_address_takes_another_role_and_database(data_dir: Path) -> None:
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        await ask(cluster.dsn(), 'CREATE ROLE "a reader" LOGIN')
        assert "a reader" == await ask(cluster.dsn(user="a reader", database="postgres"), "SELECT current_user")


async def test_the_users_own_variables_do_not_reach_the_server(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPORT", "PGDATA", "PGDATESTYLE", "LC_MESSAGES"):
        monkeypatch.setenv(name, "nonsense")
    assert not {name for name in driver._environment() if name.startswith(("PG", "LC_"))} - {"LC_ALL"}
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert cluster.pid
        assert os.getpgid(cluster.pid) not in {os.getpgid(0), os.getpgid(os.getppid())}


def test_it_outlives_the_loop_that_started_it(data_dir: Path) -> None:
    cluster = Cluster(data_dir, settings=THROWAWAY)
    asyncio.run(cluster.start())
    assert 1 == asyncio.run(ask(cluster.dsn(), "SELECT 1"))
    asyncio.run(cluster.stop())
    assert cluster.pid is None
    asyncio.run(cluster.start())
    assert 1 == asyncio.run(ask(cluster.dsn(), "SELECT 1"))
    asyncio.run(cluster.stop())


async def test_it_outlives_the_thread_that_started_it(data_dir: Path) -> None:
    cluster = Cluster(data_dir, settings=THROWAWAY)
    thread = threading.Thread(target=lambda: asyncio.run(cluster.start()))
    thread.start()
    thread.join()
    await asyncio.sleep(0.5)
    assert 1 == await ask(cluster.dsn(), "SELECT 1")
    await cluster.stop()


async def test_stopping_twice_or_never_started_is_nothing(data_dir: Path) -> None:
    cluster = Cluster(data_dir, settings=THROWAWAY)
    await cluster.stop()
    await cluster.start()
    await cluster.stop()
    await cluster.stop()


async def test_over_tcp_only_the_password_opens(tmp_path: Path) -> None:
    async with Cluster(tmp_path / "data", settings=THROWAWAY, tcp=True) as cluster:
        assert cluster.password
        assert 1 == await ask(cluster.dsn(), "SELECT 1")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(cluster.dsn().replace(cluster.password, "guess"), "SELECT 1")
        assert 0o600 == mode(tmp_path / "data" / "password")
    async with Cluster(tmp_path / "data", settings=THROWAWAY, tcp=True) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")


# Who owns a folder.


async def test_a_second_start_on_the_folder_is_refused(data_dir: Path) -> None:
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        with pytest.raises(FolderInUse, match=f"{data_dir} is in use by process {os.getpid()}") as refusal:
            await Cluster(data_dir).start()
        assert os.getpid() == refusal.value.pid
        with pytest.raises(EmbeddedError, match="already started"):
            await cluster.start()
        assert 1 == await ask(cluster.dsn(), "SELECT 1")


async def test_another_process_on_the_folder_is_named(data_dir: Path, start: Start) -> None:
    owner = start(data_dir, "start")
    with pytest.raises(FolderInUse, match=f"in use by process {owner.process.pid}"):
        await Cluster(data_dir).start()
    assert attach(data_dir) == owner.dsn
    assert 1 == await ask(owner.dsn, "SELECT 1")
    owner.process.communicate("", timeout=20)
    assert 0 == owner.process.returncode
    assert attach(data_dir) is None


async def test_there_is_nothing_to_attach_to_unless_somebody_holds_the_folder(data_dir: Path, tmp_path: Path) -> None:
    assert attach(tmp_path / "nowhere") is None
    assert not (tmp_path / "nowhere").exists()
    (data_dir / "convstore.dsn").write_text("postgresql://left.over/")
    assert attach(data_dir) is None
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert cluster.dsn() == attach(data_dir)
        assert 0o600 == mode(data_dir / "convstore.dsn")
    assert attach(data_dir) is None


async def test_a_look_at_the_lock_does_not_refuse_a_start(data_dir: Path) -> None:
    looking = os.open(data_dir / "lock", os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_EX)
    asyncio.get_running_loop().call_later(0.3, os.close, looking)
    (await take(Folder(data_dir))).release()


async def test_a_forked_worker_does_not_keep_the_folder(data_dir: Path, start: Start) -> None:
    owner = start(data_dir, "fork")
    owner.process.kill()
    owner.process.wait()
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")


async def test_a_server_started_by_hand_is_left_alone(data_dir: Path) -> None:
    folder = Folder(data_dir)
    identity, binaries = choose(INSTALLED[0], folder)
    command = [binaries.program("postgres"), "-D", str(folder.cluster), "-c", "listen_addresses="]
    command += ["-c", f"unix_socket_directories={data_dir / 'run'}"]
    by_hand = await asyncio.create_subprocess_exec(
        *identity.command(command, cwd=data_dir, death_signal=signal.SIGKILL), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        while not Cluster(data_dir)._is_ready(by_hand.pid):  # a process has no event
            await asyncio.sleep(0.01)
        with pytest.raises(FolderInUse, match=f"process {by_hand.pid}"):
            await Cluster(data_dir).start()
        assert by_hand.returncode is None
    finally:
        by_hand.send_signal(signal.SIGQUIT)
        await by_hand.wait()


# Folders that cannot be used.


async def test_a_folder_of_another_major_is_refused_and_untouched(data_dir: Path) -> None:
    (data_dir / "pg" / "PG_VERSION").write_text("12\n")
    with pytest.raises(WrongMajor, match=r"made by PostgreSQL 12.*PostgreSQL 18\.4"):
        await Cluster(data_dir).start()
    with pytest.raises(WrongMajor, match="made by PostgreSQL 12"):
        await Cluster(data_dir, binaries=INSTALLED[0]).start()
    assert "12\n" == (data_dir / "pg" / "PG_VERSION").read_text()


async def test_files_that_are_no_cluster_are_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "letter.txt").write_text("keep me")
    with pytest.raises(FolderUnusable, match="PG_VERSION is missing"):
        await Cluster(tmp_path).start()
    assert "keep me" == (tmp_path / "pg" / "letter.txt").read_text()


async def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(FolderUnusable, match="is not a folder"):
        await Cluster(tmp_path / "data").start()


@pytest.mark.parametrize("length", [SOCKET_PATH_LIMIT, SOCKET_PATH_LIMIT + 1, 240])
async def test_a_path_too_long_for_a_socket_gets_one_in_tmp(made_before: Path, tmp_path: Path, length: int) -> None:
    inside = len(str(tmp_path / "d" / "run" / ".s.PGSQL.5432"))
    folder = tmp_path / ("d" * (1 + length - inside))
    shutil.copytree(made_before, folder)
    async with Cluster(folder, settings=THROWAWAY) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")
        sockets = Folder(folder).sockets
        assert (length <= SOCKET_PATH_LIMIT) == sockets.is_relative_to(folder)
        assert 0o700 == mode(sockets)
    assert sockets.exists() == sockets.is_relative_to(folder)


async def test_a_socket_folder_that_leads_elsewhere_is_refused(made_before: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120)
    shutil.copytree(made_before, folder)
    sockets = Folder(folder).sockets
    sockets.symlink_to(tmp_path)
    try:
        with pytest.raises(FolderUnusable, match="belongs to somebody else"):
            await Cluster(folder).start()
    finally:
        sockets.unlink()


# Failures on the way up.


async def test_a_server_that_refuses_its_settings_is_quoted(data_dir: Path) -> None:
    with pytest.raises(ServerFailed, match='unrecognized configuration parameter "no_such_setting"'):
        await Cluster(data_dir, settings={"no_such_setting": "1"}).start()
    async with Cluster(data_dir, settings=THROWAWAY):
        pass


async def test_a_failed_initdb_is_quoted_and_leaves_no_cluster(tmp_path: Path) -> None:
    broken = wrapped(tmp_path, initdb="echo 'the moon is in the way' >&2; exit 3")
    with pytest.raises(InitFailed, match=r"ended with 3(.|\n)*the moon is in the way"):
        await Cluster(tmp_path / "data", binaries=broken).start()
    assert not (tmp_path / "data" / "pg").exists()
    async with Cluster(tmp_path / "data", settings=THROWAWAY):
        pass


async def test_a_slow_start_is_waited_for_and_told(data_dir: Path, tmp_path: Path) -> None:
    slow = wrapped(tmp_path, postgres='test "$1" = --version || {{ echo replaying; sleep 2.5; }}; exec {real} "$@"')
    told: list[Waiting] = []
    async with Cluster(data_dir, binaries=slow, settings=THROWAWAY, on_wait=told.append) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")
    # Once a second; a busy machine makes it wait for longer, and the server says something else then.
    assert ["replaying", "replaying"] == [waiting.said for waiting in told[:2]]


async def test_a_cancelled_start_leaves_nothing_running(data_dir: Path, tmp_path: Path) -> None:
    slow = wrapped(tmp_path, postgres='test "$1" = --version || sleep 1; exec {real} "$@"')
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.7):
            await Cluster(data_dir, binaries=slow).start()
    assert [] == occupants(data_dir / "pg", Folder(data_dir).mark)
    async with Cluster(data_dir, settings=THROWAWAY):
        pass


async def test_a_copy_that_has_lost_its_permissions_starts(data_dir: Path) -> None:
    (data_dir / "pg").chmod(0o755)
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")
    assert 0o750 == (data_dir / "pg").stat().st_mode & 0o777


async def test_what_the_system_refuses_is_told_with_the_folder(data_dir: Path) -> None:
    (data_dir / "run").rmdir()
    (data_dir / "run").touch()
    with pytest.raises(FolderUnusable, match=f"{data_dir} cannot be used: .*File exists"):
        await Cluster(data_dir).start()
    assert attach(data_dir) is None


async def test_a_long_log_is_set_aside_at_the_next_start(data_dir: Path) -> None:
    (data_dir / "postgres.log").write_bytes(b"once upon a time\n" * 600_000)
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert cluster.log_path.stat().st_size < 100_000
        assert b"once" == (data_dir / "postgres.log.1").read_bytes()[:4]


async def test_the_log_holds_nobodys_letters(data_dir: Path) -> None:
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        conn = await asyncpg.connect(cluster.dsn())
        await conn.execute("CREATE TABLE letters (body text PRIMARY KEY CHECK (body <> 'secret diagnosis'))")
        await conn.execute("INSERT INTO letters VALUES ('dear doctor')")
        for body in ("secret diagnosis", "dear doctor"):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await conn.execute(f"INSERT INTO letters VALUES ('{body}')")
        await conn.close()
    said = cluster.log_path.read_text()
    assert "violates check constraint" in said
    assert "secret diagnosis" not in said
    assert "dear doctor" not in said


# Ways down, and up again.


def stop_steps(monkeypatch: pytest.MonkeyPatch, **patience: float) -> None:
    steps = tuple((how, number, patience.get(how, seconds)) for how, number, seconds in driver._STOP_STEPS)
    monkeypatch.setattr(driver, "_STOP_STEPS", steps)


async def stopped(cluster: Cluster) -> str:
    """Stop it; how did it end?"""
    with capture_logs() as logs:
        await cluster.stop()
    return str(next(line["how"] for line in logs if line["event"] == "embedded.stopped"))


async def test_a_plain_stop_is_polite_even_with_clients(data_dir: Path) -> None:
    cluster = await Cluster(data_dir, settings=THROWAWAY).start()
    conn = await asyncpg.connect(cluster.dsn())
    await conn.execute("BEGIN")
    assert "fast" == await stopped(cluster)
    conn.terminate()


async def test_a_stop_amid_the_restart_after_a_crashed_backend_ends(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_steps(monkeypatch, fast=2)
    cluster = await Cluster(data_dir).start()
    conn = await asyncpg.connect(cluster.dsn())
    os.kill(await conn.fetchval("SELECT pg_backend_pid()"), signal.SIGKILL)
    await asyncio.sleep(0.005)  # now it restarts, and a polite request is forgotten nearly always
    assert await stopped(cluster) in {"fast", "immediate"}
    conn.terminate()
    assert [] == occupants(data_dir / "pg", Folder(data_dir).mark)
    async with Cluster(data_dir):
        pass


@pytest.mark.slow
async def test_a_deaf_backend_cannot_hold_up_a_stop(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_steps(monkeypatch, fast=0.5)
    cluster = await Cluster(data_dir, settings=THROWAWAY).start()
    conn = await asyncpg.connect(cluster.dsn())
    os.kill(await conn.fetchval("SELECT pg_backend_pid()"), signal.SIGSTOP)
    assert "immediate" == await stopped(cluster)
    conn.terminate()
    assert [] == occupants(data_dir / "pg", Folder(data_dir).mark)


async def test_a_deaf_server_is_killed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_steps(monkeypatch, fast=0.3, immediate=0.3)
    cluster = await Cluster(data_dir, settings=THROWAWAY).start()
    assert cluster.pid
    os.kill(cluster.pid, signal.SIGSTOP)
    assert "killed" == await stopped(cluster)
    assert [] == occupants(data_dir / "pg", Folder(data_dir).mark)


async def test_the_end_of_the_server_is_noticed(data_dir: Path) -> None:
    cluster = await Cluster(data_dir, settings=THROWAWAY).start()
    waiting = asyncio.create_task(cluster.wait())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    assert cluster.pid
    os.kill(cluster.pid, signal.SIGKILL)
    assert -signal.SIGKILL == await asyncio.wait_for(waiting, 20)
    assert cluster.pid is None
    assert "already" == await stopped(cluster)
    async with Cluster(data_dir, settings=THROWAWAY):
        pass


async def test_left_over_files_that_name_a_living_stranger_do_no_harm(data_dir: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:  # noqa: ASYNC220
        (data_dir / "pg" / "postmaster.pid").write_text(f"{stranger.pid}\n{data_dir / 'pg'}\n1\n5432\n{data_dir}\n\n")
        (data_dir / "run" / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
        async with Cluster(data_dir, settings=THROWAWAY) as cluster:
            assert 1 == await ask(cluster.dsn(), "SELECT 1")
        stranger.kill()


def until_gone(pid: int, seconds: float) -> Iterator[float]:
    """Wait for the end of a process that is not ours to reap."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
        yield time.monotonic() - began
    raise AssertionError(f"process {pid} is still there after {seconds} s")


@pytest.mark.parametrize("how", ["start", "thread"])
async def test_the_server_ends_with_its_killed_starter(data_dir: Path, start: Start, how: str) -> None:
    owner = start(data_dir, how)
    owner.process.kill()
    list(until_gone(owner.server, 20))
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")


async def test_a_restart_may_follow_the_kill_at_once(data_dir: Path, start: Start) -> None:
    owner = start(data_dir, "start")
    owner.process.kill()
    async with Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")


async def test_a_backend_that_missed_its_postmasters_death_is_ended(data_dir: Path, start: Start) -> None:
    owner = start(data_dir, "start")
    conn = await asyncpg.connect(owner.dsn)
    busy = await conn.fetchval("SELECT pg_backend_pid()")
    os.kill(busy, signal.SIGSTOP)
    os.kill(owner.server, signal.SIGKILL)
    owner.process.kill()
    async with asyncio.timeout(30), Cluster(data_dir, settings=THROWAWAY) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")
        list(until_gone(busy, 20))
    conn.terminate()


async def test_a_killed_initdb_leaves_no_half_cluster(tmp_path: Path, start: Start) -> None:
    folder = tmp_path / "data"
    owner = start(folder, "start", ready=False)
    deadline = time.monotonic() + 20
    while not (folder / "pg.new" / "base").exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    owner.process.kill()
    assert not (folder / "pg").exists()
    async with Cluster(folder, settings=THROWAWAY) as cluster:
        assert 1 == await ask(cluster.dsn(), "SELECT 1")
    assert not (folder / "pg.new").exists()
