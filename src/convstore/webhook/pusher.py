"""Pushes the events of one subscription, as one of its consumers: other processes that push the same have other slots.

One task for each slot that has something to do: it pushes one event after the other, so a conversation stays in order,
and stands at one that the receiver does not take until it does, or until that is a dead letter. What was taken is
acknowledged in one go for all slots, a little later: a process that dies in between has it pushed again.
"""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import structlog
from aiohttp import ClientSession
from msgspec import Struct

from convstore.database import Pool
from convstore.directory import Directory
from convstore.engine import Engine
from convstore.errors import SubscriptionAhead, UnknownWebhook
from convstore.log import cloudevents
from convstore.patience import Patience
from convstore.stream.consuming import Ack, Consuming, Delivery, Share
from convstore.stream.rights import may_still
from convstore.stream.subscriptions import Subscription
from convstore.stream.telling import Teller
from convstore.waking import Signal
from convstore.webhook import targets
from convstore.webhook.calling import Answer, call
from convstore.webhook.targets import Webhook, sql

# Events that are read at once.
_LIMIT: Final = 256
# What happens within so many seconds is read and acknowledged in one go.
_BREATH: Final = 0.02
_NO_RIGHT: Final = "its owner may not be given all that it follows"
_NO_AUTHORITY: Final = f"its owner may not have events pushed: {targets.AUTHORITY}"
_AHEAD: Final = "the log is not the one that it followed: reset the subscription"

log = structlog.get_logger(__name__)


class Means(Struct, frozen=True, kw_only=True):
    """What the pushers of one process share. ``requests``: how many may be under way; of one pusher ``of_one``."""

    pool: Pool
    session: ClientSession
    consuming: Consuming
    directory: Directory
    engine: Engine
    teller: Teller
    patience: Patience
    attempts: int
    requests: asyncio.Semaphore
    of_one: int


class Counted(Struct):
    """What one webhook did in this process: events by what became of a request, and the seconds that requests took."""

    outcomes: Counter[str]
    seconds: float = 0.0


class _Try(Struct):
    """An event that was tried in vain; by the clock of this process, ``due`` again and tried since ``began``."""

    place: tuple[int, int]
    attempts: int
    began: float
    due: float


class _Slot(Struct):
    """A slot that is worked on. ``flying``: a request of it is under way, so it cannot be given away."""

    number: int
    epoch: int
    deliveries: Sequence[Delivery]
    flying: bool = False
    task: asyncio.Task[None] | None = None


class Pusher:
    """Pushes to one receiver. ``webhook`` may be replaced at any time; ``counted`` goes on over several pushers."""

    def __init__(
        self, means: Means, webhook: Webhook, subscription: Subscription, counted: Counted, *, consumer: str
    ) -> None:
        self.webhook = webhook
        self.subscription = subscription
        self._means = means
        self._counted = counted
        self._consumer = consumer
        self._own = asyncio.Semaphore(means.of_one)
        self._slots: dict[int, _Slot] = {}
        self._tries: dict[int, _Try] = {}
        self._acks: list[Ack] = []
        self._trouble = webhook.trouble
        self._woken = Signal()
        # No request begins while slots are shared out: one that is given away is not at work.
        self._gate = asyncio.Event()
        self._gate.set()
        self._end = asyncio.Event()
        self._share = Share(name=subscription.name, consumer=consumer, held={})
        self._renew_at = 0.0
        self._valid_until = 0.0
        # The receiver has asked not to be asked before this.
        self._not_before = 0.0

    @property
    def flying(self) -> int:
        """How many requests are under way."""
        return sum(slot.flying for slot in self._slots.values())

    def finish(self) -> None:
        """Ask to end after the requests that are under way."""
        self._end.set()
        self._woken.fire()

    async def ended(self, within: float) -> bool:
        """Wait for so many seconds at most until ``finish`` is called; tell whether it was."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), within)
        return self._end.is_set()

    async def run(self) -> None:
        """Push until ``finish`` is called, or the receiver wants no more. It can be run again after it has failed."""
        engine = self._means.engine
        self._share = Share(name=self.subscription.name, consumer=self._consumer, held={})
        self._slots.clear()
        self._acks.clear()
        self._renew_at = 0.0
        try:
            with engine.grown.telling(self._woken.fire), engine.advanced.telling(self._woken.fire):
                async with asyncio.TaskGroup() as group:
                    await self._follow(group)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        await self._settle()
        await self._means.consuming.leave(self.subscription.name, self._consumer)

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        while not self._end.is_set():
            seen = self._woken.count
            if not await self._settle() or time.monotonic() >= self._renew_at:
                await self._renew()
            more = await self._may() and await self._read(group)
            await asyncio.sleep(_BREATH)
            if not more:
                await self._woken.after(seen, max(0.0, self._renew_at - time.monotonic()))

    async def _settle(self) -> bool:
        """Acknowledge what was taken; false when some of it was in slots that are another's by now."""
        done = [slot for slot in self._slots.values() if slot.task is not None and slot.task.done()]
        acks, self._acks = self._acks, []
        counted = 0
        if acks:
            counted = await self._means.consuming.acknowledge(self.subscription.name, self._consumer, acks)
        for slot in done:
            if self._slots.get(slot.number) is slot:
                del self._slots[slot.number]
        return counted == len(acks)

    async def _renew(self) -> None:
        """Say that this consumer is there, and learn its slots: some may go, others come."""
        self._gate.clear()
        try:
            await self._settle()
            began = time.monotonic()
            flying = {slot.number for slot in self._slots.values() if slot.flying}
            before = self._share.held
            self._share = await self._means.consuming.share(self.subscription, self._consumer, busy=flying)
            # The lease is not prolonged each time, only when less than two thirds of it are left.
            self._valid_until = began + self.subscription.lease * 2 / 3
            self._renew_at = began + self.subscription.lease / 4
            held = self._share.held
            for slot in [slot for slot in self._slots.values() if held.get(slot.number) != slot.epoch]:
                del self._slots[slot.number]
                if slot.task is not None:
                    slot.task.cancel()
            await self._remember([number for number, epoch in held.items() if before.get(number) != epoch])
        finally:
            self._gate.set()

    async def _remember(self, numbers: Sequence[int]) -> None:
        """Learn what slots stand at that this consumer has now."""
        for number in numbers:
            self._tries.pop(number, None)
        if not numbers:
            return
        now = time.monotonic()
        for row in await self._means.pool.fetch(sql.tries, self.webhook.name, numbers):
            self._tries[row["slot"]] = _Try(
                place=(row["partition"], row["position"]),
                attempts=row["attempts"],
                began=now - row["age"],
                due=now + row["pause"],
            )

    async def _read(self, group: asyncio.TaskGroup) -> bool:
        """Set slots to work that have nothing to do; tell whether there may be more for others."""
        idle = {number: epoch for number, epoch in self._share.held.items() if number not in self._slots}
        if not idle:
            return False
        share = Share(name=self._share.name, consumer=self._consumer, held=idle)
        try:
            found, more = await self._means.consuming.look(self.subscription, share, _LIMIT)
        except SubscriptionAhead:
            await self._note(_AHEAD)
            return False
        await self._note(None)
        by_slot: defaultdict[int, list[Delivery]] = defaultdict(list)
        for delivery in found:
            by_slot[delivery.ack.slot].append(delivery)
        for number, deliveries in by_slot.items():
            slot = _Slot(number=number, epoch=idle[number], deliveries=deliveries)
            self._slots[number] = slot
            slot.task = group.create_task(self._push_all(slot), name=f"push {self.webhook.name}, slot {number}")
        return more

    async def _may(self) -> bool:
        """Tell whether the owner may have pushed today what the subscription follows; if not, note why."""
        refusal = await self._refusal()
        if refusal is not None:
            await self._note(refusal)
        return refusal is None

    async def _refusal(self) -> str | None:
        person = await self._means.directory.person(self.subscription.user_id)
        if person is None or person.disabled or not may_still(person, None, self.subscription.choice.rights):
            return _NO_RIGHT
        return None if person.holds(targets.AUTHORITY) else _NO_AUTHORITY

    async def _note(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        await self._means.pool.execute(sql.note_trouble, self.webhook.name, trouble)
        if trouble is None:
            log.info("webhook.going_on", webhook=self.webhook.name)
        else:
            log.warning("webhook.halted", webhook=self.webhook.name, reason=trouble)

    async def _push_all(self, slot: _Slot) -> None:
        """Push the events of a slot, as long as they are its."""
        for delivery in slot.deliveries:
            if not await self._push(slot, delivery):
                break
        self._woken.fire()

    async def _push(self, slot: _Slot, delivery: Delivery) -> bool:
        """Push one event until it is dealt with; false when it is not to be pushed by this slot's task any more."""
        recorded = delivery.given.recorded
        place = recorded.partition, recorded.position
        tried = self._tries.get(slot.number)
        if tried is not None and tried.place != place:
            tried = None
        event = self._means.teller.envelope(delivery.given)
        body = cloudevents.encode(event)
        while True:
            await self._wait(0.0 if tried is None else tried.due)
            answer = await self._request(slot, event.id, body)
            if answer is None:
                return False
            if answer.gone:
                await self._stop(answer)
                return False
            if answer.taken:
                self._acks.append(delivery.ack)
                if self._tries.pop(slot.number, None) is not None:
                    await self._means.pool.execute(sql.forget_try, self.webhook.name, slot.number)
                self._woken.fire()
                return True
            now = time.monotonic()
            tried = tried or _Try(place=place, attempts=0, began=now, due=now)
            tried.attempts += 1
            self._tries[slot.number] = tried
            if answer.after is not None:
                self._not_before = max(self._not_before, now + answer.after)
            last = tried.began + self._means.patience.give_up
            if tried.attempts >= self._means.attempts or now >= last:
                return await self._give_up(slot, delivery, tried, answer)
            pause = self._means.patience.pause(tried.attempts) if answer.after is None else answer.after
            tried.due = min(now + pause, last)
            log.warning(
                "webhook.refused",
                webhook=self.webhook.name,
                slot=slot.number,
                attempts=tried.attempts,
                reason=answer.reason,
                pause=round(tried.due - now, 3),
            )
            await self._means.pool.execute(
                sql.note_try, self.webhook.name, slot.number, *place, tried.attempts, tried.due - now, answer.reason
            )

    async def _wait(self, due: float) -> None:
        """Wait until a slot may ask the receiver, or the end."""
        while not self._end.is_set() and (left := max(due, self._not_before) - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), left)

    async def _request(self, slot: _Slot, event_id: str, body: bytes) -> Answer | None:
        """Ask the receiver to take an event; None when it is not to be asked, now that it is this one's turn."""
        async with self._own, self._means.requests:
            await self._gate.wait()
            slot.flying = True
            try:
                if self._end.is_set() or time.monotonic() >= self._valid_until or await self._refusal() is not None:
                    return None
                webhook = self.webhook
                answer = await call(
                    self._means.session,
                    webhook.url,
                    headers=webhook.headers,
                    secrets=webhook.secrets,
                    event_id=event_id,
                    body=body,
                )
            finally:
                slot.flying = False
        self._counted.seconds += answer.seconds
        self._counted.outcomes["taken" if answer.taken else "refused"] += 1
        return answer

    async def _stop(self, answer: Answer) -> None:
        """Pause, because the receiver wants no more."""
        log.warning("webhook.gone", webhook=self.webhook.name, reason=answer.reason)
        with contextlib.suppress(UnknownWebhook):
            reason = f"the receiver wants no more events ({answer.reason})"
            await targets.pause(self._means.pool, self.webhook.name, reason, url=self.webhook.url)
        self.finish()

    async def _give_up(self, slot: _Slot, delivery: Delivery, tried: _Try, answer: Answer) -> bool:
        """Make an event a dead letter; false when that is for another consumer to say by now."""
        reason = f"{answer.reason}, {tried.attempts} attempts"
        given_up = await self._means.consuming.reject(self.subscription, self._consumer, delivery.ack, reason)
        if given_up:
            self._tries.pop(slot.number, None)
            await self._means.pool.execute(sql.forget_try, self.webhook.name, slot.number)
            self._counted.outcomes["dead"] += 1
            log.error("webhook.gave_up", webhook=self.webhook.name, slot=slot.number, reason=reason)
        return given_up
