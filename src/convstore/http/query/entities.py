"""What the query language can speak of: entities, their properties, and where each property lies in SQL.

One table of properties per entity serves filters, order and rendering alike, so they cannot disagree. SQL stands in
here as text with places for row names: ``{0}`` is the row that has the property, ``{1}`` the row that it leads to.
No value of a client is ever put into such a place.
"""

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any

from msgspec import Struct


class Type(Enum):
    """What a scalar holds, which decides what can be asked of it."""

    TEXT = auto()
    ENUM = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    DATE = auto()


class Scalar(Struct, frozen=True, kw_only=True):
    """A value of a row.

    ``shown`` is what to render and sort by, where that differs from what filters ask. ``known``: not asked by filters
    whether it is null. ``attribute``: in XML an attribute, else an element. ``names`` are those of an enum, in order,
    and ``kind`` is its name in messages. ``key`` is the member that holds it, in rows that are JSON. ``named``: it is
    one of ours, in no preset, so that documents are DHIS2's for all who do not name it.
    """

    name: str
    sql: str
    shown: str | None = None
    type: Type = Type.TEXT
    names: tuple[str, ...] = ()
    kind: str = ""
    known: bool = False
    attribute: bool = False
    persisted: bool = True
    key: str = ""
    named: bool = False


class Shortcut(Struct, frozen=True, kw_only=True):
    """A scalar that lies behind a reference, such as ``userSurname``; presets have it in lists only."""

    name: str
    path: tuple[str, ...]
    attribute: bool = True


class Link(Struct, frozen=True, kw_only=True):
    """``href``: the address of the object itself, built from the API's address and ``path``."""

    name: str = "href"
    path: str


class Reference(Struct, frozen=True, kw_only=True):
    """Another object, or none. ``join`` brings its row in; ``default`` is what it shows when no sub-fields are named.

    ``nulls`` are the members of the default that are rendered even when they are null.
    """

    name: str
    target: "Entity"
    join: str
    default: tuple[str, ...] = ("id",)
    nulls: tuple[str, ...] = ()
    persisted: bool = True


class Collection(Struct, frozen=True, kw_only=True):
    """Objects that belong to a row. ``rows`` is a named statement of theirs, ``key`` holds the id of the owner's row.

    ``item`` is the XML element of one of them. An empty ``default`` shows all their properties. ``args`` are the
    statement's parameters from $2 on, which those of the owner's rows must agree with.
    """

    name: str
    item: str
    target: "Entity"
    rows: str
    key: str
    order: str
    default: tuple[str, ...] = ("id",)
    persisted: bool = True
    args: tuple[Any, ...] = ()


class Inlined(Struct, frozen=True, kw_only=True):
    """Objects that lie in a JSON column of the row itself; their properties have a ``key``."""

    name: str
    item: str
    target: "Entity"
    column: str
    default: tuple[str, ...] = ("id",)
    persisted: bool = True


class Constant(Struct, frozen=True, kw_only=True):
    """A value that is the same for every object."""

    name: str
    value: Any
    item: str = "item"


Property = Scalar | Shortcut | Link | Reference | Collection | Inlined | Constant


class Entity(Struct, frozen=True, kw_only=True):
    """A kind of objects. ``name`` is also the XML element of one, ``kind`` its name in messages.

    ``identifiable`` and ``asked`` are the properties that the shorthand ``identifiable`` and the parameter ``query``
    look into.
    """

    name: str
    plural: str
    kind: str
    properties: Mapping[str, Property]
    identifiable: tuple[str, ...] = ("id", "code", "name")
    asked: tuple[str, ...] = ("name",)


_NAMED_PRESETS = {
    "identifiable": ("id", "name", "code", "created", "lastUpdated", "lastUpdatedBy"),
    "nameable": ("id", "name", "shortName", "description", "code", "created", "lastUpdated", "lastUpdatedBy"),
    "idname": ("id", "name"),
    "id": ("id",),
    "code": ("code",),
}


def table(*properties: Property) -> dict[str, Property]:
    """Make the table of properties of an entity, by their names."""
    return {found.name: found for found in properties}


def preset(entity: Entity, name: str, *, listing: bool) -> Iterable[str]:
    """Give the properties that a preset stands for (contract section 5.1); none for one that is not known."""
    offered = [p for p in entity.properties.values() if not (isinstance(p, Scalar) and p.named)]
    match name.lower():
        case "all":
            return [p.name for p in offered if listing or not isinstance(p, Shortcut)]
        case "owner" | "persisted":
            return [p.name for p in offered if getattr(p, "persisted", False)]
        case "simple":
            return [p.name for p in offered if isinstance(p, Scalar | Link)]
        case other:
            return [found for found in _NAMED_PRESETS.get(other, ()) if found in entity.properties]
