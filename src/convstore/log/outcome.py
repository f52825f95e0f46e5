"""What a command's sender gives along, and what comes back."""

from msgspec import Struct

from convstore.domain.uid import Uid, UserId
from convstore.log.recorded import Recorded


class IdempotencyKey(Struct, frozen=True):
    """A client's own name for a request, so that sending it again has no second effect; kept 7 days.

    ``digest`` is a hash over what makes it the same request: method, path, query and body.
    """

    account: UserId
    key: str
    digest: bytes


class Decided(Struct, frozen=True):
    """What became of one command: its stream's version afterwards, and how many events it made (0: nothing to do)."""

    conversation_id: Uid
    version: int
    events: int


class Outcome(Struct, frozen=True):
    """What became of the commands that were submitted together: one ``decided`` per command, in their order.

    ``position`` is the place in the partition that a read model must have reached to reflect this; ``recorded`` are the
    events, in order. ``replayed``: the key was used before, this is that answer again, and ``recorded`` is empty.
    """

    partition: int
    position: int
    recorded: tuple[Recorded, ...]
    decided: tuple[Decided, ...]
    replayed: bool = False
