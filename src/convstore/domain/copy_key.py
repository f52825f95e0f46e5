"""The key of a person's copy of a conversation, which clients know as that of a ``userMessage``: derived."""

import uuid
from hashlib import sha1
from typing import Final

from convstore.domain.uid import Uid, UserId

# Under which the keys of copies are derived; any other would give every copy another key.
_KEYS: Final = uuid.UUID("6d3f4c1e-7a0b-5c55-9f0e-2f6c6a1de7b4")


def key_of(conversation_id: Uid, user_id: UserId, version: int) -> uuid.UUID:
    """Give the key of the copy that a person got by the event of this version: a UUID, the same at each replay."""
    name = f"{conversation_id}/{user_id}/{version}".encode()
    # uuid.uuid5 does the same in three times the time; 100,000 people may be added at once.
    return uuid.UUID(bytes=sha1(_KEYS.bytes + name, usedforsecurity=False).digest()[:16], version=5)
