"""The states that commands are decided on: kept in a cache bounded by weight, brought up to date from the log.

A cached state may be behind: another process may have appended. That is no harm where the append verifies its version;
where nothing is appended, ``Store.states`` asks the log first.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Final

import structlog
from msgspec import Struct

from convstore.database import Conn
from convstore.domain.access import LoggedEvent
from convstore.domain.conversation import Conversation, evolve, initial, weight
from convstore.domain.snapshot import decode_state
from convstore.domain.uid import Uid
from convstore.errors import LogCorrupt, SnapshotUnreadable
from convstore.log.codec import CODEC
from convstore.log.read import sql

log = structlog.get_logger(__name__)

# What replaying an event costs beside its text, in bytes of text.
_PER_EVENT: Final = 200
# A snapshot is due when the events since the last one would cost this much to replay: some 20 ms.
_SNAPSHOT_AFTER: Final = 512_000
# A heavy state's snapshot is dear itself: one only every so much of its weight.
_SNAPSHOT_SHARE: Final = 16
# After so many events the loop gets a turn: replaying a long stream must not hold up all others.
_BREATH: Final = 500


class _Entry(Struct):
    state: Conversation
    weight: int
    debt: int  # what replaying the events since the last snapshot would cost, in bytes


class Kept(Struct, frozen=True):
    """What a cache of states holds: how many, what they weigh and what they may weigh, in bytes, as estimated."""

    states: int
    weight: int
    limit: int


class States:
    """The most recently used states of one process, by uid; the least recently used go when they weigh too much.

    ``limit`` is in bytes, as ``weight`` estimates them. One state that weighs more than the limit alone is kept all the
    same, as the only one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[Uid, _Entry] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._entries)

    def kept(self) -> Kept:
        """Say what is kept now."""
        return Kept(len(self._entries), self.weight, self._limit)

    def get(self, uid: Uid) -> Conversation | None:
        """Give the state that was kept last, maybe behind the log; None when there is none."""
        entry = self._entries.get(uid)
        if entry is None:
            return None
        self._entries.move_to_end(uid)
        return entry.state

    def put(self, state: Conversation, replayed: int, *, from_snapshot: bool = False) -> bool:
        """Keep a state, unless a later one is there; say whether a snapshot of it is due.

        ``replayed`` is what the events cost that led here from the state kept before, as ``cost`` gives it; or from the
        snapshot.
        """
        old = self._entries.pop(state.id, None)
        if old is not None:
            if old.state.version > state.version:
                self._entries[state.id] = old
                return False
            self.weight -= old.weight
        debt = replayed if old is None or from_snapshot else old.debt + replayed
        entry = self._entries[state.id] = _Entry(state, weight(state), debt)
        self.weight += entry.weight
        while self.weight > self._limit and len(self._entries) > 1:
            _, dropped = self._entries.popitem(last=False)
            self.weight -= dropped.weight
        return debt >= max(_SNAPSHOT_AFTER, entry.weight // _SNAPSHOT_SHARE)

    def snapshot_taken(self, uid: Uid) -> None:
        """Note that a snapshot of what is kept was written."""
        if (entry := self._entries.get(uid)) is not None:
            entry.debt = 0

    async def refresh(
        self, conn: Conn, partition: int, uids: Collection[Uid]
    ) -> tuple[dict[Uid, Conversation], list[Uid]]:
        """Bring these streams' states up to what is committed now, in one round trip, and keep them.

        Gives a state for each, ``initial`` where there is no stream, and the uids of those whose snapshot is due.
        """
        known = {uid: self.get(uid) or initial(uid) for uid in uids}
        found = await _replay(conn, partition, known.values(), snapshots=True)
        due = []
        for uid, (state, replayed, from_snapshot) in found.items():
            known[uid] = state
            if self.put(state, replayed, from_snapshot=from_snapshot):
                due.append(uid)
        return known, due


def cost(data: str) -> int:
    """Say what replaying an event costs, in bytes of text."""
    return _PER_EVENT + len(data)


async def _replay(
    conn: Conn, partition: int, known: Iterable[Conversation], *, snapshots: bool
) -> dict[Uid, tuple[Conversation, int, bool]]:
    """Fold what came after these states; of those that have something new: state, cost, whether from a snapshot."""
    states = {state.id: state for state in known}
    rows = await conn.fetch(
        sql.states, partition, list(states), [state.version for state in states.values()], snapshots
    )
    costs: dict[Uid, int] = {}
    from_snapshot: set[Uid] = set()
    unreadable: set[Uid] = set()
    for number, (stream, version, snapshot, data) in enumerate(rows, 1):
        if snapshot is not None:
            try:
                states[stream] = decode_state(snapshot)
            except SnapshotUnreadable as e:
                log.warning("snapshot.ignored", conversation=stream, version=version, reason=str(e))
                unreadable.add(stream)
            else:
                from_snapshot.add(stream)
                costs.setdefault(stream, 0)
        elif stream not in unreadable:
            states[stream] = evolve(states[stream], _event(stream, version, data))
            costs[stream] = costs.get(stream, 0) + cost(data)
        if number % _BREATH == 0:
            await asyncio.sleep(0)
    found = {stream: (states[stream], costs[stream], stream in from_snapshot) for stream in costs}
    if unreadable:
        found |= await _replay(conn, partition, [initial(uid) for uid in unreadable], snapshots=False)
    return found


def _event(stream: Uid, version: int, data: str) -> LoggedEvent:
    try:
        return CODEC.decode(data)
    except LogCorrupt as e:
        raise LogCorrupt(f"{stream}@{version}: {e}") from e
