import pytest
from registrar import AddPerson

from convstore import demo
from convstore.database import Pool
from convstore.directory import Directory
from convstore.directory.accounts import set_password
from convstore.domain.commands import (
    Assign,
    MarkRead,
    Reply,
    SendTicket,
    SendValidationResult,
    SetPriority,
    SetStatus,
    Start,
)
from convstore.domain.conversation import decide, evolve, initial
from convstore.domain.state import Conversation
from convstore.domain.types import Actor, Priority, Status
from convstore.domain.uid import is_uid
from convstore.errors import ConfigError


async def test_the_demos_people_log_in_with_their_rights(pool: Pool) -> None:
    assert await demo.load(pool)
    directory = Directory(pool)
    admin = await directory.authenticate("admin", "district")
    assert ("xE7jOejl9FI", "John Traore", True) == (admin.id, admin.name, admin.superuser)
    mobile = await directory.authenticate("mobile", "district")
    assert ("PhzytPW3g2J", "Mobile User", False) == (mobile.id, mobile.name, mobile.ticket_manager)
    assert not mobile.holds("F_USER_VIEW")
    support = await directory.authenticate("support", "district")
    assert (True, True, False) == (support.in_feedback_group, support.ticket_manager, support.superuser)


async def test_the_recipients_of_the_manuals_json_example_are_there(pool: Pool) -> None:
    await demo.load(pool)
    directory = Directory(pool)
    admin = await directory.authenticate("admin", "district")
    people = await directory.resolve(admin, ["OYLGMiazHtW", "N3PZBUlN8vq"], ["ZoHNWQajIoe"], ["DiszpKrYNg8"])
    assert "PhzytPW3g2J" == people[0]
    assert {"OYLGMiazHtW", "N3PZBUlN8vq"} < set(people)
    assert 4 == await pool.fetchval("SELECT max(level) FROM organisation_unit")
    assert 1 == await pool.fetchval("SELECT count(*) FROM organisation_unit WHERE level = 1")


async def test_loading_it_again_changes_nothing(pool: Pool) -> None:
    await demo.load(pool)
    await set_password(pool, "mobile", "changed-by-hand")
    await Directory(pool).set_feedback_group(None)
    revision = await Directory(pool).revision()
    assert not await demo.load(pool)
    assert revision == await Directory(pool).revision()
    assert await Directory(pool).feedback_group() is None
    assert "PhzytPW3g2J" == (await Directory(pool).authenticate("mobile", "changed-by-hand")).id


async def test_a_load_that_was_cut_short_is_finished_by_the_next(pool: Pool) -> None:
    await demo.load(pool)
    await pool.execute("DELETE FROM setting")
    await pool.execute("UPDATE account SET password_hash = NULL")
    assert await demo.load(pool)
    assert "admin" == (await Directory(pool).authenticate("admin", "district")).username


@pytest.mark.parametrize("name", ["admin", "amina"])
async def test_a_store_with_people_of_its_own_is_left_alone(pool: Pool, add_person: AddPerson, name: str) -> None:
    await add_person(name)
    with pytest.raises(ConfigError, match="people of its own"):
        await demo.load(pool)
    assert 1 == await pool.fetchval("SELECT count(*) FROM account")


async def test_the_actors_of_the_messages_have_the_rights_that_the_directory_gives_them(pool: Pool) -> None:
    await demo.load(pool)
    directory = Directory(pool)
    for actor in {command.actor for command in demo.messages()}:
        person = await directory.person(actor.id)
        assert person is not None
        assert person.actor() == actor
    managers = await directory.ticket_managers()
    tickets = [command for command in demo.messages() if isinstance(command, SendTicket)]
    assert {await directory.feedback_members()} == {tuple(sorted(ticket.recipients)) for ticket in tickets}
    internal = [command for command in demo.messages() if isinstance(command, Reply) and command.internal]
    assert {managers} == {command.ticket_managers for command in internal}


def conversations() -> dict[str, Conversation]:
    """Carry the demo's commands out by the rules alone."""
    states: dict[str, Conversation] = {}
    for command in demo.messages():
        uid = command.conversation_id
        assert isinstance(command, Start) == (uid not in states)
        state = states.setdefault(uid, initial(uid))
        events = decide(state, command)
        assert events, command
        for event in events:
            state = evolve(state, event)
        states[uid] = state
    return states


def test_every_message_is_allowed_by_the_rules() -> None:
    states = conversations()
    assert len(states) > 10
    assert all(is_uid(uid) for uid in states)
    ids = [command.message_id for command in demo.messages() if isinstance(command, Start | Reply)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "uid", ["ZjHHSjyyeJ2", "GDBqVfkmnp2", "jMe43trzrdi", "WzMRrCosqc0", "lxCjiigqrJm", "ZrKML5WiyFm", "Gc03smoTm6q"]
)
def test_the_manuals_conversations_have_the_people_that_its_calls_need(uid: str) -> None:
    people = {
        "ZjHHSjyyeJ2": {demo.ADMIN, demo.MOBILE},
        "GDBqVfkmnp2": {demo.ADMIN, demo.MOBILE, "OYLGMiazHtW"},
        "jMe43trzrdi": {demo.ADMIN, demo.MOBILE},
        "WzMRrCosqc0": {demo.ADMIN, demo.MOBILE},
        "lxCjiigqrJm": {demo.ADMIN, demo.MOBILE},
        "ZrKML5WiyFm": {demo.ADMIN},
        "Gc03smoTm6q": {demo.ADMIN},
    }[uid]
    state = conversations()[uid]
    assert people == {person for person in people if person in state.roster}
    if uid in ("ZrKML5WiyFm", "Gc03smoTm6q"):
        admin = Actor(id=demo.ADMIN)
        assert decide(state, MarkRead(conversation_id=state.id, actor=admin, reader=demo.ADMIN))


def test_there_are_tickets_in_several_states_and_a_validation_result() -> None:
    kinds = {type(command) for command in demo.messages()}
    assert {SendTicket, SendValidationResult, Assign, SetStatus, SetPriority} <= kinds
    states = conversations().values()
    assert {Status.OPEN, Status.PENDING, Status.SOLVED, Status.NONE} == {state.status for state in states}
    assert {Priority.NONE, Priority.LOW, Priority.HIGH} == {state.priority for state in states}
