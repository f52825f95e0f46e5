"""``convstore token``: tokens made, listed and revoked in a terminal."""

import json

import pytest
from registrar import AddPerson
from terminal import Command

from convstore.database import Pool
from convstore.directory import Directory
from convstore.directory.tokens import Tokens
from convstore.errors import BadCredentials


async def test_a_token_is_made_listed_and_revoked(convstore: Command, pool: Pool, add_person: AddPerson) -> None:
    anna = await add_person("anna")
    await Tokens(pool).create(await add_person("bob"))
    made = await convstore(
        "token", "create", "Anna", "--name", "night\tbackup", "--scope", "read", "--method", "get", "--days", "7"
    )
    secret = made.out.strip()
    person, token = await Directory(pool).by_token(secret)

    assert (0, anna, ("read",), ("GET",)) == (made.code, person.id, token.scopes, token.methods)
    assert 7 == round((token.expires - token.created).total_seconds() / 86_400)

    listed = await convstore("token", "list", "anna")
    (line,) = listed.out.splitlines()
    assert [token.id, "anna", "night backup", "read", "GET"] == line.split("\t")[:5]
    assert secret not in listed.out
    told = [json.loads(line) for line in (await convstore("token", "list", "--json")).out.splitlines()]
    assert [("anna", token.id), ("bob", told[1]["id"])] == [(each["username"], each["id"]) for each in told]

    assert 0 == (await convstore("token", "revoke", token.id, told[1]["id"])).code
    with pytest.raises(BadCredentials):
        await Directory(pool).by_token(secret)
    assert "" == (await convstore("token", "list")).out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["token", "create", "nobody"], "no account 'nobody'"),
        (["token", "list", "nobody"], "no account 'nobody'"),
        (["token", "create", "anna", "--scope", "all"], "no scope 'all'. There are: full, read"),
        (["token", "create", "anna", "--days", "0"], "in the future"),
        (["token", "create", "anna", "--days", "inf"], "within 3650 days"),
        (["token", "revoke", "Nowhere1234"], "no token Nowhere1234"),
    ],
)
async def test_what_cannot_be_done_is_told_in_one_line(
    convstore: Command,
    add_person: AddPerson,
    arguments: list[str],
    told: str,
) -> None:
    await add_person("anna")
    ran = await convstore(*arguments)

    assert (1, True, 1) == (ran.code, told in ran.err, len(ran.err.splitlines())), ran.err
