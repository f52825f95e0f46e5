"""The command, as somebody runs it who is not at a terminal."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable


class Ran:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Command = Callable[..., Awaitable[Ran]]


def command(dsn: str) -> Command:
    """Give a function that runs the command against a store."""

    async def run(*arguments: str, stdin: str = "") -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "convstore",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "CONVSTORE_DSN": dsn, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        out, err = await process.communicate(stdin.encode())
        return Ran(process.returncode or 0, out.decode(), err.decode())

    return run
