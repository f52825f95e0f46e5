"""Parses ``fields``: which properties are asked for, and how they are transformed (contract section 5.1)."""

import re
from enum import Enum

from msgspec import Struct

from convstore.errors import BadQuery

# Deeper than any document; a parser that calls itself must stop somewhere.
DEEPEST = 16
# More than any object has properties: each is a column, or a part of every object of a page.
MOST_FIELDS = 1_000

_BLANK = " \t\r\n"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_TRANSFORM = re.compile(r"(?:::?|~~?|@|\|\|?)[ \t]*([A-Za-z][A-Za-z0-9_]*)")
_CLOSING = {"[": "]", "(": ")"}


class Mark(Enum):
    """What an entry asks for: a property, everything but it, or a named set of properties."""

    INCLUDE = ""
    EXCLUDE = "!"
    PRESET = ":"


class Transform(Struct, frozen=True):
    """What to do with a property's value, such as ``rename(title)``."""

    name: str
    args: tuple[str, ...] = ()


class Field(Struct, frozen=True):
    """One entry of a list of fields. ``children`` is None where no sub-fields are named; ``*`` means ``:all``."""

    name: str
    mark: Mark = Mark.INCLUDE
    transforms: tuple[Transform, ...] = ()
    children: "tuple[Field, ...] | None" = None


def parse_fields(text: str) -> tuple[Field, ...]:
    """Parse the values of all ``fields`` parameters, joined with commas: pieces need not be balanced on their own.

    Blanks and empty entries mean nothing, and brackets left open at the end are closed.

    Raises:
        BadQuery: says what was expected, and where.
    """
    reader = _Reader(text)
    found = reader.fields(depth=0)
    if reader.at < len(text):
        raise reader.expected("field")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found = 0

    def count(self) -> None:
        """Count what is asked for, a property or a step of its transformation."""
        self.found += 1
        if self.found > MOST_FIELDS:
            raise BadQuery(f"Expected at most {MOST_FIELDS} properties and transformers in fields")

    def expected(self, what: str) -> BadQuery:
        found = f"'{self.text[self.at]}'" if self.at < len(self.text) else "the end"
        return BadQuery(f"Expected {what} but found {found} at position {self.at} of fields")

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at] in _BLANK:
            self.at += 1
        return self.text[self.at : self.at + 1]

    def fields(self, depth: int) -> tuple[Field, ...]:
        if depth > DEEPEST:
            raise _too_deep()
        found: list[Field] = []
        while True:
            while self.peek() == ",":
                self.at += 1
            if self.peek() in ("", "]", ")"):
                return tuple(found)
            found.append(self.field(depth))
            if self.peek() not in ("", ",", "]", ")"):
                raise self.expected("',' or closing bracket")

    def field(self, depth: int) -> Field:
        self.count()
        mark = Mark.INCLUDE
        if self.peek() == "*":
            self.at += 1
            return Field("all", Mark.PRESET)
        if self.peek() in ("!", "-"):
            mark = Mark.EXCLUDE
            self.at += 1
        elif self.peek() == ":":
            mark = Mark.PRESET
            self.at += 1
        name = self.name()
        if mark is Mark.PRESET:
            return Field(name, mark)
        transforms = self.transforms()
        children = None
        if (bracket := self.peek()) in _CLOSING and bracket:
            self.at += 1
            children = self.fields(depth + 1)
            if self.peek() not in ("", _CLOSING[bracket]):
                raise self.expected(f"'{_CLOSING[bracket]}'")
            self.at += len(self.peek())
        return _nest(name, mark, transforms, children)

    def name(self) -> str:
        self.peek()
        if (match := _NAME.match(self.text, self.at)) is None:
            raise self.expected("field name")
        self.at = match.end()
        return match[0]

    def transforms(self) -> tuple[Transform, ...]:
        found = []
        while self.peek() and self.peek() in ":~@|":
            if (match := _TRANSFORM.match(self.text, self.at)) is None:
                raise self.expected("transformer")
            self.at = match.end()
            self.count()
            found.append(Transform(match[1], self.args()))
        return tuple(found)

    def args(self) -> tuple[str, ...]:
        if self.peek() != "(":
            return ()
        self.at += 1
        found = []
        while self.peek() not in (")", ""):
            found.append(self.name())
            if self.peek() in (",", ";"):
                self.at += 1
            elif self.peek() != ")":
                raise self.expected("',' or ')'")
        self.at += len(self.peek())
        return tuple(found)


def _nest(dotted: str, mark: Mark, transforms: tuple[Transform, ...], children: tuple[Field, ...] | None) -> Field:
    """Take a dotted name as brackets: ``sender.id`` is ``sender[id]``; a mark belongs to the last part."""
    *outer, last = [part for part in dotted.split(".") if part] or [dotted]
    if len(outer) > DEEPEST:
        raise _too_deep()
    found = Field(last, mark, transforms, children)
    for part in reversed(outer):
        found = Field(part, children=(found,))
    return found


def _too_deep() -> BadQuery:
    return BadQuery(f"Expected at most {DEEPEST} levels of brackets in fields")
