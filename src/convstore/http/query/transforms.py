"""Applies the transformers of ``fields`` to rendered values: contract section 5.1. Unknown ones do nothing."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from convstore.http.query.fields import Transform

# Those that need the number of elements only, not the elements.
COUNTING = frozenset({"size", "isempty", "isnotempty"})

_PAGE_SIZE = 50
# More than any collection has; products of two of them are still numbers of PostgreSQL's.
_MOST = 2**31 - 1


class Slice(Struct, frozen=True):
    """A page of a collection: so many elements after so many others, both counted from the end where ``last``."""

    size: int
    offset: int
    last: bool = False


def page_of(step: Transform) -> Slice | None:
    """Give the page that ``paging(page;pageSize)`` means; None for any other step, and where it has no numbers.

    Source: contract section 5.1 (servers of 2.26 to 2.29 have it). A negative page is ours: -1 is the last one, so many
    elements from the end on. 0 is the first page.
    """
    if step.name.lower() != "paging" or not step.args:
        return None
    try:
        page, size = int(step.args[0]), int(step.args[1]) if len(step.args) > 1 else _PAGE_SIZE
    except ValueError:
        return None
    size = min(max(size, 1), _MOST)
    return Slice(size=size, offset=min(max(abs(page), 1) - 1, _MOST) * size, last=page < 0)


def transformed(value: Any, steps: Sequence[Transform]) -> Any:
    """Apply transformers one after another; null stays null."""
    for step in steps:
        if value is None:
            return None
        value = _apply(value, step)
    return value


def from_count(count: int, step: Transform) -> Any:
    """Give what a counting transformer makes of a collection of so many elements."""
    return _counted(step.name.lower(), count)


def needed(steps: Sequence[Transform]) -> str | None:
    """Give the property of the elements that the first transformer needs; None when it needs none."""
    if steps and steps[0].name.lower() in ("pluck", "keyby"):
        return _argument(steps[0])
    return None


def _apply(value: Any, step: Transform) -> Any:
    name = step.name.lower()
    if name in COUNTING and isinstance(value, list | dict | str):
        return _counted(name, len(value))
    if isinstance(value, list):
        if (page := page_of(step)) is not None:
            return _cut(value, page)
        key = _argument(step)
        if name == "pluck":
            return [element[key] for element in value if isinstance(element, dict) and element.get(key) is not None]
        if name == "keyby":
            return _keyed(value, key)
    return value


def _counted(name: str, count: int) -> Any:
    return count if name == "size" else (count == 0) == (name == "isempty")


def _cut(elements: list[Any], page: Slice) -> list[Any]:
    if not page.last:
        return elements[page.offset : page.offset + page.size]
    end = max(len(elements) - page.offset, 0)
    return elements[max(end - page.size, 0) : end]


def _argument(step: Transform) -> str:
    return step.args[0] if step.args else "id"


def _keyed(elements: list[Any], key: str) -> dict[str, Any]:
    """Key elements by a property; several with the same value become a list, those without it are left out."""
    found: dict[str, list[Any]] = {}
    for element in elements:
        if isinstance(element, dict) and element.get(key) is not None:
            found.setdefault(str(element[key]), []).append(element)
    return {name: same[0] if len(same) == 1 else same for name, same in found.items()}
