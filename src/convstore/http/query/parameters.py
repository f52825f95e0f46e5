"""Reads a query from the parameters of a request: contract section 5."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from convstore.errors import BadQuery, BadQueryOperator
from convstore.http.query.fields import Field, parse_fields
from convstore.http.query.filters import Filter, Operator, parse_filters, parse_operator
from convstore.http.query.paging import Order, Paging, parse_order, parse_paging
from convstore.http.texts import storable

Parameters = Mapping[str, Sequence[str]]


class Query(Struct, frozen=True):
    """What a client asks of a list. ``fields`` None: the default ones. ``any_filter``: one that passes is enough.

    ``search`` is what ``queryString`` and ``queryOperator`` ask, a filter without a path; ``text`` is ``query``.
    """

    fields: tuple[Field, ...] | None = None
    filters: tuple[Filter, ...] = ()
    any_filter: bool = False
    order: tuple[Order, ...] = ()
    paging: Paging = Paging()
    search: Filter | None = None
    text: str = ""

    @property
    def filtered(self) -> set[tuple[str, ...]]:
        """What the filters look at."""
        return {found.path for found in self.filters}


def parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather the parameters of a request by name, each with all its values.

    Raises:
        BadText: one holds what no text may hold.
    """
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(storable(value))
    return found


def read_fields(given: Parameters) -> tuple[Field, ...] | None:
    """Parse ``fields``, whose pieces may be spread over several parameters; None when it is absent or empty."""
    text = ",".join(given.get("fields", ()))
    return parse_fields(text) if text.strip() else None


def read_query(given: Parameters) -> Query:
    """Parse all parameters of a list; unknown ones mean nothing.

    Raises:
        BadQuery: says what cannot be understood.
    """
    return Query(
        fields=read_fields(given),
        filters=parse_filters(given.get("filter", ())),
        any_filter=_any_filter(_first(given, "rootJunction")),
        order=parse_order(given.get("order", ())),
        paging=parse_paging(
            _first(given, "paging"), _first(given, "page"), _first(given, "pageSize"), _first(given, "cursor")
        ),
        search=_search(_first(given, "queryString"), _first(given, "queryOperator")),
        text=(_first(given, "query") or "").strip(),
    )


def _first(given: Parameters, name: str) -> str | None:
    values = given.get(name)
    return values[0] if values else None


def _any_filter(value: str | None) -> bool:
    junction = (value or "AND").upper()
    if junction not in ("AND", "OR"):
        raise BadQuery(f"Value '{value}' is not valid for parameter rootJunction. Valid values are: [AND, OR]")
    return junction == "OR"


def _search(text: str | None, operator: str | None) -> Filter | None:
    """Read the search; the operator is looked at first, and ``token`` by default."""
    found: Operator | None = parse_operator(operator or "token")
    if found is None:
        raise BadQueryOperator(f"`{operator}` is not a valid operator.")
    return Filter((), found, text, text) if text and text.strip() else None
