import asyncio

import asyncpg
import pytest
from registrar import AddPerson, Tables, stopping, until

from convstore.database import Pool, open_pool
from convstore.directory import Directory, UserRef
from convstore.directory.accounts import set_disabled
from convstore.errors import UnknownGroup


async def test_a_person_has_the_authorities_of_all_his_roles_his_groups_and_his_units(
    directory: Directory, pool: Pool, add_person: AddPerson, tables: Tables
) -> None:
    anna = await add_person(authorities=("F_A", "F_B"))
    await pool.execute("INSERT INTO user_role VALUES ('Role2222222', 'second', NULL, '{F_B,F_C}')")
    await pool.execute("INSERT INTO account_role VALUES ($1, 'Role2222222')", anna)
    groups = {await tables.group(anna), await tables.group(anna)}
    units = {await tables.unit(anna)}
    await tables.group()
    person = await directory.person(anna)
    assert {"F_A", "F_B", "F_C"} == person.authorities
    assert groups == person.groups
    assert units == person.units
    assert not person.superuser
    assert not person.ticket_manager


async def test_rights_reach_the_rules_of_conversations(directory: Directory, add_person: AddPerson) -> None:
    plain = (await directory.person(await add_person())).actor()
    assert (False, False, False, False) == (
        plain.superuser, plain.ticket_manager, plain.may_delete, plain.may_send_system,
    )  # fmt: skip
    service = (await directory.person(await add_person(authorities=("F_SEND_SYSTEM_MESSAGE",)))).actor()
    assert (False, True) == (service.may_delete, service.may_send_system)
    importer = (await directory.person(await add_person(authorities=("F_METADATA_IMPORT",)))).actor()
    assert (True, False) == (importer.may_delete, importer.may_send_system)
    root = (await directory.person(await add_person(authorities=("ALL",)))).actor()
    assert (True, True, True, True) == (root.superuser, root.ticket_manager, root.may_delete, root.may_send_system)


@pytest.mark.parametrize("uid", ["Nobody11111", "", "\0", "\ud800"])
async def test_nobody_is_not_there(directory: Directory, uid: str) -> None:
    assert await directory.person(uid) is None
    assert not await directory.exists(uid)


async def test_the_disabled_are_there(directory: Directory, pool: Pool, add_person: AddPerson) -> None:
    anna = await add_person("anna")
    await set_disabled(pool, "anna", disabled=True)
    assert await directory.exists(anna)
    await until(lambda: is_disabled(directory, anna))


async def is_disabled(directory: Directory, user_id: str) -> bool:
    person = await directory.person(user_id)
    return person is not None and person.disabled


async def test_people_are_named_in_one_go_and_the_gone_are_left_out(
    directory: Directory, add_person: AddPerson
) -> None:
    anna, bob = await add_person("anna"), await add_person("bob")
    names = await directory.names([anna, "Gone1111111", bob, anna])
    assert {anna, bob} == names.keys()
    assert UserRef(id=anna, code=None, username="anna", first_name="Anna", surname="Tester") == names[anna]
    assert "Anna Tester" == names[anna].name


async def test_without_a_feedback_group_only_superusers_manage_tickets(
    directory: Directory, add_person: AddPerson
) -> None:
    root = await add_person(authorities=("ALL",))
    await add_person()
    assert await directory.feedback_group() is None
    assert () == await directory.feedback_members()
    assert {root} == await directory.ticket_managers()


async def test_the_feedback_group_gets_and_manages_tickets(
    directory: Directory, add_person: AddPerson, tables: Tables
) -> None:
    root, anna, bob = await add_person(authorities=("ALL",)), await add_person(), await add_person()
    group = await tables.group(anna, bob)
    assert not (await directory.person(anna)).ticket_manager
    await directory.set_feedback_group(group)
    assert group == await directory.feedback_group()
    assert tuple(sorted([anna, bob])) == await directory.feedback_members()
    assert {root, anna, bob} == await directory.ticket_managers()
    person = await directory.person(anna)
    assert person.in_feedback_group
    assert person.ticket_manager
    await directory.set_feedback_group(None)
    assert await directory.feedback_group() is None
    assert {root} == await directory.ticket_managers()


async def test_an_unknown_group_cannot_get_the_tickets(directory: Directory) -> None:
    for uid in ("Gone1111111", "\0"):
        with pytest.raises(UnknownGroup):
            await directory.set_feedback_group(uid)
    assert await directory.feedback_group() is None


async def test_a_feedback_group_that_is_gone_is_none(directory: Directory, pool: Pool, tables: Tables) -> None:
    group = await tables.group()
    await directory.set_feedback_group(group)
    await pool.execute("DELETE FROM user_group")
    assert await Directory(pool).feedback_group() is None


async def test_every_change_moves_the_revision_everywhere(directory: Directory, dsn: str, tables: Tables) -> None:
    async with await open_pool(dsn) as other, stopping(Directory(other)) as elsewhere:
        await elsewhere.start()
        before = await elsewhere.revision()
        assert before == await directory.revision()
        group = await tables.group()
        await directory.set_feedback_group(group)
        assert before + 1 == await directory.revision()

        async def told() -> bool:
            return await elsewhere.revision() == before + 1 and await elsewhere.feedback_group() == group

        await until(told)


async def test_a_refused_change_moves_nothing(directory: Directory) -> None:
    before = await directory.revision()
    with pytest.raises(UnknownGroup):
        await directory.set_feedback_group("Gone1111111")
    assert before == await Directory(directory._pool).revision()


async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    directory: Directory, pool: Pool, add_person: AddPerson
) -> None:
    anna = await add_person("anna")

    class SlowPool:
        def __getattr__(self, name: str) -> object:
            return getattr(pool, name)

        async def fetchrow(self, *args: str) -> object:
            row = await pool.fetchrow(*args)
            if args[1] == anna:  # a change arrives while the row is under way
                await set_disabled(pool, "anna", disabled=True)
                await until(lambda: revision_is_not(directory, before))
            return row

    before = await directory.revision()
    directory._pool = SlowPool()
    assert not (await directory.person(anna)).disabled
    directory._pool = pool
    assert (await directory.person(anna)).disabled


async def revision_is_not(directory: Directory, revision: int) -> bool:
    return await directory.revision() != revision


async def test_when_the_listening_connection_breaks_nothing_stale_is_answered(
    directory: Directory, pool: Pool, dsn: str, add_person: AddPerson
) -> None:
    anna = await add_person("anna")
    assert not (await directory.person(anna)).disabled
    owner = await asyncpg.connect(dsn)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"
    )
    await owner.close()
    await until(lambda: heard_is(directory, expected=False))
    await set_disabled(pool, "anna", disabled=True)
    assert await is_disabled(directory, anna)
    await until(lambda: heard_is(directory, expected=True))
    await set_disabled(pool, "anna", disabled=False)
    await until(lambda: is_enabled(directory, anna))


async def heard_is(directory: Directory, *, expected: bool) -> bool:
    return directory._changes.heard is expected


async def is_enabled(directory: Directory, user_id: str) -> bool:
    return not await is_disabled(directory, user_id)


async def test_a_pool_closes_after_the_directory_has_stopped(dsn: str) -> None:
    pool = await open_pool(dsn)
    directory = Directory(pool)
    await directory.start()
    await directory.stop()
    await directory.stop()
    async with asyncio.timeout(20):
        await pool.close()
