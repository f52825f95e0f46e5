"""Writes what was read as documents, in JSON and XML: contract section 2.5.

The objects are laid out by a shape; JSON takes them as they are. For XML the shape's members say what is an attribute
and what an element, and what the elements of a list are called.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from convstore.http import markup
from convstore.http.query.entities import Entity
from convstore.http.query.paging import PAGE_SIZE, Paging
from convstore.http.query.shape import Member, Shape

_encode = msgspec.json.Encoder().encode

# An object as a shape renders it, or put together by hand.
Object = Struct | Mapping[str, Any]
# What tells the XML writer about the members of either.
Layout = Shape | Mapping[str, Member] | None

# How a list of conversations begins in XML: as the manual has it, or as servers of 2.26 to 2.29 wrote it (D3).
ListRoot = Literal["plural", "metadata"]


class Pager(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where a page lies in its list; members in DHIS2's order."""

    page: int
    total: int
    page_size: int
    next_page: str | None = None
    prev_page: str | None = None
    page_count: int


def pager(paging: Paging, total: int, link: str, parameters: str) -> Pager:
    """Make the pager of a page; one beyond the end counts as the last.

    ``link`` is the list's address, ``parameters`` are the other parameters of the request, encoded, maybe empty.
    """
    count = max(1, -(-total // paging.size))
    page = min(paging.page, count)

    def address(number: int) -> str:
        parts = [f"page={number}"] if number > 1 else []
        parts += [f"pageSize={paging.size}"] if paging.size != PAGE_SIZE else []
        parts += [parameters] if parameters else []
        return f"{link}?{'&'.join(parts)}" if parts else link

    return Pager(
        page=page,
        total=total,
        page_size=paging.size,
        next_page=address(page + 1) if page < count else None,
        prev_page=address(page - 1) if page > 1 else None,
        page_count=count,
    )


class CursorPager(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How a list by cursor goes on: ours, beyond the contract. The last page has its size only."""

    page_size: int
    next_cursor: str | None = None
    next_page: str | None = None


def cursor_pager(paging: Paging, next_cursor: str | None, link: str, parameters: str) -> CursorPager:
    """Make the pager of a page by cursor; ``link`` and ``parameters`` as for ``pager``."""
    if next_cursor is None:
        return CursorPager(page_size=paging.size)
    parts = [f"cursor={next_cursor}", f"pageSize={paging.size}"]
    parts += [parameters] if parameters else []
    return CursorPager(page_size=paging.size, next_cursor=next_cursor, next_page=f"{link}?{'&'.join(parts)}")


AnyPager = Pager | CursorPager | None


def list_json(entity: Entity, objects: Sequence[Object], found: AnyPager) -> bytes:
    """Write a list in JSON (contract section 2.5.1)."""
    return _encode({"pager": found, entity.plural: objects} if found is not None else {entity.plural: objects})


def object_json(found: Object) -> bytes:
    """Write one object in JSON."""
    return _encode(found)


def list_xml(
    entity: Entity,
    objects: Sequence[Object],
    layout: Layout,
    found: AnyPager,
    *,
    link: str,
    root: ListRoot = "plural",
) -> bytes:
    """Write a list in XML (contract section 2.5.4): the manual's form, or wrapped in ``metadata``.

    Objects that have an ``href`` get it as ``link`` too, which is what the manual's readers follow.
    """
    parts = [markup.DECLARATION]
    namespace = f' xmlns="{markup.DXF2}"'
    if root == "metadata":
        parts.append(f"<metadata{namespace}>")
        _write_pager(parts, found)
        parts.append(f"<{entity.plural}>")
    else:
        parts.append(f'<{entity.plural}{namespace} link="{markup.attribute(link)}">')
        _write_pager(parts, found)
    _write_objects(parts, entity, objects, layout)
    parts.append(f"</{entity.plural}>")
    if root == "metadata":
        parts.append("</metadata>")
    return "".join(parts).encode()


def objects_xml(entity: Entity, objects: Sequence[Object], layout: Layout) -> str:
    """Write objects as one element of another document in XML; nothing, when there are none."""
    if not objects:
        return ""
    parts = [f"<{entity.plural}>"]
    _write_objects(parts, entity, objects, layout)
    parts.append(f"</{entity.plural}>")
    return "".join(parts)


def object_xml(name: str, found: Object, layout: Layout) -> bytes:
    """Write one object in XML (contract section 2.5.5); ``name`` is its element."""
    parts = [markup.DECLARATION]
    _write_object(parts, name, found, layout, f' xmlns="{markup.DXF2}"')
    return "".join(parts).encode()


def _write_objects(parts: list[str], entity: Entity, objects: Sequence[Object], layout: Layout) -> None:
    """Write the objects of a list; those that have an ``href`` get it as ``link`` too."""
    href = layout.fields.get("href") if isinstance(layout, Shape) else None
    for value in objects:
        more = f' link="{markup.attribute(getattr(value, href))}"' if href is not None else ""
        _write_object(parts, entity.name, value, layout, more)


def _write_pager(parts: list[str], found: AnyPager) -> None:
    if found is None:
        return
    parts.append("<pager>")
    if isinstance(found, Pager):
        parts.append(f"<page>{found.page}</page><pageCount>{found.page_count}</pageCount><total>{found.total}</total>")
    parts.append(f"<pageSize>{found.page_size}</pageSize>")
    if isinstance(found, CursorPager) and found.next_cursor is not None:
        parts.append(markup.element("nextCursor", found.next_cursor))
    if found.next_page is not None:
        parts.append(markup.element("nextPage", found.next_page))
    if isinstance(found, Pager) and found.prev_page is not None:
        parts.append(markup.element("prevPage", found.prev_page))
    parts.append("</pager>")


_PLAIN = Member()


def _write_object(parts: list[str], name: str, value: Object, layout: Layout, more: str = "") -> None:
    """Write an object: what are attributes of it into its opening tag, everything else as elements."""
    parts.append(f"<{name}{more}")
    inner: list[str] = []
    for key, member_value, member in _members(value, layout):
        if member_value is None:
            continue
        if member.attribute and not isinstance(member_value, dict | list):
            parts.append(f' {_xml_name(key)}="{markup.attribute(_text(member_value))}"')
        else:
            _write(inner, _xml_name(key), member_value, member)
    if inner:
        parts.append(">")
        parts.extend(inner)
        parts.append(f"</{name}>")
    else:
        parts.append("/>")


def _members(value: Object, layout: Layout) -> Iterator[tuple[str, Any, Member]]:
    """Give names, values and forms of an object's members."""
    if isinstance(layout, Shape) and isinstance(value, Struct):
        for name, field in layout.fields.items():
            yield name, getattr(value, field), layout.members[name]
    elif isinstance(value, Mapping):
        known = layout if isinstance(layout, Mapping) else {}
        for name, inner in value.items():
            yield name, inner, known.get(name, _PLAIN)


def _write(parts: list[str], name: str, value: Any, member: Member) -> None:
    """Write an element: of a text, of an object, or wrapped around a list; what is empty writes nothing."""
    if isinstance(value, list):
        if value:
            parts.append(f"<{name}>")
            for item in value:
                if isinstance(item, Struct | dict):
                    _write_object(parts, member.item, item, member.inner)
                else:
                    _write(parts, member.item, item, _PLAIN)
            parts.append(f"</{name}>")
    elif isinstance(value, Struct | dict):
        written: list[str] = []
        _write_object(written, name, value, member.inner)
        if written[1:] != ["/>"]:
            parts.extend(written)
    else:
        parts.append(f"<{name}>{markup.text(_text(value))}</{name}>")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _xml_name(name: str) -> str:
    """Make the name of an element: renamed and keyed members may be called what no element can be."""
    if name.isascii() and name.isidentifier():
        return name
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name)
    return kept if kept[:1].isalpha() else f"_{kept}"
