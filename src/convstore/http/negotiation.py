"""Which format a client gets, and in which coding: contract section 1.2, and RFC 9110 sections 12.5.1 and 12.5.3."""

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache


class Format(Enum):
    """The two formats that documents are written in; the value is the media type."""

    JSON = "application/json"
    XML = "application/xml"


SUFFIXES = {".json": Format.JSON, ".xml": Format.XML}

_NAMED = {"application/json": Format.JSON, "application/xml": Format.XML, "text/xml": Format.XML}
_ANY = frozenset({"*/*", "application/*"})


# Clients send the same few headers over and over.
@lru_cache(maxsize=500)
def negotiate(suffix: str, accept: str | None, content_type: str | None) -> Format | None:
    """Say what to answer in; None when the client accepts neither format.

    The path's suffix decides; then ``Accept``, by q-values and then by order; an absent one, or one that takes
    anything, means XML if the request's body is XML, else JSON.
    """
    if suffix:
        return SUFFIXES[suffix]
    usual = Format.XML if content_type is not None and is_xml(media_type(content_type)) else Format.JSON
    if accept is None or not accept.strip():
        return usual
    ranges = list(qualities(accept))
    refused = {_NAMED[name] for name, quality in ranges if quality == 0 and name in _NAMED}
    # sorted() keeps the client's order among equals.
    for name, quality in sorted(ranges, key=lambda found: -found[1]):
        if quality == 0:
            break
        if name in _NAMED:
            return _NAMED[name]
        if name in _ANY:
            return next((offered for offered in (usual, *Format) if offered not in refused), None)
    return None


@lru_cache(maxsize=500)
def media_type(content_type: str) -> str:
    """Give the media type of a ``Content-Type`` header, in lower case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_xml(name: str) -> bool:
    """Tell whether a media type is one for XML documents."""
    return name in {"application/xml", "text/xml"}


def is_json(name: str) -> bool:
    """Tell whether a media type is one for JSON documents."""
    return name == "application/json" or (name.startswith("application/") and name.endswith("+json"))


def qualities(accept: str) -> Iterator[tuple[str, float]]:
    """Cut an ``Accept``, or ``Accept-Encoding``, into what it names and their q-values, from 0 to 1; 0: unreadable."""
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = min(max(float(value), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
        if name:
            # float() takes 'nan', which is not equal to itself.
            yield name, quality if quality == quality else 0.0  # noqa: PLR0124 - how NaN is told


def best_coding(accept_encoding: str, offered: Sequence[str]) -> str | None:
    """Give the content coding that a client wants most of those offered, the best first; None: as it is."""
    if not accept_encoding:
        return None
    wanted = dict(qualities(accept_encoding))
    others = wanted.get("*", 0.0)
    # max() takes the first among equals. Whoever does not name ``identity`` takes it when nothing else is left.
    found = max(offered, key=lambda name: wanted.get(name, others), default=None)
    if found is None:
        return None
    quality = wanted.get(found, others)
    return found if quality > 0 and quality >= wanted.get("identity", 0.0) else None
