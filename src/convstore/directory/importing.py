"""Takes over what another system says of people, groups, units and roles: all of it, or nothing.

What an import means:

- An object of a file replaces the one of the same uid. What the file does not say about a password, about whether an
  account is disabled, or about whom a group is shared with, stays.
- A role's, group's or unit's list ``users`` replaces its people; a user's lists ``userRoles``, ``userGroups`` and
  ``organisationUnits`` replace what he is in. Where both sides speak, what either names is so. No list, no change.
- References to what is nowhere are reported and left out. A unit whose parent is nowhere becomes a root.
- What the files do not name stays, unless ``delete_missing`` is asked for: then what earlier imports brought, and these
  files do not name, goes, for each kind that they list. What was made here (``convstore user add``) never goes.
- bcrypt hashes are taken as they are; a password that was changed here stays until the other system's hash changes.
  Plain passwords are taken only when that is said, and then they win.
"""

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files as resources
from pathlib import Path

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from convstore.database import Conn, Pool
from convstore.directory import changes
from convstore.directory.metadata import Merged, merge, read
from convstore.directory.staging import Passwords, Progress, hash_plain, passwords_of, stage
from convstore.domain.uid import UserId
from convstore.errors import DirectoryRefused
from convstore.sql import Statements

RemoveCopies = Callable[[UserId], Awaitable[None]]
"""Takes all copies of conversations away from one person; may be called again for the same one."""

_sql = Statements(resources(__package__) / "import.sql")

# In the order in which one may refer to another.
_KINDS = ("unit", "role", "user", "group")
_LINKS = {"role": "roles of users", "group": "members of groups", "unit": "users of units"}
_NAMES = {"unit": "organisation units", "role": "roles", "user": "users", "group": "groups"}
_WORDS = {"unit": "organisation unit", "role": "role", "user": "user", "group": "group"}
# More warnings than these are counted, not listed.
_WARNINGS_EACH = 20


class Counts(Struct, frozen=True, kw_only=True):
    """What became of the rows of one kind; ``unchanged`` were named and are as they were."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything became of them."""
        return bool(self.created or self.updated or self.deleted)


class Report(Struct, frozen=True, kw_only=True):
    """What an import did, or would do when it was a dry run. Kinds are named in plural, in the order of the work."""

    counts: dict[str, Counts]
    warnings: tuple[str, ...]
    dry_run: bool
    copies_left: int
    """How many deleted people still have copies of conversations: see ``remove_departed``."""

    @property
    def changed(self) -> bool:
        """Whether the directory is another one now."""
        return any(counts.changed for counts in self.counts.values())


def _silent(_step: str, _done: int, _total: int) -> None:
    """Show no progress."""


async def import_files(
    pool: Pool,
    files: Sequence[Path],
    *,
    plain_passwords: bool = False,
    delete_missing: bool = False,
    dry_run: bool = False,
    progress: Progress = _silent,
    remove_copies: RemoveCopies | None = None,
) -> Report:
    """Import DHIS2 metadata JSON files, as one, in one transaction; the module says what that means.

    ``dry_run`` does everything and undoes it. ``remove_copies`` is called, after the import is safe, for each person
    whom it or an earlier one deleted; without it they stay noted for later.

    Raises:
        DirectoryRefused: a file cannot be used, two people have one username, or units form a loop; nothing changed.
    """
    read_files = []
    for number, file in enumerate(files):
        progress("reading", number, len(files))
        read_files.append(read(file))
    progress("reading", len(files), len(files))
    data = merge(read_files)
    found = passwords_of(data)
    if plain_passwords and not dry_run:
        found.hashes |= await hash_plain(pool, found.plain, progress)
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            await changes.lock(conn)
            staged = await stage(conn, data, found.hashes, progress)
            report = await _apply(conn, data, staged, delete_missing=delete_missing, progress=progress)
            if report.changed:
                await changes.announce(conn)
        except BaseException:
            await transaction.rollback()
            raise
        if dry_run:
            await transaction.rollback()
        else:
            await transaction.commit()
    if not dry_run and remove_copies is not None:
        await remove_departed(pool, remove_copies, progress=progress)
    warnings = (*_about_files(data, found, plain_passwords=plain_passwords), *report.warnings)
    return replace(report, warnings=warnings, dry_run=dry_run, copies_left=len(await departed(pool)))


async def departed(pool: Pool) -> list[UserId]:
    """Give the people who were deleted and whose copies of conversations are still to be removed."""
    return [UserId(row["user_id"]) for row in await pool.fetch(_sql.departed)]


async def remove_departed(pool: Pool, remove_copies: RemoveCopies, *, progress: Progress = _silent) -> None:
    """Have the copies of everybody who was deleted removed; each is ticked off when done, so a crash loses none."""
    people = await departed(pool)
    for number, user_id in enumerate(people):
        progress("removing copies", number, len(people))
        await remove_copies(user_id)
        await pool.execute(_sql.copies_removed, [user_id])
    progress("removing copies", len(people), len(people))


async def _apply(
    conn: Conn, data: Merged, staged: dict[str, int], *, delete_missing: bool, progress: Progress
) -> Report:
    warnings: list[str] = []
    counts: dict[str, Counts] = {}
    steps = len(_KINDS) + len(_LINKS) + 1
    listed = {"unit": data.units, "role": data.roles, "user": data.users, "group": data.groups}
    for number, kind in enumerate(_KINDS):
        progress("writing", number, steps)
        # Deleted first: what goes is nobody's parent, owner, or reason for a username to be taken.
        deleted = await _rows(conn, f"{kind}s_deleted") if delete_missing and listed[kind] is not None else 0
        warnings += await _PREPARE[kind](conn)
        updated = await _rows(conn, f"{kind}s_updated")
        created = await _rows(conn, f"{kind}s_created")
        unchanged = staged[kind] - created - updated
        counts[_NAMES[kind]] = Counts(created=created, updated=updated, unchanged=unchanged, deleted=deleted)
    if delete_missing:
        await conn.execute(_sql.sweep)
    await _place_units(conn)
    progress("writing", len(_KINDS), steps)
    warnings += _unknown(await conn.fetch(_sql.unknown_grantees), "Sharing names {word} {id}")
    deleted, updated = await _rows(conn, "grants_deleted"), await _rows(conn, "grants_updated")
    counts["grants on groups"] = Counts(created=await _rows(conn, "grants_created"), updated=updated, deleted=deleted)
    warnings += _unknown(await conn.fetch(_sql.unknown_links), "A membership names {word} {id}")
    for number, (kind, name) in enumerate(_LINKS.items(), len(_KINDS) + 1):
        progress("writing", number, steps)
        deleted = await _rows(conn, f"{kind}_links_deleted")
        counts[name] = Counts(created=await _rows(conn, f"{kind}_links_created"), deleted=deleted)
    progress("writing", steps, steps)
    return Report(counts=counts, warnings=tuple(warnings), dry_run=False, copies_left=0)


async def _rows(conn: Conn, statement: str) -> int:
    """Run a statement and give the number of rows that it changed, from its command tag."""
    return int((await conn.execute(_sql[statement])).rpartition(" ")[2])


async def _prepare_units(conn: Conn) -> list[str]:
    return _unknown(await conn.fetch(_sql.unknown_parents), "An organisation unit names the parent {id}")


async def _prepare_groups(conn: Conn) -> list[str]:
    return _unknown(await conn.fetch(_sql.unknown_owners), "A group names the owner {id}")


async def _prepare_users(conn: Conn) -> list[str]:
    """Make sure that each username is one person's.

    Raises:
        DirectoryRefused: names those that are not.
    """
    if repeated := await conn.fetch(_sql.usernames_repeated):
        told = "; ".join(f"{row['username']!r}: {', '.join(row['ids'])}" for row in repeated)
        raise DirectoryRefused(f"Several users have the same username: {told}")
    if taken := await conn.fetch(_sql.usernames_taken):
        told = "; ".join(
            f"{row['username']!r} of {row['id']} is the name of {row['taken_by']}"
            + ("" if row["imported"] else ", who was added here")
            for row in taken
        )
        raise DirectoryRefused(f"A username is taken: {told}")
    await conn.execute(_sql.park_usernames)
    await conn.execute(_sql.users_returned)
    return []


async def _prepare_roles(_conn: Conn) -> list[str]:
    return []  # a role refers to nothing


_PREPARE = {"unit": _prepare_units, "role": _prepare_roles, "user": _prepare_users, "group": _prepare_groups}


async def _place_units(conn: Conn) -> None:
    """Give each unit its place in the tree.

    Raises:
        DirectoryRefused: some have none.
    """
    await conn.execute(_sql.unit_paths)
    if lost := await conn.fetch(_sql.units_in_a_loop):
        raise DirectoryRefused(f"Organisation units are their own parents: {', '.join(row['id'] for row in lost)}")


def _about_files(data: Merged, found: Passwords, *, plain_passwords: bool) -> list[str]:
    warnings = []
    if data.repeated:
        warnings.append(f"{data.repeated} objects come more than once; the last of each was taken.")
    if found.plain and not plain_passwords:
        warnings.append(
            f"{len(found.plain)} users come with a plain password; it was not taken (see --plain-passwords)."
        )
    if found.unusable:
        warnings.append(
            f"{found.unusable} users come with a password hash of another kind than bcrypt, or too costly a one; it was"
            " not taken."
        )
    return warnings


def _unknown(rows: Sequence[asyncpg.Record], text: str) -> list[str]:
    """Say what is nowhere; ``text`` may name {word}, the kind, and {id}."""
    warnings = []
    for row in rows[:_WARNINGS_EACH]:
        word = _WORDS[row["kind"]] if "kind" in row else ""
        times = f" ({row['times']} times)" if row["times"] > 1 else ""
        warnings.append(f"{text.format(word=word, id=row['id'])}, which does not exist; left out{times}.")
    if len(rows) > _WARNINGS_EACH:
        warnings.append(f"… and {len(rows) - _WARNINGS_EACH} more like these.")
    return warnings
