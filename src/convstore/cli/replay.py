"""``convstore replay``: a conversation event by event, with its state before and after each."""

import sys
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from msgspec import Struct, field
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from convstore.audit.facets import Facet, facets, people_in
from convstore.audit.history import calling, mentioned
from convstore.audit.sight import EVERYTHING, page
from convstore.audit.telling import told
from convstore.cli.keyboard import keys
from convstore.cli.looking import Looking, conversation_named, looking
from convstore.cli.loop import run
from convstore.cli.printing import clock, plain
from convstore.config import Where
from convstore.database import Conn
from convstore.domain.access import HistoryViewed
from convstore.domain.conversation import Conversation, evolve, initial
from convstore.domain.events import tag_of
from convstore.domain.uid import Uid
from convstore.errors import ConversationNotFound
from convstore.log.recorded import Recorded

_PAGE: Final = 200

_NEXT: Final = frozenset({"n", "right", "down", "space", "enter"})
_BACK: Final = frozenset({"b", "p", "left", "up"})
_QUIT: Final = frozenset({"q", "escape"})


class Step(Struct, frozen=True):
    """One event, told in words, with what it changed."""

    record: Recorded
    words: str
    facets: list[Facet]


class Walk(Struct):
    """A walk along a stream: the steps so far, and the state at their end. Read page by page, as far as one walks."""

    store: Looking
    conn: Conn
    uid: Uid
    state: Conversation
    steps: list[Step] = field(default_factory=list)
    ended: bool = False

    async def reach(self, number: int) -> bool:
        """Go on until there is a step of this number, from 0; False, the stream ends before it."""
        while len(self.steps) <= number and not self.ended:
            found = await page(
                self.conn, self.store.partition_of(self.uid), self.uid, EVERYTHING, after=len(self.steps), limit=_PAGE
            )
            self.ended = len(found) < _PAGE
            records = [seen.recorded for seen in found]
            states = [self.state]
            for record in records:
                states.append(evolve(states[-1], record.event))
            people = mentioned(records).union(*map(people_in, states))
            called = calling(await self.store.directory.names(people))
            self.steps += [
                Step(record, told(record, called), facets(before, after, called))
                for record, before, after in zip(records, states, states[1:], strict=False)
            ]
            self.state = states[-1]
        return number < len(self.steps)


def replay(
    uid: str,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    step: Annotated[bool, Parameter(negative=())] = False,
    texts: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Walk through a conversation event by event: the state before, the event, the state after.

    Without --step, or without a terminal, all events are printed with what each changed. That somebody looked is noted
    in the log: an event history-viewed in the stream access-terminal.

    Parameters
    ----------
    uid
        Of the conversation.
    step
        One event at a time: space, n or right for the next, b or left for the one before, home and end, q to leave.
    texts
        Show subjects and texts too; otherwise only how long they are.
    """
    stepping = step and sys.stdin.isatty() and sys.stdout.isatty()
    run(_replay(where, conversation_named(uid), stepping=stepping, texts=texts))


async def _replay(where: Where, uid: Uid, *, stepping: bool, texts: bool) -> None:
    async with looking(where) as store, store.pool.acquire() as conn:
        walk = Walk(store, conn, uid, initial(uid))
        if not await walk.reach(0):
            raise ConversationNotFound(uid)
        await store.note(HistoryViewed(conversation_id=uid), "replay")
        if stepping:
            await _step(walk, texts=texts)
        else:
            await _print_all(walk, texts=texts)


async def _print_all(walk: Walk, *, texts: bool) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    number = 0
    while await walk.reach(number):
        step = walk.steps[number]
        console.print(Text.assemble(_heading(step), "\n      ", (_data(step, texts=texts), "dim")))
        for facet in step.facets:
            if facet.changed:
                console.print(Text.assemble("      ", (facet.name, "cyan"), f": {facet.before} → {facet.after}"))
        number += 1


async def _step(walk: Walk, *, texts: bool) -> None:
    console = Console(highlight=False, markup=False)
    number = 0
    with console.screen(hide_cursor=True) as screen, keys() as struck:
        screen.update(_screen(walk, number, texts=texts))
        for key in struck:
            if key in _QUIT:
                return
            if key in _NEXT and await walk.reach(number + 1):
                number += 1
            elif key in _BACK and number > 0:
                number -= 1
            elif key == "home":
                number = 0
            elif key == "end":
                while await walk.reach(len(walk.steps)):
                    pass
                number = len(walk.steps) - 1
            screen.update(_screen(walk, number, texts=texts))


def _screen(walk: Walk, number: int, *, texts: bool) -> RenderableType:
    step = walk.steps[number]
    states = Table(box=None, expand=True, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("", "before", "after"):
        states.add_column(title, ratio=1 if not title else 2)
    for facet in step.facets:
        states.add_row(Text(facet.name, "cyan"), facet.before, Text(facet.after, "bold green" if facet.changed else ""))
    more = "" if walk.ended else "+"
    return Group(
        Text.assemble((f"{walk.uid}", "bold"), f"   event {number + 1} of {len(walk.steps)}{more}"),
        Panel(Text.assemble(_heading(step), "\n", (_data(step, texts=texts), "dim")), title=_tag(step)),
        states,
        Text("\nspace, n, →  next    b, ←  back    home, end    q  leave", "dim"),
    )


def _heading(step: Step) -> Text:
    record = step.record
    return Text.assemble((f"{record.version:>5} ", "cyan"), (f"{clock(record.recorded_at)}  ", "dim"), step.words)


def _data(step: Step, *, texts: bool) -> str:
    return msgspec.json.encode(plain(step.record.event, texts=texts)).decode()


def _tag(step: Step) -> str:
    return tag_of(step.record.event)
