"""Tells which PostgreSQL processes still live in a data directory.

PostgreSQL refuses to start while the pid in a left-over ``postmaster.pid`` exists, and a zombie exists, and so does the
stranger who got the number after a container restart. What counts is another question: does any postgres process have
the directory as its current one? All of them do, from the postmaster to the last worker, and no zombie does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path

_PROC = Path("/proc")  # Linux; elsewhere it is absent or something else
_NAMES = ("postgres", "postmaster")


def occupants(directory: Path, mark: str) -> list[int] | None:
    """Pids of the postgres processes that work in ``directory``; nothing at all if this system cannot tell.

    ``mark`` is the ``cluster_name`` of our server. Every process of it carries the mark in its title, which anyone may
    read; the current directory of another user's process may be hidden even from root (containers without
    CAP_SYS_PTRACE), and then the title decides.
    """
    try:
        place = directory.stat()
    except FileNotFoundError:
        return []
    if (_PROC / "self" / "comm").exists():
        return [int(p.name) for p in _PROC.glob("[0-9]*") if _works_in(p, place, mark)]
    if importlib.util.find_spec("psutil") is None:
        return None
    return _asked_of_psutil(directory)


def _works_in(process: Path, place: os.stat_result, mark: str) -> bool:
    try:
        if (process / "comm").read_text().strip() not in _NAMES:
            return False
        try:
            here = (process / "cwd").stat()
        except PermissionError:
            return mark.encode() in (process / "cmdline").read_bytes()
        return os.path.samestat(here, place)
    except OSError:  # it ended while we looked, or is a zombie
        return False


def _asked_of_psutil(directory: Path) -> list[int]:
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415  # only where there is no /proc

    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().removesuffix(".exe") in _NAMES and Path(process.cwd()).samefile(directory):
                found.append(process.pid)
    return found
