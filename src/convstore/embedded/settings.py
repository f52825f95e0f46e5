"""What the private server is told, and why. Units as PostgreSQL writes them; every one can be overridden.

Source: the manual's chapter "Server Configuration".
"""

from __future__ import annotations

from collections.abc import Mapping

DEFAULTS: Mapping[str, str] = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",  # fewer checkpoints, so fewer full-page images when an inbox fans out
    "jit": "off",  # compiling costs 90 ms a call on statements that run for one
    "random_page_cost": "1.1",  # solid-state disks and a store that fits the cache: prefer the index
    "max_parallel_workers_per_gather": "0",  # few cores, shared with the application; needs /dev/shm, 64 MB in Docker
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    # Statements, failing rows and conflicting keys are people's letters: errors are logged by their first line alone.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

THROWAWAY: Mapping[str, str] = {  # for tests: several times faster, and worthless after a power cut
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
