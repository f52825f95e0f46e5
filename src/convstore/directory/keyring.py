"""Remembers what opened the door lately: sessions and tokens, by their hashes, for a minute at most."""

import hashlib
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from convstore.directory.recent import Recent

CHANNEL = "convstore_access"
"""Where processes tell each other that a session or a token has ended; the payload is its hash in hexadecimal."""

SECONDS = 60.0
SIZE = 10_000

V = TypeVar("V")


def digest(secret: str) -> bytes:
    """Give the hash that a session or a token is known by; whatever a client sends has one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Keyring(Generic[V]):
    """Values by hash, each for as long as it may be relied on, and none after it was dropped."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: Recent[bytes, tuple[float, V]] = Recent(size=SIZE, seconds=SECONDS, clock=clock)
        self.epoch = 0
        """Moves whenever anything is dropped: what was asked for before that must not be remembered after it."""

    def get(self, key: bytes) -> V | None:
        """Give what a hash stands for, if that is remembered and has not ended."""
        found = self._kept.get(key)
        return None if found is None or self._clock() >= found[0] else found[1]

    def put(self, key: bytes, value: V, *, seconds: float, epoch: int) -> None:
        """Remember a value that was asked for in ``epoch``, for so many seconds at most."""
        if epoch == self.epoch:
            self._kept.put(key, (self._clock() + seconds, value))

    def drop(self, key: bytes) -> None:
        """Forget one."""
        self.epoch += 1
        self._kept.drop(key)

    def clear(self) -> None:
        """Forget all."""
        self.epoch += 1
        self._kept.clear()
