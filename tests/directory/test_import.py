import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from registrar import AddPerson, Tables

from convstore.database import Pool
from convstore.directory import Directory, passwords
from convstore.directory.accounts import set_password
from convstore.directory.importing import Report, departed, import_files, remove_departed
from convstore.errors import BadCredentials, DirectoryRefused

Import = Callable[..., Awaitable[Report]]

ANNA, BOB, EVA = "AnnaAnnaAnn", "BobBobBobBo", "EvaEvaEvaEv"
STAFF, BOARD = "StaffGroup1", "BoardGroup1"
TOP, NORTH, CLINIC = "TopUnit0001", "NorthUnit01", "ClinicUnit1"
CLERK, BOSS = "ClerkRole01", "BossRole001"


def refs(*ids: str) -> list[dict[str, str]]:
    return [{"id": uid} for uid in ids]


def user(uid: str = ANNA, username: str | None = "anna", **more: Any) -> dict[str, Any]:
    return {"id": uid, "username": username, "firstName": str(username).title(), "surname": "Tester", **more}


def group(uid: str = STAFF, **more: Any) -> dict[str, Any]:
    return {"id": uid, "name": "Staff", **more}


def unit(uid: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": uid, "name": uid, **({"parent": {"id": parent}} if parent else {}), **more}


def role(uid: str = CLERK, *authorities: str) -> dict[str, Any]:
    return {"id": uid, "name": uid, "authorities": list(authorities)}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def to_file(content: object, name: str = "metadata.json") -> Path:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return file

    return to_file


@pytest.fixture
def take(pool: Pool, write: Callable[..., Path]) -> Import:
    """Give a function that imports lists of objects, named as in a file."""

    async def take(
        *,
        plain_passwords: bool = False,
        delete_missing: bool = False,
        dry_run: bool = False,
        remove_copies: Any = None,
        **lists: list[dict[str, Any]],
    ) -> Report:
        return await import_files(
            pool,
            [write(lists)],
            plain_passwords=plain_passwords,
            delete_missing=delete_missing,
            dry_run=dry_run,
            remove_copies=remove_copies,
        )

    return take


def changes(report: Report, kind: str) -> tuple[int, int, int, int]:
    counts = report.counts[kind]
    return counts.created, counts.updated, counts.unchanged, counts.deleted


EVERYTHING: dict[str, list[dict[str, Any]]] = {
    "organisationUnits": [unit(CLINIC, NORTH), unit(NORTH, TOP), unit(TOP)],
    "userRoles": [role(CLERK, "F_A"), role(BOSS, "ALL")],
    "userGroups": [
        group(
            STAFF,
            users=refs(BOB),
            sharing={"public": "--------", "owner": ANNA, "users": {BOB: {"access": "r-------"}}},
        )
    ],
    "users": [
        user(ANNA, "anna", userRoles=refs(CLERK, BOSS), userGroups=refs(STAFF), organisationUnits=refs(CLINIC)),
        user(BOB, "bob"),
    ],
}


async def test_an_import_makes_people_with_their_rights_groups_and_units(take: Import, pool: Pool) -> None:
    report = await take(**EVERYTHING)
    assert (3, 0, 0, 0) == changes(report, "organisation units")
    assert (2, 0, 0, 0) == changes(report, "roles")
    assert (1, 0, 0, 0) == changes(report, "groups")
    assert (2, 0, 0, 0) == changes(report, "users")
    assert (1, 0, 0, 0) == changes(report, "grants on groups")
    assert (2, 0, 0, 0) == changes(report, "members of groups")
    assert () == report.warnings
    anna = await Directory(pool).person(ANNA)
    assert {"F_A", "ALL"} == anna.authorities
    assert {STAFF} == anna.groups
    assert {CLINIC} == anna.units
    assert "Anna Tester" == anna.name


async def test_the_same_import_again_changes_nothing(take: Import, pool: Pool) -> None:
    await take(**EVERYTHING)
    revision = await Directory(pool).revision()
    report = await take(**EVERYTHING)
    assert (0, 0, 2, 0) == changes(report, "users")
    assert (0, 0, 3, 0) == changes(report, "organisation units")
    assert not report.changed
    assert revision == await Directory(pool).revision()


async def test_an_import_that_changes_something_moves_the_revision(take: Import, pool: Pool) -> None:
    await take(**EVERYTHING)
    revision = await Directory(pool).revision()
    report = await take(users=[user(ANNA, "anna", email="anna@example.org")])
    assert (0, 1, 0, 0) == changes(report, "users")
    assert revision + 1 == await Directory(pool).revision()
    assert "anna@example.org" == (await Directory(pool).person(ANNA)).email


async def test_a_dry_run_reports_and_changes_nothing(take: Import, pool: Pool) -> None:
    revision = await Directory(pool).revision()
    report = await take(**EVERYTHING, dry_run=True)
    assert (2, 0, 0, 0) == changes(report, "users")
    assert report.dry_run
    assert not await Directory(pool).exists(ANNA)
    assert revision == await Directory(pool).revision()


async def test_several_files_are_one_import_in_any_order(pool: Pool, write: Callable[..., Path]) -> None:
    one = write({"users": [user(userGroups=refs(STAFF))]}, "a.json")
    other = write({"userGroups": [group()], "dataElements": [{"id": 1}], "system": {"id": "x"}}, "b.json")
    report = await import_files(pool, [one, other])
    assert () == report.warnings
    assert {STAFF} == (await Directory(pool).person(ANNA)).groups


async def test_an_object_that_comes_twice_is_taken_from_the_last_file(pool: Pool, write: Callable[..., Path]) -> None:
    report = await import_files(
        pool, [write({"users": [user(email="old@x")]}, "a.json"), write({"users": [user(email="new@x")]}, "b.json")]
    )
    assert ("1 objects come more than once; the last of each was taken.",) == report.warnings
    assert "new@x" == (await Directory(pool).person(ANNA)).email


async def test_accounts_of_old_versions_stand_in_user_credentials(take: Import, pool: Pool) -> None:
    hashed = bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode()
    await take(
        userRoles=[role(CLERK, "F_A")],
        users=[
            {
                "id": ANNA,
                "firstName": "Anna",
                "surname": "Tester",
                "userCredentials": {"username": "anna", "password": hashed, "userRoles": refs(CLERK)},
            }
        ],
    )
    person = await Directory(pool).authenticate("anna", "district")
    assert {"F_A"} == person.authorities


async def test_sharing_of_old_versions_is_understood(take: Import, pool: Pool) -> None:
    report = await take(
        users=[user(ANNA, "anna"), user(BOB, "bob")],
        userGroups=[
            group(
                STAFF,
                publicAccess="r-------",
                user={"id": ANNA},
                userAccesses=[{"access": "rw------", "userUid": BOB}],
                userGroupAccesses=[{"access": "r-------", "id": BOARD}],
            ),
            group(BOARD, publicAccess="--------"),
        ],
    )
    assert () == report.warnings
    assert ("r-------", ANNA) == tuple(
        await pool.fetchrow("SELECT public_access, owner FROM user_group WHERE id = $1", STAFF)
    )
    assert {("user", BOB, "rw------"), ("group", BOARD, "r-------")} == {
        tuple(row) for row in await pool.fetch("SELECT grantee_kind, grantee_id, access FROM user_group_access")
    }


async def test_sharing_is_replaced_when_told_and_kept_when_not(take: Import, pool: Pool) -> None:
    await take(**EVERYTHING)
    await take(userGroups=[group(STAFF)])
    assert 1 == await pool.fetchval("SELECT count(*) FROM user_group_access")
    assert "--------" == await pool.fetchval("SELECT public_access FROM user_group")
    report = await take(userGroups=[group(STAFF, sharing={"public": "rw------"})])
    assert (0, 0, 0, 1) == changes(report, "grants on groups")
    assert "rw------" == await pool.fetchval("SELECT public_access FROM user_group")


async def test_a_groups_list_of_users_replaces_its_members(take: Import, pool: Pool) -> None:
    await take(users=[user(ANNA, "anna"), user(BOB, "bob")], userGroups=[group(users=refs(ANNA))])
    report = await take(userGroups=[group(users=refs(BOB))])
    assert (1, 0, 0, 1) == changes(report, "members of groups")
    assert [(STAFF, BOB)] == [tuple(row) for row in await pool.fetch("SELECT * FROM user_group_member")]


async def test_a_users_list_of_groups_replaces_his_memberships_and_nobody_elses(take: Import, pool: Pool) -> None:
    await take(
        users=[user(ANNA, "anna"), user(BOB, "bob")],
        userGroups=[group(STAFF, users=refs(ANNA, BOB)), group(BOARD)],
    )
    await take(users=[user(ANNA, "anna", userGroups=refs(BOARD))])
    assert {(STAFF, BOB), (BOARD, ANNA)} == {tuple(row) for row in await pool.fetch("SELECT * FROM user_group_member")}


async def test_no_list_changes_no_membership_and_an_empty_one_ends_all(take: Import, pool: Pool) -> None:
    await take(**EVERYTHING)
    await take(users=[user(ANNA, "anna")], userGroups=[group(STAFF)])
    assert 2 == await pool.fetchval("SELECT count(*) FROM user_group_member")
    await take(users=[user(ANNA, "anna", userGroups=[])])
    assert [BOB] == [row["user_id"] for row in await pool.fetch("SELECT user_id FROM user_group_member")]


async def test_where_both_sides_speak_what_either_names_is_so(take: Import, pool: Pool) -> None:
    await take(
        users=[user(ANNA, "anna", userGroups=[]), user(BOB, "bob", userGroups=refs(STAFF))],
        userGroups=[group(STAFF, users=refs(ANNA))],
    )
    assert {ANNA, BOB} == {row["user_id"] for row in await pool.fetch("SELECT user_id FROM user_group_member")}


async def test_people_may_stand_at_the_unit(take: Import, pool: Pool) -> None:
    await take(users=[user()], organisationUnits=[unit(TOP, users=refs(ANNA))])
    assert {TOP} == (await Directory(pool).person(ANNA)).units


async def test_paths_and_levels_follow_from_the_parents(take: Import, pool: Pool) -> None:
    await take(organisationUnits=[unit(CLINIC, NORTH, path="/nonsense", level=9), unit(NORTH, TOP), unit(TOP)])
    assert (f"/{TOP}/{NORTH}/{CLINIC}", 3) == tuple(
        await pool.fetchrow("SELECT path, level FROM organisation_unit WHERE id = $1", CLINIC)
    )
    await take(organisationUnits=[unit(NORTH)])
    assert (f"/{NORTH}/{CLINIC}", 2) == tuple(
        await pool.fetchrow("SELECT path, level FROM organisation_unit WHERE id = $1", CLINIC)
    )


async def test_units_that_are_their_own_parents_are_refused(take: Import, pool: Pool) -> None:
    with pytest.raises(DirectoryRefused, match=f"their own parents: {CLINIC}, {NORTH}"):
        await take(organisationUnits=[unit(CLINIC, NORTH), unit(NORTH, CLINIC), unit(TOP)])
    assert 0 == await pool.fetchval("SELECT count(*) FROM organisation_unit")


async def test_references_to_what_is_nowhere_are_told_and_left_out(take: Import, pool: Pool) -> None:
    lists = {
        "organisationUnits": [unit(CLINIC, "GoneUnit001")],
        "userGroups": [
            group(users=refs("GoneUser001"), sharing={"owner": "GoneUser002", "users": {"GoneUser003": {}}})
        ],
        "users": [
            user(userRoles=refs("GoneRole001"), userGroups=refs("GoneGroup01"), organisationUnits=refs("GoneUnit002"))
        ],
    }
    report = await take(**lists)
    assert (
        "An organisation unit names the parent GoneUnit001, which does not exist; left out.",
        "A group names the owner GoneUser002, which does not exist; left out.",
        "Sharing names user GoneUser003, which does not exist; left out.",
        "A membership names group GoneGroup01, which does not exist; left out.",
        "A membership names organisation unit GoneUnit002, which does not exist; left out.",
        "A membership names role GoneRole001, which does not exist; left out.",
        "A membership names user GoneUser001, which does not exist; left out.",
    ) == tuple(line.replace("  ", " ") for line in report.warnings[:3]) + tuple(sorted(report.warnings[3:]))
    for table in ("account_role", "user_group_member", "organisation_unit_member", "user_group_access"):
        assert 0 == await pool.fetchval(f"SELECT count(*) FROM {table}")
    assert ("/" + CLINIC, 1) == tuple(await pool.fetchrow("SELECT path, level FROM organisation_unit"))
    assert not (await take(**lists)).changed


async def test_many_warnings_of_a_kind_are_counted(take: Import) -> None:
    report = await take(users=[user(userGroups=refs(*(f"GoneGroup{n:02}" for n in range(30))))])
    assert 21 == len(report.warnings)
    assert "… and 10 more like these." == report.warnings[-1]


async def test_times_are_taken_over_with_and_without_zone(take: Import, pool: Pool) -> None:
    await take(
        users=[user(created="2017-05-22T15:21:48.516", lastUpdated="2017-05-22T15:21:48.516+0200")],
    )
    row = await pool.fetchrow("SELECT created, last_updated FROM account")
    assert "2017-05-22T15:21:48.516000+00:00" == row["created"].isoformat()
    assert "2017-05-22T13:21:48.516000+00:00" == row["last_updated"].isoformat()


# Passwords


async def test_an_imported_hash_opens_the_account(take: Import, pool: Pool) -> None:
    hashed = bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode()
    await take(users=[user(password=hashed)])
    assert ANNA == (await Directory(pool).authenticate("anna", "district")).id


async def test_the_same_hash_again_does_not_undo_a_password_changed_here(take: Import, pool: Pool) -> None:
    hashed = bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode()
    await take(users=[user(password=hashed)])
    await set_password(pool, "anna", "changed-here")
    last_updated = await pool.fetchval("SELECT last_updated FROM account")
    assert not (await take(users=[user(password=hashed)])).changed
    assert last_updated == await pool.fetchval("SELECT last_updated FROM account")
    assert ANNA == (await Directory(pool).authenticate("anna", "changed-here")).id
    assert (await take(users=[user(password=hashed, email="anna@example.org")])).changed
    assert ANNA == (await Directory(pool).authenticate("anna", "changed-here")).id
    await take(users=[user(password=bcrypt.hashpw(b"changed-there", bcrypt.gensalt(4)).decode())])
    assert ANNA == (await Directory(pool).authenticate("anna", "changed-there")).id
    await take(users=[user()])
    assert ANNA == (await Directory(pool).authenticate("anna", "changed-there")).id


async def test_plain_passwords_are_not_taken_unless_told(take: Import, pool: Pool) -> None:
    report = await take(users=[user(password="district")])
    assert ("1 users come with a plain password; it was not taken (see --plain-passwords).",) == report.warnings
    with pytest.raises(BadCredentials):
        await Directory(pool).authenticate("anna", "district")


async def test_plain_passwords_are_hashed_with_progress_and_once(pool: Pool, write: Callable[..., Path]) -> None:
    file = write({"users": [user(ANNA, "anna", password="district"), user(BOB, "bob", password="district")]})
    seen: list[tuple[str, int, int]] = []
    report = await import_files(pool, [file], plain_passwords=True, progress=lambda *step: seen.append(step))
    assert () == report.warnings
    assert [("passwords", 1, 2), ("passwords", 2, 2)] == [step for step in seen if step[0] == "passwords"]
    assert ANNA == (await Directory(pool).authenticate("anna", "district")).id
    assert passwords.is_ours(await pool.fetchval("SELECT password_hash FROM account WHERE id = $1", BOB))
    assert not (await import_files(pool, [file], plain_passwords=True)).changed


async def test_a_hash_of_another_kind_is_no_password(take: Import, pool: Pool) -> None:
    report = await take(users=[user(password="$2a$31$" + "a" * 53)], plain_passwords=True)
    assert 1 == len(report.warnings)
    assert "not taken" in report.warnings[0]
    assert await pool.fetchval("SELECT password_hash IS NULL FROM account")


async def test_an_import_that_is_silent_about_disabled_leaves_it(take: Import, pool: Pool) -> None:
    await take(users=[user(disabled=True)])
    await take(users=[user()])
    assert (await Directory(pool).person(ANNA)).disabled
    await take(users=[user(disabled=False)])
    assert not (await Directory(pool).person(ANNA)).disabled


# Usernames


async def test_one_username_for_two_people_is_refused_in_any_case(take: Import, pool: Pool) -> None:
    with pytest.raises(DirectoryRefused, match=rf"same username: 'ANNA': {ANNA}, {BOB}"):
        await take(users=[user(ANNA, "anna"), user(BOB, "ANNA")])
    assert 0 == await pool.fetchval("SELECT count(*) FROM account")


async def test_a_username_that_somebody_has_already_is_refused(take: Import, add_person: AddPerson) -> None:
    here = await add_person("anna")
    with pytest.raises(DirectoryRefused, match=rf"'Anna' of {ANNA} is the name of {here}, who was added here"):
        await take(users=[user(ANNA, "Anna")])


async def test_usernames_may_change_hands(take: Import, pool: Pool) -> None:
    await take(users=[user(ANNA, "anna"), user(BOB, "bob")])
    await take(users=[user(ANNA, "bob"), user(BOB, "anna")])
    assert "bob" == (await Directory(pool).person(ANNA)).username
    assert "anna" == (await Directory(pool).person(BOB)).username


# Deletion


async def test_who_is_not_named_stays_unless_told(take: Import, pool: Pool) -> None:
    await take(**EVERYTHING)
    await take(users=[user(BOB, "bob")])
    assert await Directory(pool).exists(ANNA)


async def test_deleting_what_is_missing_takes_everything_that_named_it_along(
    take: Import, pool: Pool, tables: Tables
) -> None:
    await take(**EVERYTHING)
    await pool.execute("INSERT INTO user_setting VALUES ($1, 'keyUiLocale', 'fr')", ANNA)
    report = await take(
        users=[user(BOB, "bob")],
        userGroups=[group(BOARD)],
        organisationUnits=[unit(CLINIC), unit(EVA, NORTH)],
        delete_missing=True,
    )
    assert (0, 0, 1, 1) == changes(report, "users")
    assert (1, 0, 0, 1) == changes(report, "groups")
    assert (1, 1, 0, 2) == changes(report, "organisation units")
    assert ("An organisation unit names the parent NorthUnit01, which does not exist; left out.",) == report.warnings
    directory = Directory(pool)
    assert not await directory.exists(ANNA)
    for table in ("account_role", "user_group_member", "organisation_unit_member", "user_group_access", "user_setting"):
        assert 0 == await pool.fetchval(f"SELECT count(*) FROM {table}")
    assert 2 == await pool.fetchval("SELECT count(*) FROM user_role")
    assert {CLINIC: "/" + CLINIC, EVA: "/" + EVA} == dict(await pool.fetch("SELECT id, path FROM organisation_unit"))


async def test_a_unit_made_here_becomes_a_root_when_its_parent_goes(take: Import, pool: Pool, tables: Tables) -> None:
    await take(organisationUnits=[unit(TOP), unit(NORTH, TOP)])
    here = await tables.unit(parent=NORTH)
    await take(organisationUnits=[unit(TOP)], delete_missing=True)
    assert ("/" + here, 1) == tuple(
        await pool.fetchrow("SELECT path, level FROM organisation_unit WHERE id = $1", here)
    )


async def test_accounts_made_here_are_never_deleted_by_an_import(
    take: Import, pool: Pool, add_person: AddPerson
) -> None:
    here = await add_person("root", authorities=("ALL",), password="district")
    await take(**EVERYTHING)
    await take(users=[user(BOB, "bob")], userRoles=[], delete_missing=True)
    assert here == (await Directory(pool).authenticate("root", "district")).id
    assert (await Directory(pool).person(here)).superuser


async def test_the_deleted_lose_their_login(take: Import, pool: Pool, directory: Directory) -> None:
    hashed = bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode()
    await take(users=[user(ANNA, "anna", password=hashed), user(BOB, "bob")])
    await directory.authenticate("anna", "district")
    await take(users=[user(BOB, "bob")], delete_missing=True)
    with pytest.raises(BadCredentials):
        await Directory(pool).authenticate("anna", "district")


async def test_the_copies_of_the_deleted_are_removed_and_a_crash_forgets_nobody(take: Import, pool: Pool) -> None:
    await take(users=[user(ANNA, "anna"), user(BOB, "bob"), user(EVA, "eva")])
    removed: list[str] = []

    async def crash_at_the_second(user_id: str) -> None:
        if removed:
            raise ConnectionError
        removed.append(user_id)

    with pytest.raises(ConnectionError):
        await take(users=[user(BOB, "bob")], delete_missing=True, remove_copies=crash_at_the_second)
    (left,) = await departed(pool)
    assert {ANNA, EVA} == {*removed, left}

    async def remove(user_id: str) -> None:
        removed.append(user_id)

    await remove_departed(pool, remove)
    assert [] == await departed(pool)
    assert sorted([ANNA, EVA]) == sorted(removed)


async def test_who_comes_back_in_time_keeps_his_copies(take: Import, pool: Pool) -> None:
    await take(users=[user(ANNA, "anna"), user(BOB, "bob")])
    report = await take(users=[user(BOB, "bob")], delete_missing=True)
    assert 1 == report.copies_left
    assert [ANNA] == await departed(pool)
    assert 0 == (await take(users=[user(ANNA, "anna")])).copies_left
    assert [] == await departed(pool)


# Bad files


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"users": [{"id": "short"}]}', r"`\$.users\[0\].id`"),
        ({"users": [user(firstName=7)]}, r"Expected `str`, got `int` - at `\$.users\[0\].firstName`"),
        ({"users": [user(surname="a\0b")]}, r"`\$.users\[0\].surname`"),
        ({"users": [user(surname="a\ud800b")]}, "JSON is malformed|truncated"),
        (b'{"users": [{"id": "AnnaAnnaAnn", "surname": "\xff"}]}', "utf-8"),
        ({"users": [user(username="a:b")]}, r"`\$.users\[0\].username`"),
        ({"users": [user(username=None)]}, r"there is no username.*`\$.users\[0\]`"),
        (
            {"users": [user(userGroups=[{"code": "X"}])]},
            r"missing required field `id` - at `\$.users\[0\].userGroups\[0\]`",
        ),
        ({"userGroups": [group(created="yesterday")]}, r"created is no time: 'yesterday' - at `\$.userGroups\[0\]`"),
        ({"dataElements": []}, "there is none of the lists"),
    ],
)
async def test_a_file_that_cannot_be_used_is_named_with_the_place(
    pool: Pool, write: Callable[..., Path], content: object, told: str
) -> None:
    good, bad = write({"users": [user(EVA, "eva")]}, "good.json"), write(content, "bad.json")
    with pytest.raises(DirectoryRefused, match=f"bad.json: .*(?:{told})"):
        await import_files(pool, [good, bad])
    assert 0 == await pool.fetchval("SELECT count(*) FROM account")


async def test_a_file_that_is_not_there_is_named(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(DirectoryRefused, match=r"none\.json: No such file"):
        await import_files(pool, [tmp_path / "none.json"])


# Real files


def real_metadata() -> list[Path]:
    folder = os.environ.get("CONVSTORE_DHIS2_METADATA") or Path(__file__).parents[3] / "shared/data/dhis2-metadata"
    return sorted(Path(folder).glob("*.json"))


@pytest.mark.skipif(not real_metadata(), reason="no DHIS2 metadata here; CONVSTORE_DHIS2_METADATA names a folder of it")
async def test_real_dhis2_metadata_is_imported(pool: Pool) -> None:
    report = await import_files(pool, real_metadata(), plain_passwords=True)
    assert report.counts["users"].created > 0
    assert () == report.warnings
    assert report.counts["users"].created == await pool.fetchval(
        "SELECT count(*) FROM account WHERE password_hash IS NOT NULL"
    )
    assert 0 == await pool.fetchval("SELECT count(*) FROM organisation_unit WHERE path = ''")
    assert not (await import_files(pool, real_metadata(), plain_passwords=True)).changed
