"""Knows where the subscriptions stand, for the metrics: asks the database every few seconds, once per process."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from convstore.database import Pool
from convstore.faults import described
from convstore.stream.subscriptions import Standing, standings

# How often to look, in seconds.
_EVERY: Final = 10.0

log = structlog.get_logger(__name__)


class Lookout:
    """The standings of all subscriptions, at most some seconds old, while ``run`` goes on."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.standings: Sequence[Standing] = ()

    async def look(self) -> None:
        """Ask where they stand."""
        self.standings = await standings(self._pool)

    async def run(self) -> None:
        """Keep looking."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
                log.warning("subscription.cannot_look", error=described(error))
            await asyncio.sleep(_EVERY)
