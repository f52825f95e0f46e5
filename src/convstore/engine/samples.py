"""What the samples of one process have found: for metrics."""

import time


class Samples:
    """Conversations replayed since the process started, those of them that differed, and the age of the last."""

    def __init__(self) -> None:
        self.conversations = 0
        self.differing = 0
        self._last: float | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the last one; None when there was none yet."""
        return None if self._last is None else time.monotonic() - self._last

    def note(self, *, differs: bool) -> None:
        """Count one."""
        self.conversations += 1
        self.differing += differs
        self._last = time.monotonic()
