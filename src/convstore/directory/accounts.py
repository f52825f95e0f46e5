"""Accounts made and kept here, beside those that are imported: the first superuser, service accounts, passwords."""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from msgspec import Struct

from convstore.database import Conn, Pool
from convstore.directory import changes, passwords
from convstore.domain.uid import Uid, UserId, derive_uid, new_uid
from convstore.errors import DirectoryRefused
from convstore.sql import Statements
from convstore.words import words_of_name

SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD = 1_024
_LONGEST_USERNAME = 255

_sql = Statements(files(__package__) / "accounts.sql")


class NewAccount(Struct, frozen=True, kw_only=True):
    """Who is to be added. Groups and units are named by uid, code or name."""

    username: str
    first_name: str
    surname: str
    email: str | None = None
    phone_number: str | None = None
    authorities: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


class Listed(Struct, frozen=True, kw_only=True, rename="camel"):
    """An account as ``user list`` shows it; ``may_log_in``: it has a password (and still may be disabled)."""

    id: UserId
    username: str
    first_name: str
    surname: str
    email: str | None
    phone_number: str | None
    disabled: bool
    imported: bool
    may_log_in: bool
    superuser: bool
    groups: tuple[str, ...]
    last_login: datetime | None


async def add(pool: Pool, account: NewAccount, password: str | None) -> UserId:
    """Add an account; without a password nobody can log in with it.

    Raises:
        DirectoryRefused: the username is taken or impossible, or a group or unit does not exist.
    """
    _check_username(account.username)
    for text in (account.first_name, account.surname, account.email, account.phone_number, *account.authorities):
        _check_text(text or "")
    hashed = None if password is None else await passwords.hash_password(password)
    user_id = UserId(new_uid())
    async with pool.acquire() as conn, conn.transaction():
        await changes.lock(conn)
        if await conn.fetchval(_sql.username_taken, account.username):
            raise DirectoryRefused(f"There is an account {account.username!r} already.")
        groups = [await _the_one(conn, _sql.group_called, "group", called) for called in account.groups]
        units = [await _the_one(conn, _sql.unit_called, "organisation unit", called) for called in account.units]
        await conn.execute(
            _sql.add, user_id, account.username, account.first_name, account.surname, account.email,
            account.phone_number, hashed, words_of_name(account.first_name, account.surname),
        )  # fmt: skip
        if account.authorities:
            await conn.execute(_sql.add_to_role, user_id, await _role(conn, account.authorities))
        await conn.execute(_sql.add_to_groups, user_id, list(dict.fromkeys(groups)))
        await conn.execute(_sql.add_to_units, user_id, list(dict.fromkeys(units)))
        await changes.announce(conn)
    return user_id


async def set_password(pool: Pool, username: str, password: str) -> None:
    """Give an account another password: the old one opens nothing any more, in no process, and a lock is lifted.

    Raises:
        DirectoryRefused: there is no such account.
    """
    await _change(pool, _sql.set_password, username, await passwords.hash_password(password))


async def set_disabled(pool: Pool, username: str, *, disabled: bool) -> None:
    """Close an account to its owner, or open it again; his copies stay.

    Raises:
        DirectoryRefused: there is no such account.
    """
    await _change(pool, _sql.set_disabled, username, disabled)


async def find(pool: Pool, username: str) -> UserId:
    """Give the uid of an account.

    Raises:
        DirectoryRefused: there is no such account.
    """
    _check_text(username)
    found: UserId | None = await pool.fetchval(_sql.find, username)
    if found is None:
        raise DirectoryRefused(f"There is no account {username!r}.")
    return found


async def listed(pool: Pool) -> list[Listed]:
    """Give all accounts, by username."""
    return [Listed(**{**row, "groups": tuple(row["groups"])}) for row in await pool.fetch(_sql.listed)]


def check_password(password: str, *, weak: bool = False) -> None:
    """Refuse a password that is too short, unless a weak one is wanted, or that no client could send.

    Raises:
        DirectoryRefused: says what is wrong with it.
    """
    _check_text(password)
    if not password:
        raise DirectoryRefused("A password cannot be empty.")
    if len(password) > _LONGEST_PASSWORD:
        raise DirectoryRefused(f"A password has at most {_LONGEST_PASSWORD} characters.")
    if len(password) < SHORTEST_PASSWORD and not weak:
        raise DirectoryRefused(f"A password has at least {SHORTEST_PASSWORD} characters (or say --weak).")


async def _change(pool: Pool, statement: str, username: str, value: object) -> None:
    _check_text(username)
    async with pool.acquire() as conn, conn.transaction():
        await changes.lock(conn)
        if await conn.fetchval(statement, username, value) is None:
            raise DirectoryRefused(f"There is no account {username!r}.")
        await changes.announce(conn)


async def _the_one(conn: Conn, statement: str, kind: str, called: str) -> Uid:
    _check_text(called)
    found = await conn.fetch(statement, called)
    if not found:
        raise DirectoryRefused(f"There is no {kind} {called!r}.")
    if len(found) > 1:
        raise DirectoryRefused(f"Several {kind}s are called {called!r}: name one by its uid.")
    return Uid(found[0]["id"])


async def _role(conn: Conn, authorities: Sequence[str]) -> str:
    # The same authorities make the same role: accounts share it, and there are no more roles than kinds of accounts.
    wanted = sorted(set(authorities))
    role_id = derive_uid(b"roles of accounts made here", *wanted)
    await conn.execute(_sql.add_role, role_id, "Superuser" if "ALL" in wanted else ", ".join(wanted), wanted)
    return role_id


def _check_username(username: str) -> None:
    _check_text(username)
    if not username or username != username.strip() or len(username) > _LONGEST_USERNAME:
        raise DirectoryRefused(f"A username has 1 to {_LONGEST_USERNAME} characters, with no blank at either end.")
    if ":" in username:
        raise DirectoryRefused("A username cannot have a colon: Basic authentication ends it there.")


def _check_text(text: str) -> None:
    if "\0" in text or text.encode("utf-8", "replace").decode() != text:
        raise DirectoryRefused("A text has a NUL character or half a character in it, which cannot be stored.")
