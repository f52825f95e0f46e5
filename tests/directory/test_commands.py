import json
from pathlib import Path

import asyncpg
import pytest
from terminal import Command

from convstore.database import Pool
from convstore.directory import Directory
from convstore.errors import AccountDisabled, BadCredentials


async def test_an_account_is_added_and_logs_in(convstore: Command, pool: Pool) -> None:
    await pool.execute("INSERT INTO user_group (id, name) VALUES ('StaffGroup1', 'Staff')")
    ran = await convstore(
        *("user", "add", "anna", "--authority", "ALL", "--authority", "F_USER_VIEW", "--group", "Staff"),
        *("--first-name", "Anna", "--surname", "Tester", "--email", "anna@example.org", "--password-stdin"),
        stdin="district\n",
    )
    assert (0, "") == (ran.code, ran.err)
    person = await Directory(pool).authenticate("anna", "district")
    assert person.id == ran.out.strip()
    assert ("Anna Tester", "anna@example.org") == (person.name, person.email)
    assert {"ALL", "F_USER_VIEW"} == person.authorities
    assert {"StaffGroup1"} == person.groups


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (["user", "add", "anna", "--password-stdin"], "short\n", "at least 8 characters"),
        (["user", "add", "anna", "--password-stdin"], "", "cannot be empty"),
        (["user", "add", "anna"], "", "no terminal"),
        (["user", "add", "an:na", "--no-password"], "", "colon"),
        (["user", "add", " ", "--no-password"], "", "1 to 255 characters"),
        (["user", "add", "anna", "--no-password", "--group", "Nowhere"], "", "no group 'Nowhere'"),
        (["user", "add", "anna", "--no-password", "--unit", "Nowhere"], "", "no organisation unit 'Nowhere'"),
        (["user", "password", "anna", "--password-stdin"], "district\n", "no account 'anna'"),
        (["user", "disable", "anna"], "", "no account 'anna'"),
        (["directory", "feedback-group", "Nowhere1234"], "", "Nowhere1234 could not be found"),
        (["directory", "import", "nowhere.json"], "", "nowhere.json: No such file"),
    ],
)
async def test_what_cannot_be_done_is_told_in_one_line_and_ends_with_1(
    convstore: Command, pool: Pool, arguments: list[str], stdin: str, told: str
) -> None:
    ran = await convstore(*arguments, stdin=stdin)
    assert (1, "", 1) == (ran.code, ran.out, ran.err.count("\n"))
    assert told in ran.err
    assert 0 == await pool.fetchval("SELECT count(*) FROM account")


@pytest.mark.parametrize(
    "arguments",
    [
        ["user", "add"],
        ["user", "add", "anna", "--nonsense"],
        ["directory", "import"],
        ["directory", "feedback-group", "Some1234567", "--none"],
    ],
)
async def test_wrong_usage_ends_with_2(convstore: Command, arguments: list[str]) -> None:
    assert 2 == (await convstore(*arguments)).code


async def test_a_name_is_one_accounts_in_any_case(convstore: Command) -> None:
    assert 0 == (await convstore("user", "add", "anna", "--no-password")).code
    ran = await convstore("user", "add", "Anna", "--no-password")
    assert 1 == ran.code
    assert "already" in ran.err


async def test_a_weak_password_is_taken_when_told(convstore: Command, pool: Pool) -> None:
    assert 0 == (await convstore("user", "add", "anna", "--password-stdin", "--weak", stdin="short")).code
    assert "anna" == (await Directory(pool).authenticate("anna", "short")).username


async def test_a_password_is_changed_and_an_account_closed_and_opened(convstore: Command, pool: Pool) -> None:
    await convstore("user", "add", "anna", "--password-stdin", stdin="district\n")
    assert 0 == (await convstore("user", "password", "ANNA", "--password-stdin", stdin="new password\n")).code
    directory = Directory(pool)
    assert "anna" == (await directory.authenticate("anna", "new password")).username
    with pytest.raises(BadCredentials):
        await directory.authenticate("anna", "district")
    assert 0 == (await convstore("user", "disable", "anna")).code
    with pytest.raises(AccountDisabled):
        await directory.authenticate("anna", "new password")
    assert 0 == (await convstore("user", "enable", "anna")).code
    assert "anna" == (await directory.authenticate("anna", "new password")).username


async def test_accounts_are_listed_in_columns_and_as_json(convstore: Command) -> None:
    assert ("", 0) == ((ran := await convstore("user", "list")).out, ran.code)
    bob = (await convstore("user", "add", "bob", "--no-password")).out.strip()
    anna = (
        await convstore("user", "add", "anna", "--authority", "ALL", "--password-stdin", stdin="district")
    ).out.strip()
    assert (
        f"{anna}\tanna\tanna\tUser\tsuperuser\n{bob}\tbob\tbob\tUser\tno password\n"
        == (await convstore("user", "list")).out
    )
    lines = [json.loads(line) for line in (await convstore("user", "list", "--json")).out.splitlines()]
    assert [anna, bob] == [line["id"] for line in lines]
    assert [True, False] == [line["mayLogIn"] for line in lines]
    assert "argon" not in json.dumps(lines)


async def test_files_are_imported_and_the_changes_told(convstore: Command, pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "metadata.json"
    file.write_text(
        json.dumps(
            {
                "users": [
                    {
                        "id": "AnnaAnnaAnn",
                        "username": "anna",
                        "firstName": "Anna",
                        "surname": "T",
                        "password": "district",
                        "userGroups": [{"id": "GoneGroup01"}],
                    }
                ]
            }
        )
    )
    dry = await convstore("directory", "import", str(file), "--dry-run")
    assert 0 == dry.code
    assert "dry run: nothing was changed" in dry.out
    assert not await Directory(pool).exists("AnnaAnnaAnn")
    ran = await convstore("directory", "import", str(file), "--plain-passwords")
    assert 0 == ran.code
    assert "users: 1 created, 0 updated, 0 unchanged, 0 deleted\n" in ran.out
    assert "warning: A membership names group GoneGroup01, which does not exist; left out.\n" == ran.err
    assert "AnnaAnnaAnn" == (await Directory(pool).authenticate("anna", "district")).id
    again = await convstore("directory", "import", str(file), "--plain-passwords")
    assert "users: 0 created, 0 updated, 1 unchanged, 0 deleted\n" in again.out


async def test_the_feedback_group_is_shown_and_set(convstore: Command, pool: Pool) -> None:
    await pool.execute("INSERT INTO user_group (id, name) VALUES ('StaffGroup1', 'Staff')")
    assert "none\n" == (await convstore("directory", "feedback-group")).out
    assert "StaffGroup1\n" == (await convstore("directory", "feedback-group", "StaffGroup1")).out
    assert "StaffGroup1\n" == (await convstore("directory", "feedback-group")).out
    assert "none\n" == (await convstore("directory", "feedback-group", "--none")).out


async def test_the_server_may_not_change_what_the_directory_must_keep(pool: Pool) -> None:
    for statement in ("DELETE FROM directory_revision", "TRUNCATE account", "ALTER TABLE account ADD COLUMN x int"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
