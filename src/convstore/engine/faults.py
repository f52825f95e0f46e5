"""Tells errors apart that go away by themselves from events that cannot be taken in, and names them without texts."""

import traceback
from collections.abc import Collection
from pathlib import Path

import asyncpg

from convstore.errors import ConvstoreError

# SQLSTATE classes and codes after which the same work may well succeed: lost connections (08), serialization failures
# and deadlocks (40), out of resources (53), a lock not granted in time (55P03), a statement cancelled or a server that
# shuts down or starts (57), the disk or the network (58).
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_TRANSIENT_CODES = frozenset({"55P03"})


class ProjectionStopped(ConvstoreError):
    """A read model cannot go on: the text says where and why."""


class LeaseLost(ConvstoreError):
    """Another process has taken checkpoints over, or the log is not the one they stood on; ``projections``: whose."""

    def __init__(self, projections: Collection[str]) -> None:
        super().__init__(", ".join(sorted(projections)))
        self.projections = frozenset(projections)


def is_transient(error: BaseException) -> bool:
    """Tell whether an error says nothing about the events: trying again may help."""
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return code.startswith(_TRANSIENT_CLASSES) or code in _TRANSIENT_CODES
    if isinstance(error, ValueError):
        # asyncpg's DataError is an InterfaceError too, but says that a parameter does not fit: it will not fit later.
        return False
    # InternalClientError is what asyncpg says when the server's process was killed under it (findings.md section 1.4).
    return isinstance(error, (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError))


def described(error: BaseException) -> str:
    """Name an error by its class and its SQLSTATE or where it was raised; not by its text, which may quote data."""
    name = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        return f"{name} (SQLSTATE {error.sqlstate})"
    if (frames := traceback.extract_tb(error.__traceback__)) and (last := frames[-1]):
        return f"{name} at {Path(last.filename).parent.name}/{Path(last.filename).name}:{last.lineno}"
    return name
