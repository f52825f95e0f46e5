"""``convstore history``: what happened to a conversation, for auditors at a terminal."""

import sys
from typing import Annotated, Protocol

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from convstore.audit.history import Entry, entry, mentioned
from convstore.audit.sight import EVERYTHING, page
from convstore.cli.looking import conversation_named, looking
from convstore.cli.loop import run
from convstore.cli.printing import clock, print_json
from convstore.config import Where
from convstore.domain.access import HistoryViewed
from convstore.errors import ConversationNotFound

_PAGE = 500


class Show(Protocol):
    """What prints one event; ``remark`` stands before it."""

    def __call__(self, said: Entry, remark: str = "", /) -> None:
        """Print it."""


def history(
    uid: str,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    after: int = 0,
    limit: int | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Tell everything that happened to a conversation, oldest first, also when it was deleted.

    Who did it, for whom, when, and the change in words; subjects and texts are left out. That somebody looked is noted
    in the log: an event history-viewed in the stream access-terminal.

    Parameters
    ----------
    uid
        Of the conversation.
    after
        The version of its stream after which to begin.
    limit
        At most so many events; all when it is not given.
    json
        One JSON object a line.
    """
    run(_history(where, uid, after=after, limit=limit, show=_as_json if json else as_line()))


async def _history(where: Where, uid: str, *, after: int, limit: int | None, show: Show) -> None:
    conversation = conversation_named(uid)
    left = sys.maxsize if limit is None else limit
    async with looking(where) as store, store.pool.acquire() as conn:
        partition = store.partition_of(conversation)
        noted = False
        while left > 0 and (
            found := await page(conn, partition, conversation, EVERYTHING, after=after, limit=min(_PAGE, left))
        ):
            if not noted:
                await store.note(HistoryViewed(conversation_id=conversation), "history")
                noted = True
            names = await store.directory.names(mentioned(seen.recorded for seen in found))
            for seen in found:
                show(entry(seen, names, everything=True))
            after = found[-1].number
            left -= len(found)
        if not noted and not await page(conn, partition, conversation, EVERYTHING, limit=1):
            raise ConversationNotFound(conversation)


def as_line() -> Show:
    """Give what prints one event on a line for people: coloured on a terminal, plain elsewhere."""
    console = Console(highlight=False, soft_wrap=True)

    def show(said: Entry, remark: str = "") -> None:
        console.print(
            Text.assemble(
                (f"{said.version:>5}  ", "cyan"),
                (f"{remark:<12}  " if remark else "", "magenta"),
                (f"{clock(said.time)}  ", "dim"),
                said.words,
                (_aside(said), "dim"),
            )
        )

    return show


def _aside(said: Entry) -> str:
    """Say what else is known of how it came about."""
    by = None if said.on_behalf_of is None else f"on behalf of {said.on_behalf_of.display_name or said.on_behalf_of.id}"
    parts = [part for part in (by, said.causation, said.user_agent) if part]
    return f"  ({'; '.join(parts)})" if parts else ""


def _as_json(said: Entry, _remark: str = "") -> None:
    print_json(said)
