"""``convstore`` in a process of its own, on a store named by its DSN."""

import os
import subprocess
import sys


def convstore(
    *arguments: str, dsn: str | None = None, stdin: bytes | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``more`` goes into its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSTORE_")} | more
    named = [] if dsn is None else ["--dsn", dsn]
    done = subprocess.run(
        [sys.executable, "-m", "convstore", *arguments, *named],
        input=stdin,
        capture_output=True,
        check=False,
        env=environment,
        timeout=100,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
