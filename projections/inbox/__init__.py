"""The inbox: each person's copies of conversations, and exact counts of them. Answers what a person's list shows.

The fold merges a run of events in memory, conversation by conversation, so that a row is written once per run however
often it changed. Three kinds of copies come out of it: added ones, known wholly; ones to which something of their own
happened (marks); and all others of a conversation that changed, which only the database knows by name. So the work in
memory follows the events, not the audience.

Every copy also knows the position of the last event that changed what its person sees of it, and a copy that went
leaves a tombstone for a month: by these two a client that was away learns what changed (http/delta.py), and a list
knows whether it is still the same (http/revision.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, assert_never

from convstore.domain.access import Access
from convstore.domain.copy_key import key_of
from convstore.domain.events import (
    AssigneeCleared,
    AssigneeSet,
    ConversationDeleted,
    ConversationRead,
    ConversationStarted,
    ConversationUnread,
    FollowUpCleared,
    FollowUpFlagged,
    MessagePosted,
    ParticipantRemoved,
    ParticipantsAdded,
    PrioritySet,
    StatusSet,
)
from convstore.domain.uid import Uid, UserId
from convstore.log.recorded import Recorded
from convstore.projections import Change

NAME = "inbox"
VERSION = 1
TABLES = ("inbox_conversation_v1", "inbox_v1", "inbox_count_v1", "inbox_gone_v1")
# Counts are over many conversations, and follow from the copies. Tombstones are cleared by whatever event comes then.
BY_CONVERSATION = ("inbox_conversation_v1", "inbox_v1", "inbox_gone_v1")
EXPIRING = {"inbox_gone_v1": "ends"}
COUNTED = {"inbox_count_v1": "counted_again"}
# By it an event finds the copies of its conversation, and tombstones are found that have had their time.
WORKING_INDEXES = ("inbox_v1_by_conversation", "inbox_gone_v1_by_end")

# Tombstones are cleared away at every event whose position this divides, whatever page it comes in: so the tables
# follow from the log alone, and are the same after a replay.
CLEARING: Final = 256


class _Copy:
    """What a run of events does to one person's copy of one conversation, beyond what it does to all of them.

    ``added`` is the version at which he came, within the run; 0 when the copy was there before, or was never.
    ``changed`` is ``position`` without internal messages, 0 when there was nothing else. ``gone``: the event by which
    he last left, within the run.
    """

    __slots__ = ("added", "changed", "follow_up", "gone", "made_unread", "named", "position", "read", "removed")

    def __init__(self, position: int, added: int = 0, *, unread: bool = False) -> None:
        self.position = position
        self.changed = position
        self.added = added
        self.removed = False
        self.gone: Recorded | None = None
        self.read: int | None = None
        self.made_unread = unread
        self.named = 0
        self.follow_up: bool | None = None


class _Conversation:
    """What a run of events does to one conversation. ``None`` and 0 mean that nothing was said about it.

    ``position`` and ``version`` are those of the last event that changes all copies of it, ``changed`` is the position
    of the last one that everybody may see.
    """

    __slots__ = (
        "assigned",
        "assignee",
        "by_another",
        "changed",
        "copies",
        "deleted",
        "last_message",
        "last_message_all",
        "last_sender",
        "last_sender_all",
        "last_updated",
        "last_updated_all",
        "position",
        "posted",
        "posted_at",
        "poster",
        "priority",
        "started",
        "status",
        "version",
    )

    def __init__(self) -> None:
        self.started: Recorded | None = None
        self.deleted: Recorded | None = None
        self.position = 0
        self.changed = 0
        self.version = 0
        self.status: str | None = None
        self.priority: str | None = None
        self.assigned = False
        self.assignee: UserId | None = None
        self.last_updated: datetime | None = None
        self.last_message: datetime | None = None
        self.last_sender: UserId | None = None
        self.last_updated_all: datetime | None = None
        self.last_message_all: datetime | None = None
        self.last_sender_all: UserId | None = None
        # Positions of the messages for everybody; the version of the latest, who sent it, and the version of the latest
        # by anybody else: these answer "what did others post last?" for every person without a list of messages.
        self.posted_at: list[int] = []
        self.posted = 0
        self.poster: UserId | None = None
        self.by_another = 0
        self.copies: dict[UserId, _Copy] = {}

    def take(self, recorded: Recorded) -> None:  # noqa: C901, PLR0912, PLR0915 - one plain branch per event
        """Take one more event in."""
        event = recorded.event
        match event:
            case MessagePosted():
                self._post(recorded, event)
            case ConversationRead():
                if (copy := self._copy(event.reader, recorded)) is not None:
                    copy.read = event.up_to
                    copy.made_unread = False
            case ParticipantsAdded():
                position, version = recorded.position, recorded.version
                for person in event.participants:
                    before = self.copies.get(person)
                    self.copies[person] = copy = _Copy(position, version, unread=True)
                    copy.gone = before.gone if before is not None else None
                self._touch(recorded)
            case ConversationStarted():
                self.started = recorded
                self.status = event.status
                self.priority = event.priority
                self.last_message = self.last_message_all = recorded.recorded_at
                self.last_sender = self.last_sender_all = event.sender
                if event.sender is not None:
                    self.copies[event.sender] = _Copy(recorded.position, recorded.version)
                self._touch(recorded)
            case ConversationUnread():
                if (copy := self._copy(event.reader, recorded)) is not None:
                    copy.made_unread = True
            case FollowUpFlagged():
                if (copy := self._copy(event.participant, recorded)) is not None:
                    copy.follow_up = True
            case FollowUpCleared():
                if (copy := self._copy(event.participant, recorded)) is not None:
                    copy.follow_up = False
            case ParticipantRemoved():
                self.copies[event.participant] = gone = _Copy(recorded.position)
                gone.removed = True
                gone.gone = recorded
                self._touch(recorded)
            case StatusSet():
                self.status = event.new
                self._touch(recorded)
            case PrioritySet():
                self.priority = event.new
                self._touch(recorded)
            case AssigneeSet():
                self.assigned, self.assignee = True, event.assignee
                self._touch(recorded)
            case AssigneeCleared():
                self.assigned, self.assignee = True, None
                self._touch(recorded)
            case ConversationDeleted():
                self.deleted = recorded
            case Access():
                pass
            case _:
                assert_never(event)

    def posted_for(self, person: UserId, since: int = 0) -> int:
        """Give the version of the latest message for everybody by somebody else than this person, 0 if none since."""
        version = self.by_another if person == self.poster else self.posted
        return version if version > since else 0

    def _post(self, recorded: Recorded, event: MessagePosted) -> None:
        now = recorded.recorded_at
        self.last_message_all = now
        self.last_sender_all = event.sender
        if event.internal:
            self._changed(recorded)
            for person in event.unread_for:
                if (copy := self._copy(person, recorded, internal=True)) is not None:
                    copy.named = recorded.version
            return
        self._touch(recorded)
        self.last_message = now
        self.last_sender = event.sender
        if event.sender != self.poster:
            self.by_another = self.posted
        self.posted = recorded.version
        self.poster = event.sender
        self.posted_at.append(recorded.position)

    def _touch(self, recorded: Recorded) -> None:
        """Note a change that everybody may see."""
        self.last_updated = recorded.recorded_at
        self.changed = recorded.position
        self._changed(recorded)

    def _changed(self, recorded: Recorded) -> None:
        self.last_updated_all = recorded.recorded_at
        self.position = recorded.position
        self.version = recorded.version

    def _copy(self, person: UserId, recorded: Recorded, *, internal: bool = False) -> _Copy | None:
        """Give what the run does to a person's copy, to be changed by this event; None for somebody who left."""
        copy = self.copies.get(person)
        if copy is None:
            copy = self.copies[person] = _Copy(recorded.position)
            copy.changed = 0
        elif copy.removed:
            return None
        copy.position = recorded.position
        if not internal:
            copy.changed = recorded.position
        return copy


def fold(batch: Sequence[Recorded]) -> Iterator[Change]:
    """Say what a run of events of one partition changes, in the order in which the statements must run."""
    if not batch:
        return
    partition = batch[0].partition
    conversations: dict[Uid, _Conversation] = {}
    for recorded in batch:
        conversation = conversations.get(recorded.stream)
        if conversation is None:
            conversation = conversations[recorded.stream] = _Conversation()
        conversation.take(recorded)
    gone, deleted = _gone(conversations)
    yield from _change("remove_copies", gone, partition)
    yield from _change("delete_conversations", deleted, partition)
    living = [(uid, c) for uid, c in conversations.items() if c.deleted is None]
    yield from _change(
        "start_conversations", [_header(uid, c) for uid, c in living if c.started is not None], partition
    )
    changed = [(uid, c) for uid, c in living if c.started is None and c.position]
    yield from _change("change_conversations", [_header_change(uid, c) for uid, c in changed])
    yield from _copies(living, partition)
    others = [(uid, c.posted, c.poster, c.by_another, c.position, c.changed) for uid, c in changed]
    yield from _change("change_copies", others, partition)
    cleared = [recorded.recorded_at for recorded in batch if recorded.position % CLEARING == 0]
    if cleared:
        yield Change("clear_tombstones", (partition, cleared[-1]))


def _gone(conversations: Mapping[Uid, _Conversation]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Give the copies that went within the run, each by the last event that took it, and the deleted conversations.

    Who came and left again within the run is among them, though the tables never had his copy: a page of one event
    would have left his tombstone.
    """
    gone: list[tuple[Any, ...]] = []
    deleted: list[tuple[Any, ...]] = []
    for uid, conversation in conversations.items():
        end = conversation.deleted
        if end is not None:
            deleted.append((uid, end.position, end.recorded_at))
        for person, copy in conversation.copies.items():
            last = end if end is not None and copy.added else copy.gone
            if last is not None:
                gone.append((person, uid, last.position, last.recorded_at))
    return gone, deleted


def _copies(living: Sequence[tuple[Uid, _Conversation]], partition: int) -> Iterator[Change]:
    added: list[tuple[Any, ...]] = []
    marked: list[tuple[Any, ...]] = []
    for uid, conversation in living:
        for person, copy in conversation.copies.items():
            position = max(copy.position, conversation.position)
            changed = max(copy.changed, conversation.changed)
            if copy.added:
                added.append(
                    (
                        person,
                        uid,
                        key_of(uid, person, copy.added),
                        *_added(conversation, person, copy),
                        position,
                        changed,
                    )
                )
            elif not copy.removed:
                posted = conversation.posted_for(person)
                marked.append(
                    (person, uid, copy.read, copy.made_unread, posted, copy.named, copy.follow_up, position, changed)
                )
    yield from _change("add_copies", added, partition)
    yield from _change("mark_copies", marked, partition)


def _added(conversation: _Conversation, person: UserId, copy: _Copy) -> tuple[bool, bool, bool, int, int]:
    """Give an added copy at the end of the run: unread without and with internal messages, follow-up, two versions."""
    posted = conversation.posted_for(person, copy.added)
    read = copy.read or 0
    unread = copy.made_unread or posted > read
    return unread, unread or copy.named > read, bool(copy.follow_up), posted, copy.named


def _header(uid: Uid, c: _Conversation) -> tuple[Any, ...]:
    assert c.started is not None  # noqa: S101 - the caller chose those
    start = c.started.event
    assert isinstance(start, ConversationStarted)  # noqa: S101 - what take() keeps there
    return (
        uid,
        start.message_type,
        start.subject,
        c.status,
        c.priority,
        c.assignee,
        start.external_id,
        c.started.recorded_at,
        start.created_by,
        len(c.posted_at),
        c.last_updated,
        c.last_message,
        c.last_sender,
        c.last_updated_all,
        c.last_message_all,
        c.last_sender_all,
        c.version,
        c.position,
    )


def _header_change(uid: Uid, c: _Conversation) -> tuple[Any, ...]:
    return (
        uid,
        c.status,
        c.priority,
        c.assigned,
        c.assignee,
        "{" + ",".join(map(str, c.posted_at)) + "}",
        c.last_updated,
        c.last_message,
        c.last_sender,
        c.last_updated_all,
        c.last_message_all,
        c.last_sender_all,
        c.version,
        c.position,
    )


def _change(statement: str, rows: Sequence[tuple[Any, ...]], *first: Any) -> Iterator[Change]:
    """Turn rows into arrays, one per column; nothing when there are no rows."""
    if rows:
        yield Change(statement, (*first, *map(list, zip(*rows, strict=True))))
