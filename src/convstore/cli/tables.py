"""How commands print lists: a table on a terminal, tab-separated lines elsewhere; or JSON, one object a line."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        sys.stdout.write(line + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of texts; the names of the columns only on a terminal."""
    if sys.stdout.isatty():
        # What is too long goes on below: half a uid is of no use.
        table = Table(*(Column(name, overflow="fold") for name in columns))
        for row in rows:
            table.add_row(*row)
        Console(markup=False).print(table)
    else:
        # A reason cannot break its line or move to another column.
        print_lines("\t".join(" ".join(cell.split()) for cell in row) for row in rows)
