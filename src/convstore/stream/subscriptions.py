"""Durable subscriptions: other systems follow the log, and the server keeps how far each has dealt with it.

This is how they are made, placed and looked at; ``consuming`` is how they are read, ``letters`` what could not be dealt
with.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

import asyncpg
from msgspec import Struct

from convstore.database import Conn, Pool
from convstore.domain.uid import UserId
from convstore.errors import BadQuery, CursorAhead, SubscriptionTaken, TooManySubscriptions, UnknownSubscription
from convstore.log import read
from convstore.sql import Statements
from convstore.stream.choice import Choice
from convstore.stream.reading import SLOTS
from convstore.stream.rights import Rights

sql: Final = Statements(files(__package__) / "subscriptions.sql")

LEASE: Final = 15.0
"""Seconds after which a consumer that says nothing counts as dead, unless its subscription has another time."""

# Anybody may make subscriptions, and each has rows for its slots in every partition.
_MOST: Final = 100

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Subscription(Struct, frozen=True, kw_only=True):
    """One subscription: whose it is, and what is followed.

    ``lease``: seconds after which a consumer that says nothing counts as dead.
    """

    name: str
    user_id: UserId
    choice: Choice
    lease: float
    created: datetime


class Standing(Struct, frozen=True, kw_only=True):
    """Where a subscription stands.

    ``positions``: everything up to there was dealt with, by partition. ``behind``: how many positions of the log are
    after the slot that is furthest back; ``seconds``: how long the first of these has been there. Both count events
    that are not chosen, too. ``dead``: its dead letters. ``ahead``: the log is not the one that it followed.
    """

    subscription: Subscription
    positions: tuple[int, ...]
    behind: int
    seconds: float
    dead: int
    consumers: tuple[str, ...]
    ahead: bool


async def create(
    pool: Pool, name: str, user_id: UserId, choice: Choice, positions: Sequence[int], *, lease: float = LEASE
) -> Subscription:
    """Make a subscription that begins after these positions. ``lease``: as a ``Subscription`` has it.

    Raises:
        BadQuery: it cannot be called so.
        SubscriptionTaken: there is one of this name.
        TooManySubscriptions: the account has as many as it may have.
        CursorAhead: the log does not reach as far.
    """
    if not _NAME.fullmatch(name):
        raise BadQuery("A subscription is called by up to 63 small letters, digits and hyphens.")
    rights = choice.rights
    arguments = (sorted(rights.types), choice.conversation, rights.own is not None, rights.texts, rights.internal)
    async with pool.acquire() as conn, conn.transaction():
        row = await conn.fetchrow(sql.create, name, user_id, *arguments, lease)
        if row is None:
            raise SubscriptionTaken(name)
        if await conn.fetchval(sql.of_account, user_id) > _MOST:
            raise TooManySubscriptions(f"An account has at most {_MOST} subscriptions: end one first.")
        await conn.execute(sql.create_slots, name, SLOTS)
        await _place(conn, name, positions)
    return _subscription(row)


async def get(conn: Conn | Pool, name: str) -> Subscription:
    """Give a subscription.

    Raises:
        UnknownSubscription: there is none of this name.
    """
    row = await conn.fetchrow(sql.get, name)
    if row is None:
        raise UnknownSubscription(name)
    return _subscription(row)


async def delete(pool: Pool, name: str) -> None:
    """End a subscription, and forget how far it was.

    Raises:
        UnknownSubscription: there is none of this name.
    """
    if await pool.fetchval(sql.delete, name) is None:
        raise UnknownSubscription(name)


async def reset(pool: Pool, name: str, positions: Sequence[int]) -> None:
    """Put a subscription after these positions; its consumers begin anew, and its dead letters are forgotten.

    Raises:
        UnknownSubscription: there is none of this name.
        CursorAhead: the log does not reach as far.
    """
    async with pool.acquire() as conn, conn.transaction():
        await get(conn, name)
        await _place(conn, name, positions)
        await conn.execute(sql.drop_letters, name)


async def standings(conn: Conn | Pool, *, user_id: UserId | None = None, name: str | None = None) -> list[Standing]:
    """Say where all subscriptions stand, those of one account, or one of them; by name."""
    return [
        Standing(
            subscription=_subscription(row),
            positions=tuple(row["positions"] or ()),
            behind=row["behind"],
            seconds=row["oldest"],
            dead=row["dead"],
            consumers=tuple(row["consumers"]),
            ahead=row["ahead"],
        )
        for row in await conn.fetch(sql.standings, user_id, name)
    ]


async def _place(conn: Conn, name: str, positions: Sequence[int]) -> None:
    if any(map(int.__gt__, positions, await read.heads(conn))):
        raise CursorAhead
    await conn.execute(sql.place_all, name, list(positions))
    await conn.execute(sql.check_in, name, list(positions))


def _subscription(row: asyncpg.Record) -> Subscription:
    user_id = row["user_id"]
    rights = Rights(
        types=frozenset(row["types"]),
        own=user_id if row["own"] else None,
        texts=row["texts"],
        internal=row["internal"],
    )
    choice = Choice(rights=rights, conversation=row["conversation"])
    return Subscription(name=row["name"], user_id=user_id, choice=choice, lease=row["lease"], created=row["created"])
