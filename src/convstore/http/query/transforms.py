"""Applies the transformers of ``fields`` to rendered values: contract section 5.1. Unknown ones do nothing."""

from collections.abc import Sequence
from typing import Any

from convstore.http.query.fields import Transform

# Those that need the number of elements only, not the elements.
COUNTING = frozenset({"size", "isempty", "isnotempty"})


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
        key = _argument(step)
        if name == "pluck":
            return [element[key] for element in value if isinstance(element, dict) and element.get(key) is not None]
        if name == "keyby":
            return _keyed(value, key)
    return value


def _counted(name: str, count: int) -> Any:
    return count if name == "size" else (count == 0) == (name == "isempty")


def _argument(step: Transform) -> str:
    return step.args[0] if step.args else "id"


def _keyed(elements: list[Any], key: str) -> dict[str, Any]:
    """Key elements by a property; several with the same value become a list, those without it are left out."""
    found: dict[str, list[Any]] = {}
    for element in elements:
        if isinstance(element, dict) and element.get(key) is not None:
            found.setdefault(str(element[key]), []).append(element)
    return {name: same[0] if len(same) == 1 else same for name, same in found.items()}
