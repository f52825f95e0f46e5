import asyncio
import contextlib
from collections.abc import AsyncIterator

import bcrypt
import pytest
from registrar import AddPerson, stopping, until

from convstore.database import Pool, open_pool
from convstore.directory import Directory, passwords
from convstore.directory.accounts import set_disabled, set_password
from convstore.directory.service import Logins
from convstore.directory.throttle import FAILURES
from convstore.errors import AccountDisabled, AccountLocked, BadCredentials


class Hashes:
    """Counts the passwords that are really verified."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.against: list[str | None] = []
        verify = passwords.verify

        async def counted(hashed: str | None, password: str) -> bool:
            self.against.append(hashed)
            return await verify(hashed, password)

        monkeypatch.setattr(passwords, "verify", counted)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Hashes:
    return Hashes(monkeypatch)


@pytest.fixture
async def elsewhere(dsn: str) -> AsyncIterator[Directory]:
    """Give the directory of another process: with connections and a memory of its own."""
    async with await open_pool(dsn) as pool, stopping(Directory(pool)) as directory:
        await directory.start()
        yield directory


async def test_the_right_password_opens_the_account_in_any_case_of_the_name(
    directory: Directory, add_person: AddPerson
) -> None:
    anna = await add_person("Anna", password="district", authorities=("ALL", "F_USER_VIEW"))
    person = await directory.authenticate("aNNA", "district")
    assert anna == person.id
    assert "Anna" == person.username
    assert "Anna Tester" == person.name
    assert {"ALL", "F_USER_VIEW"} == person.authorities
    assert person.superuser
    assert person.ticket_manager


@pytest.mark.parametrize("name", ["anna", "nobody", "", "an\0na", "\ud800"])
async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(
    directory: Directory, add_person: AddPerson, name: str
) -> None:
    await add_person("anna", password="district")
    with pytest.raises(BadCredentials, match=r"^Unauthorized$"):
        await directory.authenticate(name, "wrong")


@pytest.mark.parametrize("password", ["", "dis\0trict", "\ud800", "x" * 100_000])
async def test_no_password_breaks_the_check(directory: Directory, add_person: AddPerson, password: str) -> None:
    await add_person("anna", password="district")
    with pytest.raises(BadCredentials):
        await directory.authenticate("anna", password)


async def test_an_unknown_name_costs_a_hash_too(directory: Directory, add_person: AddPerson, hashes: Hashes) -> None:
    await add_person("no-password")
    for name in ("nobody", "no-password"):
        with pytest.raises(BadCredentials):
            await directory.authenticate(name, "district")
    assert [None, None] == hashes.against


async def test_a_disabled_account_is_named_so_only_to_who_knows_its_password(
    directory: Directory, pool: Pool, add_person: AddPerson
) -> None:
    await add_person("anna", password="district")
    await set_disabled(pool, "anna", disabled=True)
    with pytest.raises(AccountDisabled, match=r"^Account disabled$"):
        await directory.authenticate("anna", "district")
    with pytest.raises(BadCredentials):
        await directory.authenticate("anna", "wrong")


async def test_a_password_is_hashed_once_and_then_remembered(
    directory: Directory, add_person: AddPerson, hashes: Hashes
) -> None:
    await add_person("anna", password="district")
    for _ in range(3):
        await directory.authenticate("anna", "district")
    assert 1 == len(hashes.against)


async def test_a_burst_of_the_same_login_is_one_hash(
    directory: Directory, add_person: AddPerson, hashes: Hashes
) -> None:
    anna = await add_person("anna", password="district")
    people = await asyncio.gather(*(directory.authenticate("anna", "district") for _ in range(20)))
    assert {anna} == {person.id for person in people}
    assert 1 == len(hashes.against)


async def test_a_remembered_password_is_forgotten_after_a_minute(
    pool: Pool, add_person: AddPerson, hashes: Hashes
) -> None:
    now = 0.0
    directory = Directory(pool, clock=lambda: now)
    await add_person("anna", password="district")
    await directory.authenticate("anna", "district")
    now = 61.0
    await directory.authenticate("anna", "district")
    assert 2 == len(hashes.against)


async def test_neither_name_nor_password_is_kept_in_memory(directory: Directory, add_person: AddPerson) -> None:
    await add_person("anna", password="a-secret-of-anna")
    await directory.authenticate("anna", "a-secret-of-anna")
    assert "a-secret-of-anna" not in repr((directory._verified._kept, directory._throttle._failed._kept))


@pytest.mark.parametrize("way", ["listening", "asking"])
async def test_a_changed_password_ends_the_old_one_in_every_process(
    pool: Pool, dsn: str, add_person: AddPerson, way: str
) -> None:
    await add_person("anna", password="district")
    async with await open_pool(dsn) as other, stopping(Directory(other)) as elsewhere:
        if way == "listening":
            await elsewhere.start()
        await elsewhere.authenticate("anna", "district")
        await set_password(pool, "anna", "new-password")

        async def refused() -> bool:
            try:
                await elsewhere.authenticate("anna", "district")
            except BadCredentials:
                return True
            return False

        if way == "listening":
            await until(refused)
        assert await refused()
        assert "anna" == (await elsewhere.authenticate("anna", "new-password")).username


async def test_another_change_of_the_directory_costs_no_hash(
    directory: Directory, add_person: AddPerson, hashes: Hashes
) -> None:
    await add_person("anna", password="district")
    await directory.authenticate("anna", "district")
    before = await directory.revision()
    await add_person("bob")
    await until(lambda: revision_is(directory, before + 1))
    await directory.authenticate("anna", "district")
    assert 1 == len(hashes.against)


async def revision_is(directory: Directory, revision: int) -> bool:
    return await directory.revision() == revision


async def test_a_hash_of_another_system_becomes_ours_at_the_first_login(
    directory: Directory, pool: Pool, add_person: AddPerson, hashes: Hashes
) -> None:
    anna = await add_person("anna")
    imported = bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode()
    await pool.execute("UPDATE account SET password_hash = $2 WHERE id = $1", anna, imported)
    await directory.authenticate("anna", "district")
    stored = await pool.fetchval("SELECT password_hash FROM account WHERE id = $1", anna)
    assert passwords.is_ours(stored)
    await directory.authenticate("anna", "district")
    assert [imported] == hashes.against
    assert anna == (await Directory(pool).authenticate("anna", "district")).id


async def test_a_wrong_password_leaves_the_other_systems_hash(
    directory: Directory, pool: Pool, add_person: AddPerson
) -> None:
    anna = await add_person("anna")
    imported = bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode()
    await pool.execute("UPDATE account SET password_hash = $2 WHERE id = $1", anna, imported)
    with pytest.raises(BadCredentials):
        await directory.authenticate("anna", "wrong")
    assert imported == await pool.fetchval("SELECT password_hash FROM account WHERE id = $1", anna)


async def test_a_login_is_noted(directory: Directory, pool: Pool, add_person: AddPerson) -> None:
    anna = await add_person("anna", password="district")
    await directory.authenticate("anna", "district")
    assert await pool.fetchval("SELECT now() - last_login < interval '1 minute' FROM account WHERE id = $1", anna)


async def test_guessing_locks_the_account_known_or_not(directory: Directory, add_person: AddPerson) -> None:
    await add_person("anna", password="district")
    for name in ("anna", "nobody"):
        for number in range(FAILURES):
            with pytest.raises(BadCredentials):
                await directory.authenticate(name, f"guess{number}")
        with pytest.raises(AccountLocked, match=r"^Account locked$"):
            await directory.authenticate(name, "district")


async def test_the_right_password_in_time_starts_the_count_anew(directory: Directory, add_person: AddPerson) -> None:
    anna = await add_person("anna", password="district")
    for _ in range(2):
        for number in range(FAILURES - 1):
            with pytest.raises(BadCredentials):
                await directory.authenticate("anna", f"guess{number}")
        directory._verified.clear()
        assert anna == (await directory.authenticate("anna", "district")).id


async def test_a_lock_does_not_throw_out_who_is_at_work(directory: Directory, add_person: AddPerson) -> None:
    anna = await add_person("anna", password="district")
    await directory.authenticate("anna", "district")
    for number in range(FAILURES):
        with pytest.raises(BadCredentials):
            await directory.authenticate("anna", f"guess{number}")
    assert anna == (await directory.authenticate("anna", "district")).id


async def test_a_new_password_opens_a_locked_account(elsewhere: Directory, pool: Pool, add_person: AddPerson) -> None:
    anna = await add_person("anna", password="district")
    for number in range(FAILURES):
        with pytest.raises(BadCredentials):
            await elsewhere.authenticate("anna", f"guess{number}")
    before = await elsewhere.revision()
    await set_password(pool, "anna", "new-password")
    await until(lambda: revision_is(elsewhere, before + 1))
    assert anna == (await elsewhere.authenticate("anna", "new-password")).id


async def test_logins_are_counted_by_how_they_were_judged(directory: Directory, add_person: AddPerson) -> None:
    await add_person("anna", password="district")
    for password in ("wrong", "district", "district", "district"):
        with contextlib.suppress(BadCredentials):
            await directory.authenticate("anna", password)
    for _ in range(FAILURES + 1):
        with pytest.raises((BadCredentials, AccountLocked)):
            await directory.authenticate("nobody", "wrong")

    assert Logins(remembered=2, verified=1, refused=2 + FAILURES) == directory.counted
