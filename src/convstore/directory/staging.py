"""Turns DHIS2 metadata into rows of the import's temporary tables."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

from msgspec import Struct

from convstore.database import Conn, Pool
from convstore.directory import passwords
from convstore.directory.metadata import Merged, Ref, User
from convstore.sql import Statements
from convstore.words import words_of_name

Row = tuple[Any, ...]
Progress = Callable[[str, int, int], None]
"""Called now and then: what is being done, how much of it is done, and how much there is."""

_sql = Statements(files(__package__) / "import.sql")


class Passwords(Struct, kw_only=True):
    """The hashes to store, by user; passwords as they were given; how many hashes are of no use."""

    hashes: dict[str, str]
    plain: dict[str, str]
    unusable: int


async def stage(conn: Conn, data: Merged, hashes: dict[str, str], progress: Progress) -> dict[str, int]:
    """Fill the temporary tables, and give how many rows each has, by kind."""
    await conn.execute(_sql.stage)
    tables = {
        "staged_unit": list(_units(data)),
        "staged_role": list(_roles(data)),
        "staged_group": list(_groups(data)),
        "staged_user": list(_users(data, hashes)),
        "staged_link": list(_links(data)),
        "staged_whole": list(_wholes(data)),
        "staged_grant": list(_grants(data)),
    }
    for table, rows in tables.items():
        progress("staging", list(tables).index(table), len(tables))
        await conn.copy_records_to_table(table, records=rows)
    progress("staging", len(tables), len(tables))
    await conn.execute(_sql.analyze)
    return {table.removeprefix("staged_"): len(rows) for table, rows in tables.items()}


def passwords_of(data: Merged) -> Passwords:
    """Sort the passwords of an import into hashes, plain ones, and what is neither."""
    found = Passwords(hashes={}, plain={}, unusable=0)
    for user in (data.users or {}).values():
        password = user.credentials.password
        if not password:
            continue
        if (usable := passwords.imported_hash(password)) is not None:
            found.hashes[user.id] = usable
        elif passwords.looks_hashed(password):
            found.unusable += 1
        else:
            found.plain[user.id] = password
    return found


async def hash_plain(pool: Pool, plain: dict[str, str], progress: Progress) -> dict[str, str]:
    """Give hashes for those whose plain password is not the one that they have already.

    Takes tens of milliseconds each, so it is done before the directory is locked.
    """
    known = {row["id"]: row["password_hash"] for row in await pool.fetch(_sql.hashes, list(plain))}
    done = 0
    left = iter(plain.items())
    hashes: dict[str, str] = {}

    async def work() -> None:
        nonlocal done
        for user_id, password in left:  # shared: whoever is free takes the next
            if user_id not in known or not await passwords.verify(known[user_id], password):
                hashes[user_id] = await passwords.hash_password(password)
            done += 1
            progress("passwords", done, len(plain))

    async with asyncio.TaskGroup() as workers:
        for _ in range(passwords.AT_ONCE):
            workers.create_task(work())
    return hashes


def _units(data: Merged) -> Iterator[Row]:
    for unit in (data.units or {}).values():
        parent = unit.parent.id if unit.parent is not None else None
        yield (unit.id, unit.name, unit.short_name, unit.code, parent, *unit.times())


def _roles(data: Merged) -> Iterator[Row]:
    for role in (data.roles or {}).values():
        yield (role.id, role.name, role.code, sorted(set(role.authorities or ())))


def _groups(data: Merged) -> Iterator[Row]:
    for group in (data.groups or {}).values():
        yield (group.id, group.name, group.code, group.shared, group.public, group.owner, *group.times())


def _users(data: Merged, hashes: dict[str, str]) -> Iterator[Row]:
    for user in (data.users or {}).values():
        account = user.credentials
        hashed = hashes.get(user.id)
        digest = hashlib.sha256(hashed.encode()).digest() if hashed is not None else None
        yield (
            user.id, account.username, user.first_name, user.surname, user.code, user.email, user.phone_number,
            account.uuid, account.disabled, hashed, digest, words_of_name(user.first_name, user.surname), *user.times(),
        )  # fmt: skip


def _of_person(user: User) -> Iterator[tuple[str, list[Ref] | None]]:
    yield "role", user.credentials.user_roles
    yield "group", user.user_groups
    yield "unit", user.organisation_units


def _of_holders(data: Merged) -> Iterator[tuple[str, str, list[Ref] | None]]:
    for role in (data.roles or {}).values():
        yield "role", role.id, role.users
    for group in (data.groups or {}).values():
        yield "group", group.id, group.users
    for unit in (data.units or {}).values():
        yield "unit", unit.id, unit.users


def _links(data: Merged) -> Iterator[Row]:
    for kind, holder, people in _of_holders(data):
        for person in people or ():
            yield (kind, holder, person.id)
    for user in (data.users or {}).values():
        for kind, holders in _of_person(user):
            for other in holders or ():
                yield (kind, other.id, user.id)


def _wholes(data: Merged) -> Iterator[Row]:
    for kind, holder, people in _of_holders(data):
        if people is not None:
            yield (kind, "holder", holder)
    for user in (data.users or {}).values():
        for kind, holders in _of_person(user):
            if holders is not None:
                yield (kind, "person", user.id)


def _grants(data: Merged) -> Iterator[Row]:
    for group in (data.groups or {}).values():
        if group.shared:
            for kind, grantee, access in group.grants():
                yield (group.id, kind, grantee, access)
