"""Events in standard envelopes: CloudEvents 1.0 in its JSON format, one to a line where there are many.

The data inside are the very bytes that the log stores, so that who has the envelope can check them, and import them
again. What the standard has no attribute for are extensions: their names are lower-case letters only, as it asks, and
a position is a text, because a CloudEvents integer has 32 bits.

Sources: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, and formats/json-format.md beside it.
"""

import base64
import uuid
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from convstore.errors import LogCorrupt

CONTENT_TYPE: Final = "application/cloudevents+json"
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"

_SPECVERSION: Final = "1.0"
_DATA_TYPE: Final = "application/json"

_encode = msgspec.json.Encoder().encode


class CloudEvent(Struct, frozen=True, kw_only=True, gc=False):
    """One event as CloudEvents tell it.

    ``id`` is stream@version and ``source`` the store's URN: together they name it for ever. ``type`` is the tag,
    ``subject`` the stream, ``time`` when it was recorded, in UTC with microseconds. ``position``, in its
    ``partition``, and ``streamversion`` tell the order. ``cursor``: the place in the log after it. ``meta``: the stored
    text of its circumstances, in exports only. ``ack``: how the consumer of a subscription acknowledges it. Of ``data``
    and ``data_base64`` one is there.
    """

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    partition: int
    position: str
    streamversion: int
    actor: str | UnsetType = UNSET
    cursor: str | UnsetType = UNSET
    meta: str | UnsetType = UNSET
    ack: str | UnsetType = UNSET
    data: msgspec.Raw | UnsetType = UNSET
    data_base64: str | UnsetType = UNSET

    def text(self) -> str:
        """Give the stored text of the event, byte for byte.

        Raises:
            LogCorrupt: there is none, or it is not base64 or not UTF-8.
        """
        try:
            if self.data is not UNSET:
                return bytes(self.data).decode()
            if self.data_base64 is not UNSET:
                return base64.b64decode(self.data_base64, validate=True).decode()
        except ValueError as e:
            raise LogCorrupt(f"The data cannot be read: {e}.") from e
        raise LogCorrupt("It has no data.")


def source(store_id: str) -> str:
    """Give the URN of the store with this id (RFC 9562 section 4)."""
    return uuid.UUID(store_id).urn


def envelope(
    source: str,
    *,
    partition: int,
    position: int,
    stream: str,
    version: int,
    tag: str,
    data: str,
    recorded_at: datetime,
    actor: str | None = None,
    cursor: str | None = None,
    meta: str | None = None,
) -> CloudEvent:
    """Put one event into its envelope; ``data`` and ``meta`` are texts as the log stores them.

    A text with line breaks, or blanks around it (``json`` keeps what it is given), goes in as base64: a line stays a
    line, and the bytes stay the same.
    """
    broken = "\n" in data or "\r" in data or not (data.startswith("{") and data.endswith("}"))
    return CloudEvent(
        specversion=_SPECVERSION,
        id=f"{stream}@{version}",
        source=source,
        type=tag,
        subject=stream,
        time=stamp(recorded_at),
        datacontenttype=_DATA_TYPE,
        partition=partition,
        position=str(position),
        streamversion=version,
        actor=UNSET if actor is None else actor,
        cursor=UNSET if cursor is None else cursor,
        meta=UNSET if meta is None else meta,
        data=UNSET if broken else msgspec.Raw(data),
        data_base64=base64.b64encode(data.encode()).decode() if broken else UNSET,
    )


def encode(event: CloudEvent) -> bytes:
    """Write an envelope on one line, without the line break."""
    return _encode(event)


def stamp(at: datetime) -> str:
    """Write a time as RFC 3339 has it: UTC, with microseconds, ``2026-11-23T13:08:08.123456Z``."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
