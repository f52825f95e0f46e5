"""How commands print events of the log: without people's letters, unless they are asked for."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

from convstore.domain.access import LoggedEvent
from convstore.log.recorded import Recorded

Show = Callable[[Recorded], None]

# People's letters: shown only when asked for.
_LETTERS: Final = ("subject", "text")


def plain(event: LoggedEvent, *, texts: bool) -> dict[str, Any]:
    """Give an event as plain values; without ``texts`` only how long its letters are, and how many its attachments."""
    data: dict[str, Any] = msgspec.to_builtins(event)
    if not texts:
        data |= {name: f"({len(data[name])} characters)" for name in _LETTERS if data.get(name)}
        if files := data.get("attachments"):
            data["attachments"] = f"({len(files)} of them)"
    return data


def line_of(event: Recorded, *, texts: bool) -> dict[str, Any]:
    """Give an event with its place, time and circumstances as plain values."""
    return {
        "partition": event.partition,
        "position": event.position,
        "conversation": event.stream,
        "version": event.version,
        "time": event.recorded_at,
        "meta": msgspec.to_builtins(event.meta),
        "event": plain(event.event, texts=texts),
    }


def print_json(line: Any) -> None:
    """Print one JSON object on a line, at once."""
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


def printer(*, texts: bool) -> Show:
    """Give what prints one event: columns on a terminal, JSON elsewhere."""
    console = Console(highlight=False, soft_wrap=True)

    def as_json(event: Recorded) -> None:
        print_json(line_of(event, texts=texts))

    def as_columns(event: Recorded) -> None:
        data = plain(event.event, texts=texts)
        tag = data.pop("type")
        console.print(
            Text.assemble(
                (clock(event.recorded_at), "dim"),
                "  ",
                (f"{event.partition}:{event.position}", "cyan"),
                "  ",
                (f"{event.stream}@{event.version}", "bold"),
                "  ",
                (tag, "green"),
                "  ",
                (f"by {event.meta.actor or 'system'}", "magenta"),
                "  ",
                msgspec.json.encode(data).decode(),
            )
        )

    return as_columns if console.is_terminal else as_json


def clock(at: datetime) -> str:
    """Write a time for people, in UTC with milliseconds."""
    return at.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
