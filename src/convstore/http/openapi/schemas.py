"""Turns what describes a value into JSON Schema, and gathers the schemas that have names of their own.

Objects that are read by ``fields`` are described by the very tables that they are read by; what is decoded and encoded
as structs, by msgspec from these structs.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, assert_never

import msgspec

from convstore.http import markup
from convstore.http.openapi import words
from convstore.http.openapi.operation import Described, Named, Schema
from convstore.http.openapi.words import ADDRESS, REFERENCE, TIME, UID
from convstore.http.query.conversation import ATTACHMENT, PERSON
from convstore.http.query.directory import CREDENTIALS, GROUP_SEEN, ROLE_SEEN
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

# Entities that share their kind with another, and are shown with less of it.
_NAMES: Final = (
    (PERSON, "Person"),
    (ATTACHMENT, "Attachment"),
    (GROUP_SEEN, "UserGroupName"),
    (ROLE_SEEN, "UserRoleName"),
    (CREDENTIALS, "UserCredentials"),
)
_TYPES: Final[Mapping[Type, Schema]] = {
    Type.TEXT: {"type": "string"},
    Type.ENUM: {"type": "string"},
    Type.INTEGER: {"type": "integer"},
    Type.BOOLEAN: {"type": "boolean"},
}
# Where a docstring says its source.
_SOURCE: Final = re.compile(r" \((contract|design) section [^)]*\)")
_UNTRANSFORMED: Final = (
    "Which members it has is up to `fields`; they are described as they are without transformers, which make others "
    "of them."
)


class Schemas:
    """The schemas of a document: ``of`` gives one to stand where it is used, ``components`` those that were named."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._made_of: dict[str, Schema | Entity] = {}

    def of(self, described: Described) -> dict[str, Any]:
        """Give the schema of a value: a reference where it has a name."""
        if isinstance(described, Named):
            return self._named(described.name, described.schema)
        if isinstance(described, Entity):
            name = next((name for known, name in _NAMES if known is described), described.kind)
            return self._named(name, described)
        if isinstance(described, type):
            (schema,), found = msgspec.json.schema_components([described], ref_template=REFERENCE)
            self.components.update({name: _for_readers(component) for name, component in found.items()})
            return schema
        return {key: self._inner(value) for key, value in described.items()}

    def _inner(self, value: Any) -> Any:
        if isinstance(value, Named | Entity | type | Mapping):
            return self.of(value)
        return [self._inner(each) for each in value] if isinstance(value, list | tuple) else value

    def _named(self, name: str, made_of: Schema | Entity) -> dict[str, Any]:
        known = self._made_of.setdefault(name, made_of)
        if known is not made_of:
            raise ValueError(f"Two schemas are called {name}")
        if name not in self.components:
            # Before what is inside: that may lead back here.
            self.components[name] = {}
            self.components[name].update(self.of(_table(made_of) if isinstance(made_of, Entity) else made_of))
        return {"$ref": REFERENCE.format(name=name)}


def _for_readers(component: dict[str, Any]) -> dict[str, Any]:
    """Make the description, which is a docstring, one for those who read the document and not the code."""
    if "description" not in component:
        return component
    first, _, _ = component["description"].partition("\n\n")
    return component | {"description": _SOURCE.sub("", first).replace("``", "`")}


def _table(entity: Entity) -> Schema:
    return {
        "type": "object",
        "description": _UNTRANSFORMED,
        "properties": {each.name: _property(each) for each in entity.properties.values()},
        "xml": {"name": entity.name, "namespace": markup.DXF2},
    }


def _property(each: Property) -> Schema:
    match each:
        case Scalar():
            return _marked(_scalar(each), attribute=each.attribute)
        case Shortcut():
            return _marked({"type": "string"}, attribute=each.attribute)
        case Link():
            return _marked(ADDRESS, attribute=True)
        case Reference():
            return {"allOf": [each.target]}
        case Collection() | Inlined():
            item = {"allOf": [each.target], "xml": {"name": each.item}}
            return {"type": "array", "items": item, "xml": {"wrapped": True}}
        case Constant():
            return _constant(each)
        case _:
            assert_never(each)


def _marked(schema: Described, *, attribute: bool) -> Schema:
    if attribute:
        return words.attribute(schema)
    return schema if isinstance(schema, Mapping) else {"allOf": [schema]}


def _scalar(each: Scalar) -> Described:
    if each.name == "id":
        return UID
    if each.type is Type.DATE:
        return TIME
    if each.names:
        return {"type": "string", "enum": list(each.names)}
    # A person without a code has one that is null, where it belongs to the default (contract section 2.5.3).
    return {"type": ["string", "null"]} if each.name == "code" else _TYPES[each.type]


def _constant(each: Constant) -> Schema:
    match each.value:
        case list():
            return {"type": "array", "items": {"xml": {"name": each.item}}, "xml": {"wrapped": True}}
        case bool():
            return {"type": "boolean"}
        case str():
            return {"type": "string"}
        case _:
            return {"type": "object"}
