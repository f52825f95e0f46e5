"""Random stories: sequences of events that the rules allow, about a few people and a few conversations."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from convstore.domain.commands import (
    AddParticipants,
    Assign,
    ClearFollowUp,
    ConversationCommand,
    DeleteConversation,
    FlagFollowUp,
    MarkRead,
    MarkUnread,
    RemoveParticipant,
    Reply,
    SendMessage,
    SendSystemMessage,
    SendTicket,
    SetPriority,
    SetStatus,
    Unassign,
)
from convstore.domain.conversation import Conversation, decide, evolve, initial
from convstore.domain.types import Actor, Priority, Status
from convstore.domain.uid import Uid, UserId
from convstore.errors import Refused
from convstore.log.recorded import Recorded

PEOPLE = tuple(UserId(f"Person{n:05}") for n in range(1, 6))
CONVERSATIONS = tuple(Uid(f"Talk{n:07}") for n in range(1, 4))
_BEGAN = datetime(2026, 11, 23, 8, tzinfo=UTC)


@dataclass
class Story:
    """What happened, in the order of the log, and what the rules know of it at the end."""

    events: list[Recorded] = field(default_factory=list)
    states: dict[Uid, Conversation] = field(default_factory=dict)

    def ask(self, command: ConversationCommand) -> None:
        """Let a command have its effect; nothing, when it is refused."""
        state = self.states.get(command.conversation_id) or initial(command.conversation_id)
        try:
            decided = decide(state, command)
        except Refused:
            return
        for event in decided:
            state = evolve(state, event)
            position = len(self.events) + 1
            self.events.append(
                Recorded(0, position, state.id, state.version, event, _BEGAN + timedelta(seconds=position), "{}")
            )
        self.states[state.id] = state


def _actor(person: UserId, rights: int) -> Actor:
    return Actor(
        id=person, superuser=rights > 2, ticket_manager=rights > 1, may_delete=rights > 2, may_send_system=rights > 2
    )


_people = st.sampled_from(PEOPLE)
_some = st.lists(_people, max_size=4, unique=True).map(tuple)
_common: dict[str, Any] = {
    "conversation_id": st.sampled_from(CONVERSATIONS),
    # Most are superusers: otherwise most of what is asked would be refused.
    "actor": st.builds(_actor, _people, st.sampled_from((3, 3, 3, 2, 1))),
}
_message = {"message_id": st.just(Uid("MessageUid1")), "text": st.just("Hello")}
_start = {
    **_common,
    **_message,
    "subject": st.just("Stocks"),
    "recipients": st.lists(_people, min_size=3, unique=True).map(tuple),
}
_read = st.builds(MarkRead, reader=_people, up_to=st.none() | st.integers(1, 20), **_common)
_reply = st.builds(Reply, **_common, **_message)
_reply_internally = st.builds(
    Reply, internal=st.just(value=True), ticket_managers=_some.map(frozenset), **_common, **_message
)
_add = st.builds(AddParticipants, participants=_some, **_common)
_remove = st.builds(RemoveParticipant, participant=_people, **_common)
_unread = st.builds(MarkUnread, reader=_people, **_common)

# What happens often stands more than once.
_KINDS: tuple[st.SearchStrategy[ConversationCommand], ...] = (
    *(_read, _reply) * 6,
    *(_add, _remove, _unread, _reply_internally) * 3,
    st.builds(SendMessage, **_start),
    st.builds(SendTicket, **_start),
    st.builds(SendSystemMessage, sender=st.none() | _people, **_start),
    st.builds(FlagFollowUp, participant=_people, **_common),
    st.builds(ClearFollowUp, participant=_people, **_common),
    st.builds(SetStatus, status=st.sampled_from(Status), **_common),
    st.builds(SetPriority, priority=st.sampled_from(Priority), **_common),
    st.builds(Assign, assignee=_people, assignee_in_feedback_group=st.just(value=True), **_common),
    st.builds(Unassign, **_common),
    st.builds(DeleteConversation, **_common),
)
commands: st.SearchStrategy[ConversationCommand] = st.sampled_from(_KINDS).flatmap(lambda kind: kind)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Give a story of some length: one that can hold a removal, a return, and something after it."""
    story = Story()
    for uid in CONVERSATIONS[:2]:
        story.ask(draw(st.builds(SendTicket, **{**_start, "conversation_id": st.just(uid)})))
    for command in draw(st.lists(commands, min_size=20, max_size=50)):
        story.ask(command)
    return story


def cuts(story: Story) -> st.SearchStrategy[list[int]]:
    """Give places to cut a story into pages, in order, the end the last of them."""
    end = len(story.events)
    return st.lists(st.integers(0, end), max_size=8).map(lambda places: sorted({*places, end}))
