"""Query and path parameters, with DHIS2's words for wrong ones (contract section 7.3). Unknown ones are ignored.

All parameters of queries are read here, and only those that the description of the route has: one that the OpenAPI
document does not know cannot be read.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar

from aiohttp import web

from convstore.domain.uid import is_uid
from convstore.http.errors import BAD_REQUEST, Problem
from convstore.http.keys import TAKES
from convstore.http.query.parameters import parameters

Choice = TypeVar("Choice", bound=StrEnum)

# What DHIS2's framework takes for a boolean, in any case.
_TRUE = frozenset({"true", "on", "yes", "1"})
_FALSE = frozenset({"false", "off", "no", "0"})


def every(request: web.Request, name: str) -> Sequence[str]:
    """Give all values of a parameter, as they were sent; none when it is absent.

    Raises:
        LookupError: the route is described without it, which is a fault of ours.
    """
    if name not in request[TAKES]:
        raise LookupError(f"{name} is read, and the route's description does not have it")
    return request.query.getall(name, ())


def first(request: web.Request, name: str) -> str | None:
    """Give a parameter's first value, maybe empty; None when it is absent."""
    return next(iter(every(request, name)), None)


def given(request: web.Request, *, also: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Give all parameters that the route is described with, by name; and of others those that are to be refused.

    Raises:
        BadText: one holds what no text may hold.
    """
    known = request[TAKES] | also
    return parameters((name, value) for name, value in request.query.items() if name in known)


def required(request: web.Request, name: str) -> str:
    """Give a parameter's first value, maybe empty.

    Raises:
        Problem: 400, it is not there.
    """
    value = first(request, name)
    if value is None:
        raise missing(name)
    return value


def choice(request: web.Request, name: str, kind: type[Choice]) -> Choice:
    """Give the member that a required parameter names, in any case.

    Raises:
        Problem: 400, it is missing or empty, or names none.
    """
    value = required(request, name)
    if not value:
        raise missing(name)
    return member(name, value, kind)


def flag(request: web.Request, name: str) -> bool:
    """Give a boolean parameter; absent or empty is False.

    Raises:
        Problem: 400, it is neither true nor false.
    """
    return boolean(name, first(request, name) or "")


def boolean(name: str, value: str) -> bool:
    """Read what says yes or no; empty is False. ``name`` is the parameter's, for the error.

    Raises:
        Problem: 400, it is neither true nor false.
    """
    lowered = value.strip().lower()
    if lowered in _TRUE:
        return True
    if not lowered or lowered in _FALSE:
        return False
    raise bad_value(name, value, "It should be of type boolean")


def member(name: str, value: str, kind: type[Choice]) -> Choice:
    """Give the member that a value names, in any case. ``name`` is the parameter's, for the error.

    Raises:
        Problem: 400, it names none.
    """
    try:
        return kind(value.upper())
    except ValueError:
        raise bad_value(name, value, f"Valid values are: [{', '.join(kind)}]") from None


def whole_number(request: web.Request, name: str, default: int) -> int:
    """Give an integer parameter; absent or empty is the default.

    Raises:
        Problem: 400, it is no integer, or not within 32 bits.
    """
    value = (first(request, name) or "").strip()
    if not value:
        return default
    digits = value.removeprefix("-").removeprefix("+")
    # Python's int() takes underscores and other scripts' digits; over ten digits never fit.
    if digits.isascii() and digits.isdecimal() and len(digits) <= 10:  # noqa: PLR2004 - digits of 2^31
        number = int(value)
        if -(2**31) <= number < 2**31:
            return number
    raise bad_value(name, value, "It should be of type int")


def values(request: web.Request, name: str) -> Iterator[str]:
    """Give all values of a parameter that may be repeated, and may hold several joined by commas; no empty ones."""
    for joined in every(request, name):
        for value in joined.split(","):
            if stripped := value.strip():
                yield stripped


def check_uid(uid: str) -> None:
    """Check a uid in a path, where DHIS2 does (contract section 2.6).

    Raises:
        Problem: 400, it has not the form of a uid.
    """
    if not is_uid(uid):
        text = (
            f"Value '{uid}' is not valid for path parameter uid. UID must be an alphanumeric string of 11 characters "
            f"starting with a letter, but was: {uid}"
        )
        raise Problem(HTTPStatus.BAD_REQUEST, text, BAD_REQUEST)


def missing(name: str) -> Problem:
    """Make the error of a required parameter that is not there."""
    return Problem(HTTPStatus.BAD_REQUEST, f"Required request parameter '{name}' is not present", BAD_REQUEST)


def bad_value(name: str, value: str, expected: str) -> Problem:
    """Make the error of a parameter that cannot be read; ``expected`` says what it may be, without a full stop."""
    return Problem(
        HTTPStatus.BAD_REQUEST, f"Value '{value}' is not valid for parameter {name}. {expected}", BAD_REQUEST
    )
