"""One who follows the log from a place on: through the log until he is nearly at its end, then with the hub's ring."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from convstore.database import Pool
from convstore.domain.uid import Uid
from convstore.errors import CursorAhead
from convstore.log import read
from convstore.stream.choice import Choice
from convstore.stream.hub import Hub
from convstore.stream.reading import read_page
from convstore.stream.telling import Given
from convstore.waking import Signal

# So many events are given at once, at most.
_AT_ONCE: Final = 200


class Placed(Struct, frozen=True):
    """An event, and the positions after it."""

    given: Given
    positions: tuple[int, ...]


def placed(events: Sequence[Given], after: Sequence[int]) -> list[Placed]:
    """Say of events, read in this order after these positions, from where to go on after each."""
    found = []
    positions = list(after)
    for given in events:
        positions[given.recorded.partition] = given.recorded.position
        found.append(Placed(given, tuple(positions)))
    return found


class Follower:
    """Gives the events that are chosen, in order, each once; ``woken`` fires when there may be more.

    ``positions``: what he was given everything up to. Use it within ``hub.followed()``, and ``close`` it.
    """

    def __init__(self, hub: Hub, readers: Pool, choice: Choice, positions: Sequence[int]) -> None:
        self.woken = Signal()
        self.positions = tuple(positions)
        self._hub = hub
        self._readers = readers
        self._choice = choice
        # The place on the ring, once he is on it.
        self._place: int | None = None

    @classmethod
    async def start(cls, hub: Hub, readers: Pool, choice: Choice, positions: Sequence[int]) -> "Follower":
        """Begin after these positions.

        Raises:
            CursorAhead: the log does not reach as far.
        """
        async with readers.acquire() as conn:
            heads = await read.heads(conn)
        if any(map(int.__gt__, positions, heads)):
            raise CursorAhead
        return cls(hub, readers, choice, positions)

    async def next(self, limit: int = _AT_ONCE) -> list[Placed]:
        """Give the next events, at most so many; empty: nothing for the moment.

        Raises:
            CursorAhead: the log is not what it was, and does not reach as far any more.
        """
        if self._choice.rights.own is None and self._is_on_ring():
            return self._walk(limit)
        async with self._readers.acquire() as conn:
            page = await read_page(conn, self._choice, self.positions, limit)
        found = placed(page.events, self.positions)
        self.positions = page.reached
        if page.more or (not found and self._choice.rights.own is None):
            # More to read, or to be looked for on the ring; nobody else would say so.
            self.woken.fire()
        return found

    def close(self) -> None:
        """Follow no more."""
        self._hub.leave(self)

    def may_want(self, tags: frozenset[str], streams: frozenset[Uid]) -> bool:
        """Tell whether there may be something for him among events of these types and streams."""
        one = self._choice.conversation
        return not self._choice.rights.types.isdisjoint(tags) and (one is None or one in streams)

    def pass_over(self, place: int, positions: tuple[int, ...]) -> None:
        """Note that there was nothing for him up to here."""
        self._place = place
        self.positions = tuple(map(max, self.positions, positions))

    def wake(self) -> None:
        """Come: there may be something."""
        self.woken.fire()

    def _is_on_ring(self) -> bool:
        """Tell whether the ring has all that he has not seen, and find his place on it."""
        ring = self._hub.ring
        if self._place is not None and self._place < ring.first:
            self._place = None
        if self._place is None and all(map(int.__ge__, self.positions, ring.base)):
            self._place = ring.first
        return self._place is not None

    def _walk(self, limit: int) -> list[Placed]:
        ring = self._hub.ring
        place = self._place or 0
        positions = list(self.positions)
        found: list[Placed] = []
        for recorded in ring.since(place):
            place += 1
            # What he read of the log before he came to the ring.
            if recorded.position <= positions[recorded.partition]:
                continue
            positions[recorded.partition] = recorded.position
            if self._choice.wants(recorded):
                texts = self._choice.rights.texts and not ring.was_deleted(recorded.stream)
                found.append(Placed(Given(recorded, texts), tuple(positions)))
                if len(found) == limit:
                    break
        self._place = place
        self.positions = tuple(positions)
        if not found:
            self._hub.wait(self)
        return found
