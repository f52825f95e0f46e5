r"""What no string may hold, wherever it comes from: NUL and lone surrogates (design section 4, contract section 9.1).

PostgreSQL's ``json`` takes ``\u0000``, and then no projector can store it; a lone surrogate is half a character that
no encoding can write. Both are refused at the edge.
"""

import re
from urllib.parse import unquote_to_bytes

from convstore.errors import BadText

# An escape of JSON; a backslash that is itself escaped is taken first, so that it does not start one.
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
# In a path or a query: a byte that is not ASCII, or NUL; whatever else is percent-encoded needs no look.
_SUSPECT = re.compile("%(?:[89a-fA-F]|00)")
_HIGH = range(0xD800, 0xDC00)
_LOW = range(0xDC00, 0xE000)


def storable(text: str) -> str:
    """Give the text back.

    Raises:
        BadText: it holds a NUL character or a lone surrogate.
    """
    if "\0" in text:
        raise BadText
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadText from None
    return text


def decoded(raw: bytes, encoding: str = "utf-8") -> str:
    """Decode a body.

    Raises:
        BadText: it is not in this encoding, or holds a NUL character or a lone surrogate.
    """
    try:
        text = raw.decode(encoding)
    except UnicodeError:
        raise BadText(f"The text is not valid {encoding.upper()}.") from None
    return storable(text)


def check_percent_encoded(raw: str) -> None:
    """Check a path or a query string as it was sent.

    Raises:
        BadText: it stands for bytes that are not UTF-8, or for a NUL character.
    """
    if _SUSPECT.search(raw):
        decoded(unquote_to_bytes(raw))


def check_escapes(text: str) -> None:
    r"""Check the escapes of a JSON document, in keys and in parts that nobody asks for too.

    Raises:
        BadText: ``\u0000``, or half of a surrogate pair.
    """
    if "\\u" not in text:
        return
    expected = -1  # where the second half of a pair must begin
    for found in _ESCAPE.finditer(text):
        code = int(found[1], 16) if found[1] else -1
        if code == 0 or (code in _LOW) is not (found.start() == expected):
            raise BadText
        expected = found.end() if code in _HIGH else -1
    if expected != -1:
        raise BadText
