"""Reads the directory: users, groups and units, and the look-up of recipients (contract section 1.7)."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import asyncpg
from aiohttp import web
from msgspec import Struct

from convstore.directory import Person
from convstore.http.documents import list_json, list_xml, object_json, object_xml
from convstore.http.errors import FORBIDDEN, NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.links import api_url
from convstore.http.negotiation import Format
from convstore.http.params import given, required
from convstore.http.query import patterns
from convstore.http.query.compile import Late
from convstore.http.query.directory import GROUP, SQL, UNIT, USER
from convstore.http.query.entities import Entity
from convstore.http.query.fields import Field
from convstore.http.query.listing import ObjectPlan, Source, plan_list, plan_object
from convstore.http.query.paging import Order
from convstore.http.query.parameters import read_fields
from convstore.http.query.shape import Member
from convstore.http.reading import (
    EVERYTHING,
    PLANS,
    Listing,
    asked_of_list,
    fetch_object,
    list_answer,
    object_answer,
    read_answer,
)
from convstore.http.router import Handler

_BY_NAME = (Order(("name",)),)


class _Resource(Struct, frozen=True):
    """A kind of objects of the directory, and who may read it."""

    source: Source
    # A superuser sees all groups; the plan for him is another one.
    superuser_source: Source
    may_read: Callable[[Person, str], bool]


def _resource(
    entity: Entity, rows: str, may_read: Callable[[Person, str], bool] | None = None, *, shared: bool = False
) -> _Resource:
    def source(*, superuser: bool) -> Source:
        return Source(entity=entity, rows=rows, args=(Late.CALLER, superuser) if shared else (), order=_BY_NAME)

    return _Resource(source(superuser=False), source(superuser=True), may_read or (lambda _person, _uid: True))


def _may_view_user(person: Person, uid: str) -> bool:
    return person.holds("F_USER_VIEW") or person.id == uid


_RESOURCES: Mapping[str, _Resource] = {
    "users": _resource(USER, SQL.users, _may_view_user),
    "userGroups": _resource(GROUP, SQL.groups, shared=True),
    "organisationUnits": _resource(UNIT, SQL.units),
}


def listing_of(plural: str) -> Handler:
    """Give the handler of ``GET /api/users``, ``/userGroups`` or ``/organisationUnits``."""

    async def handler(request: web.Request) -> web.Response:
        resource = _RESOURCES[plural]
        caller = request[CALLER]
        if not resource.may_read(caller, ""):
            raise _may_not_read()
        xml = request[FORMAT] is Format.XML
        listing = _planned_list(plural, request.rel_url.raw_query_string, superuser=caller.superuser, xml=xml)
        return await list_answer(request, resource.source.entity, listing)

    return handler


def object_of(plural: str) -> Handler:
    """Give the handler of ``GET /api/users/{id}`` and its like."""

    async def handler(request: web.Request) -> web.Response:
        resource = _RESOURCES[plural]
        caller = request[CALLER]
        entity = resource.source.entity
        uid = request.match_info["id"]
        if not resource.may_read(caller, uid):
            raise _may_not_read()
        fields = read_fields(given(request)) or EVERYTHING
        plan = _planned_object(plural, fields, superuser=caller.superuser)
        found = await fetch_object(request, plan, uid)
        if found is None:
            raise not_found(entity.kind, uid)
        return object_answer(request, entity, plan, found)

    return handler


def not_found(kind: str, uid: str) -> Problem:
    """Make the error of an object that does not exist, or not for the caller."""
    return Problem(HTTPStatus.NOT_FOUND, f"{kind} with id {uid} could not be found.", NOT_FOUND)


def _may_not_read() -> Problem:
    text = "You don't have the proper permissions to read objects of this type."
    return Problem(HTTPStatus.FORBIDDEN, text, FORBIDDEN)


@lru_cache(maxsize=PLANS)
def _planned_list(plural: str, raw_query: str, *, superuser: bool, xml: bool) -> Listing:
    asked = asked_of_list(raw_query)
    source = _source(plural, superuser=superuser)
    return Listing(plan_list(source, asked.query, asked.fields(xml=xml)), asked.kept)


@lru_cache(maxsize=PLANS)
def _planned_object(plural: str, fields: tuple[Field, ...], *, superuser: bool) -> ObjectPlan:
    return plan_object(_source(plural, superuser=superuser), fields)


def _source(plural: str, *, superuser: bool) -> Source:
    resource = _RESOURCES[plural]
    return resource.superuser_source if superuser else resource.source


# What a look-up shows of a person, and how XML lays it out.
_MEMBERS = {
    "id": Member(attribute=True),
    "username": Member(),
    "firstName": Member(),
    "surname": Member(),
    "displayName": Member(),
}


async def look_up(request: web.Request) -> web.Response:
    """``GET /api/userLookup?query=``: people to write to, for everybody; at most 25, by surname."""
    return await _looked_up(request, None)


async def look_up_feedback(request: web.Request) -> web.Response:
    """``GET /api/userLookup/feedbackRecipients?query=``: the same among those who get the tickets."""
    group = await request.app[BACKEND].directory.feedback_group()
    if group is None:
        raise Problem(HTTPStatus.CONFLICT, "Feedback message recipients user group not defined", "E6200")
    return await _looked_up(request, group)


async def look_up_one(request: web.Request) -> web.Response:
    """``GET /api/userLookup/{id}``: one person by uid, uuid or username."""
    wanted = request.match_info["id"]
    row = await request.app[BACKEND].readers.fetchrow(SQL.look_up_one, wanted)
    if row is None:
        raise not_found("User", wanted)
    found = _shown(row)
    return read_answer(
        request, object_xml("user", found, _MEMBERS) if request[FORMAT] is Format.XML else object_json(found)
    )


async def _looked_up(request: web.Request, group: str | None) -> web.Response:
    pattern = f"(?:{patterns.ignoring_case(required(request, 'query').strip())})"
    found = [_shown(row) for row in await request.app[BACKEND].readers.fetch(SQL.look_up, pattern, group)]
    if request[FORMAT] is Format.XML:
        return read_answer(request, list_xml(USER, found, _MEMBERS, None, link=f"{api_url(request)}/users"))
    return read_answer(request, list_json(USER, found, None))


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "username": row["username"],
        "firstName": row["first_name"],
        "surname": row["surname"],
        "displayName": f"{row['first_name']} {row['surname']}",
    }
