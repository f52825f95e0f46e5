"""How many conversations a person has, and how many unread ones, of each type: one call, of ours, for all badges."""

from collections.abc import Mapping, Sequence
from importlib.resources import files

from aiohttp import web
from msgspec import Struct

from convstore.domain import policy
from convstore.domain.access import View
from convstore.domain.types import MessageType
from convstore.http import markup
from convstore.http.as_of import note, past_of
from convstore.http.keys import BACKEND, CALLER, FORMAT
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes
from convstore.http.reading import read_answer
from convstore.projections import load
from convstore.sql import Statements

_inbox = load("inbox")
_timeline = load("timeline").queries
_sql = Statements(files(__package__) / "conversations.sql")
_COUNTS = _sql.counts.format(_inbox.queries["counts"], _sql.positions.format("ARRAY[$2]"))


class Count(Struct, frozen=True):
    """A number of conversations, and how many of them are unread."""

    unread: int = 0
    total: int = 0


class Counts(Struct, frozen=True, rename="camel"):
    """What a person has in all, and of each type, those he has nothing of too."""

    unread: int
    total: int
    message_types: Mapping[MessageType, Count]


async def counts(request: web.Request) -> web.Response:
    """``GET messageConversations/counts``: unread and total per type, in the view that the caller's rights give him."""
    said, positions = await counted(request, View.COUNTS)
    body = json_bytes(said) if request[FORMAT] is Format.JSON else _xml(said)
    return read_answer(request, body, positions)


async def counted(request: web.Request, view: View) -> tuple[Counts, Sequence[int]]:
    """Count for the caller, or as of the time that he asks about; with the place in the log that this reflects."""
    if (past := await past_of(request)) is not None:
        await note(request, past, view)
        args = past.own_args(past.reader.id)
        rows = await request.app[BACKEND].readers.fetch(_timeline.counts.format(past.own), *args)
        return _counts({row["message_type"]: Count(row["unread"], row["total"]) for row in rows}), past.positions
    person = request[CALLER]
    rows = await request.app[BACKEND].readers.fetch(_COUNTS, person.id, _inbox.id)
    unread = "unread_all" if policy.sees_internal(person.actor()) else "unread"
    # The one row of somebody who has nothing has no type.
    found = {row["message_type"]: Count(row[unread] or 0, row["total"] or 0) for row in rows}
    return _counts(found), rows[0]["positions"]


def _counts(found: Mapping[str | None, Count]) -> Counts:
    by_type = {kind: found.get(kind, Count()) for kind in MessageType}
    return Counts(
        unread=sum(count.unread for count in by_type.values()),
        total=sum(count.total for count in by_type.values()),
        message_types=by_type,
    )


def _xml(said: Counts) -> bytes:
    inner = "".join(
        f'<messageType name="{kind}" unread="{count.unread}" total="{count.total}"/>'
        for kind, count in said.message_types.items()
    )
    root = f'counts xmlns="{markup.DXF2}" unread="{said.unread}" total="{said.total}"'
    return f"{markup.DECLARATION}<{root}><messageTypes>{inner}</messageTypes></counts>".encode()
