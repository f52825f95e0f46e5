"""Pages by keyset: what comes after a row in a list's order, and the cursor that names this row.

A cursor is base64 for URLs of: a digest over the order and the values, then the values of the row's sort keys as JSON.
The digest tells a cursor of another order, and a mistyped one, from ours. It is no secret, nor need it be: the values
only say where to begin in a list that its reader may read from anywhere.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from convstore.errors import BadQuery, BadText
from convstore.http.query.compile import SKELETONS, Arguments, Key
from convstore.http.query.entities import Entity, Type
from convstore.http.query.paging import Order
from convstore.http.texts import storable

_DIGEST: Final = 9
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BIGINT: Final = 2**63

# The types of parameters.
_KINDS: Final = {
    Type.TEXT: "text",
    Type.ENUM: "text",
    Type.INTEGER: "bigint",
    Type.BOOLEAN: "boolean",
    Type.DATE: "timestamptz",
}


def order_name(entity: Entity, order: Sequence[Order]) -> bytes:
    """Name an order, so that a cursor can be told to be one of it."""
    return msgspec.json.encode([entity.name, *order])


def encode(order: bytes, values: Sequence[Any]) -> str:
    """Give the cursor of the row that has these values of the sort keys; ``order`` is the order's name."""
    kept = [(value - _BEGINNING) // _MICROSECOND if isinstance(value, datetime) else value for value in values]
    body = msgspec.json.encode(kept)
    return base64.urlsafe_b64encode(_digest(order, body) + body).rstrip(b"=").decode()


def decode(cursor: str, order: bytes, keys: Sequence[Key]) -> list[Any]:
    """Give the values of the sort keys that a cursor holds.

    Raises:
        BadQuery: it is no cursor, or one of another order.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, body = raw[:_DIGEST], raw[_DIGEST:]
        if digest != _digest(order, body):
            raise _refused(cursor)
        kept = msgspec.json.decode(body, type=list[Any])
        return [None if value is None else _READ[key.type](value) for key, value in zip(keys, kept, strict=True)]
    # An OverflowError: a date beyond Python's. All but the digest's refusal take somebody who makes cursors himself.
    except (binascii.Error, ValueError, OverflowError, msgspec.DecodeError, BadText) as e:
        raise _refused(cursor) from e


def after(keys: Sequence[Key], values: Sequence[Any], arguments: Arguments) -> str:
    """Give the condition that a row comes after the one with these values.

    Written key by key, as directions may differ and null is the largest value. The first key is bounded once more by
    itself, which is where an index in this order starts to read.
    """
    placed = [
        (key, None if value is None else arguments.bind(value, _KINDS[key.type]))
        for key, value in zip(keys, values, strict=True)
    ]
    condition = "false"
    for key, parameter in reversed(placed):
        same = SKELETONS.same_null if parameter is None else SKELETONS.same
        condition = f"({_beyond(key, parameter)} OR {same.format(x=key.sql, p=parameter)} AND {condition})"
    return f"{_not_before(*placed[0])} AND {condition}"


def _beyond(key: Key, parameter: str | None) -> str:
    """Give the condition that a row comes after a value, or null, by one key."""
    if parameter is None:
        return SKELETONS.beyond_null_descending.format(x=key.sql) if key.descending else "false"
    if key.descending:
        return SKELETONS.beyond_descending.format(x=key.sql, p=parameter)
    skeleton = SKELETONS.beyond_or_null if key.nullable else SKELETONS.beyond
    return skeleton.format(x=key.sql, p=parameter)


def _not_before(key: Key, parameter: str | None) -> str:
    """Give the bound that an index can begin at; none where nulls would be lost."""
    if parameter is None or (key.nullable and not key.descending):
        return "true"
    skeleton = SKELETONS.not_before_descending if key.descending else SKELETONS.not_before
    return skeleton.format(x=key.sql, p=parameter)


def _digest(order: bytes, body: bytes) -> bytes:
    return hashlib.sha256(order + b"\x00" + body).digest()[:_DIGEST]


def _refused(cursor: str) -> BadQuery:
    return BadQuery(f"Value '{cursor}' is not valid for parameter cursor. It should be the nextCursor of this order")


def _text(value: Any) -> str:
    return storable(msgspec.convert(value, str))


def _integer(value: Any) -> int:
    number = msgspec.convert(value, int)
    if not -_BIGINT <= number < _BIGINT:
        raise ValueError("no bigint")
    return number


def _boolean(value: Any) -> bool:
    return msgspec.convert(value, bool)


def _date(value: Any) -> datetime:
    return _BEGINNING + msgspec.convert(value, int) * _MICROSECOND


_READ: dict[Type, Callable[[Any], Any]] = {
    Type.TEXT: _text,
    Type.ENUM: _text,
    Type.INTEGER: _integer,
    Type.BOOLEAN: _boolean,
    Type.DATE: _date,
}
