"""Tells errors that go away by themselves from those that stay, and names both without quoting anybody's text."""

import traceback
from pathlib import Path
from typing import Final

import asyncpg

# SQLSTATE classes after which the same work may well succeed: lost connections (08), serialization failures and
# deadlocks (40), out of resources (53), an object that is in use or not to be had now (55), a statement cancelled or a
# server that shuts down or starts (57), the disk or the network (58).
_TRANSIENT_CLASSES: Final = frozenset({"08", "40", "53", "55", "57", "58"})
_READ_ONLY: Final = "25006"  # a standby that is not promoted yet

DATABASE_ERRORS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a call of the database ends with when it does not succeed, be it the database's trouble or the call's.

InternalClientError is what asyncpg says when the server's process was killed under it (findings.md section 1.4).
"""


def is_transient(error: BaseException) -> bool:
    """Tell whether the same work may succeed later, on a new connection if this one is gone. By SQLSTATE only."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in _TRANSIENT_CLASSES or state == _READ_ONLY
    if isinstance(error, ValueError):
        # asyncpg's DataError is an InterfaceError too, but says that a parameter does not fit: it will not fit later.
        return False
    return isinstance(error, DATABASE_ERRORS)


def described(error: BaseException) -> str:
    """Name an error by its class and its SQLSTATE or where it was raised; not by its text, which may quote data."""
    name = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        return f"{name} (SQLSTATE {error.sqlstate})"
    if (frames := traceback.extract_tb(error.__traceback__)) and (last := frames[-1]):
        return f"{name} at {Path(last.filename).parent.name}/{Path(last.filename).name}:{last.lineno}"
    return name
