"""Descriptions of objects as DHIS2 gives them at ``/api/schemas``, for the library d2, which builds its models of them.

Made from the very table that filters and fields are read by. JSON only.
"""

from http import HTTPStatus
from typing import Any, assert_never

from aiohttp import web

from convstore.http.errors import NOT_FOUND, Problem
from convstore.http.keys import FORMAT
from convstore.http.links import api_url
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes
from convstore.http.query.conversation import CONVERSATION
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
from convstore.http.reading import read_answer

_ENTITIES = {entity.name: entity for entity in (CONVERSATION,)}

_TYPES = {
    Type.TEXT: "TEXT",
    Type.ENUM: "CONSTANT",
    Type.INTEGER: "INTEGER",
    Type.BOOLEAN: "BOOLEAN",
    Type.DATE: "DATE",
}


async def list_schemas(request: web.Request) -> web.Response:
    """``GET /api/schemas``: all that there are; ``fields`` is ignored, more never hurts."""
    return _answer(request, {"schemas": [_schema(request, entity) for entity in _ENTITIES.values()]})


async def get_schema(request: web.Request) -> web.Response:
    """``GET /api/schemas/{name}``: one of them, by the singular name of its objects."""
    name = request.match_info["name"]
    if name not in _ENTITIES:
        raise Problem(HTTPStatus.NOT_FOUND, f"Type {name} does not exist.", NOT_FOUND)
    return _answer(request, _schema(request, _ENTITIES[name]))


def _answer(request: web.Request, said: dict[str, Any]) -> web.Response:
    if request[FORMAT] is not Format.JSON:
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, "Only application/json can be given")
    return read_answer(request, json_bytes(said))


def _schema(request: web.Request, entity: Entity) -> dict[str, Any]:
    return {
        "name": entity.name,
        "singular": entity.name,
        "plural": entity.plural,
        "displayName": entity.kind,
        "collectionName": entity.plural,
        "klass": entity.kind,
        "apiEndpoint": f"{api_url(request)}/{entity.plural}",
        "relativeApiEndpoint": f"/{entity.plural}",
        "href": f"{api_url(request)}/schemas/{entity.name}",
        "identifiableObject": True,
        "nameableObject": False,
        "metadata": False,
        "shareable": False,
        "translatable": False,
        "authorities": [],
        # Those of DHIS2: clients make their models of them.
        "properties": [
            _property(each) for each in entity.properties.values() if not (isinstance(each, Scalar) and each.named)
        ],
    }


def _property(each: Property) -> dict[str, Any]:
    """Describe a property. None is writable: conversations change by their own calls, not by being saved."""
    said: dict[str, Any] = {
        "name": each.name,
        "fieldName": each.name,
        "collection": False,
        "simple": False,
        "attribute": getattr(each, "attribute", False),
        "persisted": getattr(each, "persisted", False),
        "owner": False,
        "required": False,
        "readable": True,
        "writable": False,
    }
    match each:
        case Scalar():
            said |= {"propertyType": _TYPES[each.type], "simple": True}
            if each.names:
                said["constants"] = list(each.names)
        case Shortcut():
            said |= {"propertyType": "TEXT", "simple": True}
        case Link():
            said |= {"propertyType": "URL", "simple": True}
        case Reference():
            said |= {"propertyType": "REFERENCE", "relativeApiEndpoint": f"/{each.target.plural}"}
        case Collection() | Inlined():
            said |= {
                "name": each.item,
                "propertyType": "COLLECTION",
                "itemPropertyType": "COMPLEX",
                "collection": True,
                "collectionName": each.name,
            }
        case Constant():
            said |= {"propertyType": "COMPLEX"}
        case _:
            assert_never(each)
    return said
