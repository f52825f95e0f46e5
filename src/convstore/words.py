"""Words: how texts, names and questions are cut and folded, the same in all three, so that each finds the other.

A question is a list of prefixes; a text answers it when each is the beginning of one of its words (contract section
5.3, operator ``token``). Words are cut at Unicode's word breaks (UAX #29), tailored as that allows and the contract
asks: apostrophes, dots, underscores and all else that is neither letter nor digit part words, so *épidémie* finds
*l'épidémie* and *gov* finds *ann@health.gov*. Chinese, Japanese, Thai, Lao, Khmer and Burmese write no blanks between
words, and only a dictionary could tell where one ends. There a word begins at each character, so that every run of
characters is found wherever it stands.

Folding makes equal what people write one way and look for another: case; composed, decomposed, wide and other
compatible forms; accents of Latin, Greek and Cyrillic; vowel points of Arabic and Hebrew, and the forms of alef, yeh,
kaf and teh marbuta; Amharic's letters of one sound; digits of all scripts. Marks that are letters to their readers
stay, such as the vowels of Hindi and Thai. Done here, by Python's Unicode tables, because a database of locale C, the
embedded one's, knows ASCII only.

A change in here asks for a new version of what stores words: the projection ``search``, and the directory's names.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

# A tsvector holds 1 MB of words and fails beyond it: 10,000 of 25 characters of at most 4 bytes stay below. Longer
# words are known by their beginning, in texts and questions alike; a text's words beyond the 10,000th are not found.
LONGEST: Final = 25
MOST: Final = 10_000

# Each prefix of a question is a walk through the index. What is asked beyond these is passed over.
MOST_ASKED: Final = 32

# How much of what follows a character belongs to its word where blanks do not tell: most words of Chinese and Japanese
# are no longer, and a question that is, is asked in overlapping pieces.
_SPAN: Final = 4

_RUNS_ON: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u30ff\u31f0-\u31ff\U0001aff0-\U0001b16f"  # Hiragana, Katakana
    "\u3100-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_runs_on = re.compile(f"[{_RUNS_ON}]")
_piece = re.compile(f"[{_RUNS_ON}]+|[^{_RUNS_ON}]+")

# Marks that readers do without: accents, vowel points, signs of recitation, and what chooses a glyph.
_MARKS_DROPPED: Final = (
    (0x0300, 0x036F),  # accents
    (0x0483, 0x0489),  # Old Cyrillic
    (0x0591, 0x05C7),  # Hebrew points
    (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06ED), (0x08CA, 0x08FF),  # Arabic
    (0x135D, 0x135F),  # Ethiopic length
    (0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF),  # variation selectors
    (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),  # accents
)  # fmt: skip

_LETTERS: Final = {
    # Latin letters that have no decomposition but do have a plain spelling.
    "œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ŧ": "t", "ı": "i", "þ": "th", "ð": "d",  # noqa: RUF001 - no letter stands for another here
    # Arabic: wasla, yeh without dots, Persian yeh and kaf, swash kaf, teh marbuta; tatweel only stretches a line.
    "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ڪ": "ك", "ة": "ه", "ـ": "",  # noqa: RUF001 - likewise
}  # fmt: skip
# Amharic writes these rows of letters (seven vowels and a rounded one) for one sound, and spelling varies.
_SAME_SOUND: Final = (("ሐ", "ሀ"), ("ኀ", "ሀ"), ("ሠ", "ሰ"), ("ዐ", "አ"), ("ፀ", "ጸ"))  # noqa: RUF001 - likewise
_ETHIOPIC_ROW: Final = 8

_BLANK: Final = " "
_ZERO_WIDTH_SPACE: Final = "\u200b"


class _Folding(dict[int, str]):
    """What each decomposed and case-folded character becomes, found out when it is first met; a blank parts words."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _folded(chr(code))
        return found


def _folded(char: str) -> str:
    category = unicodedata.category(char)
    if char in _LETTERS:
        return _LETTERS[char]
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category[0] == "M":
        return "" if any(first <= ord(char) <= last for first, last in _MARKS_DROPPED) else char
    if category == "Cf" and char != _ZERO_WIDTH_SPACE:
        # Soft hyphens, joiners, directions of writing: they stand inside of words and mean nothing to a reader.
        return ""
    for row, plain in _SAME_SOUND:
        if 0 <= (place := ord(char) - ord(row)) < _ETHIOPIC_ROW:
            return chr(ord(plain) + place)
    return char if char.isalnum() else _BLANK


_folding = _Folding()


def fold(text: str) -> str:
    """Give a text as it is compared: words in their plain form, single characters or runs of blanks between them."""
    # Case is folded between two decompositions: each brings out what the other has to see (Unicode, definition D146).
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # Composed again, so that Hangul and Kana count in characters.
    return unicodedata.normalize("NFC", decomposed.translate(_folding))


def cut(text: str) -> list[str]:
    """Give the different words of a text, folded, in the order in which they first appear; at most ``MOST``."""
    folded = fold(text)
    if folded.isascii():
        # Most texts are: then what blanks part are words, of letters and digits alone. The same as below, in less time.
        return list(dict.fromkeys([run[:LONGEST] for run in dict.fromkeys(folded.split())]))[:MOST]
    words = []
    for run in _runs(folded):
        if _runs_on.match(run) is None:
            words.append(run[:LONGEST])
        else:
            words += [run[start : start + _SPAN] for start in _starts(run)]
    return list(dict.fromkeys(words))[:MOST]


def words_of_name(first_name: str, surname: str) -> list[str]:
    """Give the words of a person's name, as the directory stores them beside it."""
    return cut(f"{first_name} {surname}")


def query_prefixes(text: str) -> list[str]:
    """Give what a question asks for: prefixes, each of which must begin a word; at most ``MOST_ASKED``.

    Empty when there is no letter and no digit in it: it asks for nothing, and everything answers it.
    """
    found = []
    for run in _runs(fold(text)):
        if _runs_on.match(run) is None:
            found.append(run[:LONGEST])
        else:
            for start in _starts(run):
                found.append(run[start : start + _SPAN])
                if start + _SPAN >= len(run):
                    break
    asked = list(dict.fromkeys(found))[:MOST_ASKED]
    # Whoever answers a longer one has answered the shorter one that begins it, which would be the dearer walk.
    return [prefix for prefix in asked if not any(other != prefix and other.startswith(prefix) for other in asked)]


def tsquery(prefixes: Iterable[str]) -> str:
    """Give the text of the ``tsquery`` that asks for all of these prefixes; empty, for none, it finds nothing."""
    return " & ".join("'" + prefix.replace("\\", "\\\\").replace("'", "''") + "':*" for prefix in prefixes)


def _runs(folded: str) -> list[str]:
    """Give the runs of letters, digits and marks, each of scripts with blanks or of scripts without."""
    runs = folded.split()
    if not folded.isascii() and _runs_on.search(folded) is not None:
        runs = [piece for run in runs for piece in _piece.findall(run)]
    return [own for run in runs if (own := run if run[0].isalnum() else _without_leading_marks(run))]


def _without_leading_marks(run: str) -> str:
    """Leave out marks that stand on nothing: what they stood on is no letter."""
    return next((run[at:] for at, char in enumerate(run) if char.isalnum()), "")


def _starts(run: str) -> list[int]:
    """Give the places where a word may begin: at letters and digits, not at marks."""
    return [at for at, char in enumerate(run) if char.isalnum()]
