"""Parses ``order``, ``paging``, ``page`` and ``pageSize`` (contract sections 5.4, 5.5) and our ``cursor``."""

import re
from collections.abc import Sequence

from msgspec import Struct

from convstore.errors import BadQuery

PAGE_SIZE = 50
LARGEST_PAGE = 1_000

# Java's int, which the parameters are of: what lies beyond it is no number to DHIS2.
_LARGEST_INT = 2**31 - 1
_INT = re.compile(r"[+-]?0*[0-9]{1,10}")


class Order(Struct, frozen=True):
    """One key to sort by."""

    path: tuple[str, ...]
    descending: bool = False
    ignore_case: bool = False


class Paging(Struct, frozen=True):
    """Which part of a list is asked for; ``page`` counts from 1. Not ``enabled``: everything, and no pager.

    ``cursor``: not by page, but what comes after this row; empty is the beginning.
    """

    enabled: bool = True
    page: int = 1
    size: int = PAGE_SIZE
    cursor: str | None = None

    @property
    def offset(self) -> int:
        """How many objects come before this page."""
        return (self.page - 1) * self.size


def parse_order(values: Sequence[str]) -> tuple[Order, ...]:
    """Parse all ``order`` parameters, ``property[:direction]``, joined or repeated; the first of each counts."""
    found: dict[str, Order] = {}
    for entry in ",".join(values).split(","):
        name, _, direction = (part.strip() for part in entry.strip().partition(":"))
        if name and name not in found:
            way = direction.lower()
            found[name] = Order(tuple(name.split(".")), way in ("desc", "idesc"), way in ("iasc", "idesc"))
    return tuple(found.values())


def parse_paging(paging: str | None, page: str | None, size: str | None, cursor: str | None = None) -> Paging:
    """Parse the parameters; None or empty means not given, but for the cursor, whose empty one is the beginning.

    Too large a page is cut to ``LARGEST_PAGE``.

    Raises:
        BadQuery: no boolean, or no whole number; or a cursor with what contradicts it.
    """
    found = Paging(
        enabled=parse_boolean("paging", paging, default=True),
        page=max(1, _number("page", page, 1)),
        size=min(max(1, _number("pageSize", size, PAGE_SIZE)), LARGEST_PAGE),
        cursor=cursor,
    )
    if cursor is not None and page:
        raise BadQuery("Parameters cursor and page cannot be used together")
    if cursor is not None and not found.enabled:
        raise BadQuery("Parameter cursor cannot be used with paging=false")
    return found


def parse_boolean(name: str, value: str | None, *, default: bool) -> bool:
    """Parse a boolean parameter, in any case.

    Raises:
        BadQuery: it is neither true nor false.
    """
    if not value:
        return default
    if value.lower() not in ("true", "false"):
        raise BadQuery(f"Value '{value}' is not valid for parameter {name}. It should be of type boolean")
    return value.lower() == "true"


def _number(name: str, value: str | None, default: int) -> int:
    if not value:
        return default
    if _INT.fullmatch(value) is None or abs(int(value)) > _LARGEST_INT:
        raise BadQuery(f"Value '{value}' is not valid for parameter {name}. It should be of type int")
    return int(value)
