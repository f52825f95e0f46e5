"""Named SQL statements, read from files that lie beside the module that runs them.

A file holds sections; each opens with ``-- name --`` on a line of its own, then comments that say what the statement
is for and what its ``$1 …`` are. Python holds names and parameters, never clauses.
"""

import re
from importlib.resources.abc import Traversable

_SECTION = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)


class Statements:
    """The statements of one SQL file, as attributes: ``statements.append``."""

    def __init__(self, source: Traversable) -> None:
        text = source.read_text("utf-8")
        parts = _SECTION.split(text)
        self._source = str(source)
        self._by_name = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}

    def __getattr__(self, name: str) -> str:
        try:
            return self._by_name[name]
        except KeyError:
            raise AttributeError(f"no statement {name!r} in {self._source}") from None

    def __getitem__(self, name: str) -> str:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def names(self) -> list[str]:
        """The names of all statements, in the file's order."""
        return list(self._by_name)
