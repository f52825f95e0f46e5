"""A store in which one conversation was told, whole."""

import pytest

from convstore.database import connect
from convstore.domain.types import Status
from seeding import tell
from words import (
    ANN,
    BOB,
    CID,
    conversation_read,
    participant_removed,
    posted,
    started,
    status_set,
)


@pytest.fixture
async def told(dsn: str) -> str:
    """Give the DSN of a store in which a conversation was told, by people of whom two have accounts."""
    conn = await connect(dsn, role=None)
    try:
        await conn.execute(
            "INSERT INTO account (id, username, first_name, surname, uuid) "
            "SELECT id, lower(left(id, 3)), left(id, 3), 'Doe', gen_random_uuid() FROM unnest($1::text[]) AS n (id)",
            [ANN, BOB],
        )
        await tell(
            conn,
            started(ANN, BOB, CID),
            status_set(Status.NONE, Status.OPEN),
            conversation_read(by=BOB),
            posted(by=ANN),
            participant_removed(CID),
        )
    finally:
        await conn.close()
    return dsn
