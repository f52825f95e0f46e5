"""What each operator asks of a value, in SQL: the closed vocabulary that filters are compiled to.

``{x}`` is the value's expression, from the tables of properties; ``{p}`` is a bound parameter, and the only way that
anything of a client gets into a statement.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from convstore.errors import BadQuery
from convstore.http.query import patterns
from convstore.http.query.entities import Scalar, Type
from convstore.http.query.filters import Filter, Test, parse_list

# Takes a value and its type in PostgreSQL, gives the parameter that stands for it.
Bind = Callable[[Any, str], str]

_COMPARISONS = {
    Test.EQUAL: "{x} = {p}",
    Test.GREATER: "{x} > {p}",
    Test.LESS: "{x} < {p}",
    Test.GREATER_OR_EQUAL: "{x} >= {p}",
    Test.LESS_OR_EQUAL: "{x} <= {p}",
}
_LIKE = {Test.CONTAINS: "%{}%", Test.STARTS: "{}%", Test.ENDS: "%{}"}
_MATCH = {Test.I_EQUAL: "^{}$", Test.I_CONTAINS: "{}", Test.I_STARTS: "^{}", Test.I_ENDS: "{}$"}

# Every character of these, or every word, becomes a piece of a regular expression.
_LONGEST_PATTERN = 1_000
_MOST_WORDS = 100
# Each of these is a range of its own.
_MOST_DATES = 100

# Rendered to the millisecond, so asked for to the millisecond: what a client reads, it can ask for.
_MILLISECOND = timedelta(milliseconds=1)

_INT = re.compile(r"[+-]?[0-9]{1,18}")
_LOST_PLUS = re.compile(r"(T.*) ([0-9]{2}:?[0-9]{2})$")
_YEAR_AND_MONTH = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?")


def test(bind: Bind, scalar: Scalar, x: str, asked: Filter) -> str:
    """Give the condition that a filter puts on a scalar; never NULL when negated: null counts as not equal.

    Raises:
        BadQuery: the operator does not suit the scalar's type, or its value is not of that type.
    """
    match asked.operator.test:
        case Test.NULL:
            condition = "false" if scalar.known else f"{x} IS NULL"
            negation = f"{x} IS NOT NULL"
        case Test.EMPTY if scalar.type in (Type.TEXT, Type.ENUM):
            condition = f"COALESCE({x}, '') = ''"
            negation = f"COALESCE({x}, '') <> ''"
        case _:
            condition = _TESTS[scalar.type](bind, scalar, x, asked)
            # What is known is not asked whether it is null: tickets of others are neither read nor unread.
            negation = f"NOT ({condition})" if scalar.known else f"({condition}) IS NOT TRUE"
    return negation if asked.operator.negated else condition


def _text(bind: Bind, scalar: Scalar, x: str, asked: Filter) -> str:
    wanted = asked.operator.test
    if wanted in _COMPARISONS:
        return _COMPARISONS[wanted].format(x=x, p=bind(_name(scalar, asked.value), "text"))
    if wanted in _LIKE:
        return f"{x} LIKE {bind(_LIKE[wanted].format(patterns.like(asked.value)), 'text')}"
    if wanted in _MATCH:
        wildless = asked.value if wanted is Test.I_EQUAL else asked.value.replace("%", "")
        if len(wildless) > _LONGEST_PATTERN:
            raise BadQuery(f"A text to be found in any case has at most {_LONGEST_PATTERN} characters.")
        # (?:) matches everything, as an empty text is contained everywhere; an empty pattern would be no pattern.
        return f"{x} ~ {bind(_MATCH[wanted].format(f'(?:{patterns.ignoring_case(wildless)})'), 'text')}"
    if wanted is Test.TOKENS:
        found = [f"{x} ~ {bind(patterns.begins_word(token), 'text')}" for token in _words(asked.value)]
        return f"({' AND '.join(found)})" if found else f"{x} IS NOT NULL"
    values = [_name(scalar, value) for value in parse_list(asked.value, asked.operator.name)]
    return f"{x} = ANY({bind(values, 'text[]')})"


def _integer(bind: Bind, scalar: Scalar, x: str, asked: Filter) -> str:
    if asked.operator.test in _COMPARISONS:
        return _COMPARISONS[asked.operator.test].format(x=x, p=bind(_int(scalar, asked.value), "bigint"))
    if asked.operator.test is Test.IN:
        values = [_int(scalar, value) for value in parse_list(asked.value, asked.operator.name)]
        return f"{x} = ANY({bind(values, 'bigint[]')})"
    raise _unsuitable(asked)


def _boolean(_bind: Bind, _scalar: Scalar, x: str, asked: Filter) -> str:
    # Written out, not bound: an index over the unread ones is found only so.
    if asked.operator.test is Test.EQUAL:
        return x if asked.value.lower() == "true" else f"NOT {x}"
    if asked.operator.test is Test.IN:
        values = {value.lower() == "true" for value in parse_list(asked.value, asked.operator.name)}
        return f"{x} IS NOT NULL" if len(values) > 1 else x if True in values else f"NOT {x}"
    raise _unsuitable(asked)


def _date(bind: Bind, _scalar: Scalar, x: str, asked: Filter) -> str:
    def within(value: str) -> str:
        at = parse_date(value)
        return f"{x} >= {bind(at, 'timestamptz')} AND {x} < {bind(at + _MILLISECOND, 'timestamptz')}"

    match asked.operator.test:
        case Test.EQUAL:
            return within(asked.value)
        case Test.GREATER:
            return f"{x} >= {bind(parse_date(asked.value) + _MILLISECOND, 'timestamptz')}"
        case Test.GREATER_OR_EQUAL:
            return f"{x} >= {bind(parse_date(asked.value), 'timestamptz')}"
        case Test.LESS:
            return f"{x} < {bind(parse_date(asked.value), 'timestamptz')}"
        case Test.LESS_OR_EQUAL:
            return f"{x} < {bind(parse_date(asked.value) + _MILLISECOND, 'timestamptz')}"
        case Test.IN:
            values = parse_list(asked.value, asked.operator.name)
            if len(values) > _MOST_DATES:
                raise BadQuery(
                    f"The {asked.operator.name} operator takes at most {_MOST_DATES} dates, not {len(values)}."
                )
            return f"({' OR '.join(map(within, values))})"
        case _:
            raise _unsuitable(asked)


_TESTS: dict[Type, Callable[[Bind, Scalar, str, Filter], str]] = {
    Type.TEXT: _text,
    Type.ENUM: _text,
    Type.INTEGER: _integer,
    Type.BOOLEAN: _boolean,
    Type.DATE: _date,
}


def parse_date(value: str) -> datetime:
    """Read an ISO date, with or without time and zone, or a year, or a year and a month; UTC where no zone is named.

    Raises:
        BadQuery: it is none of these.
    """
    try:
        if short := _YEAR_AND_MONTH.fullmatch(value):
            return datetime(int(short[1]), int(short[2] or 1), 1, tzinfo=UTC)
        # A '+' in a query that is not percent-encoded arrives as a blank.
        found = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", value))
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        return found + _MILLISECOND - _MILLISECOND  # so that the next millisecond is a date too
    except (ValueError, OverflowError):
        raise BadQuery(f"Unable to parse `{value}` as `Date`.") from None


def _words(text: str) -> list[str]:
    if len(text) > _LONGEST_PATTERN or len(found := patterns.tokens(text)) > _MOST_WORDS:
        raise BadQuery(f"At most {_MOST_WORDS} words are looked for at once, in {_LONGEST_PATTERN} characters.")
    return found


def _name(scalar: Scalar, value: str) -> str:
    """Check the name of an enum's value; any other text will do."""
    if scalar.type is Type.ENUM and value not in scalar.names:
        names = ", ".join(scalar.names)
        raise BadQuery(f"Unable to parse `{value}` as `{scalar.kind}`, available values are: [{names}]")
    return value


def _int(scalar: Scalar, value: str) -> int:
    if _INT.fullmatch(value) is None:
        raise BadQuery(f"Unable to parse `{value}` as `{scalar.kind}`.")
    return int(value)


def _unsuitable(asked: Filter) -> BadQuery:
    return BadQuery(f"`{asked.operator.name}` is not a valid operator for `{'.'.join(asked.path)}`.")
