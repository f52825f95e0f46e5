"""Turns what a client looks for into patterns of PostgreSQL, which go to it as bound parameters.

Case and word boundaries are spelt out here by Python's Unicode tables, because a database of locale C, the embedded
one's, folds and knows ASCII letters only. The patterns are advanced regular expressions (PostgreSQL manual, section
9.7.3); every character of the client's text that is no letter or digit leaves as an escape, so none can mean anything.
"""

import re
import sys
import unicodedata
from functools import cache


def like(value: str) -> str:
    """Escape a text for ``LIKE``, where it stands for itself; ``%`` is dropped from it, as DHIS2 does."""
    return re.sub(r"([\\_])", r"\\\1", value.replace("%", ""))


def ignoring_case(value: str) -> str:
    """Give a pattern for this text in any mix of cases."""
    return "".join(_any_case(char) for char in value)


def tokens(value: str) -> list[str]:
    """Cut a text into its words: runs of letters, digits and the marks that belong to them."""
    words = "".join(char if _in_word(char) else " " for char in value)
    return words.split()


def begins_word(token: str) -> str:
    """Give a pattern for texts that have a word beginning with this token, in any case.

    In scripts that write no blanks between words, such as Chinese, a word may begin anywhere.
    """
    boundary = "" if _runs_on(token[0]) else f"(?<![{_word_class()}])"
    return boundary + ignoring_case(token)


def _any_case(char: str) -> str:
    variants = {char} | {form for form in (char.lower(), char.upper(), char.title(), char.casefold()) if len(form) == 1}
    return _escape(char) if len(variants) == 1 else f"[{''.join(map(_escape, sorted(variants)))}]"


def _escape(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"  # noqa: PLR2004 - the width of \\u


def _in_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def _runs_on(char: str) -> bool:
    """Tell whether a letter is of a script without blanks between words; these letters have no case and no marks."""
    name = unicodedata.name(char, "")
    return name.startswith(("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR "))


@cache
def _word_class() -> str:
    """Give the inside of a bracket expression for all characters of words: about 800 ranges."""
    ranges: list[str] = []
    first: int | None = None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and _in_word(chr(code))
        if inside and first is None:
            first = code
        elif not inside and first is not None:
            ranges.append(_escape(chr(first)) + (f"-{_escape(chr(code - 1))}" if code - 1 > first else ""))
            first = None
    return "".join(ranges)
