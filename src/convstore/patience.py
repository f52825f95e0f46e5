"""How long it is tried to give something to another server, and how long until the next time."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

_LONGEST_PAUSE: Final = 3_600.0
_LONGEST_ASKED: Final = 86_400.0


class Patience(Struct, frozen=True):
    """How long it is tried, in seconds: the first pause, and until when after it was first to be sent."""

    first_pause: float
    give_up: float

    def pause(self, attempts: int) -> float:
        """Give the pause after so many attempts: longer each time, and not the same for all."""
        pause = min(self.first_pause * 2.0 ** min(attempts - 1, 30), _LONGEST_PAUSE)
        return pause * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def retry_after(text: str | None) -> float | None:
    """Read a Retry-After (RFC 9110 section 10.2.3): seconds or a date; None when there is none.

    At most a day, whatever it says.
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        return min(float(text), _LONGEST_ASKED)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_ASKED)
