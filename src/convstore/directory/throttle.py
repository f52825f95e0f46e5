"""Slows down guessing: an account is locked for a while after several wrong passwords.

Each process counts for itself, so that a wrong password costs no write: with ``--workers N`` a guesser has N times as
many tries. Memory is bounded; a guesser who floods it with names pays a password hash for each of them.
"""

import time
from collections.abc import Callable

from msgspec import Struct

from convstore.directory.recent import Recent

FAILURES = 5
SECONDS = 15 * 60
ACCOUNTS = 10_000


class _Failed(Struct):
    hashed: str | None
    times: int = 0


class Throttle:
    """Counts wrong passwords per username; a username without account counts alike, so that nothing shows."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        # The time runs from the last failure: who goes on trying stays locked out only by tries that were checked.
        self._failed: Recent[str, _Failed] = Recent(size=ACCOUNTS, seconds=SECONDS, clock=clock)

    def locked(self, username: str, hashed: str | None) -> bool:
        """Tell whether an account is locked. Its hash is asked for because a new password unlocks it."""
        failed = self._failed.get(username.casefold())
        return failed is not None and failed.hashed == hashed and failed.times >= FAILURES

    def failed(self, username: str, hashed: str | None) -> None:
        """Note a wrong password."""
        name = username.casefold()
        failed = self._failed.get(name)
        if failed is None or failed.hashed != hashed:
            failed = _Failed(hashed)
        failed.times += 1
        self._failed.put(name, failed)

    def succeeded(self, username: str) -> None:
        """Forget the wrong ones: the right one came."""
        self._failed.drop(username.casefold())
