"""``convstore as-of``: somebody's inbox as it was, for operators and auditors at a terminal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from convstore.cli.looking import looking, positions_at, subject_named
from convstore.cli.loop import run
from convstore.cli.printing import clock, print_json
from convstore.config import Where
from convstore.database import Conn
from convstore.domain.access import InboxViewed, View
from convstore.engine import read_status
from convstore.errors import DirectoryRefused, NotReady
from convstore.http.documents import list_json
from convstore.http.past import Past, plan_past_list
from convstore.http.query.conversation import CONVERSATION
from convstore.http.query.fields import parse_fields
from convstore.http.query.filters import parse_filters
from convstore.http.query.paging import LARGEST_PAGE, Paging
from convstore.http.query.parameters import Query
from convstore.http.query.run import run_list
from convstore.log import cursor
from convstore.projections import load

_timeline = load("timeline").queries

_FIELDS = parse_fields("id,messageType,status,subject,lastSender[displayName],lastMessage,messageCount,read,followUp")


class _Sender(msgspec.Struct, rename="camel"):
    display_name: str


class _Row(msgspec.Struct, rename="camel"):
    """One conversation of the list, as the API says it."""

    id: str
    message_type: str
    status: str
    subject: str
    last_message: datetime
    message_count: int
    read: bool
    follow_up: bool
    last_sender: _Sender | None = None


class _Said(msgspec.Struct):
    """Whose inbox it was and as of which place in the log, how much was in it, and some of that."""

    person: str
    name: str | None
    cursor: str
    total: int
    unread: int
    conversations: Sequence[Any]


def as_of(
    *,
    user: str,
    at: str,
    unread: Annotated[bool, Parameter(negative=())] = False,
    page: int = 1,
    limit: int = 50,
    where: Where = Where(),  # noqa: B008 - frozen
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Show somebody's inbox as it was, newest first: every conversation that he had then and that is there still.

    Names and rights are today's. That somebody looked is noted in the log: an event inbox-viewed in the stream
    access-terminal.

    Parameters
    ----------
    user
        Whose inbox: uid or name of the account.
    at
        An instant (ISO 8601, UTC) or a cursor.
    unread
        Only what was unread.
    page
        Which page, from 1.
    limit
        Conversations on a page, at most 1,000.
    json
        One JSON object.
    """
    query = Query(
        filters=parse_filters(["read:eq:false"] if unread else []),
        paging=Paging(page=max(1, page), size=min(max(1, limit), LARGEST_PAGE)),
    )
    said = run(_as_of(where, user, at, query))
    if json:
        print_json(said)
    else:
        _show(said, query.paging, only_unread=unread)


async def _as_of(where: Where, user: str, at: str, query: Query) -> _Said:
    async with looking(where) as store, store.pool.acquire() as conn:
        reader = await subject_named(store, user)
        names = await store.directory.names([reader.id])
        if not names and not await conn.fetchval(_timeline.known, reader.id):
            raise DirectoryRefused(f"There is no account {user}, and nobody of this uid ever had a conversation.")
        positions = await positions_at(conn, store, at)
        await _check_reached(conn, positions)
        place = cursor.encode(positions, store.store_id)
        await store.note(InboxViewed(person=reader.id, view=View.LIST, as_of=place), "as-of")
        past = Past(reader=reader, positions=positions, everything=True)
        counted = await conn.fetch(_timeline.counts.format(past.own), *past.own_args(reader.id))
        found = await run_list(store.pool, plan_past_list(past, query, _FIELDS), caller=reader.id, api_url="")
    return _Said(
        person=reader.id,
        name=names[reader.id].name if names else None,
        cursor=place,
        total=sum(row["total"] for row in counted),
        unread=sum(row["unread"] for row in counted),
        conversations=found.objects,
    )


async def _check_reached(conn: Conn, positions: Sequence[int]) -> None:
    """See that all read models have taken in what had happened by then.

    Raises:
        NotReady: one has not.
    """
    for each in await read_status(conn):
        if each.position < positions[each.partition]:
            raise NotReady(
                f"{each.projection} is at position {each.position} of partition {each.partition}, that time is at "
                f"{positions[each.partition]}: let a server carry it on ('convstore status' tells how far it is)."
            )


def _show(said: _Said, paging: Paging, *, only_unread: bool) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    who = f"{said.name} ({said.person})" if said.name else f"{said.person} (no account any more)"
    console.print(f"{who} as of {said.cursor}: conversations {said.total:,}, unread {said.unread:,}")
    rows = msgspec.json.decode(list_json(CONVERSATION, said.conversations, None), type=dict[str, list[_Row]])
    for row in rows[CONVERSATION.plural]:
        marks = ("*" if not row.read else " ") + ("!" if row.follow_up else " ")
        status = "" if row.status == "NONE" else f" {row.status.lower()}"
        sender = row.last_sender.display_name if row.last_sender else "the system"
        console.print(
            Text.assemble(
                (f"{marks} ", "bold"),
                (f"{clock(row.last_message)}  ", "dim"),
                (f"{row.id}  ", "cyan"),
                f"{row.message_type.lower()}{status:<9} ",
                (row.subject, "" if row.read else "bold"),
                (f"  ({row.message_count:,}, last by {sender})", "dim"),
            )
        )
    if paging.offset + len(rows[CONVERSATION.plural]) < (said.unread if only_unread else said.total):
        console.print(f"More: --page {paging.page + 1}")
