"""A private PostgreSQL in a data folder: made, started, watched, and stopped with its owner.

One process owns a folder and starts the server; others get the address (``attach``). The server never outlives its
owner, and acknowledged rows outlive both. Each trap that a comment here names was seen to bite.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import asyncpg
import structlog

from convstore.embedded import binaries as programs
from convstore.embedded import folder as layout
from convstore.embedded.binaries import Binaries
from convstore.embedded.errors import EmbeddedError, FolderInUse, FolderUnusable, InitFailed, ServerFailed, WrongMajor
from convstore.embedded.folder import Folder, Lock
from convstore.embedded.identity import SAME, choose, hand_over
from convstore.embedded.launch import __file__ as _launch_file
from convstore.embedded.occupants import occupants
from convstore.embedded.settings import DEFAULTS
from convstore.faults import DATABASE_ERRORS

log = structlog.get_logger(__name__)

SUPERUSER = "postgres"
DATABASE = "convstore"

_FAST, _IMMEDIATE, _KILL = signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGTERM), getattr(signal, "SIGKILL", 9)
# A fast shutdown that arrives while PostgreSQL restarts after a backend crash hangs for ever; an immediate one never.
# In the latter PostgreSQL itself kills children that do not listen after 5 s: let it, rather than race it.
_STOP_STEPS = (("fast", _FAST, 10.0), ("immediate", _IMMEDIATE, 6.0), ("killed", _KILL, 5.0))
_TICK = 0.01  # seconds between looks at a process
_ORPHAN_PATIENCE = 10.0  # seconds that a dead owner's server gets to end by itself; it needs one
_HEADLESS_PATIENCE = 0.5  # seconds until a backend without a postmaster is told to end; most notice at once
_STRANGER_PATIENCE = 2.0  # seconds until a server that is not ours is reported


@dataclass(frozen=True)
class Waiting:
    """What is known while a server is not ready: seconds so far, and the last line it wrote (recovery says how far)."""

    seconds: float
    said: str


class Cluster:
    """A PostgreSQL of one's own; ``async with Cluster(folder) as cluster`` runs it, and ``cluster.dsn()`` says where.

    Args:
        data_dir: made if missing. See ``folder.py`` for what lies in it.
        settings: server settings that override ``settings.DEFAULTS``, as in ``postgresql.conf``.
        binaries: which installation to use; by default the best one for the folder.
        database: made if missing; its owner is the superuser.
        tcp: listen on 127.0.0.1 with a generated password, and not on a socket. The default, and the only way, on
            Windows, where none of this was tried; elsewhere for programs that cannot use sockets.
        on_wait: called about once a second while the server is not ready yet, as after a crash of a busy server.

    Start it from the main thread if you can. On Linux the kernel ends the server when the *thread* that started it ends
    (prctl(2), PR_SET_PDEATHSIG); started from any other thread, and on other systems, a small guard process that holds
    the end of a pipe does it instead. It is tied to no event loop: a loop may end and another go on with the cluster.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        settings: Mapping[str, str] | None = None,
        binaries: Binaries | None = None,
        database: str = DATABASE,
        tcp: bool = sys.platform == "win32",
        on_wait: Callable[[Waiting], None] | None = None,
    ) -> None:
        self._folder = Folder(data_dir)
        self._settings = {**DEFAULTS, **(settings or {})}
        self._wanted = binaries
        self._binaries: Binaries | None = None
        self._identity = SAME
        self._database = database
        self._tcp = tcp
        self._port = 5432
        self._password: str | None = None
        self._on_wait = on_wait
        self._lock: Lock | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    @property
    def data_dir(self) -> Path:
        """The data folder, absolute."""
        return self._folder.path

    @property
    def log_path(self) -> Path:
        """The server's own log. It holds no statements and no rows."""
        return self._folder.log

    @property
    def password(self) -> str | None:
        """What every role that logs in must have as its password; nothing on a socket, where all are trusted."""
        return self._password

    @property
    def pid(self) -> int | None:
        """Process id of the running server; nothing if it does not run."""
        return self._server.pid if self._server and self._server.poll() is None else None

    @property
    def version(self) -> str | None:
        """``"18.4"``; nothing before the first start."""
        return self._binaries.version if self._binaries else None

    def dsn(self, *, user: str = SUPERUSER, database: str | None = None) -> str:
        """Address for asyncpg and libpq; by default the superuser's, in the database named at the start."""
        name = quote(self._database if database is None else database, safe="")
        who = quote(user, safe="")
        if self._tcp:
            return f"postgresql://{who}:{self._password}@127.0.0.1:{self._port}/{name}?sslmode=disable"
        return f"postgresql://{who}@/{name}?host={quote(str(self._folder.sockets), safe='/')}&port={self._port}"

    async def start(self) -> Self:
        """Own the folder, make the cluster if there is none, and return when the server takes connections.

        A server that must recover from a crash is waited for as long as it lives.

        Raises:
            EmbeddedError: one of its kinds, see ``errors.py``. Nothing is left running.
        """
        if self._lock is not None:
            raise EmbeddedError(f"The server on {self.data_dir} was already started by this object. Stop it first.")
        began = time.monotonic()
        self._owner = os.getpid()
        await asyncio.to_thread(self._folder.create)
        self._lock = await layout.take(self._folder)
        try:
            await self._bring_up(began)
        except OSError as error:  # a full disk, a file that another user left
            await self._abandon()
            raise FolderUnusable(
                f"The data folder {self.data_dir} cannot be used: {error}. Free the disk or mend the permissions, or "
                "choose another folder with --data-dir."
            ) from error
        except BaseException:
            await self._abandon()
            raise
        return self

    async def stop(self) -> None:
        """End the server: politely for 10 s, at once for 6 s, by force. Does nothing if it does not run.

        Acknowledged rows survive all three; the last two cost a recovery at the next start.
        """
        if self._lock is None or os.getpid() != self._owner:  # a forked worker's copy of us owns nothing
            return
        self._folder.dsn.unlink(missing_ok=True)
        if self._server is not None:
            began = time.monotonic()
            how = await self._end(self._server)
            await self._settle()
            log.info("embedded.stopped", how=how, took_ms=_ms_since(began))
        self._forget()

    async def wait(self) -> int:
        """Return when the server ends, whoever ended it, with its exit status as ``subprocess`` says it.

        For a program that should not go on without its database. A crash of one backend is no end: PostgreSQL restarts
        itself, and connections break meanwhile.
        """
        if self._server is None:
            raise EmbeddedError(f"The server on {self.data_dir} is not running. Start it first.")
        while (status := self._server.poll()) is None:  # noqa: ASYNC110  # a process has no event
            await asyncio.sleep(0.2)
        return status

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _bring_up(self, began: float) -> None:
        folder = self._folder
        folder.dsn.unlink(missing_ok=True)
        major = folder.major()
        found = await asyncio.to_thread(self._choose, major)
        self._identity, self._binaries = await asyncio.to_thread(choose, found, folder)
        log.info("embedded.starting", folder=str(self.data_dir), version=self.version, runs_as=str(self._identity))
        await self._vacate(folder.unfinished)
        certain = await self._vacate(folder.cluster)
        await asyncio.to_thread(folder.make_sockets, *self._identity.owner)
        if certain:
            folder.drop_stale_files()
        self._prepare_tcp()
        if major is None:
            await self._init()
        await asyncio.to_thread(hand_over, folder.cluster, self._identity)
        folder.close_to_others()
        written = self._run_server()
        await self._until_ready(written)
        await self._ensure_database(written)
        folder.publish(self.dsn())
        log.info("embedded.ready", version=self.version, new=major is None, took_ms=_ms_since(began))

    def _choose(self, major: int | None) -> Binaries:
        if self._wanted is None:
            return programs.choose(programs.find(), major=major, folder=self.data_dir)
        if major not in (None, self._wanted.major):
            raise WrongMajor(
                f"The data folder {self.data_dir} was made by PostgreSQL {major}, not by {self._wanted}. "
                "Use programs of that major version, or another folder with --data-dir."
            )
        return self._wanted

    async def _vacate(self, directory: Path) -> bool:
        """See that no server is alive in ``directory``; end what a dead owner left. False if this cannot be told.

        We hold the lock, so a server found here has lost its owner and is about to end. Backends whose postmaster was
        killed may be deep in a query and not notice for minutes. A server that somebody started by hand is left alone.
        """
        mark, began = self._folder.mark, time.monotonic()
        number, not_before = _IMMEDIATE, 0.0
        while alive := occupants(directory, mark):
            waited = time.monotonic() - began
            ours = [pid for pid in alive if mark.encode() in _command_line(pid)]
            if waited > 2 * _ORPHAN_PATIENCE or (waited > _STRANGER_PATIENCE and not ours):
                raise FolderInUse(
                    f"A PostgreSQL server that convstore did not start (process {alive[0]}) runs in {directory}. "
                    "Stop it with pg_ctl, or choose another folder with --data-dir.",
                    pid=alive[0],
                )
            headless = not any(_is_postmaster(pid) for pid in alive)
            if waited > max(not_before, _HEADLESS_PATIENCE if headless else _ORPHAN_PATIENCE):
                _send(ours, number)
                number, not_before = _KILL, waited + 1
            await asyncio.sleep(_TICK)
        return alive is not None

    def _prepare_tcp(self) -> None:
        if not self._tcp:
            return
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        try:
            self._password = self._folder.password.read_text().strip()
        except FileNotFoundError:
            self._password = secrets.token_urlsafe(24)
            layout.write_private(self._folder.password, self._password)

    async def _init(self) -> None:
        """Make the cluster under another name and rename it when it is whole: a killed initdb leaves no half one."""
        folder, found = self._folder, self._found
        await asyncio.to_thread(shutil.rmtree, folder.unfinished, ignore_errors=True)
        folder.unfinished.mkdir(mode=0o700)
        hand_over(folder.unfinished, self._identity)
        command = [found.program("initdb"), f"--pgdata={folder.unfinished}", f"--username={SUPERUSER}"]
        command += ["--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
        command += [f"--auth-local={'reject' if self._tcp else 'trust'}"]
        command += [f"--auth-host={'scram-sha-256' if self._tcp else 'reject'}"]
        if self._tcp:
            hand_over(folder.password, self._identity)
            command += [f"--pwfile={folder.password}"]
        if self._settings.get("fsync") == "off":
            command += ["--no-sync"]
        with folder.open_log() as output:
            start = output.seek(0, os.SEEK_END)
            process = self._spawn(command, output, _KILL)
            try:
                while (status := process.poll()) is None:  # noqa: ASYNC110  # a process has no event
                    await asyncio.sleep(_TICK)
            except BaseException:
                process.kill()
                process.wait()
                raise
        if status != 0:
            raise InitFailed(
                f"PostgreSQL could not make a cluster in {folder.unfinished} (initdb ended with {status}). "
                f"It said:\n{folder.log_tail(start)}"
            )
        folder.unfinished.rename(folder.cluster)
        _sync_folder(self.data_dir)

    def _run_server(self) -> int:
        """Start the server; answers where in the log its words begin."""
        options = {
            **self._settings,
            "cluster_name": self._folder.mark,
            "port": str(self._port),
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "unix_socket_directories": "" if self._tcp else str(self._folder.sockets),
        }
        command = [self._found.program("postgres"), "-D", str(self._folder.cluster)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        tied = sys.platform == "linux" and threading.current_thread() is threading.main_thread()
        with self._folder.open_log() as output:
            written = output.seek(0, os.SEEK_END)
            # An immediate shutdown, because a polite one may hang and nobody would be there to insist.
            self._server = self._spawn(command, output, _IMMEDIATE if tied else 0)
        if not tied and sys.platform != "win32":
            self._guard = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", _launch_file, "guard", str(self._server.pid), str(self._folder.pidfile)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return written

    def _spawn(self, command: list[str], output: IO[bytes], death_signal: int) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in a terminal goes to a whole group, and would end the server before its clients.
        return subprocess.Popen(  # noqa: S603
            self._identity.command(command, cwd=self.data_dir, death_signal=death_signal),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=_environment(),
        )

    async def _until_ready(self, written: int) -> None:
        began = told = time.monotonic()
        server = self._running
        while not self._is_ready(server.pid):
            if (status := server.poll()) is not None:
                raise self._failed(f"ended with status {status} before it was ready", written)
            now = time.monotonic()
            if now - told >= 1:
                told = now
                said = self._folder.log_tail(written, lines=1)
                log.info("embedded.waiting", seconds=round(now - began), said=said)
                if self._on_wait:
                    self._on_wait(Waiting(now - began, said))
            await asyncio.sleep(_TICK)

    def _is_ready(self, pid: int) -> bool:
        """What pg_ctl looks at: the eighth line of the pid file, written by the server when it takes connections."""
        try:
            lines = self._folder.pidfile.read_text().splitlines()
            return int(lines[0]) == pid and lines[7].strip() == "ready"
        except (OSError, ValueError, IndexError):
            return False

    async def _ensure_database(self, written: int) -> None:
        try:
            conn = await asyncpg.connect(self.dsn(database="postgres"), timeout=30)
            try:
                if not await conn.fetchval("SELECT true FROM pg_database WHERE datname = $1", self._database):
                    name = self._database.replace('"', '""')
                    await conn.execute(f'CREATE DATABASE "{name}"')
            finally:
                await conn.close()
        except DATABASE_ERRORS as error:
            raise self._failed(f"could not be used: {error}", written) from error

    def _failed(self, what: str, written: int) -> ServerFailed:
        return ServerFailed(
            f"The PostgreSQL server on {self.data_dir} {what}. The last lines of {self.log_path}:\n"
            f"{self._folder.log_tail(written) or '(none)'}"
        )

    @property
    def _found(self) -> Binaries:
        assert self._binaries is not None  # noqa: S101  # set before anything is run
        return self._binaries

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._server is not None  # noqa: S101  # set by _run_server
        return self._server

    async def _end(self, server: subprocess.Popen[bytes]) -> str:
        if server.poll() is not None:
            return "already"
        for how, number, patience in _STOP_STEPS:
            self._signal(server, how, number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if server.poll() is not None:
                    return how
                await asyncio.sleep(_TICK)
        raise EmbeddedError(
            f"The PostgreSQL server on {self.data_dir} (process {server.pid}) does not end, even by SIGKILL. "
            "It waits for a disk that does not answer, most likely."
        )

    def _signal(self, server: subprocess.Popen[bytes], how: str, number: int) -> None:
        if sys.platform == "win32" and how != "killed":  # no signals there; pg_ctl has its own way
            stop = [self._found.program("pg_ctl"), "stop", "-W", "-m", how, "-D", str(self._folder.cluster)]
            subprocess.run(stop, check=False, capture_output=True)  # noqa: S603
        else:
            server.send_signal(number)

    async def _settle(self) -> None:
        """Wait until the server's children are gone too; they outlive a killed postmaster by up to a second."""
        deadline = time.monotonic() + 5
        while (alive := occupants(self._folder.cluster, self._folder.mark)) and time.monotonic() < deadline + 5:
            if time.monotonic() > deadline:
                _send(alive, _KILL)
            await asyncio.sleep(_TICK)

    async def _abandon(self) -> None:
        """After a failed or cancelled start: nothing runs, nothing is owned."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(_IMMEDIATE)
            try:
                await asyncio.to_thread(self._server.wait, 6)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._forget()

    def _forget(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        self._server = None
        self._folder.drop_sockets()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _environment() -> dict[str, str]:
    """Ours without PGDATA, PGPORT and the like, which would reach into the server; messages in plain English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _is_postmaster(pid: int) -> bool:
    """Children change their title to ``postgres: …``; the postmaster keeps its command line."""
    return not _command_line(pid).startswith(b"postgres: ")


def _sync_folder(path: Path) -> None:
    """Make a rename survive a power cut."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
