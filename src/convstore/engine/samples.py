"""What the samples of one process have found: for metrics."""

import time


class Samples:
    """Conversations replayed since the process started, those of them that differed, and the age of the last."""

    def __init__(self) -> None:
        self.conversations = 0
        self.differing = 0
        self._last = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the last one, or since the start when there was none yet."""
        return time.monotonic() - self._last

    def note(self, *, differs: bool) -> None:
        """Count one."""
        self.conversations += 1
        self.differing += differs
        self._last = time.monotonic()
