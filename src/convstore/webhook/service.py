"""Webhooks in one server process: a pusher for each that is not paused, as is looked at every few seconds."""

import asyncio
import contextlib
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from aiohttp import ClientSession

from convstore.config import WebhookSettings
from convstore.database import Pool, open_pool
from convstore.directory import Directory
from convstore.engine import Engine
from convstore.errors import UnknownSubscription
from convstore.faults import described
from convstore.log.store import Store
from convstore.patience import Patience
from convstore.stream import subscriptions
from convstore.stream.consuming import Consuming
from convstore.stream.telling import Teller
from convstore.waking import Signal
from convstore.webhook.guard import Guard
from convstore.webhook.pusher import Counted, Means, Pusher
from convstore.webhook.targets import Webhook, listed

# How often to look which webhooks there are, in seconds.
_LOOK: Final = 2.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0
_CONNECTIONS: Final = 4
# Requests under way get this long to finish at the end, in seconds.
_PATIENCE: Final = 8.0
# The part of all requests that one webhook may have under way.
_SHARE: Final = 4

log = structlog.get_logger(__name__)


class Webhooks:
    """The webhooks of one server process.

    ``counted``: what was pushed since the start, by webhook. ``known``: all webhooks as they were a few seconds ago.
    ``guard``: which receivers may be called. ``changed``: to be fired when there may be others than before.
    """

    def __init__(
        self, dsn: str, readers: Pool, *, store: Store, directory: Directory, engine: Engine, settings: WebhookSettings
    ) -> None:
        self.counted: defaultdict[str, Counted] = defaultdict(lambda: Counted(Counter()))
        self.known: Sequence[Webhook] = ()
        self.guard = Guard(settings.webhook_networks)
        self.changed = Signal()
        self.teller = Teller(store.id)
        self._dsn = dsn
        self._readers = readers
        self._directory = directory
        self._engine = engine
        self._settings = settings
        self._pool: Pool | None = None
        self._session: ClientSession | None = None
        self._means: Means | None = None
        self._pushers: dict[str, Pusher] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    async def start(self) -> None:
        """Begin to push."""
        self._looking = asyncio.create_task(self._keep_looking(), name="look for webhooks")

    async def stop(self) -> None:
        """End after the requests that are under way, and leave the slots to others."""
        self._end.set()
        self.changed.fire()
        if self._looking is not None:
            await self._looking
        for pusher in self._pushers.values():
            pusher.finish()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pushers.clear()
        if self._session is not None:
            await self._session.close()
        if self._pool is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pool.close(), _PATIENCE)
        self._session = self._pool = self._means = None

    @property
    def flying(self) -> Mapping[str, int]:
        """How many requests are under way, by webhook."""
        return {name: pusher.flying for name, pusher in self._pushers.items()}

    async def _keep_looking(self) -> None:
        while not self._end.is_set():
            seen = self.changed.count
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
                log.warning("webhook.cannot_look", error=described(error))
            await self.changed.after(seen, _LOOK)

    async def _look(self) -> None:
        """See which webhooks there are, begin those that are new, and end those that are not to be any more."""
        self.known = await listed(self._readers)
        wanted = {webhook.name: webhook for webhook in self.known if webhook.paused is None}
        for name, pusher in self._pushers.items():
            found = wanted.get(name)
            if (
                found is None
                or found.followed_since != pusher.subscription.created
                or found.revision != pusher.webhook.revision
            ):
                pusher.finish()
            else:
                pusher.webhook = found
        for name in wanted.keys() - self._pushers.keys():
            with contextlib.suppress(UnknownSubscription):
                await self._begin(wanted[name])

    async def _begin(self, webhook: Webhook) -> None:
        means = await self._opened()
        pusher = Pusher(
            means,
            webhook,
            await subscriptions.get(means.pool, webhook.name),
            self.counted[webhook.name],
            consumer=f"webhook-{secrets.token_hex(6)}",
        )
        self._pushers[webhook.name] = pusher
        task = asyncio.create_task(self._run(pusher), name=f"push {webhook.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, pusher: Pusher) -> None:
        """Push, over as many failures as it takes."""
        pause = _FIRST_PAUSE
        name = pusher.webhook.name
        while True:
            began = time.monotonic()
            try:
                await pusher.run()
                break
            except Exception as error:  # noqa: BLE001 - whatever it is, what waits is pushed once it is gone
                if time.monotonic() - began > _LONGEST_PAUSE:
                    pause = _FIRST_PAUSE
                log.warning("webhook.retrying", webhook=name, error=described(error), pause=pause)
            if await pusher.ended(pause):
                break
            pause = min(2 * pause, _LONGEST_PAUSE)
        # If it is to go on otherwise, it is begun anew at once.
        del self._pushers[name]
        self.changed.fire()

    async def _opened(self) -> Means:
        """Open what pushing takes, when there is something to push."""
        if self._means is None:
            settings = self._settings
            self._pool = await open_pool(self._dsn, size=_CONNECTIONS, application="convstore webhooks")
            self._session = self.guard.session(
                connections=settings.webhook_connections, timeout=settings.webhook_timeout
            )
            self._means = Means(
                pool=self._pool,
                session=self._session,
                consuming=Consuming(self._pool),
                directory=self._directory,
                engine=self._engine,
                teller=self.teller,
                patience=Patience(settings.webhook_retry_seconds, settings.webhook_give_up_hours * 3_600),
                attempts=settings.webhook_attempts,
                requests=asyncio.Semaphore(settings.webhook_connections),
                of_one=max(1, settings.webhook_connections // _SHARE),
            )
        return self._means
