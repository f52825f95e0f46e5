"""The timeline: what was when, by position in the log. Answers what a person's inbox was as of any time.

Rows are only added: one per event that changes a conversation, one per mark, one per copy that somebody ever had. The
fold says of each event what the run has said of its conversation up to there; the statements take the rest from the
last row before the run. So nothing is read while folding, and a run that is taken in again makes the same rows.
"""

from collections.abc import Iterator, Sequence
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
from convstore.projections import Change, Rows

NAME = "timeline"
VERSION = 1
TABLES = (
    "timeline_copy_v1",
    "timeline_change_v1",
    "timeline_internal_v1",
    "timeline_read_v1",
    "timeline_follow_up_v1",
)
# By it the copies of a conversation are found that is deleted.
WORKING_INDEXES = ("timeline_copy_v1_by_conversation",)
ROWS = {
    "add_copies": Rows(
        "timeline_copy_v1",
        ("partition", "user_id", "conversation_id", "key", "version", "read", "since", "until"),
    ),
    "keep_first_changes": Rows(
        "timeline_change_v1",
        (
            "conversation_id",
            "position",
            "version",
            "status",
            "priority",
            "assignee",
            "message_count",
            "last_updated",
            "last_message",
            "last_sender",
            "last_updated_all",
            "last_message_all",
            "last_sender_all",
            "posted",
            "by_another",
            "internal",
        ),
    ),
    "keep_reads": Rows("timeline_read_v1", ("user_id", "conversation_id", "position", "up_to")),
    "keep_follow_ups": Rows("timeline_follow_up_v1", ("user_id", "conversation_id", "position", "follow_up")),
}

# The end of a copy that nothing has taken: no position is as large.
OPEN: Final = 2**63 - 1

_Row = tuple[Any, ...]


class _Copy:
    """A copy that came within the run: the version that brought it, up to where it was read, from when until when."""

    __slots__ = ("read", "since", "until", "version")

    def __init__(self, version: int, since: int, read: int = 0) -> None:
        self.version = version
        self.read = read
        self.since = since
        self.until = OPEN


class _Conversation:
    """What a run has said of a conversation so far; ``None`` and 0 mean that nothing was said.

    ``before`` is a position before all that the run says of it; None when it began within the run.
    """

    __slots__ = (
        "added",
        "assigned",
        "assignee",
        "before",
        "by_another",
        "changes",
        "copies",
        "ended",
        "first",
        "follow_ups",
        "internal",
        "internals",
        "last_message",
        "last_message_all",
        "last_sender",
        "last_sender_all",
        "last_updated",
        "posted",
        "poster",
        "priority",
        "reads",
        "status",
    )

    def __init__(self, before: int) -> None:
        self.before: int | None = before
        self.status: str | None = None
        self.priority: str | None = None
        self.assigned = False
        self.assignee: UserId | None = None
        self.added = 0
        self.last_updated: datetime | None = None
        self.last_message: datetime | None = None
        self.last_sender: UserId | None = None
        self.last_message_all: datetime | None = None
        self.last_sender_all: UserId | None = None
        self.posted = 0
        self.poster: UserId | None = None
        self.by_another = 0
        self.internal = 0
        self.copies: dict[UserId, list[_Copy]] = {}
        self.first: list[_Row] = []
        self.changes: list[_Row] = []
        self.ended: list[_Row] = []
        self.internals: list[_Row] = []
        self.reads: list[_Row] = []
        self.follow_ups: list[_Row] = []

    def take(self, recorded: Recorded) -> None:  # noqa: C901, PLR0912 - one plain branch per event
        """Take one more event in."""
        event, position, stream = recorded.event, recorded.position, recorded.stream
        match event:
            case MessagePosted():
                self._post(recorded, event)
            case ConversationRead():
                self.reads.append((event.reader, stream, position, event.up_to))
            case ConversationUnread():
                self.reads.append((event.reader, stream, position, 0))
            case FollowUpFlagged():
                self.follow_ups.append((event.participant, stream, position, True))
            case FollowUpCleared():
                self.follow_ups.append((event.participant, stream, position, False))
            case ParticipantsAdded():
                for person in dict.fromkeys(event.participants):
                    self.copies.setdefault(person, []).append(_Copy(recorded.version, position))
                self._touch(recorded)
            case ParticipantRemoved():
                if (copies := self.copies.get(event.participant)) and copies[-1].until == OPEN:
                    copies[-1].until = position
                else:
                    self.ended.append((event.participant, stream, position))
                self._touch(recorded)
            case ConversationStarted():
                self.before = None
                self.status, self.priority = event.status, event.priority
                self.last_message = self.last_message_all = recorded.recorded_at
                self.last_sender = self.last_sender_all = event.sender
                if event.sender is not None:
                    self.copies[event.sender] = [_Copy(recorded.version, position, read=recorded.version)]
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
            case ConversationDeleted() | Access():
                pass
            case _:
                assert_never(event)

    def _post(self, recorded: Recorded, event: MessagePosted) -> None:
        self.last_message_all = recorded.recorded_at
        self.last_sender_all = event.sender
        if event.internal:
            self.internal = recorded.version
            # Uids need no quotes in an array's text.
            unread_for = "{" + ",".join(event.unread_for) + "}"
            self.internals.append((recorded.stream, recorded.version, recorded.position, unread_for))
            self._keep(recorded)
            return
        self.last_message = recorded.recorded_at
        self.last_sender = event.sender
        if event.sender != self.poster:
            self.by_another = self.posted
        self.posted = recorded.version
        self.poster = event.sender
        self.added += 1
        self._touch(recorded)

    def _touch(self, recorded: Recorded) -> None:
        """Keep a change that everybody may see."""
        self.last_updated = recorded.recorded_at
        self._keep(recorded)

    def _keep(self, recorded: Recorded) -> None:
        if self.before is None:
            self.first.append(
                (
                    recorded.stream,
                    recorded.position,
                    recorded.version,
                    self.status,
                    self.priority,
                    self.assignee,
                    self.added,
                    self.last_updated,
                    self.last_message,
                    self.last_sender,
                    recorded.recorded_at,
                    self.last_message_all,
                    self.last_sender_all,
                    self.posted,
                    self.by_another,
                    self.internal,
                )
            )
            return
        self.changes.append(
            (
                recorded.stream,
                self.before,
                recorded.position,
                recorded.version,
                self.status,
                self.priority,
                self.assigned,
                self.assignee,
                self.added,
                self.last_updated,
                self.last_message,
                self.last_sender,
                recorded.recorded_at,
                self.last_message_all,
                self.last_sender_all,
                self.posted,
                self.by_another,
                self.internal,
            )
        )


def fold(batch: Sequence[Recorded]) -> Iterator[Change]:
    """Say what a run of events of one partition adds, and whose rows it takes away: nothing returns from deletion."""
    if not batch:
        return
    conversations: dict[Uid, _Conversation] = {}
    deleted: dict[Uid, None] = {}
    for recorded in batch:
        if isinstance(recorded.event, ConversationDeleted):
            deleted[recorded.stream] = None
        conversation = conversations.get(recorded.stream)
        if conversation is None:
            conversation = conversations[recorded.stream] = _Conversation(recorded.position - 1)
        conversation.take(recorded)
    if deleted:
        yield Change("delete_conversations", (list(deleted),))
    living = [(uid, c) for uid, c in conversations.items() if uid not in deleted]
    yield from _change("end_copies", [row for _, c in living for row in c.ended])
    copies = [
        (person, uid, key_of(uid, person, copy.version), copy.version, copy.read, copy.since, copy.until)
        for uid, c in living
        for person, here in c.copies.items()
        for copy in here
    ]
    yield from _change("add_copies", copies, batch[0].partition)
    yield from _change("keep_first_changes", [row for _, c in living for row in c.first])
    yield from _change("keep_changes", [row for _, c in living for row in c.changes])
    yield from _change("keep_internals", [row for _, c in living for row in c.internals])
    yield from _change("keep_reads", [row for _, c in living for row in c.reads])
    yield from _change("keep_follow_ups", [row for _, c in living for row in c.follow_ups])


def _change(statement: str, rows: Sequence[_Row], *first: Any) -> Iterator[Change]:
    """Turn rows into arrays, one per column; nothing when there are no rows."""
    if rows:
        yield Change(statement, (*first, *map(list, zip(*rows, strict=True))))
