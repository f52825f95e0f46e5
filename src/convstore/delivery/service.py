"""Delivery in one server process: for each channel it leads, or waits to."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog

from convstore.config import DeliverySettings
from convstore.database import SERVER_ROLE, Pool, connect, open_pool
from convstore.delivery.consumer import Consumer
from convstore.delivery.leader import RENEW, Lead, sql
from convstore.delivery.outbox import Figures, figures
from convstore.delivery.plan import channels, news, patience
from convstore.delivery.recorder import Recorder
from convstore.delivery.sender import Channel, Sender
from convstore.delivery.signed import Signer
from convstore.directory import Directory
from convstore.engine import Engine
from convstore.engine.owner import new_owner
from convstore.engine.stops import LeaseLost
from convstore.faults import described, is_transient
from convstore.log.store import Store

log = structlog.get_logger(__name__)

T = TypeVar("T")

# How often somebody who does not lead looks whether he could, in seconds.
_LOOK: Final = 1.0
# The log is looked at so often although nobody said that it has more, in seconds.
_LISTEN: Final = 5.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
_CONNECTIONS: Final = 4
# Mails in hand get this long to finish at the end, in seconds.
_PATIENCE: Final = 8.0
_SWEEP: Final = 3_600.0
_SWEPT_AT_ONCE: Final = 5_000


class Delivery:
    """The channels of one server process.

    ``counted``: outcomes since the start, by channel; ``answers``: what became of mails that came in.
    """

    def __init__(
        self, dsn: str, store: Store, directory: Directory, engine: Engine, settings: DeliverySettings
    ) -> None:
        """Prepare the channels that are switched on.

        Raises:
            ConfigError: a setting of theirs cannot be used.
        """
        self.signer = Signer(store.secret, settings.mail_key)
        self.channels: Sequence[Channel] = channels(settings, self.signer)
        self.counted: dict[str, Counter[str]] = {channel.name: Counter() for channel in self.channels}
        self.answers: Counter[str] = Counter()
        self._settings = settings
        self._dsn = dsn
        self._store = store
        self._directory = directory
        self._engine = engine
        self._owner = new_owner()
        self._pool: Pool | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._end = asyncio.Event()
        self._senders: dict[str, Sender] = {}
        self._recorders: dict[str, Recorder] = {}
        self._writers: list[asyncio.Task[None]] = []
        self._figures: dict[str, Figures] = {}

    async def start(self) -> None:
        """Begin: what is posted from now on is delivered. Channels that were never on begin at the end of the log."""
        if not self.channels:
            return
        self._pool = await open_pool(self._dsn, size=_CONNECTIONS, application="convstore delivery")
        for channel in self.channels:
            await self._pool.execute(sql.introduce, channel.name)
            await self._pool.execute(sql.begin, channel.name)
            self._recorders[channel.name] = Recorder(self._pool, channel.name, self.counted[channel.name])
        self._writers = [asyncio.create_task(recorder.run()) for recorder in self._recorders.values()]
        self._tasks = [
            asyncio.create_task(self._run(channel), name=f"deliver by {channel.name}") for channel in self.channels
        ]
        for task in (*self._tasks, *self._writers):
            task.add_done_callback(_report)

    async def stop(self) -> None:
        """End after the mails in hand, and let another process lead."""
        self._end.set()
        for sender in self._senders.values():
            sender.finish()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await asyncio.gather(*(recorder.written() for recorder in self._recorders.values()))
        for writer in self._writers:
            writer.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)
        if self._pool is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pool.close(), _PATIENCE)
            self._pool = None

    @property
    def leads(self) -> frozenset[str]:
        """The channels that this process sends by."""
        return frozenset(self._senders)

    def figures(self) -> list[Figures]:
        """Give the channels that this process leads, as they were a few seconds ago."""
        return list(self._figures.values())

    async def _run(self, channel: Channel) -> None:
        """Lead, or wait to, over as many lost connections as it takes."""
        pause = _FIRST_PAUSE
        lead = Lead(channel.name, self._owner)
        while not self._end.is_set():
            try:
                async with self._opened().acquire() as conn:
                    taken = await lead.take(conn)
                if taken:
                    await self._lead(channel, lead)
                pause = _FIRST_PAUSE
            except LeaseLost:
                log.info("delivery.lease_lost", channel=channel.name)
            except Exception as error:  # noqa: BLE001 - whatever it is, what waits is sent once it is gone
                if not is_transient(error):
                    pause = _LONGEST_PAUSE
                log.warning("delivery.retrying", channel=channel.name, error=described(error), pause=pause)
                await self._rest(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            finally:
                self._figures.pop(channel.name, None)
                self._senders.pop(channel.name, None)
            await self._rest(_LOOK)

    async def _lead(self, channel: Channel, lead: Lead) -> None:
        """Read the log and send, until this process ends or somebody else leads."""
        pool = self._opened()
        consumer = Consumer(
            pool, self._store, self._directory, lead, setting=channel.setting, news=news(self._settings)
        )
        sender = Sender(
            pool,
            self._store,
            self._directory,
            lead,
            channel=channel,
            patience=patience(self._settings),
            counted=self.counted[channel.name],
            recorder=self._recorders[channel.name],
        )
        self._senders[channel.name] = sender
        try:
            async with asyncio.TaskGroup() as group:
                others = [
                    group.create_task(work)
                    for work in (
                        self._renew(lead),
                        self._consume(lead, consumer, sender),
                        self._recover(lead, sender),
                        self._keep_house(lead),
                    )
                ]
                sending = group.create_task(sender.run())
                await self._end.wait()
                # The lease is needed until the last mail is out.
                sender.finish()
                await sending
                for other in others:
                    other.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        async with pool.acquire() as conn:
            await lead.resign(conn)

    async def _renew(self, lead: Lead) -> None:
        while True:
            await asyncio.sleep(RENEW)
            await self._persistently(lead, partial(self._renew_once, lead))

    async def _renew_once(self, lead: Lead) -> None:
        async with self._opened().acquire() as conn:
            await lead.renew(conn)
            found = await figures(conn)
        self._figures |= {each.channel: each for each in found if each.channel == lead.channel}

    async def _consume(self, lead: Lead, consumer: Consumer, sender: Sender) -> None:
        grown = self._engine.grown
        while True:
            seen = grown.count
            if await self._persistently(lead, consumer.catch_up):
                sender.wake()
            await grown.after(seen, _LISTEN)

    async def _recover(self, lead: Lead, sender: Sender) -> None:
        """Take over what the leader before left in the middle; one who may still be at it is given time to end."""
        # What this very process sent, and could not write down while the database was away.
        await self._recorders[lead.channel].written()
        if not lead.clean:
            await asyncio.sleep(2 * max(self._settings.mail_timeout, self._settings.sms_timeout))
        rows = await self._persistently(lead, lambda: self._opened().fetch(sql.recover, lead.channel, lead.epoch))
        if rows:
            states = Counter(row["state"] for row in rows)
            log.warning("delivery.recovered", channel=lead.channel, **states)
            sender.wake()

    async def _keep_house(self, lead: Lead) -> None:
        """Forget what was done with long ago."""
        days = self._settings.delivery_keep_days
        while True:
            while (
                await self._persistently(lead, lambda: self._opened().fetchval(sql.sweep, days, _SWEPT_AT_ONCE))
                == _SWEPT_AT_ONCE
            ):
                pass
            await asyncio.sleep(_SWEEP)

    async def _persistently(self, lead: Lead, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work, again when the database was away: that is no reason to cut mails off that are on their way.

        Raises:
            LeaseLost: it was away for so long that somebody else may lead.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                return await work()
            except Exception as error:
                if isinstance(error, LeaseLost) or not is_transient(error):
                    raise
                log.warning("delivery.retrying", channel=lead.channel, error=described(error), pause=pause)
                if not lead.held:
                    raise LeaseLost(f"{lead.channel}, epoch {lead.epoch}") from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _opened(self) -> Pool:
        assert self._pool is not None  # noqa: S101 - only while started
        return self._pool

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), seconds)


async def forget_channels_off(dsn: str, settings: DeliverySettings) -> None:
    """Let channels that are switched off begin at the end of the log when they are switched on again."""
    on = [name for name, setting in (("email", settings.mail_server), ("sms", settings.sms_gateway)) if setting]
    conn = await connect(dsn, role=SERVER_ROLE)
    try:
        await conn.execute(sql.switch_off, on)
    finally:
        await conn.close()


def _report(task: "asyncio.Task[None]") -> None:
    """Tell of a task that ended by an error: nothing in it may end so, and silence would look like health."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("delivery.task_failed", error=described(error))
