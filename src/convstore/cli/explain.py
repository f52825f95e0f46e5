"""``convstore explain``: why somebody sees a conversation as he does, for operators and auditors at a terminal."""

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console

from convstore.audit.explanation import Because, Explanation, People, explain, look_into
from convstore.audit.sight import EVERYTHING, page
from convstore.cli.history import as_line
from convstore.cli.looking import conversation_named, looking, positions_at, subject_named
from convstore.cli.loop import run
from convstore.config import Where
from convstore.domain.access import ExplanationViewed
from convstore.domain.uid import Uid
from convstore.errors import ConversationNotFound
from convstore.log import cursor


def explain_(
    *,
    user: str,
    conversation: str,
    at: str | None = None,
    message: str | None = None,
    people: int = 50,
    where: Where = Where(),  # noqa: B008 - frozen
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Say why somebody sees a conversation as he does, or does not see it, with the events that made it so.

    What happened is told as of --at; names, and rights beside a copy, are today's. That somebody looked is noted in the
    log: an event explanation-viewed in the stream access-terminal.

    Parameters
    ----------
    user
        Whom it is about: uid or name of the account.
    conversation
        The conversation's uid.
    at
        As of an instant (ISO 8601, UTC) or a cursor; by default now.
    message
        Also tell who could see this message, by its uid.
    people
        At most so many of them.
    json
        One JSON object.
    """
    said = run(_explain(where, user, conversation_named(conversation), at=at, message=message, people=people))
    if json:
        sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
    else:
        _show(said)


async def _explain(
    where: Where, user: str, uid: Uid, *, at: str | None, message: str | None, people: int
) -> Explanation:
    asked = None if message is None else conversation_named(message, "message")
    async with looking(where) as store, store.pool.acquire() as conn:
        subject = await subject_named(store, user)
        partition = store.partition_of(uid)
        if not await page(conn, partition, uid, EVERYTHING, limit=1):
            raise ConversationNotFound(uid)
        positions = await positions_at(conn, store, at)
        found = await look_into(conn, partition, uid, EVERYTHING, subject, message=asked, until=positions[partition])
        said = await explain(store.directory, uid, found, subject, everything=True, people=People(limit=people))
        event = ExplanationViewed(
            conversation_id=uid,
            person=subject.id,
            message_id=asked,
            as_of=None if at is None else cursor.encode(positions, store.store_id),
        )
        await store.note(event, "explain")
    return said


def _show(said: Explanation) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for sentence in said.words:
        console.print(sentence)
    if said.because in (Because.SUPERUSER, Because.TICKET_MANAGER):
        console.print("(The log does not have rights: these are of today.)")
    show = as_line()
    for reason in said.reasons:
        show(reason.event, ", ".join(why.value.lower().replace("_", " ") for why in reason.why))
    if said.viewers is not None:
        kind = "internal message" if said.viewers.internal else "message"
        console.print(f"The {kind} {said.viewers.message} could be seen by {said.viewers.count:,}:")
        for viewer in said.viewers.people:
            since = "" if viewer.since is None else f" since {viewer.since:%Y-%m-%d %H:%M:%S}"
            console.print(
                f"  {viewer.id}  {viewer.display_name or '(no account)'}: "
                f"{viewer.because.value.lower().replace('_', ' ')}{since}"
            )
        if more := said.viewers.count - len(said.viewers.people):
            console.print(f"  and {more:,} more: see --people")
