"""How consumers deal with the events of a subscription: over HTTP, or in this process.

Several consumers of one name share 64 slots. A conversation belongs to one slot, so it is in order, and no two of them
deal with it at once. A consumer that is not heard of for as long as the subscription's ``lease`` has died: others take
its slots over, from where it had acknowledged. So every event comes at least once; its partition and position tell what
comes again.

1. ``share``: say that one is there, and learn which slots one has by now; several times a lease.
2. ``read``: the first events of these slots that are not acknowledged.
3. ``acknowledge`` what was dealt with. ``reject`` what cannot be: it is a dead letter then, and what follows it comes.
4. ``leave`` when done, so that others need not wait.
"""

import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from convstore.database import Conn, Pool
from convstore.errors import BadQuery, SubscriptionAhead
from convstore.stream.reading import SLOTS, read_at, read_page, slot_of
from convstore.stream.subscriptions import Subscription, sql
from convstore.stream.telling import Given

_LONGEST_REASON: Final = 500
_LONGEST_CONSUMER: Final = 200
# A slot that nothing comes for is moved over so many positions at once, for each move is a write; by less only when a
# consumer has all there is, and so many seconds after the last time.
_PASSED: Final = 500
_PASS_AFTER: Final = 1.0

_ACK: Final = re.compile(r"(\d{1,2})\.(\d{1,18})\.(?:(\d{1,4})\.(\d{1,18})|d(\d{1,18}))")

# By slot and partition.
Places = Mapping[tuple[int, int], int]


class Share(Struct, frozen=True, kw_only=True):
    """The slots that a consumer has by now, each with its epoch."""

    name: str
    consumer: str
    held: Mapping[int, int]


class Ack(Struct, frozen=True, kw_only=True):
    """What is acknowledged: an event of a slot, with all before it; or a dead letter, by its id."""

    slot: int
    epoch: int
    partition: int = 0
    position: int = 0
    letter: int | None = None

    def __str__(self) -> str:
        tail = f"{self.partition}.{self.position}" if self.letter is None else f"d{self.letter}"
        return f"{self.slot}.{self.epoch}.{tail}"


class Delivery(Struct, frozen=True):
    """An event for a consumer, and how it acknowledges it."""

    given: Given
    ack: Ack


def parse_ack(text: str) -> Ack:
    """Read an ack as it was given out.

    Raises:
        BadQuery: it is none.
    """
    found = _ACK.fullmatch(text)
    if found is None or int(found[1]) >= SLOTS:
        raise BadQuery("An ack must be one that came with an event.")
    slot, epoch = int(found[1]), int(found[2])
    if found[5] is not None:
        return Ack(slot=slot, epoch=epoch, letter=int(found[5]))
    return Ack(slot=slot, epoch=epoch, partition=int(found[3]), position=int(found[4]))


class Consuming:
    """Reads and acknowledges, for any number of consumers of any subscriptions of one store."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # When slots of a subscription were last moved by little, by this process.
        self._passed_at: dict[str, float] = {}

    async def share(self, subscription: Subscription, consumer: str, *, busy: Collection[int] = ()) -> Share:
        """Note that a consumer is there, and give the slots that it has by now: all who are there have about as many.

        A consumer that has too many gives some back, but none of those that it is ``busy`` with. What it has given back
        it must not work on any more. It counts as being there for two thirds of a lease from now on, at least.

        Raises:
            BadQuery: a consumer cannot be called so.
        """
        if not 0 < len(consumer) <= _LONGEST_CONSUMER or "\0" in consumer:
            raise BadQuery(f"A consumer needs a name of its own, of at most {_LONGEST_CONSUMER} characters.")
        name = subscription.name
        async with self._pool.acquire() as conn:
            await conn.execute(sql.alive, name, consumer, subscription.lease)
            rows = await conn.fetch(sql.slots, name)
            held = {row["slot"]: row["epoch"] for row in rows if row["owner"] == consumer}
            quota = _quota(rows[0]["alive"], consumer) if rows else 0
            if len(held) > quota:
                back = [slot for slot in held if slot not in busy][: len(held) - quota]
                await conn.fetch(sql.take, name, "", back, [held.pop(slot) for slot in back])
            elif len(held) < quota:
                free = [row for row in rows if row["free"]][: quota - len(held)]
                await conn.execute(sql.sweep, name)
                taken = await conn.fetch(
                    sql.take, name, consumer, [row["slot"] for row in free], [row["epoch"] for row in free]
                )
                held |= {row["slot"]: row["epoch"] for row in taken}
        return Share(name=name, consumer=consumer, held=held)

    async def leave(self, name: str, consumer: str) -> None:
        """Give all slots of a consumer back; it is not there any more."""
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(sql.give_back, name, consumer)
            await conn.execute(sql.gone, name, consumer)

    async def read(
        self, subscription: Subscription, share: Share, limit: int, *, in_hand: Places | None = None
    ) -> list[Delivery]:
        """Give the first events of a share that are not acknowledged, at most so many; of each slot in order.

        Dead letters that are to be given once more come first. ``in_hand``: positions up to which the consumer has the
        events already, and works on them.

        Raises:
            SubscriptionAhead: the log is not the one that the subscription followed.
            LogCorrupt: an event cannot be decoded; says which.
        """
        found, _ = await self.look(subscription, share, limit, in_hand=in_hand)
        return found

    async def look(
        self, subscription: Subscription, share: Share, limit: int, *, in_hand: Places | None = None
    ) -> tuple[list[Delivery], bool]:
        """Give what ``read`` does, and whether there may be more to be read at once.

        Raises:
            SubscriptionAhead, LogCorrupt: as ``read``.
        """
        if not share.held:
            return [], False
        given = in_hand or {}
        async with self._pool.acquire() as conn:
            if await conn.fetchrow(sql.history, share.name) is not None:
                raise SubscriptionAhead(share.name)
            letters = await _due_letters(conn, subscription, share, limit)
            rows = await conn.fetch(sql.places, share.name, list(share.held))
            done = {(row["slot"], row["partition"]): row["position"] for row in rows}
            if not done or len(letters) >= limit:
                return letters, bool(done)
            places = _by_partition({key: max(position, given.get(key, 0)) for key, position in done.items()})
            starts = [min(place for place in here if place is not None) for here in places]
            page = await read_page(conn, subscription.choice, starts, limit - len(letters), places=places)
            found = [
                Delivery(each, Ack(slot=slot, epoch=share.held[slot], partition=of.partition, position=of.position))
                for each in page.events
                for of in (each.recorded,)
                for slot in (slot_of(of.stream),)
            ]
            if not any(position > done.get(key, 0) for key, position in given.items()):
                await self._pass_over(conn, share, done, found, page.reached)
        return [*letters, *found], page.more

    async def acknowledge(self, name: str, consumer: str, acks: Iterable[Ack]) -> int:
        """Note that events were dealt with, each with all before it in its slot; say how many of the acks counted.

        Those do not count whose slot has changed hands meanwhile: their events come again there.
        """
        wanted = list(acks)
        async with self._pool.acquire() as conn, conn.transaction():
            counted = await _current(conn, name, consumer, wanted)
            await _settle(conn, name, counted)
        return len(counted)

    async def reject(self, subscription: Subscription, consumer: str, ack: Ack, reason: str) -> bool:
        """Make an event a dead letter, and go on after it.

        False when its slot has changed hands meanwhile, and when there is no such event for this subscription.
        """
        name = subscription.name
        async with self._pool.acquire() as conn, conn.transaction():
            if not await _current(conn, name, consumer, [ack]):
                return False
            said = reason.replace("\0", "")[:_LONGEST_REASON]
            if ack.letter is None:
                there = await read_at(conn, subscription.choice, [(ack.partition, ack.position)])
                if not any(slot_of(given.recorded.stream) == ack.slot for given in there.values()):
                    return False
                await conn.execute(sql.bury, name, ack.slot, ack.partition, ack.position, said)
                await _settle(conn, name, [ack])
            else:
                await conn.execute(sql.bury_again, name, ack.letter, ack.slot, said)
        return True

    async def _pass_over(
        self, conn: Conn, share: Share, done: Places, found: Sequence[Delivery], reached: Sequence[int]
    ) -> None:
        """Move the slots that nothing came for up to where the log was looked at."""
        busy = {(each.ack.slot, each.ack.partition) for each in found}
        least = _PASSED
        if not found and time.monotonic() - self._passed_at.get(share.name, 0.0) >= _PASS_AFTER:
            least = 1
            self._passed_at[share.name] = time.monotonic()
        passed = [
            Ack(slot=slot, epoch=share.held[slot], partition=partition, position=reached[partition])
            for (slot, partition), position in done.items()
            if reached[partition] - position >= least and (slot, partition) not in busy
        ]
        if passed:
            async with conn.transaction():
                await _settle(conn, share.name, await _current(conn, share.name, share.consumer, passed))


def _quota(alive: Sequence[str], consumer: str) -> int:
    """Say how many slots a consumer is to have: all as many, and of what is left over the first ones one more."""
    each, over = divmod(SLOTS, len(alive))
    return each + (alive.index(consumer) < over)


def _by_partition(places: Places) -> list[list[int | None]]:
    """Lay places out as ``read_page`` takes them: by partition, then by slot."""
    laid: list[list[int | None]] = [[None] * SLOTS for _ in range(1 + max(partition for _, partition in places))]
    for (slot, partition), position in places.items():
        laid[partition][slot] = position
    return laid


async def _due_letters(conn: Conn, subscription: Subscription, share: Share, limit: int) -> list[Delivery]:
    rows = await conn.fetch(sql.due_letters, share.name, list(share.held), limit)
    if not rows:
        return []
    events = await read_at(conn, subscription.choice, [(row["partition"], row["position"]) for row in rows])
    return [
        Delivery(given, Ack(slot=row["slot"], epoch=share.held[row["slot"]], letter=row["id"]))
        for row in rows
        if (given := events.get((row["partition"], row["position"]))) is not None
    ]


async def _current(conn: Conn, name: str, consumer: str, acks: Sequence[Ack]) -> list[Ack]:
    """Give those acks whose slots are still this consumer's; they stay so until the end of the transaction."""
    slots = {(ack.slot, ack.epoch) for ack in acks}
    rows = await conn.fetch(sql.held, name, consumer, [slot for slot, _ in slots], [epoch for _, epoch in slots])
    held = {(row["slot"], row["epoch"]) for row in rows}
    return [ack for ack in acks if (ack.slot, ack.epoch) in held]


async def _settle(conn: Conn, name: str, acks: Sequence[Ack]) -> None:
    reached: dict[tuple[int, int], int] = {}
    for ack in acks:
        if ack.letter is None:
            key = ack.slot, ack.partition
            reached[key] = max(reached.get(key, 0), ack.position)
    if reached:
        slots, partitions = [slot for slot, _ in reached], [partition for _, partition in reached]
        await conn.execute(sql.move, name, slots, partitions, list(reached.values()))
        await conn.execute(sql.check_out, name, partitions, list(reached.values()))
    if letters := [ack for ack in acks if ack.letter is not None]:
        await conn.execute(sql.settle, name, [ack.letter for ack in letters], [ack.slot for ack in letters])
