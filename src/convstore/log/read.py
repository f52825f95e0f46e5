"""Reads the log: a partition in order, one stream, the heads.

What has been read up to a position is complete for ever: positions are dense and in commit order (design section 4).
"""

from collections.abc import Collection, Iterable, Sequence
from importlib.resources import files
from typing import Any, Final

from convstore.database import Conn
from convstore.domain.uid import Uid
from convstore.errors import LogCorrupt
from convstore.log.codec import CODEC, Codec
from convstore.log.recorded import Recorded
from convstore.sql import Statements

sql: Final = Statements(files(__package__) / "statements.sql")


async def read_partition(
    conn: Conn, partition: int, after_position: int, limit: int, *, codec: Codec = CODEC
) -> list[Recorded]:
    """Give the events of a partition after a position, in order, at most so many; empty means there are no more yet.

    Raises:
        LogCorrupt: one cannot be decoded; says which.
    """
    return decoded(await conn.fetch(sql.partition_page, partition, after_position, limit), partition, codec)


async def read_stream(
    conn: Conn, partition: int, stream: Uid, after_version: int = 0, *, codec: Codec = CODEC
) -> list[Recorded]:
    """Give the events of one stream after a version, in order.

    Raises:
        LogCorrupt: one cannot be decoded; says which.
    """
    return decoded(await conn.fetch(sql.stream_page, partition, stream, after_version), partition, codec)


async def versions_at(conn: Conn, partition: int, streams: Collection[Uid], position: int) -> dict[Uid, int]:
    """Say which versions these streams of a partition had at a position; those that had not begun are left out."""
    rows = await conn.fetch(sql.versions_at, partition, list(streams), position)
    return {row["stream"]: row["version"] for row in rows}


async def heads(conn: Conn) -> list[int]:
    """Give the last position of each partition (index = partition), 0 for an empty one."""
    return [row["position"] for row in await conn.fetch(sql.heads)]


def decoded(rows: Sequence[Iterable[Any]], partition: int, codec: Codec = CODEC) -> list[Recorded]:
    """Decode rows of one partition whose columns stand in the order of Recorded, as ``partition_page`` has them.

    Raises:
        LogCorrupt: one cannot be decoded; says which.
    """
    decode = codec.decode
    try:
        return [
            Recorded(partition, position, stream, version, decode(data), recorded_at, meta)
            for position, stream, version, data, recorded_at, meta in rows
        ]
    except LogCorrupt:
        for position, stream, version, data, _, _ in rows:
            try:
                decode(data)
            except LogCorrupt as e:
                raise LogCorrupt(f"Partition {partition}, position {position} ({stream}@{version}): {e}") from e
        raise
