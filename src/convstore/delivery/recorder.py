"""Writes down what became of mails and SMS, as it becomes known, over as many lost connections as it takes.

It lives as long as the process, whoever leads: what was sent must be known, or it would be sent again.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import structlog
from msgspec import Struct

from convstore.database import Pool
from convstore.delivery.leader import sql
from convstore.delivery.letter import Row
from convstore.delivery.verdict import State
from convstore.faults import described, is_transient

log = structlog.get_logger(__name__)

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class Result(Struct, frozen=True):
    """What became of one.

    ``pause``: the seconds until it is due again; ``untried``: it was not even offered; ``repeated``: it may have been
    sent, so that the next attempt is the last.
    """

    row: Row
    state: State
    reason: str | None = None
    pause: float = 0.0
    untried: bool = False
    repeated: bool = False


class Recorder:
    """The outcomes of one channel that are not written down yet. ``counted``: all since the start."""

    def __init__(self, pool: Pool, channel: str, counted: Counter[str]) -> None:
        self._pool = pool
        self._channel = channel
        self._counted = counted
        self._waiting: list[tuple[int, Result]] = []
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def note(self, epoch: int, result: Result) -> None:
        """Take an outcome over; ``epoch`` is the leader's who had the row in hand."""
        self._counted[result.state if not result.untried else "untried"] += 1
        self._waiting.append((epoch, result))
        self._none.clear()
        self._some.set()

    async def written(self) -> None:
        """Wait until everything is written down."""
        await self._none.wait()

    async def run(self) -> None:
        """Write until cancelled, many at once when they come fast."""
        while True:
            await self._some.wait()
            self._some.clear()
            waiting, self._waiting = self._waiting, []
            for epoch, results in groupby(waiting, key=lambda noted: noted[0]):
                await self._persist(epoch, [result for _, result in results])
            if not self._waiting:
                self._none.set()

    async def _persist(self, epoch: int, results: Sequence[Result]) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._record(epoch, results)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next outcomes are written
                if not is_transient(error):
                    # They stay in hand, and whoever leads next takes them over; everybody else's mails go on.
                    log.error("delivery.defect", channel=self._channel, rows=len(results), error=described(error))  # noqa: TRY400 - a traceback quotes texts
                    return
                log.warning("delivery.not_recorded", channel=self._channel, error=described(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    async def _record(self, epoch: int, results: Sequence[Result]) -> None:
        await self._pool.execute(
            sql.record,
            self._channel,
            epoch,
            [result.row.partition for result in results],
            [result.row.conversation_id for result in results],
            [result.row.user_id for result in results],
            [result.row.version for result in results],
            [result.state for result in results],
            [result.reason for result in results],
            [result.pause for result in results],
            [result.untried for result in results],
            [result.repeated for result in results],
        )
