"""Addresses and links that only this store can have made: to answer by mail, to tell a bounce, to unsubscribe.

Each stands for one person and one message of a conversation, and is signed under a key derived from the store's secret.
They are written in lower-case letters and digits, for some mail servers change case, and short enough for the part
before the @ of an address (64 characters, RFC 5321 section 4.5.3.1.1).

They run out: an answer's after the days of ``mail_reply_days``, a bounce's likewise; a link to unsubscribe never, for
people unsubscribe from old mails (RFC 8058). All that were made so far become worthless when ``mail_key`` is changed,
say because a mailbox with many of them fell into wrong hands.
"""

import base64
import binascii
import hmac
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

from msgspec import Struct

from convstore.domain.uid import Uid, UserId, is_uid

_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
_UID: Final = 11
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NUMBER: Final = {character: number for number, character in enumerate(_ALPHABET)}
_UID_BYTES: Final = 9
_VERSION_BYTES: Final = 3
_DAY_BYTES: Final = 2
_MAC_BYTES: Final = 10
_BODY_BYTES: Final = 1 + 2 * _UID_BYTES + _VERSION_BYTES + _DAY_BYTES

LONGEST_PREFIX: Final = 7
"""Characters that may stand before the + of a reply address, so that it is not too long."""


class Purpose(IntEnum):
    """What a token is for: none can be used for another purpose."""

    REPLY = 1
    BOUNCE = 2
    UNSUBSCRIBE_EMAIL = 3


class Token(Struct, frozen=True):
    """What a token says. ``version``: the message's place in its conversation; ``day``: when it was made."""

    purpose: Purpose
    conversation_id: Uid
    user_id: UserId
    version: int
    day: datetime


class Signer:
    """Makes and checks the tokens of one store. ``generation``: from 0 to 15, the setting ``mail_key``."""

    def __init__(self, secret: bytes, generation: int) -> None:
        self._key = hmac.digest(secret, b"convstore mail tokens", "sha256")
        self._generation = generation

    def sign(self, purpose: Purpose, conversation_id: Uid, user_id: UserId, version: int) -> str:
        """Make a token of today."""
        day = (datetime.now(UTC) - _EPOCH).days
        body = (
            (purpose << 4 | self._generation).to_bytes(1, "big")
            + _packed(conversation_id)
            + _packed(user_id)
            + version.to_bytes(_VERSION_BYTES, "big")
            + day.to_bytes(_DAY_BYTES, "big")
        )
        return _written(body + self._mac(body))

    def read(self, text: str, *, valid: timedelta | None = None) -> Token | None:
        """Give what a token says; None when it is none of ours, of another generation, or older than ``valid``."""
        try:
            raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
        except (binascii.Error, ValueError):
            return None
        # The last character has bits that mean nothing: one token has one form, so that any other is no token.
        if _written(raw) != text.lower():
            return None
        body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
        if len(body) < _BODY_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            return None
        # Signed by us, so it is of the form that we write.
        purpose, generation = body[0] >> 4, body[0] & 15
        if generation != self._generation:
            return None
        parts = body[1:]
        day = _EPOCH + timedelta(days=int.from_bytes(parts[-_DAY_BYTES:], "big"))
        if valid is not None and datetime.now(UTC) - day > valid + timedelta(days=1):
            return None
        return Token(
            purpose=Purpose(purpose),
            conversation_id=Uid(_unpacked(parts[:_UID_BYTES])),
            user_id=UserId(_unpacked(parts[_UID_BYTES : 2 * _UID_BYTES])),
            version=int.from_bytes(parts[2 * _UID_BYTES : 2 * _UID_BYTES + _VERSION_BYTES], "big"),
            day=day,
        )

    def tag(self, user_id: UserId) -> str:
        """Give a name for a person that tells nothing about him: for a Message-ID, the same each time."""
        return hmac.digest(self._key, b"tag " + user_id.encode(), "sha256").hex()[:16]

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


def _written(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _packed(uid: str) -> bytes:
    if not is_uid(uid):
        raise ValueError("no uid")
    number = 0
    for character in uid:
        number = number * len(_ALPHABET) + _NUMBER[character]
    return number.to_bytes(_UID_BYTES, "big")


def _unpacked(raw: bytes) -> str:
    number = int.from_bytes(raw, "big")
    characters = []
    for _ in range(_UID):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
