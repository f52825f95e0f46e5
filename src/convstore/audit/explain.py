"""Why somebody sees a conversation as he does: the events that made it so, found by the rules of the domain.

Nothing is judged a second time here. The events are folded as the rules fold them, and around each one the state is
asked: has he a copy, is it unread. What changed the answer is the reason. The events of other people's marks are left
out, for they change nothing about his.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec import Struct, field, structs

from convstore.audit.sight import Seen
from convstore.domain.conversation import Conversation, evolve, initial
from convstore.domain.events import (
    ConversationDeleted,
    ConversationRead,
    MessagePosted,
    ParticipantRemoved,
    ParticipantsAdded,
)
from convstore.domain.uid import Uid, UserId

# After so many events the loop gets a turn.
_BREATH: Final = 500
# Messages that made a copy unread: more reasons make it no clearer.
_REASONS: Final = 50


class Copy(Struct):
    """What a walk through the events of a conversation has found out about one person's copy of it.

    ``membership``: the event that last gave him a copy or took it away; None, he never had one. ``read_up_to``: the
    last one that said how far he had read. ``settled``: the one since which nothing is unread. ``unread``: those that
    make it unread, oldest first, the latest so many; ``unread_more`` are older ones. ``flag``: of his follow-up mark.
    """

    person: UserId
    with_internal: bool
    membership: Seen | None = None
    read_up_to: Seen | None = None
    settled: Seen | None = None
    unread: list[Seen] = field(default_factory=list)
    unread_more: int = 0
    flag: Seen | None = None

    def take(self, before: Conversation, seen: Seen, after: Conversation) -> None:
        """Take in one event, with the states around it."""
        old, new = before.roster.get(self.person), after.roster.get(self.person)
        if new is None:
            if old is not None:
                self.membership = seen
                self.read_up_to = self.settled = self.flag = None
                self._forget_unread()
            return
        if old is None:
            self.membership = seen
        elif new.read != old.read:
            self.read_up_to = seen
            self.unread = [each for each in self.unread if each.recorded.version > new.read]
            self.unread_more = 0
        if old is not None and new.follow_up != old.follow_up:
            self.flag = seen
        if not after.is_unread(self.person, with_internal=self.with_internal):
            if old is None or before.is_unread(self.person, with_internal=self.with_internal):
                self.settled = seen
            self._forget_unread()
        # What says how far he has read takes reasons away, and is none.
        elif seen is not self.read_up_to and self._makes_unread(before, seen):
            self.unread.append(seen)
            if len(self.unread) > _REASONS:
                del self.unread[0]
                self.unread_more += 1

    def _makes_unread(self, before: Conversation, seen: Seen) -> bool:
        """Tell whether an event would make his copy unread if he had just read everything before it."""
        read = ConversationRead(reader=self.person, up_to=before.version)
        # The mark alone: reading it would have been an event of its own.
        caught_up = structs.replace(evolve(before, read), version=before.version)
        return evolve(caught_up, seen.recorded.event).is_unread(self.person, with_internal=self.with_internal)

    def _forget_unread(self) -> None:
        self.unread.clear()
        self.unread_more = 0


class Message(Struct):
    """What a walk has found out about one message: the event that posted it, and who had a copy in the end.

    ``copies``: the events that gave the participants their copies, by person: whoever has one sees the whole thread.
    """

    id: Uid
    posted: Seen | None = None
    copies: dict[UserId, Seen] = field(default_factory=dict)

    def take(self, before: Conversation, seen: Seen, after: Conversation) -> None:
        """Take in one event, with the states around it."""
        match seen.recorded.event:
            case MessagePosted(message_id=posted):
                if posted == self.id:
                    self.posted = seen
            case ParticipantsAdded(participants=people):
                self.copies |= {person: seen for person in people if person not in before.roster}
            case ParticipantRemoved(participant=person):
                self.copies.pop(person, None)
            case ConversationDeleted():
                self.copies.clear()
            case _ if before.version == 0:
                self.copies |= dict.fromkeys(after.roster, seen)

    @property
    def internal(self) -> bool:
        """Whether it is for those only who see internal messages."""
        event = None if self.posted is None else self.posted.recorded.event
        return isinstance(event, MessagePosted) and event.internal


async def follow(
    pages: AsyncIterator[Sequence[Seen]], uid: Uid, asked: Sequence[Copy | Message]
) -> tuple[Conversation, Seen | None]:
    """Fold the events of a conversation, let those who ask look at each, and give the state and event at the end.

    Of the events others' marks may be missing; then the state knows nothing of these.
    """
    state = initial(uid)
    last: Seen | None = None
    number = 0
    async for page in pages:
        for seen in page:
            before = structs.replace(state, version=seen.recorded.version - 1)
            state = evolve(before, seen.recorded.event)
            for each in asked:
                each.take(before, seen, state)
            last = seen
            number += 1
            if number % _BREATH == 0:
                await asyncio.sleep(0)
    return state, last
