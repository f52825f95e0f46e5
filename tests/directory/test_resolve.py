import pytest
from registrar import AddPerson, Tables

from convstore.database import Pool
from convstore.directory import Directory, Person
from convstore.directory.accounts import set_disabled
from convstore.errors import UnknownGroup, UnknownUnit, UnknownUser


@pytest.fixture
async def caller(directory: Directory, add_person: AddPerson) -> Person:
    return await directory.person(await add_person("caller"))


async def test_units_come_first_then_users_then_groups_and_each_person_once(
    directory: Directory, caller: Person, add_person: AddPerson, tables: Tables
) -> None:
    a, b, c, d = [await add_person() for _ in range(4)]
    unit, group = await tables.unit(b), await tables.group(a, b, d)
    expected = (b, c, *sorted([a, d]))
    assert expected == await directory.resolve(caller, users=[c, b], groups=[group], units=[unit])


async def test_users_keep_the_order_in_which_they_were_given(
    directory: Directory, caller: Person, add_person: AddPerson
) -> None:
    people = [await add_person() for _ in range(5)]
    given = sorted(people, reverse=True)
    assert tuple(given) == await directory.resolve(caller, users=[*given, *given], groups=[], units=[])


async def test_nobody_is_nobody(directory: Directory, caller: Person, tables: Tables) -> None:
    assert () == await directory.resolve(caller, [], [], [])
    assert () == await directory.resolve(caller, [], [await tables.group()], [await tables.unit()])


async def test_the_people_of_units_below_are_not_meant(
    directory: Directory, caller: Person, add_person: AddPerson, tables: Tables
) -> None:
    a, b = await add_person(), await add_person()
    parent = await tables.unit(a)
    await tables.unit(b, parent=parent)
    assert (a,) == await directory.resolve(caller, [], [], [parent])


async def test_the_disabled_are_addressed_too(
    directory: Directory, caller: Person, pool: Pool, add_person: AddPerson, tables: Tables
) -> None:
    a = await add_person("a")
    group = await tables.group(a)
    await set_disabled(pool, "a", disabled=True)
    assert (a,) == await directory.resolve(caller, [a], [group], [])


async def test_the_first_failure_is_told_units_before_users_before_groups(
    directory: Directory, caller: Person, add_person: AddPerson, tables: Tables
) -> None:
    known = await add_person()
    unit = await tables.unit()
    with pytest.raises(UnknownUnit, match=r"^Organisation Unit does not exist: Gone1111111$"):
        await directory.resolve(caller, ["Gone3333333"], ["Gone2222222"], [unit, "Gone1111111", "Gone0000000"])
    with pytest.raises(UnknownUser, match=r"^User does not exist: Gone3333333$"):
        await directory.resolve(caller, [known, "Gone3333333"], ["Gone2222222"], [unit])
    with pytest.raises(UnknownGroup, match=r"^UserGroup with id Gone2222222 could not be found\.$"):
        await directory.resolve(caller, [known], ["Gone2222222"], [unit])


async def test_an_element_without_id_is_null(directory: Directory, caller: Person) -> None:
    with pytest.raises(UnknownUnit, match=r"^Organisation Unit does not exist: null$"):
        await directory.resolve(caller, [], [], [None])
    with pytest.raises(UnknownUser, match=r"^User does not exist: null$"):
        await directory.resolve(caller, [None], [], [])
    with pytest.raises(UnknownGroup, match=r"^UserGroup with id null could not be found\.$"):
        await directory.resolve(caller, [], [None], [])


@pytest.mark.parametrize("uid", ["a\0b", "\ud800", ""])
async def test_what_cannot_be_stored_does_not_exist(directory: Directory, caller: Person, uid: str) -> None:
    with pytest.raises(UnknownUser):
        await directory.resolve(caller, [uid], [], [])
    with pytest.raises(UnknownGroup):
        await directory.resolve(caller, [], [uid], [])
    with pytest.raises(UnknownUnit):
        await directory.resolve(caller, [], [], [uid])


async def test_a_group_that_is_not_shared_with_the_caller_does_not_exist_for_him(
    directory: Directory, caller: Person, add_person: AddPerson, tables: Tables
) -> None:
    other = await add_person()
    group = await tables.group(other, caller.id, public="--------", owner=other)
    await tables.share(group, "user", other, "rw------")
    await tables.share(group, "user", caller.id, "-w------")
    await tables.share(group, "group", await tables.group(other), "rw------")
    with pytest.raises(UnknownGroup):
        await directory.resolve(caller, [], [group], [])


@pytest.mark.parametrize("way", ["public", "owner", "user", "group", "superuser"])
async def test_every_way_of_sharing_a_group_lets_one_write_to_it(
    directory: Directory, caller: Person, add_person: AddPerson, tables: Tables, way: str
) -> None:
    member = await add_person()
    if way == "superuser":
        caller = await directory.person(await add_person(authorities=("ALL",)))
    group = await tables.group(
        member,
        public="rw------" if way == "public" else "--------",
        owner=caller.id if way == "owner" else None,
    )
    if way == "user":
        await tables.share(group, "user", caller.id, "r-------")
    if way == "group":
        await tables.share(group, "group", await tables.group(caller.id), "r-------")
    assert (member,) == await directory.resolve(caller, [], [group], [])


async def test_a_hundred_thousand_people_are_resolved(
    directory: Directory, caller: Person, pool: Pool, tables: Tables
) -> None:
    await pool.execute(
        "INSERT INTO account (id, username, first_name, surname, uuid)"
        " SELECT 'u' || lpad(n::text, 10, '0'), 'user' || n, 'User', n::text, gen_random_uuid()"
        "   FROM generate_series(1, 100000) AS n"
    )
    group, unit = await tables.group(), await tables.unit()
    await pool.execute("INSERT INTO user_group_member SELECT $1, id FROM account", group)
    await pool.execute("INSERT INTO organisation_unit_member SELECT $1, id FROM account WHERE id LIKE 'u%'", unit)
    ids = [f"u{n:010}" for n in range(1, 100_001)]
    assert tuple(reversed(ids)) == await directory.resolve(caller, list(reversed(ids)), [], [])
    assert (*ids, caller.id) == await directory.resolve(caller, ids, [group], [unit])
