"""Runs the command as an operator does: in a process of its own."""

import asyncio
import os
import sys
from dataclasses import dataclass

_SETTINGS = "CONVSTORE_"


@dataclass
class Ran:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


async def convstore(*arguments: str) -> Ran:
    """Run ``convstore`` to its end, with nothing in the environment that would set something."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "convstore",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())
