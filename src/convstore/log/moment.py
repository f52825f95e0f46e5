"""Moments of the log: a cursor, or an instant, as the position that each partition had reached by then.

Within a partition time never runs backwards, and all events of one append have the same time. So an instant is a
position: that of the last event recorded at or before it. An instant that has not come yet is the present.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from convstore.database import Conn
from convstore.errors import CursorAhead, CursorInvalid
from convstore.log import cursor, read

# A client that does not escape the "+" of a time zone sends a blank.
_ZONE: Final = re.compile(r"(\S+T\S+) (\d\d(?::?\d\d)?)")


def parse(text: str, partitions: int, store_id: str) -> datetime | tuple[int, ...]:
    """Read a cursor of this store, or an instant: ISO 8601, UTC unless it says otherwise; a date is its first moment.

    Raises:
        CursorInvalid: it is neither; a cursor of another store is none.
    """
    try:
        return cursor.decode(text, partitions, store_id)
    except CursorInvalid:
        pass
    zoned = _ZONE.fullmatch(text)
    try:
        instant = datetime.fromisoformat(f"{zoned[1]}+{zoned[2]}" if zoned else text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise CursorInvalid(f"{text!r} is neither an instant (ISO 8601) nor a cursor of this store.") from e


async def positions(conn: Conn, moment: datetime | Sequence[int]) -> tuple[int, ...]:
    """Give the positions (index = partition) that a moment stands for.

    Raises:
        CursorAhead: it is a cursor, and the log does not reach as far.
    """
    if isinstance(moment, datetime):
        return tuple(row["position"] for row in await conn.fetch(read.sql.positions_at, moment))
    heads = await read.heads(conn)
    if any(position > head for position, head in zip(moment, heads, strict=True)):
        raise CursorAhead
    return tuple(moment)
