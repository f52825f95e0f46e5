"""Turns mails off for one person, as his own setting would, and knows the language to say so in."""

from convstore.database import Pool
from convstore.delivery.leader import sql
from convstore.delivery.smtp import Email
from convstore.domain.uid import UserId


async def turn_off(pool: Pool, person: UserId) -> None:
    """Note that a person wants no more mails; nothing happens when there is no such account any more."""
    await pool.execute(sql.turn_off, person, Email.setting)


async def locale_of(pool: Pool, person: UserId) -> str:
    """Give the language that a person chose, else the system's, else English."""
    locale: str = await pool.fetchval(sql.locale, person)
    return locale
