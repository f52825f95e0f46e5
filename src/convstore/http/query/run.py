"""Runs compiled queries: one statement, and one more for each kind of collection that the fields ask for."""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import asyncpg
from msgspec import Struct

from convstore.database import Conn, Pool
from convstore.http.query import keyset
from convstore.http.query.compile import SKELETONS
from convstore.http.query.listing import ListPlan, ObjectPlan, ObjectsPlan
from convstore.http.query.shape import Children, Related, Row

_place = itemgetter("place")


class Page(Struct, frozen=True):
    """A part of a list. ``total`` is None when all was asked for, or a page by cursor.

    ``positions`` is the place in the log it reflects; ``revision`` is another one whenever the list could be, None when
    nobody knows; ``next_cursor`` begins the next page, where there is one.
    """

    objects: list[Struct]
    total: int | None
    positions: Sequence[int] | None
    revision: str | None
    next_cursor: str | None = None


class Unchanged(Struct, frozen=True):
    """What a list would be made of, without the list: see ``Page``."""

    positions: Sequence[int] | None
    revision: str


class Found(Struct, frozen=True):
    """An object, with the further columns that were asked for."""

    object: Struct
    extra: tuple[Any, ...]
    positions: Sequence[int] | None


async def run_list(pool: Pool, plan: ListPlan, *, caller: str, api_url: str) -> Page:
    """Fetch a list; all of it from one snapshot."""
    async with pool.acquire() as conn:
        if not plan.children and not plan.searches:
            return _page(plan, await _rows(conn, plan, caller, api_url), (), api_url)
        async with snapshot(conn):
            if plan.searches:
                await conn.execute(SKELETONS.plan_for_these_words)
            rows = await _rows(conn, plan, caller, api_url)
            ids = [row[plan.id] for row in _shown(plan, rows) if row["place"] is not None]
            return _page(plan, rows, await _related(conn, plan.children, ids, api_url), api_url)


async def run_unchanged(pool: Pool, plan: ListPlan, *, caller: str, api_url: str) -> Unchanged | None:
    """Ask by what a list is the same as before; None for one of which nobody knows."""
    if plan.unchanged is None:
        return None
    row = await pool.fetchrow(plan.unchanged.sql, *plan.unchanged.bound(caller, api_url))
    assert row is not None  # noqa: S101 - a statement without a table has one row
    return Unchanged(positions=row["positions"], revision=row["revision"])


async def run_object(conn: Conn, plan: ObjectPlan, uid: str, *, caller: str, api_url: str) -> "Found | None":
    """Fetch an object, in the caller's transaction where its fields ask for collections; None when there is none."""
    row = await conn.fetchrow(plan.statement.sql, *plan.statement.bound(caller, api_url, uid))
    if row is None:
        return None
    related = await _related(conn, plan.children, [row[plan.id]], api_url) if plan.children else ()
    return Found(
        object=plan.shape.render([row], related, api_url)[0],
        extra=tuple(row[len(row) - 1 - plan.extra : len(row) - 1]),
        positions=row["positions"],
    )


async def run_objects(conn: Conn, plan: ObjectsPlan, ids: Sequence[str], *, caller: str, api_url: str) -> list[Struct]:
    """Fetch those of these objects that there are, in the order of their ids, in the caller's transaction."""
    rows = await conn.fetch(plan.statement.sql, *plan.statement.bound(caller, api_url, ids=ids))
    rows.sort(key=_place)
    related = await _related(conn, plan.children, [row[plan.id] for row in rows], api_url) if plan.children else ()
    return plan.shape.render(rows, related, api_url)


def snapshot(conn: Conn) -> "asyncpg.transaction.Transaction":
    """Give a transaction in which all statements see the same."""
    return conn.transaction(isolation="repeatable_read", readonly=True)


async def _rows(conn: Conn, plan: ListPlan, caller: str, api_url: str) -> list[asyncpg.Record]:
    rows = await conn.fetch(plan.statement.sql, *plan.statement.bound(caller, api_url))
    # The place of an empty page is null; but then there is one row only.
    rows.sort(key=_place)
    return rows


def _page(plan: ListPlan, rows: Sequence[asyncpg.Record], related: Related, api_url: str) -> Page:
    first = rows[0]
    shown = _shown(plan, rows)
    objects = [] if first["place"] is None else plan.shape.render(shown, related, api_url)
    next_cursor = None
    if plan.resume is not None and len(rows) > len(shown):
        next_cursor = keyset.encode(plan.resume.order, [shown[-1][column] for column in plan.resume.columns])
    return Page(
        objects=objects,
        total=first["total"],
        positions=first["positions"],
        revision=first["revision"],
        next_cursor=next_cursor,
    )


def _shown(plan: ListPlan, rows: Sequence[asyncpg.Record]) -> Sequence[asyncpg.Record]:
    """Leave out the row that only tells of a next page."""
    return rows if plan.resume is None else rows[: plan.paging.size]


async def _related(conn: Conn, children: Sequence[Children], ids: Iterable[str], api_url: str) -> Related:
    """Fetch the elements of several collections for all their owners, rendered, by the id of the owner."""
    return [await _elements(conn, child, list(ids), api_url) for child in children]


async def _elements(conn: Conn, child: Children, ids: list[str], api_url: str) -> Mapping[str, list[Any]]:
    rows: Sequence[Row] = await conn.fetch(child.sql, ids, *child.args)
    related: Related = ()
    if child.children:
        own = list(dict.fromkeys(row[child.id] for row in rows if row[child.id] is not None))
        related = await _related(conn, child.children, own, api_url)
    found: dict[str, list[Any]] = {uid: [] for uid in ids}
    for row, element in zip(rows, child.shape.render(rows, related, api_url), strict=True):
        found[row[0]].append(element)
    return found
