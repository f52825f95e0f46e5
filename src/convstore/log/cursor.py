"""A cursor: a place in the whole log as one opaque word, one position per partition inside.

It is base64, fit for URLs and command lines, of: a checksum under the store's id, then the positions as variable-length
numbers, then, where it matters of what it is the place, a mark. The checksum tells a cursor of another store, and a
mistyped one, from ours; it is no secret.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from convstore.errors import CursorInvalid

_CHECK: Final = 6
# Beside letters and digits: fit for URLs, and no word of a command line that begins with them is taken for a flag.
_ALSO: Final = b"._"
# Numbers in groups of seven bits, lowest first; the eighth says that more follow.
_MORE: Final = 0x80
_BITS: Final = 0x7F
# Positions are bigint: no more groups than these.
_LONGEST: Final = 9

MARK: Final = 4
"""Bytes that a mark has."""


def encode(positions: Sequence[int], store_id: str, mark: bytes = b"") -> str:
    """Give the cursor of these positions (index = partition) in the store with this id; ``mark`` comes back with it."""
    return _encoded(tuple(positions), store_id, mark)


# Many ask while nothing happens.
@lru_cache(maxsize=1_000)
def _encoded(positions: tuple[int, ...], store_id: str, mark: bytes) -> str:
    body = b"".join(_packed(position) for position in positions) + mark
    return base64.b64encode(_checksum(body, store_id) + body, _ALSO).rstrip(b"=").decode()


def decode(text: str, partitions: int, store_id: str) -> tuple[int, ...]:
    """Give the positions of a cursor, one per partition, whatever its mark is.

    Raises:
        CursorInvalid: it is none, or one of another store.
    """
    return decode_marked(text, partitions, store_id)[0]


def decode_marked(text: str, partitions: int, store_id: str) -> tuple[tuple[int, ...], bytes]:
    """Give the positions of a cursor, one per partition, and its mark, empty when it has none.

    Raises:
        CursorInvalid: it is none, or one of another store.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=_ALSO, validate=True)
        check, body = raw[:_CHECK], raw[_CHECK:]
        if check != _checksum(body, store_id):
            raise CursorInvalid
        positions, mark = _unpacked(body, partitions)
    except (binascii.Error, ValueError) as e:
        raise CursorInvalid from e
    # Base64 has several words for the same bytes; only one of them is ours.
    if len(mark) not in (0, MARK) or encode(positions, store_id, mark) != text:
        raise CursorInvalid
    return positions, mark


def _checksum(body: bytes, store_id: str) -> bytes:
    return hashlib.sha256(store_id.encode() + b"\x00" + body).digest()[:_CHECK]


def _packed(number: int) -> bytes:
    out = bytearray()
    while number > _BITS:
        out.append(number & _BITS | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def _unpacked(body: bytes, count: int) -> tuple[tuple[int, ...], bytes]:
    """Read so many numbers, and give what follows them.

    Raises:
        ValueError: there are not so many, or one is too long.
    """
    numbers: list[int] = []
    number = shift = 0
    for place, byte in enumerate(body):
        if len(numbers) == count:
            return tuple(numbers), body[place:]
        number |= (byte & _BITS) << shift
        if byte & _MORE:
            shift += 7
            if shift >= 7 * _LONGEST:
                raise ValueError("a position is too long")
        else:
            numbers.append(number)
            number = shift = 0
    if len(numbers) != count:
        raise ValueError("there are not enough positions")
    return tuple(numbers), b""
