"""What an appender has done since its process started, for metrics."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

# Upper ends of the classes that batches are counted in, by their number of commands; one class more has the rest.
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(slots=True)
class Counters:
    """Numbers that only grow.

    ``commands`` were sent, those that were decided again each time; ``stale`` and ``requests`` count what was submitted
    together. ``sizes``: how many batches of each class of ``SIZES``. ``found`` and ``missed``: states that a batch
    needed, and that were or were not at hand.
    """

    batches: int = 0
    commands: int = 0
    events: int = 0
    requests: int = 0
    stale: int = 0
    refused_busy: int = 0
    reconnects: int = 0
    found: int = 0
    missed: int = 0
    sizes: list[int] = field(default_factory=lambda: [0] * (len(SIZES) + 1))

    def batch(self, commands: int) -> None:
        """Count one batch with so many commands."""
        self.batches += 1
        self.commands += commands
        self.sizes[bisect_left(SIZES, commands)] += 1
