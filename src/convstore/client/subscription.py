"""One consumer of a durable subscription: the server keeps what was dealt with, and shares the work out.

Every event comes at least once, each conversation in order. While the body of the loop works, however long, the
consumer says that it is there; when it dies, others get what it had not acknowledged, a lease later: 15 seconds, unless
the subscription was made with another.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from msgspec import Struct, structs

from convstore.client.errors import ClientError, Unavailable, Unreachable
from convstore.client.events import Event
from convstore.client.transport import Answer, Transport, Waits, encoded

_ALIVE: Final = 4.0
"""Every so many seconds at least a consumer that works says that it is there, and several times in a lease."""
_TIMES: Final = 4
# What a subscription may have at least, and may have, as long as nothing was heard of it.
_SHORTEST_LEASE: Final = 2.0
_WAIT: Final = 20
# Seconds that may be spent on each of the last words.
_LEAVES_WITHIN: Final = 5.0
# Seconds after which somebody whose events are all in hand looks for others, when nothing was settled meanwhile.
_LOOK: Final = 1.0

log = logging.getLogger("convstore.client")


class Delivery(Event, frozen=True, kw_only=True, dict=True):
    """An event of a subscription, to be acknowledged when it is dealt with."""

    of: "Subscription"
    ack_text: str

    async def ack(self) -> bool:
        """Acknowledge it, and with it all before it in its slot and partition.

        False: it did not count, for its slot is another consumer's by now, who gets it too.
        """
        return await self.of.acknowledge(self)

    async def reject(self, reason: str) -> bool:
        """Make it a dead letter, so that the next ones come; ``reason`` is for operators: none of people's words in it.

        False: it did not count, for its slot is another consumer's by now, who gets it too.
        """
        return await self.of.reject(self, reason)


class _Given(Event, frozen=True, kw_only=True, dict=True):
    ack: str


class _Batch(Struct, frozen=True, kw_only=True):
    events: tuple[_Given, ...]
    slots: int
    lease: float


class _Acknowledged(Struct, frozen=True):
    acknowledged: int


class _Rejected(Struct, frozen=True):
    rejected: int


class Subscription:
    """A consumer while it is there: ``async with`` it, and ``async for`` its events.

    With ``auto``, an event is acknowledged when the body of the loop is through with it and asks for the next one,
    unless it was rejected; what the body raises, or breaks off, leaves it to come again. Acknowledgements are gathered
    and said at the end of each batch, every few seconds, and when the consumer leaves: after a crash up to ``limit``
    events come again. Without ``auto`` say ``await event.ack()``; what was given is not given again to this consumer,
    and no more than ``limit`` are in hand at once.
    """

    def __init__(self, transport: Transport, name: str, consumer: str, *, auto: bool, limit: int) -> None:
        self.name = name
        self.consumer = consumer
        self.slots = 0
        self._lease = _SHORTEST_LEASE
        self._transport = transport
        self._path = f"subscriptions/{quote(name, safe='')}"
        self._auto = auto
        self._limit = limit
        self._given: deque[Delivery] = deque()
        # The acks of those that were given, and not settled.
        self._in_hand: dict[str, None] = {}
        self._done: list[str] = []
        self._current: Delivery | None = None
        self._settled = asyncio.Event()
        self._saying = asyncio.Lock()
        self._reading = False
        self._waits = Waits(transport.retries)
        self._alive: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Come in; events are asked for by the loop."""
        self._alive = asyncio.create_task(self._stay_alive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say what was dealt with, and leave: others need not wait for these slots.

        Raises:
            ClientError: that could not be said, so that it comes again; not when another error is on its way.
        """
        if self._alive is not None:
            self._alive.cancel()
            await asyncio.gather(self._alive, return_exceptions=True)
        try:
            async with asyncio.timeout(_LEAVES_WITHIN):
                await self._say_done()
        except (ClientError, TimeoutError) as failed:
            if error is None:
                raise ClientError(f"What {self.consumer} has dealt with could not be said; it comes again.") from failed
            log.warning("subscription.not_said name=%s: %r", self.name, failed)
        try:
            async with asyncio.timeout(_LEAVES_WITHIN):
                await self._call("leave", {})
        except (ClientError, TimeoutError) as failed:
            # Its slots are free a little later, then.
            log.warning("subscription.not_left name=%s: %r", self.name, failed)

    def __aiter__(self) -> Self:
        """Give the events that come, for ever. What an earlier loop broke off at comes again, with ``auto``."""
        if self._auto:
            self._current = None
            self._given.clear()
            self._in_hand = dict.fromkeys(self._done)
        return self

    async def __anext__(self) -> Delivery:
        """Give the next event, when there is one.

        Raises:
            Forbidden: the owner may not be given any more what the subscription follows.
            Conflict: the log was restored, and is behind the subscription.
            NotFound: there is no such subscription.
        """
        if self._alive is not None and self._alive.done():
            # It ends only by what ends all else, too.
            self._alive.result()
        if self._auto and self._current is not None and self._current.ack_text in self._in_hand:
            self._done.append(self._current.ack_text)
        self._current = None
        while not self._given:
            await self._say_done()
            self._given.extend(await self._read())
        self._current = self._given.popleft()
        return self._current

    async def acknowledge(self, event: Delivery) -> bool:
        """Acknowledge one event now, as ``event.ack()`` does."""
        said = await self._call("acknowledge", {"acks": [event.ack_text]})
        self._settle(event.ack_text)
        return said.read(_Acknowledged).acknowledged > 0

    async def reject(self, event: Delivery, reason: str) -> bool:
        """Reject one event now, as ``event.reject()`` does."""
        # What was dealt with before it goes first: a dead letter, too, counts for all before it in its slot.
        await self._say_done()
        said = await self._call("reject", {"ack": event.ack_text, "reason": reason})
        self._settle(event.ack_text)
        return said.read(_Rejected).rejected > 0

    async def _read(self) -> list[Delivery]:
        """Give events that are not in hand yet; none, when for a while there were none."""
        self._settled.clear()
        if not (room := self._limit - len(self._in_hand)):
            await self._settled.wait()
            return []
        try:
            self._reading = True
            said = await self._call("events", self._asking(room, _WAIT), timeout=_WAIT)
        except (Unreachable, Unavailable) as failed:
            await self._waits.after(failed)
            return []
        finally:
            self._reading = False
        self._waits.worked()
        batch = said.read(_Batch)
        self.slots = batch.slots
        self._lease = batch.lease
        found = [self._delivery(each) for each in batch.events if each.ack not in self._in_hand]
        self._in_hand.update(dict.fromkeys(each.ack_text for each in found))
        if batch.events and not found:
            # Dead letters, given once more, and in hand already.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._settled.wait()
        return found

    def _delivery(self, given: _Given) -> Delivery:
        fields = structs.asdict(given)
        return Delivery(of=self, ack_text=fields.pop("ack"), **fields)

    def _asking(self, limit: int, wait: int) -> dict[str, object]:
        return {"limit": limit, "wait": wait, "busy": list(self._in_hand)}

    def _settle(self, ack: str) -> None:
        self._in_hand.pop(ack, None)
        self._settled.set()

    async def _say_done(self) -> None:
        """Acknowledge what was dealt with and not said yet."""
        async with self._saying:
            done = self._done[:]
            if done:
                await self._call("acknowledge", {"acks": done})
                del self._done[: len(done)]
                for ack in done:
                    self._settle(ack)

    async def _stay_alive(self) -> None:
        """Say every few seconds that the consumer is there, and what it has dealt with, while the loop's body works."""
        while True:
            await asyncio.sleep(min(_ALIVE, self._lease / _TIMES))
            if self._reading:
                continue
            try:
                await self._say_done()
                # What it answers with is read again when there is room for it.
                await self._call("events", self._asking(1, 0))
            except (Unreachable, Unavailable) as failed:
                log.warning("subscription.unheard name=%s: %s", self.name, failed)

    async def _call(
        self,
        what: str,
        asked: dict[str, object],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - seconds for one try, not for the call
    ) -> Answer:
        # All of these may be said twice.
        body = encoded({"consumer": self.consumer, **asked})
        return await self._transport.call("POST", f"{self._path}/{what}", body=body, again=True, timeout=timeout)
