"""Read models: what can always be dropped and replayed from the log. One folder each, at ``projections/`` in the tree.

A folder holds ``__init__.py`` (NAME, VERSION, TABLES and the pure ``fold``), ``table.sql`` (the tables, unqualified
names), ``apply.sql`` (named statements with array parameters) and ``queries.sql`` (what readers ask). Nobody imports a
read model by name, and no read model imports another: engine, views and tests say ``load("inbox")``.

All SQL names its tables without a schema: the session's search path decides whether they are the live ones (schema
``convstore``) or those of a rebuild beside them.
"""

import hashlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct

from convstore.log.recorded import Recorded
from convstore.sql import Statements

_root = Path(__file__).parents[3]
if (_root / "pyproject.toml").is_file():  # a checkout; in a wheel the folders lie right here
    __path__.append(str(_root / "projections"))


class Change(Struct, frozen=True):
    """One statement of ``apply.sql`` and its parameters, mostly arrays with one element per row."""

    statement: str
    args: tuple[Any, ...]


class Rows(Struct, frozen=True):
    """The table and the columns that a statement's parameters go into as they are: arrays, or one value for all."""

    table: str
    columns: tuple[str, ...]


class Projection(Struct, frozen=True, kw_only=True):
    """A read model as the engine drives it.

    ``fold`` is pure: a run of events of one partition, in order, becomes few changes, in the order in which their
    statements must run. ``id`` names its checkpoint, such as ``inbox_v1``: a new shape gets a new version, and is
    built beside the old one. ``working_indexes`` are those that ``apply`` itself needs, beside primary keys: the others
    serve readers only, and are made when a rebuild is done. ``rows``: of the statements that add rows and leave alone
    what is there already, where they add them, for a replay into empty tables need not look for it first.
    """

    name: str
    version: int
    tables: tuple[str, ...]
    working_indexes: tuple[str, ...]
    rows: Mapping[str, Rows]
    table_sql: str
    apply: Statements
    queries: Statements
    fold: Callable[[Sequence[Recorded]], Iterator[Change]]
    # Tables of which the rows of one conversation follow from its events alone: what samples compare. Of those that
    # rows go from by themselves, the column that says when: such rows may be there longer, but not shorter.
    by_conversation: tuple[str, ...]
    expiring: Mapping[str, str]
    # Tables of which the rows of one person follow from other tables, and the query that counts them again.
    counted: Mapping[str, str]
    # Of all that the folder says: a rebuild that was interrupted goes on only with what it was begun with.
    digest: str

    @property
    def id(self) -> str:
        """The name of this version: the key of its checkpoint, and the suffix of its tables."""
        return f"{self.name}_v{self.version}"


@cache
def load(name: str) -> Projection:
    """Give the read model of this name.

    Raises:
        ModuleNotFoundError: there is no such folder.
    """
    module: ModuleType = import_module(f"{__name__}.{name}")
    folder = files(module)
    return Projection(
        name=name,
        version=module.VERSION,
        tables=tuple(module.TABLES),
        working_indexes=tuple(getattr(module, "WORKING_INDEXES", ())),
        rows=getattr(module, "ROWS", {}),
        table_sql=(folder / "table.sql").read_text("utf-8"),
        apply=Statements(folder / "apply.sql"),
        queries=Statements(folder / "queries.sql"),
        fold=module.fold,
        by_conversation=tuple(getattr(module, "BY_CONVERSATION", module.TABLES)),
        expiring=getattr(module, "EXPIRING", {}),
        counted=getattr(module, "COUNTED", {}),
        digest=_digest(folder),
    )


def _digest(folder: Traversable) -> str:
    read = sorted((file for file in folder.iterdir() if file.name.endswith((".py", ".sql"))), key=lambda f: f.name)
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in read)).hexdigest()


@cache
def discover() -> tuple[Projection, ...]:
    """Give all read models, by name: adding a folder adds one."""
    return tuple(load(found.name) for found in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name))
