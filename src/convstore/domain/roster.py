"""Who is in a conversation, with each person's marks: a persistent map that 100,000 people fit in.

Every event that touches a person makes a new roster, and old ones stay valid, because a rule may be asked about both.
So a roster is a few plain dicts laid over each other, none of them ever changed, the newest last. A change lays one
small dict on top; a layer that has grown to half of the one below is merged into it, so that there are never more than
about log2(people) of them and a change costs the same few microseconds however many people there are. (Measured beside
``immutables.Map``: the same for one change, four times faster for adding a thousand, and decoding a snapshot is one
``dict.update``.)
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from convstore.domain.uid import UserId


class Mark(Struct, frozen=True, gc=False, array_like=True):
    """What one participant's copy of a conversation knows. All three numbers are versions of the stream; 0 is never.

    ``read``: everything up to it was seen. ``unread_since``: the copy was given, or marked unread, at that version and
    not read since. ``internal``: the latest internal message that names him among those it makes unread.
    """

    read: int = 0
    unread_since: int = 0
    internal: int = 0
    follow_up: bool = False


# A change. None says that the person left: it hides what the layers below say of him.
_Layer: TypeAlias = Mapping[UserId, Mark | None]

# Bytes of one entry: its slot in a dict that is half to two thirds full, the text of the uid, and the mark where it is
# not shared. Measured on CPython 3.11; a test compares.
_BYTES_SHARED: Final = 150
_BYTES_CHANGED: Final = 230


class Roster:
    """The participants of one conversation and their marks. Immutable; equal when they say the same of everybody."""

    __slots__ = ("_base", "_upper")
    __hash__ = None  # type: ignore[assignment]  # equal by content, which is too much to hash

    def __init__(self, base: Mapping[UserId, Mark] | None = None, upper: tuple[_Layer, ...] = ()) -> None:
        """Take these participants over, and the changes to them, oldest first; none must be changed afterwards."""
        self._base: Mapping[UserId, Mark] = base if base is not None else {}
        self._upper = upper

    def get(self, person: UserId) -> Mark | None:
        """Give a participant's mark, None for everybody else."""
        for layer in reversed(self._upper):
            # Nearly everybody in a layer is a participant, so one look-up per layer decides in most cases.
            mark = layer.get(person)
            if mark is not None:
                return mark
            if person in layer:
                return None
        return self._base.get(person)

    def __contains__(self, person: UserId) -> bool:
        return self.get(person) is not None

    def __iter__(self) -> Iterator[UserId]:
        return iter(self.marks())

    def __len__(self) -> int:
        """How many participants there are; takes a pass over all unless nothing changed since the last merge."""
        return len(self.marks())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Roster) and self.marks() == other.marks()

    def __repr__(self) -> str:
        return f"Roster({dict(self.marks())!r})"

    def among(self, people: Collection[UserId]) -> tuple[UserId, ...]:
        """Say which of these people are participants, sorted, each once."""
        return tuple(sorted({person for person in people if person in self}))

    def marks(self) -> Mapping[UserId, Mark]:
        """Give all participants with their marks, as one mapping that must not be changed."""
        merged = self._base
        for layer in self._upper:
            merged = _merged(merged, layer)
        return merged

    def added(self, people: Iterable[UserId], mark: Mark) -> "Roster":
        """Give these people a copy each, all with the same mark (which they share)."""
        return self._with(dict.fromkeys(people, mark))

    def marked(self, person: UserId, mark: Mark) -> "Roster":
        """Replace one participant's mark."""
        return self._with({person: mark})

    def without(self, person: UserId) -> "Roster":
        """Take one participant's copy away."""
        return self._with({person: None})

    def with_internal(self, people: Iterable[UserId], version: int) -> "Roster":
        """Note for those of these people who are participants that an internal message named them at this version."""
        return self._with(
            {
                person: Mark(read=mark.read, unread_since=mark.unread_since, internal=version, follow_up=mark.follow_up)
                for person in people
                if (mark := self.get(person)) is not None
            }
        )

    def weight(self) -> int:
        """Estimate the memory that the roster takes, in bytes. Takes no pass over the participants."""
        return len(self._base) * _BYTES_SHARED + sum(map(len, self._upper)) * _BYTES_CHANGED

    def _with(self, top: _Layer) -> "Roster":
        if not top:
            return self
        upper = self._upper
        while upper and len(top) * 2 > len(upper[-1]):
            top = {**upper[-1], **top}
            upper = upper[:-1]
        if not upper and len(top) * 2 > len(self._base):
            return Roster(_merged(self._base, top))
        return Roster(self._base, (*upper, top))


def _merged(base: Mapping[UserId, Mark], layer: _Layer) -> Mapping[UserId, Mark]:
    present = {person: mark for person, mark in layer.items() if mark is not None}
    merged = {**base, **present}
    for person in layer.keys() - present.keys():
        merged.pop(person, None)
    return merged
