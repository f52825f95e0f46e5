"""Events to and from the JSON that the log stores: the tag stands in the text's ``type``, and in a column of its own.

Tags are for ever. When a class goes, its struct moves to ``RETIRED`` with the function that says the same in today's
words: the log still holds what was written then, and nobody past this module ever meets it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Union

import msgspec
from msgspec import Struct

from convstore.domain.access import LoggedEvent
from convstore.domain.events import tag_of
from convstore.errors import BadText, LogCorrupt
from convstore.log.recorded import Meta

Upcast = Callable[[Any], LoggedEvent]

# None yet: no event of a release was ever retired.
RETIRED: Final[Mapping[type[Struct], Upcast]] = {}

# A NUL as JSON writes it; the look-behind passes over a backslash that the text itself holds before "u0000".
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_encoder = msgspec.json.Encoder()
_meta_decoder = msgspec.json.Decoder(Meta)


class Codec:
    """Encodes events, and decodes all that were ever stored."""

    def __init__(self, retired: Mapping[type[Struct], Upcast] = RETIRED) -> None:
        self._retired = retired
        # One decoder over the union: it finds the class by the tag without trying one after another.
        self._decoder = msgspec.json.Decoder(Union[LoggedEvent, *retired])

    def decode(self, data: str) -> LoggedEvent:
        """Give the event of a stored text, in today's words.

        Raises:
            LogCorrupt: it is no event of this release or an earlier one. The text is not quoted: these are letters.
        """
        return self._today(self._stored(data))

    def check(self, tag: str, data: str, meta: str) -> LoggedEvent:
        """See that what is stored of an event can be read, and is the kind of event that its column says; give it.

        Raises:
            LogCorrupt: it is not.
        """
        stored = self._stored(data)
        if tag_of(stored) != tag:
            raise LogCorrupt(f"The text is of type {tag_of(stored)}, the column says {tag}.")
        try:
            _meta_decoder.decode(meta)
        except (msgspec.DecodeError, UnicodeEncodeError) as e:
            raise LogCorrupt(f"The circumstances cannot be read: {e}.") from e
        return self._today(stored)

    def _today(self, stored: Any) -> LoggedEvent:
        if self._retired and (upcast := self._retired.get(type(stored))) is not None:
            return upcast(stored)
        return stored  # type: ignore[no-any-return]  # the decoder's union is built at run time

    def _stored(self, data: str) -> Any:
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeEncodeError) as e:
            raise LogCorrupt(f"The text cannot be read: {e}.") from e


def encode(event: LoggedEvent) -> tuple[str, str]:
    """Give an event's tag and the text to store.

    Raises:
        BadText: a string in it holds NUL or a lone surrogate. ``json`` would take a NUL, and then no read model could.
    """
    return tag_of(event), _text(event)


def encode_meta(meta: Meta) -> str:
    """Give the text to store of an event's circumstances.

    Raises:
        BadText: as ``encode`` does.
    """
    return _text(meta)


def _text(value: Struct) -> str:
    try:
        raw = _encoder.encode(value)
    except UnicodeEncodeError as e:
        raise BadText from e
    if b"\\u0000" in raw and _NUL.search(raw):
        raise BadText
    return raw.decode()


CODEC: Final = Codec()
"""The one of this release."""
