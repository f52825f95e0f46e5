"""Lets a read model leave out one event that it cannot take in: said by somebody, and kept for ever."""

from convstore.database import Conn
from convstore.engine.checkpoint import sql
from convstore.errors import ConvstoreError


class NotStoppedThere(ConvstoreError):
    """Only the event before which a read model stands still can be skipped."""


async def skip(conn: Conn, projection: str, partition: int, position: int, by: str, *, note: str = "") -> None:
    """Tell a read model (such as ``inbox_v1``) to leave out the event it stands still before, and to go on.

    ``by`` is who decided so, ``note`` why, in his words. The runner notices within a second, in whichever process it
    is; rebuilds leave the same events out.

    Raises:
        NotStoppedThere: it does not stand still, or not before this event.
    """
    async with conn.transaction():
        if await conn.fetchval(sql.skip, projection, partition, position, by, note) is None:
            raise NotStoppedThere(
                f"{projection} does not stand still before position {position} of partition {partition}."
            )
        await conn.execute(sql.resume_at, projection, partition)
