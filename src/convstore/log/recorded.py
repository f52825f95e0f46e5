"""What the log gives back: an event with its place, its time, and who did it."""

from datetime import datetime

import msgspec
from msgspec import Struct

from convstore.domain.access import LoggedEvent
from convstore.domain.uid import Uid, UserId


class Meta(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The circumstances of an event: who acted, for whom, in which request.

    ``actor`` is None for the system's own background work; ``on_behalf_of`` is set when somebody acted on another
    person's copy; ``schema`` is the version of the event's shape; ``causation`` names what made this happen
    (an import, a skip), when it was no request.
    """

    actor: UserId | None = None
    on_behalf_of: UserId | None = None
    request_id: str | None = None
    user_agent: str | None = None
    schema: int = 1
    causation: str | None = None


_meta_decoder = msgspec.json.Decoder(Meta)


class Recorded(Struct, frozen=True, gc=False):
    """One event as the log holds it.

    ``position`` is dense from 1 within its partition, in commit order; ``version`` is dense from 1 within its stream;
    ``recorded_at`` is UTC, given by the append, and never runs backwards within a partition. All events of one append
    batch have the same ``recorded_at``.
    """

    partition: int
    position: int
    stream: Uid
    version: int
    event: LoggedEvent
    recorded_at: datetime
    meta_json: str

    @property
    def meta(self) -> Meta:
        """The circumstances, decoded when asked for: folds that do not need them do not pay for them."""
        return _meta_decoder.decode(self.meta_json)
