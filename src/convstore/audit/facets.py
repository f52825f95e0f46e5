"""A conversation's state in words, side by side with the one before: for people who watch it change. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from convstore.audit.telling import Called, word
from convstore.domain.conversation import Conversation
from convstore.domain.uid import UserId

# People whom one line names.
_NAMED: Final = 6

_NOBODY: Final = "nobody"


class Facet(Struct, frozen=True):
    """One thing about a state, before and after an event."""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Whether the event changed it."""
        return self.before != self.after


def facets(before: Conversation, after: Conversation, called: Called) -> list[Facet]:
    """Say what the rules know of a conversation before and after an event; the same things in the same order."""
    old, new = _described(before, called), _described(after, called)
    return [Facet(name, old[name], new[name]) for name in new]


def people_in(state: Conversation) -> set[UserId]:
    """Name those whom it takes to describe a state: the few of each line."""
    people = {person for line in _people(state).values() for person in line[:_NAMED]}
    return people if state.assignee is None else people | {state.assignee}


def _described(state: Conversation, called: Called) -> Mapping[str, str]:
    if not state.exists:
        standing = "deleted" if state.deleted else "not begun"
    else:
        standing = state.message_type.replace("_", " ").lower()
    people = _people(state)
    return {
        "conversation": standing,
        "status": word(state.status),
        "priority": word(state.priority),
        "assignee": _NOBODY if state.assignee is None else called(state.assignee),
        **{name: _line(line, called) for name, line in people.items()},
        "last message": "none" if not state.last_posted else f"version {state.last_posted}",
    }


def _people(state: Conversation) -> dict[str, Sequence[UserId]]:
    marks = state.roster.marks()

    def those(test: Callable[[UserId], bool]) -> list[UserId]:
        return [person for person in marks if test(person)]

    unread = those(lambda person: state.is_unread(person, with_internal=False))
    known = frozenset(unread)
    return {
        "participants": list(marks),
        "unread for": unread,
        "by an internal message also for": those(
            lambda person: person not in known and state.is_unread(person, with_internal=True)
        ),
        "flagged for follow-up by": those(lambda person: marks[person].follow_up),
    }


def _line(people: Sequence[UserId], called: Called) -> str:
    if not people:
        return _NOBODY
    named = ", ".join(map(called, people[:_NAMED]))
    count = f"{len(people):,}: " if len(people) > 1 else ""
    return f"{count}{named}" + (f" and {len(people) - _NAMED:,} more" if len(people) > _NAMED else "")
