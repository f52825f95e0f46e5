"""Puts a list together as one statement: the page, its rows, the names in them, the total and the place in the log.

One statement has one snapshot, so that page, total and cursor always agree. Which of three forms it takes depends on
what is asked, never on the data:

- the first page is read off an index, row by row, until it is full;
- a later page takes ids first, which an index alone can give, and then the rows of these; so does a list in another
  order, and one that most rows do not pass into by what the index has of them;
- where a condition costs more than a comparison, or has an index of its own in no order that is asked for, what passes
  is found once, and counted and cut from there.

A page by cursor has one more condition, that a row comes after the cursor's, and takes one row more, which tells
whether there is a next page. It has no total, as a count would cost more than the page.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from msgspec import Struct

from convstore.http.query import keyset
from convstore.http.query.compile import (
    SKELETONS,
    Arguments,
    Conditions,
    Key,
    Late,
    Names,
    Scope,
    Statement,
    order_keys,
    statement,
)
from convstore.http.query.entities import Entity
from convstore.http.query.fields import Field
from convstore.http.query.filters import Filter, Operator, Test
from convstore.http.query.paging import Order, Paging
from convstore.http.query.parameters import Query
from convstore.http.query.shape import Children, Selection, Shape, shape


class Form(IntEnum):
    """How a list is found: see the head of this module."""

    FIRST_PAGE = 1
    IDS = 2
    HITS = 3


class Source(Struct, frozen=True):
    """Where a list's rows come from.

    ``rows`` is a named statement, ``args`` are its parameters. ``positions`` gives the place in the log that the answer
    reflects, as bigint[]; ``total`` gives a cheaper count than counting, when there is one. ``reached`` gives, instead
    of ``positions``, a statement of one row that has these, and beside them ``revision``: a text that is another one
    whenever the list could be, of a list that looks into these collections. ``search`` compiles ``queryString``.
    ``form`` is the least that suits the filters.
    """

    entity: Entity
    rows: str
    args: tuple[Any, ...] = ()
    order: tuple[Order, ...] = ()
    positions: Callable[[Arguments], str] | None = None
    total: Callable[[Arguments], str] | None = None
    reached: Callable[[Arguments, frozenset[str]], str] | None = None
    search: Callable[[Conditions, Filter], str] | None = None
    form: Form = Form.FIRST_PAGE


class Resume(Struct, frozen=True):
    """How to name the last row of a page by cursor: the order's name, and the columns that hold the sort keys."""

    order: bytes
    columns: tuple[int, ...]


class ListPlan(Struct, frozen=True):
    """A compiled list: what to run, and how to lay out what comes back.

    Each row has the shape's columns, then ``place``, ``total``, ``positions`` and ``revision``. There is always a row:
    of an empty page one whose place is null. ``searches`` tells that words are looked up, which wants a plan made for
    these words. ``resume`` is there for a page by cursor: it may have one row more than were asked for, which is the
    next page's. ``unchanged`` gives revision and positions alone; None where the list has no revision.
    """

    statement: Statement
    shape: Shape
    id: int
    children: tuple[Children, ...]
    paging: Paging
    searches: bool
    resume: Resume | None
    unchanged: Statement | None


_EQUAL = Operator("eq", Test.EQUAL)
_CONTAINS = Operator("ilike", Test.I_CONTAINS)


def plan_list(source: Source, query: Query, fields: tuple[Field, ...]) -> ListPlan:
    """Compile a list.

    Raises:
        BadQuery: filters, order or fields speak of what there is not, or the cursor is none of this order.
    """
    names, arguments = Names(), Arguments(*source.args)
    scope = Scope(names.next(), names)
    conditions = Conditions(source.entity, scope, names, arguments)
    passes = _passes(source, query, conditions)
    # Without what order and fields bring in, which a count would drag along.
    counted = SKELETONS.rows.format(source=source.rows, row=scope.row, joins=scope.joins, passes=passes)
    usual = order_keys(source.entity, scope, source.order)
    order = query.order or source.order
    keys = order_keys(source.entity, scope, order) if query.order else usual
    order_name = keyset.order_name(source.entity, order)
    if query.paging.cursor:
        values = keyset.decode(query.paging.cursor, order_name, keys)
        passes = f"{passes} AND {keyset.after(keys, values, arguments)}"
    form = max(
        source.form,
        Form.HITS if conditions.heavy else Form.FIRST_PAGE,
        Form.IDS if query.paging.offset or keys[0] != usual[0] else Form.FIRST_PAGE,
    )
    outer = scope if form is Form.FIRST_PAGE else Scope(names.next(), names)
    selection = Selection(outer, names)
    made = shape(source.entity, fields, selection, listing=True)
    own = selection.index(f"{outer.row}.id") if selection.children else 0
    resume = None
    if query.paging.cursor is not None:
        shown_keys = order_keys(source.entity, outer, order)
        resume = Resume(order_name, tuple(selection.index(key.sql) for key in shown_keys))
    counts = query.paging.enabled and resume is None
    rows = SKELETONS.rows.format(source=source.rows, row=scope.row, joins=scope.joins, passes=passes)
    cut = _cut(query.paging, arguments)
    total = "NULL::bigint"
    if counts:
        total = source.total(arguments) if source.total is not None else SKELETONS.count.format(rows=counted)
    columns = "".join(f"{sql} AS c{index}, " for index, sql in enumerate(selection.columns))
    hits = ""
    if form is Form.FIRST_PAGE:
        page = SKELETONS.first_page.format(columns=columns, keys=_ordered(keys), rows=rows, limit=cut.limit)
    else:
        ids = SKELETONS.ids.format(row=scope.row, keys=_ordered(keys), rows=rows, limit=cut.limit)
        if form is Form.HITS:
            hits, ids = _hits(scope, keys, rows, cut.limit)
            total = SKELETONS.count_hits if counts else total
        page = SKELETONS.later_page.format(
            columns=columns, ids=ids, source=source.rows, row=outer.row, joins=outer.joins
        )
    sql = SKELETONS.list.format(
        hits=hits,
        shown="".join(f"p.c{index}, " for index in range(len(selection.columns))),
        first=cut.first,
        total=total,
        reached=_reached(source, names, arguments),
        page=page,
    )
    return ListPlan(
        statement=statement(sql, arguments),
        shape=made,
        id=own,
        children=tuple(selection.children),
        paging=query.paging,
        searches=query.search is not None,
        resume=resume,
        unchanged=_unchanged(source, names),
    )


def _unchanged(source: Source, names: Names) -> Statement | None:
    """Compile the question whether a list is the same as before; ``names`` have been through the list."""
    if source.reached is None:
        return None
    arguments = Arguments(*source.args)
    return statement(_reached(source, names, arguments), arguments)


def _reached(source: Source, names: Names, arguments: Arguments) -> str:
    if source.reached is not None:
        return source.reached(arguments, frozenset(names.collections))
    return SKELETONS.reached.format(positions=_positions(source, arguments))


def _positions(source: Source, arguments: Arguments) -> str:
    return source.positions(arguments) if source.positions is not None else "NULL::bigint[]"


def _passes(source: Source, query: Query, conditions: Conditions) -> str:
    """Give the whole condition: the client's filters, joined as he wants, AND-ed with his searches."""
    filters = [f"({conditions.of(asked)})" for asked in query.filters]
    junction = " OR " if query.any_filter else " AND "
    found = [f"({junction.join(filters)})"] if filters else []
    if query.search is not None and source.search is not None:
        found.append(source.search(conditions, query.search))
    if query.text:
        found.append(_text(source.entity, conditions, query.text))
    return " AND ".join(found) or "true"


def _text(entity: Entity, conditions: Conditions, text: str) -> str:
    """Compile ``query``: an id, or contained in what the entity is asked by."""
    is_id = conditions.any_of((("id",),), Filter(("id",), _EQUAL, text, text))
    contains = conditions.any_of(((name,) for name in entity.asked), Filter((), _CONTAINS, text, text))
    return f"({is_id} OR {contains})"


class _Cut(Struct, frozen=True):
    """How a page is cut out: the clause, and the place of its first row."""

    limit: str
    first: str


def _cut(paging: Paging, arguments: Arguments) -> _Cut:
    if not paging.enabled:
        return _Cut("", "1")
    rows = paging.size if paging.cursor is None else paging.size + 1
    size, offset = arguments.bind(rows, "bigint"), arguments.bind(paging.offset, "bigint")
    return _Cut(SKELETONS.limit.format(size=size, offset=offset), f"{offset} + 1")


def _hits(scope: Scope, keys: list[Key], rows: str, limit: str) -> tuple[str, str]:
    """Give the statement that finds what passes, with what it is sorted by, and the one that cuts a page of ids."""
    keyed = ", ".join(f"{key.sql} AS k{index}" for index, key in enumerate(keys))
    named = [Key(f"k{index}", descending=key.descending) for index, key in enumerate(keys)]
    hits = SKELETONS.hits.format(row=scope.row, keyed=keyed, rows=rows)
    return hits, SKELETONS.ids_of_hits.format(keys=_ordered(named), limit=limit)


def _ordered(keys: list[Key]) -> str:
    return ", ".join(map(str, keys))


class ObjectPlan(Struct, frozen=True):
    """A compiled object: each row has the shape's columns, then the ``extra`` ones, then ``positions``."""

    statement: Statement
    shape: Shape
    id: int
    children: tuple[Children, ...]
    extra: int


def plan_object(source: Source, fields: tuple[Field, ...], extra: tuple[str, ...] = ()) -> ObjectPlan:
    """Compile one object, whose id comes late; ``extra`` columns of the source are selected beside it.

    Raises:
        BadQuery: fields go too deep.
    """
    names, arguments = Names(), Arguments(*source.args)
    scope = Scope(names.next(), names)
    selection = Selection(scope, names)
    made = shape(source.entity, fields, selection)
    own = selection.index(f"{scope.row}.id") if selection.children else 0
    sql = SKELETONS.object.format(
        columns="".join(f"{sql}, " for sql in (*selection.columns, *(f"{scope.row}.{name}" for name in extra))),
        positions=_positions(source, arguments),
        source=source.rows,
        row=scope.row,
        joins=scope.joins,
        id=arguments.bind(Late.ID, "text"),
    )
    return ObjectPlan(
        statement=statement(sql, arguments),
        shape=made,
        id=own,
        children=tuple(selection.children),
        extra=len(extra),
    )


class ObjectsPlan(Struct, frozen=True):
    """Some compiled objects: each row has the shape's columns, then its ``place`` among those that were asked for."""

    statement: Statement
    shape: Shape
    id: int
    children: tuple[Children, ...]


def plan_objects(source: Source, fields: tuple[Field, ...]) -> ObjectsPlan:
    """Compile some objects, whose ids come late, as a list shows them.

    Raises:
        BadQuery: fields go too deep.
    """
    names, arguments = Names(), Arguments(*source.args)
    scope = Scope(names.next(), names)
    selection = Selection(scope, names)
    made = shape(source.entity, fields, selection, listing=True)
    own = selection.index(f"{scope.row}.id") if selection.children else 0
    sql = SKELETONS.later_page.format(
        columns="".join(f"{sql} AS c{index}, " for index, sql in enumerate(selection.columns)),
        ids=SKELETONS.ids_given.format(ids=arguments.bind(Late.IDS, "text[]")),
        source=source.rows,
        row=scope.row,
        joins=scope.joins,
    )
    return ObjectsPlan(statement=statement(sql, arguments), shape=made, id=own, children=tuple(selection.children))
