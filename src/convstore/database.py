"""Connections to PostgreSQL: who connects, with which settings, and the one alias for what a statement runs on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from convstore.config import without_password
from convstore.faults import DATABASE_ERRORS
from convstore.reader_pool import ReaderPool

# A pool lends a proxy, which a type checker does not take for a connection. Only the checker's stubs are generic.
if TYPE_CHECKING:
    Conn: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Conn = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool

SCHEMA = "convstore"
# Owns nothing; may read, append through the function, and write read models and the directory (migrations/).
SERVER_ROLE = "convstore_server"
LONGEST_READ_SECONDS = 30


def settings(*, role: str | None, application: str, search_path: str = SCHEMA, **more: str) -> dict[str, str]:
    """Give the settings a session starts with; ``role`` None stays the owner (migrations, rebuilds)."""
    chosen = {
        "application_name": application,
        "search_path": search_path,
        "timezone": "UTC",
        # The plans here are small: compiling them made every call 90 ms (findings.md section 4.2).
        "jit": "off",
        # Makes asyncpg's look-up of array types 40 times faster on Citus; elsewhere a placeholder (section 2.2).
        "citus.override_table_visibility": "off",
        **more,
    }
    if role is not None:
        chosen["role"] = role
    return chosen


async def connect(dsn: str, *, role: str | None, application: str = "convstore", search_path: str = SCHEMA) -> Conn:
    """Open one connection: for LISTEN, for migrations, for a rebuild."""
    with _noting(dsn):
        return await asyncpg.connect(
            dsn, server_settings=settings(role=role, application=application, search_path=search_path)
        )


async def open_pool(
    dsn: str, *, role: str | None = SERVER_ROLE, size: int = 10, application: str = "convstore"
) -> Pool:
    """Open a pool of at most ``size`` connections that work as ``role``."""
    with _noting(dsn):
        return await asyncpg.create_pool(
            dsn, min_size=min(2, size), max_size=size, server_settings=settings(role=role, application=application)
        )


async def open_readers(dsn: str, *, size: int = 10, application: str = "convstore readers") -> Pool:
    """Open a pool of at most ``size`` connections for reads of the API; they change nothing and keep nothing.

    Their statements are planned once, for everybody, and by the indexes alone. Left to itself the planner plans anew
    each time, which takes as long as the reading; or keeps a plan that suits inboxes of usual size, gathers and sorts,
    and takes a hundred times as long in a large one.
    """
    chosen = settings(
        role=SERVER_ROLE,
        application=application,
        plan_cache_mode="force_generic_plan",
        enable_bitmapscan="off",
        enable_seqscan="off",
        enable_sort="off",
        default_transaction_read_only="on",
        # Nobody waits longer for an answer; and a connection that he no longer waits for is somebody else's.
        statement_timeout=f"{LONGEST_READ_SECONDS}s",
    )
    with _noting(dsn):
        return await ReaderPool(
            dsn,
            min_size=min(2, size),
            max_size=size,
            max_queries=50_000,
            # They stay open: else each time that one is lent and given back a timer is stopped and started.
            max_inactive_connection_lifetime=0.0,
            loop=None,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            server_settings=chosen,
            reset=_nothing_to_reset,
        )


@contextmanager
def _noting(dsn: str) -> Iterator[None]:
    """Note on whatever keeps a connection from being made where it should have led."""
    try:
        yield
    except DATABASE_ERRORS as error:
        error.add_note(without_password(dsn))
        raise


async def _nothing_to_reset(_conn: Conn) -> None:
    """Save the round trip with which a connection is given back: a reader leaves no setting behind."""
