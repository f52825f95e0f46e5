"""Compiles typed queries to SQL: paths to joins and EXISTS, filters to conditions, order to keys.

Statements are put together from the tables of ``entities``, the vocabulary of ``operators`` and the few clauses below,
all of them constants; whatever a client wrote is a bound parameter. A test sends hostile texts through every place.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from importlib.resources import files
from typing import Any

from msgspec import Struct

from convstore.errors import BadQuery
from convstore.http.query import operators
from convstore.http.query.entities import (
    Collection,
    Constant,
    Entity,
    Inlined,
    Link,
    Property,
    Reference,
    Scalar,
    Shortcut,
    Type,
)
from convstore.http.query.filters import Filter, Test
from convstore.http.query.paging import Order
from convstore.sql import Statements

SKELETONS = Statements(files(__package__) / "skeletons.sql")

# There is no literal with two hyphens in what statements are made of; what clients write is not in their text.
_COMMENT = re.compile("--[^\n]*")

# A path through references that lead to their own kind, such as a unit's parent, must end somewhere.
LONGEST_PATH = 8
# Conditions on elements: the time to plan a statement grows with the cube of their number.
_MOST_ELEMENT_CONDITIONS = 25
# Each may bring in rows through references.
_MOST_KEYS = 25

_TRUE = Scalar(name="", sql="true", type=Type.BOOLEAN)


class Late(Enum):
    """Values that a statement is given when it runs, so that what is compiled serves every caller."""

    CALLER = auto()
    API_URL = auto()
    ID = auto()
    IDS = auto()


class Statement(Struct, frozen=True):
    """A statement and its arguments; ``late`` says which of them come late, by their places."""

    sql: str
    args: tuple[Any, ...]
    late: tuple[tuple[int, Late], ...]

    def bound(self, caller: str, api_url: str, uid: str = "", ids: Sequence[str] = ()) -> list[Any]:
        """Give the arguments for one run; ``uid`` or ``ids`` are of the objects, where these are named."""
        given = list(self.args)
        for place, late in self.late:
            match late:
                case Late.CALLER:
                    given[place] = caller
                case Late.API_URL:
                    given[place] = api_url
                case Late.ID:
                    given[place] = uid
                case Late.IDS:
                    given[place] = ids
        return given


class Key(Struct, frozen=True):
    """An expression to sort by, and what it gives."""

    sql: str
    descending: bool = False
    type: Type = Type.TEXT
    nullable: bool = True

    def __str__(self) -> str:
        return f"{self.sql} {'DESC' if self.descending else 'ASC'}"


class Scope:
    """The rows of one FROM clause: the first one, and those that references bring in."""

    def __init__(self, row: str, names: "Names") -> None:
        self.row = row
        self._names = names
        self._joined: dict[tuple[str, str], str] = {}
        self._clauses: list[str] = []

    def join(self, reference: Reference, row: str) -> str:
        """Give the name of the row that a reference leads to from a row."""
        if (row, reference.name) not in self._joined:
            name = self._joined[row, reference.name] = self._names.next()
            self._clauses.append(reference.join.format(row, name))
        return self._joined[row, reference.name]

    @property
    def joins(self) -> str:
        """The clauses that bring in what has been asked for so far."""
        return " ".join(self._clauses)


class Names:
    """Gives names to rows, each a new one, and notes which collections a statement, or one beside it, looks into."""

    def __init__(self) -> None:
        self._last = 0
        self.collections: set[str] = set()

    def next(self) -> str:
        """Give a name that is not in use in the statement."""
        self._last += 1
        return f"r{self._last}"


class Arguments:
    """Gathers the arguments of one statement."""

    def __init__(self, *first: Any) -> None:
        self.values: list[Any] = list(first)

    def bind(self, value: Any, kind: str) -> str:
        """Give the parameter that stands for a value of this type."""
        self.values.append(value)
        return f"${len(self.values)}::{kind}"


def statement(sql: str, arguments: Arguments) -> Statement:
    """Make the statement of a text and its arguments; the comments of the files it came from stay behind."""
    late = tuple((place, value) for place, value in enumerate(arguments.values) if isinstance(value, Late))
    return Statement(" ".join(_COMMENT.sub("", sql).split()), tuple(arguments.values), late)


class Conditions:
    """Compiles filters on the rows of one scope. ``heavy`` tells whether any of them costs more than a comparison."""

    def __init__(self, entity: Entity, scope: Scope, names: Names, arguments: Arguments) -> None:
        self._entity = entity
        self._scope = scope
        self._names = names
        self._arguments = arguments
        self._looked_into = 0
        self.heavy = False

    def of(self, asked: Filter) -> str:
        """Give the condition that a filter means.

        Raises:
            BadQuery: there is no such path, or the operator or value does not suit it.
        """
        if asked.path == ("identifiable",):
            return self.any_of(((name,) for name in self._entity.identifiable), asked)
        return self._walk(self._entity, self._scope, self._scope.row, asked.path, asked)

    def any_of(self, paths: Iterable[tuple[str, ...]], asked: Filter) -> str:
        """Give the condition that one of several properties passes."""
        found = [self._walk(self._entity, self._scope, self._scope.row, path, asked) for path in paths]
        return f"({' OR '.join(found)})"

    def written(self, condition: str, value: Any, kind: str) -> str:
        """Give a condition that is written out: {0} in it is the row, {1} the parameter for this value."""
        self.heavy = True
        return condition.format(self._scope.row, self._arguments.bind(value, kind))

    def _walk(self, entity: Entity, scope: Scope, row: str, path: tuple[str, ...], asked: Filter) -> str:
        found, rest = _step(entity, path, asked)
        match found:
            case Scalar() if not rest:
                return self._test(found, found.sql.format(row), asked)
            case Link() if not rest:
                return self._test(_TEXT, _address(found, row, self._arguments), asked)
            case Shortcut():
                return self._walk(entity, scope, row, (*found.path, *rest), asked)
            case Reference():
                return self._walk(found.target, scope, scope.join(found, row), rest or ("id",), asked)
            case Collection() | Inlined():
                return self._elements(found, row, rest, asked)
            case Constant():
                return self._constant(found, rest, asked)
            case _:
                raise _unknown(asked)

    def _test(self, scalar: Scalar, x: str, asked: Filter) -> str:
        if asked.operator.test in _MATCHING:
            self.heavy = True
        return operators.test(self._arguments.bind, scalar, x, asked)

    def _elements(self, found: Collection | Inlined, row: str, rest: tuple[str, ...], asked: Filter) -> str:
        """Ask that any element passes; without a further path, ask for the number of elements."""
        self.heavy = True
        self._looked_into += 1
        if self._looked_into > _MOST_ELEMENT_CONDITIONS:
            raise BadQuery(f"At most {_MOST_ELEMENT_CONDITIONS} filters may look into lists, such as {found.name}.")
        self._names.collections.add(found.name)
        inner = Scope(self._names.next(), self._names)
        if isinstance(found, Inlined):
            elements = SKELETONS.inlined_elements.format(owner=row, column=found.column, row=inner.row)
            belongs = "true"
        else:
            elements = SKELETONS.elements.format(source=found.rows, row=inner.row)
            belongs = f"{inner.row}.{found.key} = {row}.id"
        if rest:
            passes = self._walk(found.target, inner, inner.row, rest, asked)
            return SKELETONS.any_element.format(elements=elements, joins=inner.joins, belongs=belongs, passes=passes)
        if asked.operator.test is Test.EMPTY:
            none = SKELETONS.no_element.format(elements=elements, belongs=belongs)
            return f"NOT ({none})" if asked.operator.negated else none
        return self._test(_SIZE, SKELETONS.count_elements.format(elements=elements, belongs=belongs), asked)

    def _constant(self, found: Constant, rest: tuple[str, ...], asked: Filter) -> str:
        if isinstance(found.value, list) and not rest:
            if asked.operator.test is Test.EMPTY:
                return "false" if asked.operator.negated else "true"
            return self._test(_SIZE, "0", asked)
        if isinstance(found.value, dict) and len(rest) == 1 and found.value.get(rest[0]) is True:
            return self._test(_TRUE, "true", asked)
        raise _unknown(asked)


# Regular expressions; the rest is comparisons.
_MATCHING = frozenset({Test.I_EQUAL, Test.I_CONTAINS, Test.I_STARTS, Test.I_ENDS, Test.TOKENS})
_TEXT = Scalar(name="", sql="")
_SIZE = Scalar(name="", sql="", type=Type.INTEGER, kind="Integer", known=True)


def order_keys(entity: Entity, scope: Scope, order: Sequence[Order]) -> list[Key]:
    """Give what to sort by; the id comes last, so that no two rows are equal and pages never overlap.

    Raises:
        BadQuery: there is no such property, it cannot be sorted by, or there are too many.
    """
    if len(order) > _MOST_KEYS:
        raise BadQuery(f"At most {_MOST_KEYS} properties can be sorted by, not {len(order)}.")
    keys = []
    for asked in order:
        scalar, x = _sortable(entity, scope, scope.row, asked.path, asked)
        if asked.ignore_case and scalar.type in (Type.TEXT, Type.ENUM):
            x = f"lower({x})"
        keys.append(Key(x, descending=asked.descending, type=scalar.type, nullable=asked.path != ("id",)))
    if all(asked.path != ("id",) for asked in order):
        keys.append(Key(f"{scope.row}.id", nullable=False))
    return keys


def _sortable(entity: Entity, scope: Scope, row: str, path: tuple[str, ...], asked: Order) -> tuple[Scalar, str]:
    found = entity.properties.get(path[0]) if path and len(path) <= LONGEST_PATH else None
    match found:
        case Scalar() if len(path) == 1:
            return found, (found.shown or found.sql).format(row)
        case Link() if len(path) == 1:
            return _TEXT, f"{row}.id"
        case Shortcut():
            return _sortable(entity, scope, row, (*found.path, *path[1:]), asked)
        case Reference() if len(path) > 1:
            return _sortable(found.target, scope, scope.join(found, row), path[1:], asked)
        case _:
            raise BadQuery(f"No such property: {'.'.join(asked.path)}")


def _step(entity: Entity, path: tuple[str, ...], asked: Filter) -> tuple[Property, tuple[str, ...]]:
    found = entity.properties.get(path[0])
    if found is None or len(asked.path) > LONGEST_PATH:
        raise _unknown(asked)
    return found, path[1:]


def _address(link: Link, row: str, arguments: Arguments) -> str:
    return f"({arguments.bind(Late.API_URL, 'text')} || {arguments.bind(f'/{link.path}/', 'text')} || {row}.id)"


def _unknown(asked: Filter) -> BadQuery:
    return BadQuery(f"Unknown path property: {'.'.join(asked.path)}")
