"""Parses ``filter``: a path, an operator, mostly a value (contract section 5.2)."""

import re
from collections.abc import Sequence
from enum import Enum, auto

from msgspec import Struct

from convstore.errors import BadQuery

# What one request may ask for; a statement grows with it, and the time to plan one faster still.
MOST_FILTERS = 100
MOST_VALUES = 10_000


class Test(Enum):
    """What an operator asks of a value. Those with ``I`` ignore case."""

    EQUAL = auto()
    I_EQUAL = auto()
    GREATER = auto()
    LESS = auto()
    GREATER_OR_EQUAL = auto()
    LESS_OR_EQUAL = auto()
    CONTAINS = auto()
    STARTS = auto()
    ENDS = auto()
    I_CONTAINS = auto()
    I_STARTS = auto()
    I_ENDS = auto()
    TOKENS = auto()
    IN = auto()
    NULL = auto()
    EMPTY = auto()


class Operator(Struct, frozen=True):
    """A test, or its negation; ``name`` is as the client wrote it."""

    name: str
    test: Test
    negated: bool = False


_NAMES: dict[Test, str] = {
    Test.EQUAL: "eq",
    Test.I_EQUAL: "ieq",
    Test.GREATER: "gt",
    Test.LESS: "lt",
    Test.GREATER_OR_EQUAL: "ge gte",
    Test.LESS_OR_EQUAL: "le lte",
    Test.CONTAINS: "like",
    Test.STARTS: "$like",
    Test.ENDS: "like$",
    Test.I_CONTAINS: "ilike",
    Test.I_STARTS: "$ilike startswith",
    Test.I_ENDS: "ilike$ endswith",
    Test.TOKENS: "token",
    Test.IN: "in",
    Test.NULL: "null",
    Test.EMPTY: "empty",
}
_NEGATED = ("eq", "like", "$like", "like$", "ilike", "$ilike", "ilike$", "token", "in", "null", "empty")
_OPERATORS = {name: Operator(name, test) for test, names in _NAMES.items() for name in names.split()}
_OPERATORS |= {f"!{name}": Operator(f"!{name}", _OPERATORS[name].test, negated=True) for name in _NEGATED}
_OPERATORS |= {name: Operator(name, Test.EQUAL, negated=True) for name in ("ne", "neq")}

_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*")


class Filter(Struct, frozen=True):
    """One condition. ``value`` is '' for the tests that take none; ``text`` is the filter as the client wrote it."""

    path: tuple[str, ...]
    operator: Operator
    value: str
    text: str


def parse_operator(name: str) -> Operator | None:
    """Give the operator of this name, in any case; None when there is none."""
    found = _OPERATORS.get(name.lower())
    return None if found is None else Operator(name, found.test, found.negated)


def parse_filters(values: Sequence[str]) -> tuple[Filter, ...]:
    """Parse all ``filter`` parameters. One may hold several filters, joined by commas.

    Raises:
        BadQuery: a filter without operator or value, an operator that there is not, or too many filters.
    """
    texts = [text for value in values for text in _split(value) if text.strip()]
    if len(texts) > MOST_FILTERS:
        raise BadQuery(f"There are {len(texts)} filters; at most {MOST_FILTERS} are taken at once.")
    return tuple(_parse(text) for text in texts)


def is_equal(asked: Filter) -> bool:
    """Tell whether a filter asks for one value exactly."""
    return asked.operator.test is Test.EQUAL and not asked.operator.negated


def asks_for(asked: Filter, name: str, value: str) -> bool:
    """Tell whether a filter asks that a property has exactly this value."""
    return asked.path == (name,) and is_equal(asked) and asked.value == value


def parse_list(value: str, operator: str) -> tuple[str, ...]:
    """Parse the value of an ``in`` operator: ``[a,b,c]``.

    Raises:
        BadQuery: no brackets, nothing between them, or too much.
    """
    inner = value.strip()
    items = [item.strip() for item in inner[1:-1].split(",")]
    if not (inner.startswith("[") and inner.endswith("]") and any(items)):
        raise BadQuery(f"Invalid argument `{value}` for {operator} operator.")
    if len(items) > MOST_VALUES:
        raise BadQuery(f"The {operator} operator takes at most {MOST_VALUES} values, not {len(items)}.")
    return tuple(item for item in items if item)


def _parse(text: str) -> Filter:
    path, colon, rest = text.strip().partition(":")
    if not colon or _PATH.fullmatch(path) is None:
        raise BadQuery(f"Invalid filter => {text}")
    name, colon, value = rest.partition(":")
    if (operator := parse_operator(name)) is None:
        raise BadQuery(f"`{name}` is not a valid operator." if name else f"Invalid filter => {text}")
    if operator.test in (Test.NULL, Test.EMPTY):
        value = ""
    elif not colon:
        raise BadQuery(f"Invalid filter => {text}")
    return Filter(tuple(path.split(".")), operator, value, text)


def _split(value: str) -> list[str]:
    """Cut at the commas after which another filter begins, so that values may hold commas too."""
    found = [""]
    for piece in value.split(","):
        if found == [""]:
            found = [piece]
        elif _begins_filter(piece) and not _inside_brackets(found[-1]):
            found.append(piece)
        else:
            found[-1] += "," + piece
    return found


def _begins_filter(piece: str) -> bool:
    path, _, rest = piece.strip().partition(":")
    return _PATH.fullmatch(path) is not None and rest.partition(":")[0].lower() in _OPERATORS


def _inside_brackets(text: str) -> bool:
    opened = text.rfind(":[")
    return opened >= 0 and "]" not in text[opened:]
