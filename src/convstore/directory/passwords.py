"""Password hashes: Argon2id for ours, bcrypt accepted where another system made it.

Hashing costs tens of milliseconds of a core by design. It runs in threads, at most two at once in a process, so that a
burst of logins takes neither all cores nor much memory; beyond a bounded queue the answer is 503.
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import argon2
import bcrypt

from convstore.errors import Busy

AT_ONCE = 2
# How many may wait for a turn: some three seconds' worth. A flood of wrong passwords must not fill the memory.
WAITING = 200

# OWASP's first choice of 2024: 19 MiB, 2 passes, one lane. About 25 ms on the machine of findings.md.
_argon2 = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# A cost beyond 2^15 takes seconds: such a hash in an import would be a way to stop the server.
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")
# Spring Security, and so DHIS2, may say the kind before the hash.
_BCRYPT_LABEL = "{bcrypt}"
# bcrypt reads no more of a password; the systems that made the hashes ignored the rest without a word.
_BCRYPT_READS = 72

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
_waiting = 0

T = TypeVar("T")


def imported_hash(text: str) -> str | None:
    """Give the bcrypt hash that an import's password field holds, or None when it holds something else."""
    bare = text.removeprefix(_BCRYPT_LABEL)
    return bare if _BCRYPT.fullmatch(bare) else None


def looks_hashed(text: str) -> bool:
    """Tell whether a text is some hash rather than a password: then it must never be hashed as if it were one."""
    return re.match(r"\{[A-Za-z0-9@-]+\}|\$(?:2[a-z]?|argon2[a-z]+|pbkdf2[a-z0-9-]*|[156y])\$", text) is not None


def is_ours(hashed: str) -> bool:
    """Tell whether a hash is Argon2id of today's cost; another is made anew when its password is known."""
    return hashed.startswith("$argon2id$") and not _argon2.check_needs_rehash(hashed)


def hash_now(password: str) -> str:
    """Hash a password, blocking: for threads and for commands without an event loop."""
    return _argon2.hash(_bytes(password))


async def hash_password(password: str) -> str:
    """Hash a password.

    Raises:
        Busy: too many are waiting.
    """
    return await _in_thread(lambda: hash_now(password))


async def verify(hashed: str | None, password: str) -> bool:
    """Tell whether a password belongs to a hash. None, for nobody's hash, takes as long as a wrong password.

    Raises:
        Busy: too many are waiting.
    """
    return await _in_thread(lambda: verify_now(hashed, password))


def verify_now(hashed: str | None, password: str) -> bool:
    """Tell whether a password belongs to a hash, blocking."""
    if hashed is None:
        _matches(_nobodys_hash(), password)
        return False
    return _matches(hashed, password)


def _matches(hashed: str, password: str) -> bool:
    if hashed.startswith("$2"):
        return bcrypt.checkpw(_bytes(password)[:_BCRYPT_READS], hashed.encode())
    try:
        return _argon2.verify(hashed, _bytes(password))
    except argon2.exceptions.VerifyMismatchError:
        return False


def _bytes(password: str) -> bytes:
    # Whatever a client sends as a password is only compared: half a character is a wrong password, not an error.
    return password.encode("utf-8", "surrogatepass")


@cache
def _nobodys_hash() -> str:
    return _argon2.hash(secrets.token_urlsafe())


async def _in_thread(work: Callable[[], T]) -> T:
    global _waiting  # noqa: PLW0603 - the threads are the process's, and so is their queue
    if _waiting >= WAITING:
        raise Busy("Too many logins at once; try again in a moment.")
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work)
    finally:
        _waiting -= 1
