"""Answers why somebody sees a conversation as he does, and who could see a message, with the events behind it.

What happened is told as of the moment asked for. Rights beside a copy (a superuser's, a ticket manager's) and names are
today's: the log does not have them.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from convstore.audit.explain import Copy, Message, follow
from convstore.audit.history import Entry, Names, Who, calling, entry, mentioned, who
from convstore.audit.sight import Seen, Sight, walk
from convstore.audit.telling import counted
from convstore.database import Conn
from convstore.directory import Directory
from convstore.domain import policy
from convstore.domain.conversation import Conversation
from convstore.domain.types import Actor, MessageType
from convstore.domain.uid import Uid, UserId
from convstore.errors import MessageNotFound


class Because(StrEnum):
    """Why somebody sees a conversation, or does not."""

    PARTICIPANT = "PARTICIPANT"
    SUPERUSER = "SUPERUSER"
    TICKET_MANAGER = "TICKET_MANAGER"
    REMOVED = "REMOVED"
    NEVER_ADDED = "NEVER_ADDED"
    DELETED = "DELETED"
    NOT_STARTED = "NOT_STARTED"


_SEEING: Final = frozenset({Because.PARTICIPANT, Because.SUPERUSER, Because.TICKET_MANAGER})


class Why(StrEnum):
    """What an event has to do with the answer."""

    COPY = "COPY"
    READ = "READ"
    UNREAD = "UNREAD"
    FOLLOW_UP = "FOLLOW_UP"
    DELETED = "DELETED"
    MESSAGE = "MESSAGE"


class Reason(Struct, frozen=True, rename="camel"):
    """An event, and what of the answer it explains."""

    why: list[Why]
    event: Entry


class Viewer(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Somebody who could see a message, and why; ``since`` he had his copy."""

    id: UserId
    display_name: str | None = None
    because: Because
    since: datetime | None = None


class Viewers(Struct, frozen=True, rename="camel", kw_only=True):
    """Who could see a message: so many people in all, and a page of them in order of their ids."""

    message: Uid
    internal: bool
    posted: datetime
    count: int
    people: list[Viewer]


class Explanation(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The whole answer. ``read`` and ``follow_up`` are there when he has a copy."""

    conversation: Uid
    person: Who
    visible: bool
    because: Because
    read: bool | None = None
    follow_up: bool | None = None
    words: list[str]
    reasons: list[Reason]
    viewers: Viewers | None = None


class People(Struct, frozen=True):
    """Which page of the people who could see a message is wanted: those after an id, so many."""

    after: str = ""
    limit: int = 50


_FIRST: Final = People()


class Found(Struct, frozen=True):
    """What a walk through the log has found, before it is put into words."""

    state: Conversation
    last: Seen | None
    copy: Copy
    message: Message | None


async def look_into(
    conn: Conn,
    partition: int,
    uid: Uid,
    sight: Sight,
    subject: Actor,
    *,
    message: Uid | None = None,
    until: int | None = None,
) -> Found:
    """Walk through a conversation up to a moment, to find out how a person stands in it, and about a message of it.

    ``sight`` is the asker's: whether internal messages are looked at. ``until`` as for ``walk``.
    """
    copy = Copy(subject.id, policy.sees_internal(subject))
    asked = None if message is None else Message(message)
    events = walk(conn, partition, uid, Sight(subject.id, sight.internal), until=until)
    state, last = await follow(events, uid, [copy] if asked is None else [copy, asked])
    return Found(state, last, copy, asked)


async def explain(
    directory: Directory, uid: Uid, found: Found, subject: Actor, *, everything: bool, people: People = _FIRST
) -> Explanation:
    """Put into words what was found; ``everything``: for an auditor.

    Raises:
        MessageNotFound: no such message had been posted that the asker may see.
    """
    state, copy = found.state, found.copy
    if found.message is not None and found.message.posted is None:
        raise MessageNotFound(found.message.id)
    because = _because(state, copy, subject)
    reasons = list(_reasons(found, because))
    viewers = [] if found.message is None else await _viewers(directory, state, found.message, everything=everything)
    shown = [viewer for viewer in sorted(viewers, key=lambda each: each.id) if viewer.id > people.after]
    names = await directory.names(
        {subject.id, *mentioned(seen.recorded for seen, _ in reasons), *(each.id for each in shown[: people.limit])}
    )
    mark = state.roster.get(subject.id)
    unread = state.is_unread(subject.id, with_internal=copy.with_internal)
    return Explanation(
        conversation=uid,
        person=who(subject.id, names),
        visible=because in _SEEING,
        because=because,
        read=None if mark is None else not unread,
        follow_up=None if mark is None else mark.follow_up,
        words=list(_words(found, because, calling(names)(subject.id), unread=unread)),
        reasons=[
            Reason(why, entry(_numbered(seen, everything=everything), names, everything=everything))
            for seen, why in reasons
        ],
        viewers=_page(found.message, viewers, shown[: people.limit], names),
    )


def _because(state: Conversation, copy: Copy, subject: Actor) -> Because:
    if state.version == 0:
        return Because.NOT_STARTED
    if state.deleted:
        return Because.DELETED
    if subject.id in state.roster:
        return Because.PARTICIPANT
    if policy.has_access(subject, participant=False, message_type=state.message_type):
        return Because.SUPERUSER if subject.superuser else Because.TICKET_MANAGER
    return Because.NEVER_ADDED if copy.membership is None else Because.REMOVED


def _reasons(found: Found, because: Because) -> list[tuple[Seen, list[Why]]]:
    """Give the events behind the answer in their order, each once, with all that it has to do with it."""
    copy = found.copy
    given: list[tuple[Seen | None, Why]] = [
        (copy.membership, Why.COPY),
        (copy.read_up_to, Why.READ),
        (copy.settled, Why.READ),
        *((seen, Why.UNREAD) for seen in copy.unread),
        (copy.flag, Why.FOLLOW_UP),
        (found.last if because is Because.DELETED else None, Why.DELETED),
        (None if found.message is None else found.message.posted, Why.MESSAGE),
    ]
    by_version: dict[int, tuple[Seen, list[Why]]] = {}
    for seen, why in given:
        if seen is not None:
            _, whys = by_version.setdefault(seen.recorded.version, (seen, []))
            if why not in whys:
                whys.append(why)
    return [by_version[version] for version in sorted(by_version)]


def _numbered(seen: Seen, *, everything: bool) -> Seen:
    """Number an event as the asker's history does: what auditors see of a stream are all versions."""
    return Seen(seen.recorded.version, seen.recorded) if everything else seen


def _words(found: Found, because: Because, name: str, *, unread: bool) -> Iterator[str]:
    copy = found.copy
    match because:
        case Because.NOT_STARTED:
            yield "The conversation had not begun."
        case Because.DELETED:
            yield "The conversation is deleted, for everybody."
        case Because.SUPERUSER:
            yield f"{name} has no copy of the conversation, and sees it as a superuser: by its uid, and in no list."
        case Because.TICKET_MANAGER:
            yield f"{name} has no copy of the conversation, and sees it as one who manages tickets."
        case Because.REMOVED:
            yield f"{name} does not see the conversation: the copy was taken away{_on(copy.membership)}."
        case Because.NEVER_ADDED:
            yield f"{name} does not see the conversation, and never had a copy of it."
        case Because.PARTICIPANT:
            yield f"{name} sees the conversation: there is a copy since{_on(copy.membership, '')}."
            yield _read_or_not(copy, name, unread=unread)
            if copy.flag is not None and found.state.roster.get(copy.person) is not None:
                flagged = "It is" if found.state.roster.marks()[copy.person].follow_up else "It is no longer"
                yield f"{flagged} flagged for follow-up, since{_on(copy.flag, '')}."


def _read_or_not(copy: Copy, name: str, *, unread: bool) -> str:
    if not unread:
        return f"It is read for {name}, since{_on(copy.settled, '')}."
    older = f" (and {copy.unread_more:,} older ones)" if copy.unread_more else ""
    return f"It is unread for {name}, because of {counted(len(copy.unread), 'event')}{older} after what was read."


def _on(seen: Seen | None, before: str = " on") -> str:
    """Say when it happened, in UTC to the second."""
    return "" if seen is None else f"{before} {seen.recorded.recorded_at:%Y-%m-%d %H:%M:%S}"


async def _viewers(directory: Directory, state: Conversation, message: Message, *, everything: bool) -> list[Viewer]:
    """Give who could see a message: whoever had a copy; for auditors those too who need none."""
    superusers, managers = frozenset(await directory.superusers()), await directory.ticket_managers()
    found = [
        Viewer(id=person, because=Because.PARTICIPANT, since=seen.recorded.recorded_at)
        for person, seen in message.copies.items()
        if not message.internal or person in managers
    ]
    if everything and state.exists:
        others = managers if state.message_type is MessageType.TICKET else superusers
        found += [
            Viewer(id=person, because=Because.SUPERUSER if person in superusers else Because.TICKET_MANAGER)
            for person in others
            if person not in message.copies
        ]
    return found


def _page(message: Message | None, viewers: Sequence[Viewer], shown: Sequence[Viewer], names: Names) -> Viewers | None:
    if message is None or message.posted is None:
        return None
    return Viewers(
        message=message.id,
        internal=message.internal,
        posted=message.posted.recorded.recorded_at,
        count=len(viewers),
        people=[msgspec.structs.replace(viewer, display_name=who(viewer.id, names).display_name) for viewer in shown],
    )
