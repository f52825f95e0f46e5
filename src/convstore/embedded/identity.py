"""Decides who runs the server. PostgreSQL refuses to run as root, and for a good reason; convstore may be root.

An ordinary user simply runs it. Root tries, in this order:

1. a *user namespace* in which root is called ``nobody``: the files stay root's and private, no permission changes, and
   programs below a 0700 home are reached. Docker's default seccomp profile, among others, forbids it;
2. another *user*, ``postgres`` or ``nobody``: ``pg/`` and ``run/`` are given to that user, the data folder lets that
   user's group pass, and the programs are copied beside the data if the user cannot reach them.

Permissions of folders above the data folder are never changed. A cluster that exists is run by the user who owns it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from convstore.embedded import launch
from convstore.embedded.binaries import Binaries
from convstore.embedded.errors import FolderUnusable, NoIdentity
from convstore.embedded.folder import Folder

if sys.platform != "win32":
    import pwd

_LAUNCH = Path(launch.__file__)
_STEPS = {
    launch.NO_NAMESPACE: "this system forbids user namespaces",
    launch.NO_USER: "the user cannot be changed",
    launch.NO_FOLDER: "the data folder cannot be entered",
    launch.NO_PROGRAM: "the programs cannot be run",
}


@dataclass(frozen=True)
class Identity:
    """Who a program of PostgreSQL runs as. ``uid`` and ``gid`` mean nothing for ``same``."""

    kind: Literal["same", "namespace", "user"]
    name: str = ""
    uid: int = 0
    gid: int = 0

    @property
    def owner(self) -> tuple[int, int] | tuple[None, None]:
        """Whom the server's files must be given to, if to anybody."""
        return (self.uid, self.gid) if self.kind == "user" else (None, None)

    def command(self, arguments: list[str], *, cwd: Path, death_signal: int = 0) -> list[str]:
        """The command line that runs ``arguments`` under this identity, with the working directory ``cwd``.

        ``death_signal`` is what the program gets when the thread that starts it ends; 0 means nothing. It must be
        started from the process that calls this.
        """
        if self.kind == "same" and sys.platform == "win32":
            return arguments
        tie = [str(os.getpid()), str(int(death_signal))]
        who = [self.kind, str(self.uid), str(self.gid)]
        return [sys.executable, "-I", "-S", str(_LAUNCH), "exec", *tie, *who, str(cwd), *arguments]

    def __str__(self) -> str:
        return {"same": "the same user", "namespace": "a user namespace", "user": f"the user {self.name}"}[self.kind]


SAME = Identity("same")


def _candidates(cluster_owner: tuple[int, int] | None) -> Iterator[Identity]:
    if sys.platform == "win32":
        yield SAME
        return
    uid = os.getuid()
    if uid != 0:
        # initdb looks its user up by name; a container's arbitrary uid has none outside, but one inside a namespace.
        if sys.platform == "linux" and cluster_owner is None and not _known(uid):
            yield from _namespaces()
        yield SAME
        return
    if cluster_owner is not None and cluster_owner[0] != 0:
        number, group = cluster_owner
        yield Identity("user", pwd.getpwuid(number).pw_name if _known(number) else str(number), number, group)
        return
    if sys.platform == "linux":
        yield from _namespaces()
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield Identity("user", name, entry.pw_uid, entry.pw_gid)


def _known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _namespaces() -> Iterator[Identity]:
    """One at most: any name will do inside, if it is not root's."""
    entries = sorted((e for e in pwd.getpwall() if e.pw_uid != 0), key=lambda e: e.pw_name != "nobody")
    yield from (Identity("namespace", e.pw_name, e.pw_uid, e.pw_gid) for e in entries[:1])


def choose(binaries: Binaries, folder: Folder) -> tuple[Identity, Binaries]:
    """The first identity that works here, and the binaries it can reach. Blocks for some tens of milliseconds as root.

    Raises:
        FolderUnusable: the cluster belongs to another user, and we are not root.
        NoIdentity: none works; the message says why each did not.
    """
    owner = _owner(folder)
    if sys.platform != "win32" and owner is not None and os.getuid() not in (0, owner[0]):
        raise FolderUnusable(
            f"{folder.cluster} belongs to the user id {owner[0]}, and this process runs as {os.getuid()}. Run "
            "convstore as that user, or choose another --data-dir."
        )
    refusals: list[str] = []
    for identity in _candidates(owner):
        if identity == SAME:
            return identity, binaries
        if identity.kind == "user":
            _let_pass(folder.path, identity)
        failure, code = _try(identity, binaries, folder)
        if code == launch.NO_PROGRAM and identity.kind == "user":
            binaries = _copied(binaries, folder, identity)
            failure, code = _try(identity, binaries, folder)
        if not code:
            return identity, binaries
        refusals.append(f"{identity}: {failure}")
    raise NoIdentity(
        "PostgreSQL does not run as root, and no other way was found "
        f"({'; '.join(refusals) or 'there is no user postgres or nobody'}). Run convstore as an "
        "ordinary user, or give it a data folder that the user postgres or nobody can reach, such as "
        "--data-dir /var/lib/convstore."
    )


def _owner(folder: Folder) -> tuple[int, int] | None:
    """User and group of the cluster, if there is one."""
    try:
        found = (folder.cluster / "PG_VERSION").stat()
    except FileNotFoundError:
        return None
    return found.st_uid, found.st_gid


def _try(identity: Identity, binaries: Binaries, folder: Folder) -> tuple[str, int]:
    """Run ``postgres --version`` in the data folder: what went wrong, and the exit code, 0 if nothing did."""
    done = subprocess.run(  # noqa: S603
        identity.command([binaries.program("postgres"), "--version"], cwd=folder.path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    step = _STEPS.get(done.returncode, f"exit code {done.returncode}")
    return f"{step}: {done.stderr.strip()}", done.returncode


def _let_pass(path: Path, identity: Identity) -> None:
    """Let the user's group through our own folder, without letting it list or read."""
    found = path.stat()
    if not found.st_mode & 0o001 and found.st_gid != identity.gid:
        os.chown(path, -1, identity.gid)
    if not found.st_mode & 0o001:
        path.chmod(found.st_mode & 0o7777 | 0o010)


def _copied(binaries: Binaries, folder: Folder, identity: Identity) -> Binaries:
    """The same programs below the data folder (about 40 MB, once per version), in the layout they need to run."""
    target = folder.path / f"programs-{binaries.version}"
    prefix = binaries.bindir.parent
    if not target.is_dir():
        new = target.with_name(f"{target.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        skip = shutil.ignore_patterns("include", "*.a", "pkgconfig", "__pycache__")
        shutil.copytree(prefix, new / prefix.relative_to(binaries.root), symlinks=True, ignore=skip)
        if binaries.libs:
            shutil.copytree(binaries.libs, new / binaries.libs.relative_to(binaries.root), symlinks=True)
        for place in (new, *new.rglob("*")):
            os.chown(place, -1, identity.gid, follow_symlinks=False)
            if not place.is_symlink():
                place.chmod(0o750 if place.is_dir() or place.stat().st_mode & 0o100 else 0o640)
        new.rename(target)
    return replace(
        binaries,
        bindir=target / binaries.bindir.relative_to(binaries.root),
        root=target,
        libs=target / binaries.libs.relative_to(binaries.root) if binaries.libs else None,
    )


def hand_over(path: Path, identity: Identity) -> None:
    """Give a tree to the user who will run the server, without following links."""
    uid, gid = identity.owner
    if uid is None or gid is None or not path.exists() or path.stat().st_uid == uid:
        return
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(parent, name), uid, gid, follow_symlinks=False)
    os.chown(path, uid, gid)  # last: it is the sign that the rest is done
