"""Uids: the identifiers that DHIS2's clients know (contract section 2.6)."""

import hashlib
import hmac
import re
import secrets
from typing import NewType

Uid = NewType("Uid", str)
UserId = NewType("UserId", str)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALPHABET = "0123456789" + _LETTERS
_LENGTH = 11
_UIDS = len(_LETTERS) * len(_ALPHABET) ** (_LENGTH - 1)
_VALID = re.compile(r"[a-zA-Z][a-zA-Z0-9]{10}")

# Words that stand where a conversation's uid could stand in a path (contract section 1.5, design section 6).
RESERVED = frozenset(
    (
        *("read", "unread", "followup", "unfollowup", "feedback", "gist"),
        *("attachments", "counts", "changes", "system", "validation", "events"),
        *("priority", "status", "assign", "unassign", "recipients"),
        *("history", "explanation"),
    )
)


def is_uid(text: str) -> bool:
    """Tell whether a text has the form of a uid: 11 letters or digits, the first a letter."""
    return _VALID.fullmatch(text) is not None


def new_uid() -> Uid:
    """Make a new random uid; never one that is a reserved word of the API's paths."""
    while True:
        # One draw for all: eleven, a system call each, take five times as long.
        uid = _spelled(secrets.randbelow(_UIDS))
        if uid not in RESERVED:
            return Uid(uid)


def derive_uid(secret: bytes, *parts: str) -> Uid:
    """Make the uid that belongs to these parts (account and idempotency key, say), the same each time.

    An HMAC-SHA-256 under the store's secret, so that nobody can choose a key to land on a given uid.
    """
    salt = 0
    while True:
        message = b"".join(
            len(raw).to_bytes(4, "big") + raw for raw in (str(salt).encode(), *(p.encode() for p in parts))
        )
        number = int.from_bytes(hmac.new(secret, message, hashlib.sha256).digest(), "big")
        uid = _spelled(number)
        if uid not in RESERVED:
            return Uid(uid)
        salt += 1


def _spelled(number: int) -> str:
    """Write a number in the form of a uid; those that are equal modulo ``_UIDS`` look the same."""
    number, first = divmod(number, len(_LETTERS))
    digits = [_LETTERS[first]]
    for _ in range(_LENGTH - 1):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def partition_of(stream: str, partitions: int) -> int:
    """Say which partition a stream belongs to, from 0: the first four bytes of SHA-256, big-endian, modulo the number.

    Pinned by a test; never to be changed, or streams would be looked for where they are not (design section 4).
    """
    return int.from_bytes(hashlib.sha256(stream.encode()).digest()[:4], "big") % partitions
