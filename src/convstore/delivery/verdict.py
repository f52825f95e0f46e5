"""What can become of one mail or SMS, as a channel says it to the sender. Reasons are ours, or an answer's code.

Never an answer's text: servers quote addresses in it.
"""

from enum import StrEnum


class State(StrEnum):
    """Where one message to one person by one channel stands; docs/delivery.md says what each means."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    BOUNCED = "bounced"


DEAD = (State.FAILED, State.EXPIRED, State.UNCERTAIN, State.BOUNCED)
"""What never arrived, as far as is known: the dead letters."""


class NotSent(Exception):
    """It was not sent; ``reason`` says why, in few words without an address.

    ``after``: the seconds that were asked for before another attempt, if any.
    """

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class Skipped(NotSent):
    """It is not to be sent: the person has no address, say, or wants none any more."""


class Refused(NotSent):
    """It was refused for good."""


class Deferred(NotSent):
    """It was refused for now."""


class InDoubt(NotSent):
    """It broke off after it was handed over, before anybody said whether it was taken: it may have been sent."""


class Unavailable(NotSent):
    """Nothing can be sent at all at the moment: it says nothing about this one."""
