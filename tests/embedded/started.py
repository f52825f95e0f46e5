"""What a test holds of a ``starter.py`` that it runs."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass
class Started:
    process: subprocess.Popen[str]
    server: int
    took_ms: int
    dsn: str

    def lines(self) -> Iterator[str]:
        assert self.process.stdout
        yield from self.process.stdout


Start = Callable[..., Started]
