"""Says what a list of fields needs from the database, and lays the rows out as objects.

A shape is made once per query and used for many rows. It names the columns that its rows must have, and the collections
that must be fetched beside them; nothing that is not asked for is in either. What it makes of a row is a tree of
structs, lists and plain values, ready for JSON; ``members`` tell the XML writer about each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import starmap
from operator import itemgetter
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from convstore.errors import BadQuery
from convstore.http.query.compile import LONGEST_PATH, SKELETONS, Arguments, Names, Scope
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
    preset,
)
from convstore.http.query.fields import Field, Mark, Transform
from convstore.http.query.transforms import COUNTING, Slice, from_count, needed, page_of, transformed


class Row(Protocol):
    """A row of a result, by the places of its columns."""

    def __getitem__(self, index: int, /) -> Any:
        """Give the value of a column."""


# What a row is rendered with: the elements of its collections, by the place of the collection among the related ones
# and then by the id of the row that they belong to; and the address of the API.
Related = Sequence[Mapping[str, list[Any]]]
Read = Callable[[Row, Related, str], Any]


_STAMP = 'YYYY-MM-DD"T"HH24:MI:SS.MS'


class Member(Struct, frozen=True):
    """What the XML writer must know of a member: attribute or element, its items' element, the objects beneath it."""

    attribute: bool = False
    item: str = "item"
    inner: "Shape | Mapping[str, Member] | None" = None


class Shape:
    """How rows become objects, member by member.

    The objects are structs of a class made for the shape: msgspec fills and writes those several times faster than
    dictionaries. ``name_of`` gives the name that a field of them is written under; a member that is None is left out.
    """

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self._columns: dict[str, int] = {}
        self._references: list[tuple[str, int, Shape]] = []
        self._reads: list[tuple[str, Read]] = []
        self._nulls: frozenset[str] = frozenset()

    def add_column(self, name: str, index: int, member: Member) -> None:
        """Add a member that is one column, as it is."""
        self.members[name] = member
        self._columns[name] = index

    def add_reference(self, name: str, present: int, inner: "Shape", member: Member) -> None:
        """Add another object, left out where the column ``present`` is null."""
        self.members[name] = member
        self._references.append((name, present, inner))

    def add(self, name: str, read: Read, member: Member) -> None:
        """Add any other member."""
        self.members[name] = member
        self._reads.append((name, read))

    def show_nulls(self, names: Iterable[str]) -> None:
        """Write these members even where they are null."""
        self._nulls = frozenset(names)

    def render(self, rows: Sequence[Row], related: Related, api_url: str) -> list[Struct]:
        """Make the objects of these rows, in their order."""
        fields = self.fields
        objects = list(starmap(self._made, map(self._take, rows)))
        for name, present, inner in self._references:
            there = [(made, row) for made, row in zip(objects, rows, strict=True) if row[present] is not None]
            if there:
                field = fields[name]
                for (made, _), value in zip(
                    there, inner.render([row for _, row in there], related, api_url), strict=True
                ):
                    setattr(made, field, value)
        for name, read in self._reads:
            for made, row in zip(objects, rows, strict=True):
                setattr(made, fields[name], read(row, related, api_url))
        return objects

    def put(self, made: Struct, name: str, value: Any) -> None:
        """Change a member of an object, if it was asked for."""
        if name in self.fields:
            setattr(made, self.fields[name], value)

    @cached_property
    def fields(self) -> dict[str, str]:
        """The fields of the structs, by the names of the members: those may be called what no attribute can be."""
        # Members that are one column come first, as the constructor takes them; those without a default before all.
        order = [*self._direct, *(name for name in self.members if name not in self._columns)]
        return {name: f"f{number}" for number, name in enumerate(order)}

    @cached_property
    def _direct(self) -> list[str]:
        return sorted(self._columns, key=lambda name: name not in self._nulls)

    @cached_property
    def _take(self) -> Callable[[Row], Iterable[Any]]:
        indexes = [self._columns[name] for name in self._direct]
        match indexes:
            case []:
                return lambda _row: ()
            case [index]:
                return lambda row: (row[index],)
            case _:
                return itemgetter(*indexes)

    @cached_property
    def _made(self) -> type[Struct]:
        return msgspec.defstruct(
            "Rendered",
            [(field, Any) if name in self._nulls else (field, Any, None) for name, field in self.fields.items()],
            rename={field: name for name, field in self.fields.items()},
            omit_defaults=True,
            gc=False,
        )


class Selection:
    """What a statement selects for a shape: expressions, each once, and the collections to fetch beside its rows."""

    def __init__(self, scope: Scope, names: Names) -> None:
        self.scope = scope
        self.names = names
        self.columns: list[str] = []
        self.children: list[Children] = []

    def index(self, expression: str) -> int:
        """Give the place of an expression among the columns."""
        if expression not in self.columns:
            self.columns.append(expression)
        return self.columns.index(expression)


class Children(Struct, frozen=True):
    """A collection of all rows of a page: ``sql`` takes the rows' ids, and selects ``owner``'s id as its first column.

    ``id`` is the column of the elements' own ids, where they have collections of their own in turn. ``args`` are what
    ``sql`` takes beside the ids.
    """

    sql: str
    shape: Shape
    id: int
    children: "tuple[Children, ...]"
    args: tuple[Any, ...] = ()


def shape(
    entity: Entity,
    fields: Sequence[Field],
    selection: Selection,
    row: str = "",
    *,
    listing: bool = False,
    depth: int = 0,
) -> Shape:
    """Make the shape of an entity's rows; ``listing``: presets have what only lists have.

    Raises:
        BadQuery: sub-fields lead from collection to collection without end.
    """
    if depth > LONGEST_PATH:
        raise BadQuery(f"Expected at most {LONGEST_PATH} levels of objects in fields")
    made = Shape()
    for found, field in _chosen(entity, fields, listing=listing):
        _Maker(made, selection, row or selection.scope.row, field, depth).add(found, entity)
    return made


def _chosen(entity: Entity, fields: Sequence[Field], *, listing: bool) -> list[tuple[Property, Field]]:
    """Pick the properties that are asked for, each with its sub-fields; unknown names are passed over."""
    asked: dict[str, list[Field]] = {}
    excluded = set()
    for field in fields:
        match field.mark:
            case Mark.PRESET:
                for name in preset(entity, field.name, listing=listing):
                    asked.setdefault(name, [])
            case Mark.EXCLUDE:
                excluded.add(field.name)
            case Mark.INCLUDE:
                asked.setdefault(field.name, []).append(field)
    return [
        (entity.properties[name], field)
        for name, named in asked.items()
        if name in entity.properties and name not in excluded
        for field in _merged(name, named)
    ]


def _merged(name: str, fields: Sequence[Field]) -> list[Field]:
    """Join the sub-fields of a property that is named several times; different transformations stay apart."""
    children: dict[tuple[Transform, ...], tuple[Field, ...] | None] = {}
    for field in fields or [Field(name)]:
        before = children.get(field.transforms)
        children[field.transforms] = before if field.children is None else (before or ()) + field.children
    return [Field(name, transforms=transforms, children=inner) for transforms, inner in children.items()]


class _Maker:
    """Adds one property to a shape."""

    def __init__(self, made: Shape, selection: Selection, row: str, field: Field, depth: int) -> None:
        self.made = made
        self.selection = selection
        self.row = row
        self.field = field
        self.depth = depth
        self.steps = tuple(step for step in field.transforms if step.name.lower() != "rename")
        renamings = [step.args[0] for step in field.transforms if step.name.lower() == "rename" and step.args]
        self.name = renamings[-1] if renamings else field.name

    def add(self, found: Property, entity: Entity) -> None:
        match found:
            case Scalar():
                self.column(found, (found.shown or found.sql).format(self.row))
            case Shortcut(path=(via, last)):
                reference, target = entity.properties[via], None
                assert isinstance(reference, Reference)  # noqa: S101 - the tables of properties say so
                target = reference.target.properties[last]
                assert isinstance(target, Scalar)  # noqa: S101 - likewise
                column = target.sql.format(self.selection.scope.join(reference, self.row))
                self.made.add_column(self.name, self.selection.index(column), Member(attribute=found.attribute))
            case Link():
                self.link(found)
            case Reference():
                self.reference(found)
            case Collection():
                self.collection(found)
            case Inlined():
                self.inlined(found)
            case Constant():
                self.constant(found)

    def column(self, scalar: Scalar, expression: str) -> None:
        if scalar.type is Type.DATE:
            # In DHIS2's notation (contract section 2.5.7), by the clock of the session, which is UTC; there it costs
            # half of what it does here.
            expression = f"to_char({expression}, '{_STAMP}')"
        self.column_of(scalar, self.selection.index(expression))

    def column_of(self, scalar: Scalar, index: int) -> None:
        member = Member(attribute=scalar.attribute)
        if self.steps:
            self.value(lambda row, *_: row[index], member)
        else:
            self.made.add_column(self.name, index, member)

    def link(self, link: Link) -> None:
        index = self.selection.index(f"{self.row}.id")
        self.value(lambda row, _, api_url: f"{api_url}/{link.path}/{row[index]}", Member(attribute=True))

    def reference(self, reference: Reference) -> None:
        row = self.selection.scope.join(reference, self.row)
        present = self.selection.index(f"{row}.id")
        inner = self.shape(reference.target, reference.default, row)
        if self.field.children is None:
            inner.show_nulls(reference.nulls)
        # No transformer does anything to a single object.
        self.made.add_reference(self.name, present, inner, Member(inner=inner))

    def collection(self, found: Collection) -> None:
        self.selection.names.collections.add(found.name)
        if self.steps and self.steps[0].name.lower() in COUNTING:
            first, self.steps = self.steps[0], self.steps[1:]
            index = self.selection.index(
                SKELETONS.children_count.format(
                    source=found.rows, row=self.selection.names.next(), key=found.key, owner=self.row
                )
            )
            self.value(lambda row, *_: from_count(row[index], first), Member())
            return
        page = page_of(self.steps[0]) if self.steps else None
        if page is not None:
            self.steps = self.steps[1:]
        owner = self.selection.index(f"{self.row}.id")
        children = self.children(found, page)
        place = len(self.selection.children)
        self.selection.children.append(children)
        self.value(
            lambda row, related, _: related[place].get(row[owner], []),
            Member(item=found.item, inner=children.shape),
        )

    def children(self, found: Collection, page: Slice | None) -> Children:
        scope = Scope(self.selection.names.next(), self.selection.names)
        selection = Selection(scope, self.selection.names)
        selection.index(f"{scope.row}.{found.key}")
        inner = shape(found.target, self.sub_fields(found.default), selection, depth=self.depth + 1)
        own = selection.index(f"{scope.row}.id") if selection.children else 0
        # The first parameter comes when the owners are known.
        arguments = Arguments(None, *found.args)
        cut = {}
        if page is not None:
            cut = {
                "size": arguments.bind(page.size, "bigint"),
                "offset": arguments.bind(page.offset, "bigint"),
                "direction": "DESC" if page.last else "ASC",
            }
        sql = (SKELETONS.children if page is None else SKELETONS.children_page).format(
            columns=", ".join(selection.columns),
            source=found.rows,
            row=scope.row,
            joins=scope.joins,
            key=found.key,
            order=found.order,
            **cut,
        )
        _, *args = arguments.values
        return Children(sql=sql, shape=inner, id=own, children=tuple(selection.children), args=tuple(args))

    def inlined(self, found: Inlined) -> None:
        index = self.selection.index(f"{self.row}.{found.column}")
        inner = Shape()
        keys: list[str] = []
        for element, field in _chosen(found.target, self.sub_fields(found.default), listing=False):
            assert isinstance(element, Scalar)  # noqa: S101 - an inlined object holds nothing else
            _Maker(inner, self.selection, "", field, self.depth).column_of(element, len(keys))
            keys.append(element.key)

        def read(row: Row, related: Related, api_url: str) -> list[Any]:
            elements = msgspec.json.decode(row[index])
            return inner.render([[element.get(key) for key in keys] for element in elements], related, api_url)

        self.value(read, Member(item=found.item, inner=inner))

    def constant(self, found: Constant) -> None:
        value = found.value
        if self.field.children is not None and isinstance(value, dict):
            names = [field.name if field.mark is Mark.INCLUDE else None for field in self.field.children]
            excluded = {field.name for field in self.field.children if field.mark is Mark.EXCLUDE}
            every = any(field.mark is Mark.PRESET for field in self.field.children)
            value = {k: v for k, v in value.items() if (every or k in names) and k not in excluded}
        self.value(lambda *_: value, Member(item=found.item))

    def value(self, read: Read, member: Member) -> None:
        if not self.steps:
            self.made.add(self.name, read, member)
            return
        steps = self.steps
        self.made.add(
            self.name,
            lambda *given: transformed(msgspec.to_builtins(read(*given)), steps),
            Member(attribute=member.attribute, item=member.item),
        )

    def shape(self, target: Entity, default: Sequence[str], row: str) -> Shape:
        return shape(target, self.sub_fields(default), self.selection, row, depth=self.depth + 1)

    def sub_fields(self, default: Sequence[str]) -> tuple[Field, ...]:
        """Give the sub-fields that are asked for, else the default ones; exclusions alone are taken from these."""
        shown = tuple(Field(name) for name in default) or (Field("all", Mark.PRESET),)
        asked = self.field.children
        if asked is None:
            key = needed(self.steps)
            return shown if key is None else (*shown, Field(key))
        if asked and all(field.mark is Mark.EXCLUDE for field in asked):
            return shown + asked
        return asked
