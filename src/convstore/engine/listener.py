"""One connection per process that hears what others append and take in, and says what this process took in.

NOTIFY serialises commits, so nothing is said when nobody else listens: processes greet each other when they come, and
say goodbye. One that dies without a word costs a few notifications. Whatever is missed here, looking finds.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from convstore.database import SERVER_ROLE, Conn, connect
from convstore.faults import described

log = structlog.get_logger(__name__)

# The append function says 'partition:position' there, once per batch.
APPENDED: Final = "convstore_log"
# Engines say 'projection,projection:partition:position' there after a transaction, and greet each other.
TAKEN_IN: Final = "convstore_read"

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class Listener:
    """Hears and says what happens, as long as ``run`` goes on, over as many lost connections as it takes.

    ``appended`` is called with partition and position, ``taken_in`` with projection, partition and position, ``look``
    when something may have been missed or another process left.
    """

    def __init__(
        self,
        dsn: str,
        owner: str,
        *,
        appended: Callable[[int, int], None],
        taken_in: Callable[[str, int, int], None],
        look: Callable[[], None],
    ) -> None:
        self._dsn = dsn
        self._owner = owner
        self._appended = appended
        self._taken_in = taken_in
        self._look = look
        self._peers: set[str] = set()
        # What is still to be said: the last position of checkpoints that are moved together, and greetings.
        self._positions: dict[tuple[tuple[str, ...], int], int] = {}
        self._greetings: list[str] = []
        self._something = asyncio.Event()
        self._end = asyncio.Event()
        self.listening = asyncio.Event()

    def say(self, projections: Sequence[str], partition: int, position: int) -> None:
        """Tell other processes how far checkpoints have come: of the last such step only, when many come at once."""
        if self._peers:
            self._positions[tuple(projections), partition] = position
            self._something.set()

    def finish(self) -> None:
        """Ask to say goodbye and end."""
        self._end.set()
        self._something.set()

    async def run(self) -> None:
        """Listen until ``finish`` is called."""
        pause = _FIRST_PAUSE
        while not self._end.is_set():
            try:
                conn = await connect(self._dsn, role=SERVER_ROLE, application="convstore listener")
                try:
                    await self._serve(conn)
                    pause = _FIRST_PAUSE
                finally:
                    self.listening.clear()
                    conn.terminate()
            except Exception as error:  # noqa: BLE001 - whatever it is, readers must not wait for looks forever
                log.warning("listener.retrying", error=described(error), pause=pause)
            if not self._end.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._end.wait(), pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _serve(self, conn: Conn) -> None:
        """Listen and talk on one connection until it is lost, or until the end."""
        conn.add_termination_listener(lambda _: self._something.set())
        await conn.add_listener(APPENDED, self._hear_appended)
        await conn.add_listener(TAKEN_IN, self._hear_taken_in)
        self._greetings.append(f"hello {self._owner}")
        self._something.set()
        self.listening.set()
        # What was said before we listened was missed.
        self._look()
        while not conn.is_closed():
            await self._something.wait()
            self._something.clear()
            if self._end.is_set():
                self._greetings.append(f"bye {self._owner}")
            await self._send(conn)
            if self._end.is_set():
                return

    async def _send(self, conn: Conn) -> None:
        words = [
            *self._greetings,
            *(f"{','.join(names)}:{part}:{position}" for (names, part), position in self._positions.items()),
        ]
        self._greetings.clear()
        self._positions.clear()
        if words and not conn.is_closed():
            # A transaction of its own, so that no reader waits for what NOTIFY waits for: the lock of other commits.
            await conn.execute("SELECT pg_notify($1, word) FROM unnest($2::text[]) AS word", TAKEN_IN, words)

    def _hear_appended(self, _conn: Any, _pid: int, _channel: str, payload: object) -> None:
        partition, _, position = str(payload).partition(":")
        self._appended(int(partition), int(position))

    def _hear_taken_in(self, _conn: Any, _pid: int, _channel: str, payload: object) -> None:
        verb, _, owner = str(payload).partition(" ")
        if owner == self._owner:
            return
        match verb:
            case "hello":
                self._peers.add(owner)
                self._greetings.append(f"here {self._owner}")
                self._something.set()
            case "here":
                self._peers.add(owner)
            case "bye":
                self._peers.discard(owner)
                self._look()
            case _:
                projections, partition, position = verb.split(":")
                for projection in projections.split(","):
                    self._taken_in(projection, int(partition), int(position))
