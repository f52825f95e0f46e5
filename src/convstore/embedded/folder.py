"""The data folder: what lies where, who owns it, and how other processes find the running server.

    lock             held (flock) by the one process that owns the folder; holds its pid
    convstore.dsn    address of the running server, for ``attach``; absent while there is none
    postgres.log     what the server says; .1 is the one before
    pg/              the cluster; pg.new/ while initdb is at work
    run/             the socket
    programs-18.4/   a copy of the binaries, only if the server's user cannot reach the original

Other things of the application, attachments say, may lie beside these.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import stat
import sys
from pathlib import Path
from typing import IO

from convstore.embedded.errors import FolderInUse, FolderUnusable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOG_LIMIT = 8 * 1024 * 1024  # bytes; a longer log is set aside at the next start
SOCKET_NAME = ".s.PGSQL.5432"
# sockaddr_un.sun_path less its NUL: unix(7); shorter on the BSDs and macOS.
SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103
_PATIENCE = 1.0  # seconds; ``attach`` holds the lock for an instant when it looks

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


class Folder:
    """Paths below one data folder. Makes nothing until told to."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().resolve()
        self.cluster = self.path / "pg"
        self.unfinished = self.path / "pg.new"
        self.lock = self.path / "lock"
        self.dsn = self.path / "convstore.dsn"
        self.log = self.path / "postgres.log"
        self.pidfile = self.cluster / "postmaster.pid"
        self.password = self.path / "password"
        self._digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]

    @property
    def mark(self) -> str:
        """A name for this folder's server: its ``cluster_name``, shown in the title of each of its processes."""
        return f"convstore-{self._digest}"

    @property
    def sockets(self) -> Path:
        """Where the socket goes: below the data folder, or in /tmp if that makes its path too long for the system."""
        inside = self.path / "run"
        fits = len(os.fsencode(inside / SOCKET_NAME)) <= SOCKET_PATH_LIMIT
        return inside if fits else Path("/tmp") / self.mark  # noqa: S108  # 0700 and checked; TMPDIR may be long itself

    def create(self) -> None:
        """Make the folder, for its owner alone; one that exists keeps its permissions."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise FolderUnusable(f"{self.path} is not a folder. Choose another with --data-dir.") from None
        except OSError as error:
            raise FolderUnusable(
                f"The data folder {self.path} cannot be made: {error.strerror}. Choose another with --data-dir."
            ) from error

    def major(self) -> int | None:
        """Major version that made the cluster; nothing if there is none yet.

        Raises:
            FolderUnusable: there is a ``pg`` that is no cluster, or that we may not read.
        """
        try:
            return int((self.cluster / "PG_VERSION").read_text())
        except FileNotFoundError:
            with contextlib.suppress(FileNotFoundError):
                if any(self.cluster.iterdir()):
                    raise FolderUnusable(
                        f"{self.cluster} holds files but no PostgreSQL cluster (PG_VERSION is missing). "
                        "Restore it from a backup, or move it away to start with an empty store."
                    ) from None
            return None
        except PermissionError:
            raise FolderUnusable(
                f"{self.cluster} belongs to another user. Run convstore as that user, or choose another --data-dir."
            ) from None
        except (OSError, ValueError) as error:
            raise FolderUnusable(f"{self.cluster}/PG_VERSION cannot be read: {error}") from error

    def make_sockets(self, uid: int | None, gid: int | None) -> None:
        """Make the socket folder, 0700 and the server user's. This is the access control: inside, all are trusted."""
        folder = self.sockets
        folder.mkdir(mode=0o700, exist_ok=True)
        if sys.platform == "win32":
            return
        found = folder.lstat()
        wanted = os.getuid() if uid is None else uid
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.getuid(), wanted):
            raise FolderUnusable(
                f"{folder}, where the socket would go, belongs to somebody else. Choose a --data-dir with a path short "
                f"enough ({SOCKET_PATH_LIMIT - len(SOCKET_NAME) - len('/run/')} bytes) to hold the socket itself."
            )
        folder.chmod(0o700)
        if uid is not None and gid is not None:
            os.chown(folder, uid, gid)

    def close_to_others(self) -> None:
        """Take from a cluster the permissions that PostgreSQL refuses: a plain copy, put back, has lost its own."""
        mode = stat.S_IMODE(self.cluster.stat().st_mode)
        if sys.platform != "win32" and mode & 0o027:
            self.cluster.chmod(mode & 0o750)

    def drop_stale_files(self) -> None:
        """Remove what a killed server left and a new one would refuse to overlook. Only when none is alive."""
        for path in (self.pidfile, self.sockets / SOCKET_NAME, self.sockets / f"{SOCKET_NAME}.lock"):
            path.unlink(missing_ok=True)

    def drop_sockets(self) -> None:
        """Leave nothing in /tmp."""
        if self.sockets.parent != self.path:
            with contextlib.suppress(OSError):
                self.sockets.rmdir()

    def open_log(self) -> IO[bytes]:
        """The server's log, to append to; a long one is set aside first."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".log.1"))
        return os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_FOLLOW, 0o600), "ab")

    def log_tail(self, start: int, lines: int = 20) -> str:
        """The last lines that the server wrote from byte ``start`` on."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(max(start, self.log.stat().st_size - 16_384))
            return "\n".join(log.read().decode(errors="replace").strip().splitlines()[-lines:])
        return ""

    def publish(self, dsn: str) -> None:
        """Write the address where ``attach`` looks for it, whole or not at all."""
        write_private(self.dsn, f"{dsn}\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner may read."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


class Lock:
    """Ownership of a data folder. The kernel lets go of it when the process ends, however it ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # A forked worker shares the lock, and would hold the folder after its parent is gone.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._close)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def release(self) -> None:
        """Let the next one have it. The file stays: removing it would let two processes lock two files."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
        self._close()


def _try_lock(fd: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(fd, 1 << 20, os.SEEK_SET)  # there a locked byte cannot be read; the pid must be
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open_lock(folder: Folder, flags: int) -> int:
    try:
        return os.open(folder.lock, flags | _NO_FOLLOW, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FolderUnusable(
            f"The data folder {folder.path} cannot be used by this user: {error.strerror} ({folder.lock.name}). Run "
            "convstore as the user who owns the folder, or choose another with --data-dir."
        ) from error


def _holder(fd: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        os.lseek(fd, 0, os.SEEK_SET)
        return int(os.read(fd, 32))
    return None


async def take(folder: Folder) -> Lock:
    """Own the folder from now on.

    Raises:
        FolderInUse: somebody else does, for longer than it takes to look.
    """
    fd = _open_lock(folder, os.O_RDWR | os.O_CREAT)
    try:
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while not _try_lock(fd):
            if asyncio.get_running_loop().time() > deadline:
                pid = _holder(fd)
                raise FolderInUse(  # noqa: TRY301
                    f"The data folder {folder.path} is in use by process {pid or '(unknown)'}. Stop that one first, or "
                    "choose another folder with --data-dir.",
                    pid=pid,
                )
            await asyncio.sleep(0.05)
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, f"{os.getpid()}\n".encode())
    except BaseException:
        os.close(fd)
        raise
    return Lock(fd)


def attach(data_dir: Path | str) -> str | None:
    """Address of the server that another process runs on this folder; nothing if none runs or it is not ready.

    The file with the address is believed only while its writer holds the folder's lock, so a left-over one is harmless.
    The address is good for as long as that process lives; nothing here keeps it alive.

    Raises:
        FolderUnusable: this user may not look into the folder.
    """
    folder = Folder(data_dir)
    try:
        fd = _open_lock(folder, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if _try_lock(fd):
            return None
        return folder.dsn.read_text().strip() or None
    except FileNotFoundError:
        return None
    finally:
        os.close(fd)
