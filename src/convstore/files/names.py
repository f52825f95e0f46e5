"""Names and types of files as others say them, made safe to store and to show."""

import re
import unicodedata
from typing import Final

_UNTITLED: Final = "untitled"
_OCTETS: Final = "application/octet-stream"
# In characters: as DHIS2's column has it, and one for types that is not known to be too small.
_NAME_LENGTH: Final = 230
_ENDING_LENGTH: Final = 20
_TYPE_LENGTH: Final = 255

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf'{_WORD}/{_WORD}(\s*;\s*{_WORD}=({_WORD}|"[ !#-\[\]-~]*"))*')

# Marks that turn the direction of writing: with one of them gpj.exe is shown as exe.jpg.
_DIRECTIONS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def safe_name(given: str) -> str:
    """Make a file's name of what a client says: the last part of a path, without what is not to be seen."""
    # As browsers write a quotation mark (HTML standard, multipart/form-data encoding algorithm).
    name = given.replace("%22", '"')
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(c for c in name if unicodedata.category(c) != "Cc" and c not in _DIRECTIONS).strip()
    if not name.strip("."):
        return _UNTITLED
    if len(name) <= _NAME_LENGTH:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > _ENDING_LENGTH:
        return name[:_NAME_LENGTH]
    return stem[: _NAME_LENGTH - len(ending) - 1] + dot + ending


def safe_type(given: str | None) -> str:
    """Give a content type if it is one (RFC 9110 section 8.3.1), else that of bytes of which nothing is known."""
    text = (given or "").strip()
    return text if len(text) <= _TYPE_LENGTH and _TYPE.fullmatch(text) else _OCTETS
