"""``convstore user``: the accounts that are kept here."""

import getpass
import sys
from typing import Annotated

import cyclopts
import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from convstore.cli.connection import opened
from convstore.cli.loop import run
from convstore.config import Where
from convstore.directory import accounts
from convstore.directory.accounts import Listed, NewAccount
from convstore.errors import DirectoryRefused

app = cyclopts.App(name="user", help="Make and list accounts, and set their passwords.")


@app.command
def add(
    name: str,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    authority: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    group: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    unit: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    first_name: str | None = None,
    surname: str = "User",
    email: str | None = None,
    phone: str | None = None,
    password_stdin: Annotated[bool, Parameter(negative=())] = False,
    no_password: Annotated[bool, Parameter(negative=())] = False,
    weak: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Add an account, and print its uid. The password is asked for.

    Parameters
    ----------
    name
        The name to log in with; upper and lower case are the same.
    authority
        What the account may do beyond writing and reading its own messages, such as ALL (everything),
        F_SEND_SYSTEM_MESSAGE, F_DELIVERIES or F_WEBHOOKS; may be given several times.
    group
        A group to be in, by uid, code or name; may be given several times.
    unit
        An organisation unit to be assigned to, by uid, code or name; may be given several times.
    first_name
        First name; by default the account's name.
    surname
        Surname.
    email
        E-mail address.
    phone
        Phone number.
    password_stdin
        Read the password from standard input, one line.
    no_password
        Ask for none: the account can be written to, but nobody can log in with it.
    weak
        Accept a password of less than 8 characters.
    """
    password = None if no_password else _password(from_stdin=password_stdin, weak=weak)
    account = NewAccount(
        username=name,
        first_name=first_name or name,
        surname=surname,
        email=email,
        phone_number=phone,
        authorities=authority,
        groups=group,
        units=unit,
    )

    async def work() -> str:
        async with opened(where.dsn, where.data_dir) as pool:
            return await accounts.add(pool, account, password)

    print(run(work()))  # noqa: T201


@app.command
def password(
    name: str,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    password_stdin: Annotated[bool, Parameter(negative=())] = False,
    weak: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Set the password of an account. The old one stops to work at once, everywhere, and a locked account opens.

    Parameters
    ----------
    name
        The name to log in with.
    password_stdin
        Read the password from standard input, one line.
    weak
        Accept a password of less than 8 characters.
    """
    new = _password(from_stdin=password_stdin, weak=weak)

    async def work() -> None:
        async with opened(where.dsn, where.data_dir) as pool:
            await accounts.set_password(pool, name, new)

    run(work())


@app.command
def disable(name: str, /, *, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """Close an account: nobody can log in with it until it is enabled. Its messages stay.

    Parameters
    ----------
    name
        The name to log in with.
    """
    _set_disabled(where, name, disabled=True)


@app.command
def enable(name: str, /, *, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """Open a disabled account again.

    Parameters
    ----------
    name
        The name to log in with.
    """
    _set_disabled(where, name, disabled=False)


@app.command(name="list")
def list_(*, where: Where = Where(), json: Annotated[bool, Parameter(negative=())] = False) -> None:  # noqa: B008 - frozen
    """List all accounts, by name: a table on a terminal, tab-separated lines elsewhere.

    Parameters
    ----------
    json
        One JSON object a line.
    """

    async def work() -> list[Listed]:
        async with opened(where.dsn, where.data_dir) as pool:
            return await accounts.listed(pool)

    found = run(work())
    if json:
        for account in found:
            sys.stdout.write(msgspec.json.encode(account).decode() + "\n")
    elif sys.stdout.isatty():
        _print_table(found)
    else:
        for account in found:
            row = (account.id, account.username, account.first_name, account.surname, _state(account))
            # A name cannot break its line or move to another column.
            sys.stdout.write("\t".join(" ".join(cell.split()) for cell in row) + "\n")


def _set_disabled(where: Where, name: str, *, disabled: bool) -> None:
    async def work() -> None:
        async with opened(where.dsn, where.data_dir) as pool:
            await accounts.set_disabled(pool, name, disabled=disabled)

    run(work())


def _state(account: Listed) -> str:
    if account.disabled:
        return "disabled"
    if not account.may_log_in:
        return "no password"
    return "superuser" if account.superuser else "active"


def _print_table(found: list[Listed]) -> None:
    table = Table("uid", "username", "name", "state", "groups", "last login", "from")
    for account in found:
        table.add_row(
            account.id,
            account.username,
            f"{account.first_name} {account.surname}",
            _state(account),
            ", ".join(account.groups),
            account.last_login.strftime("%Y-%m-%d %H:%M") if account.last_login else "never",
            "import" if account.imported else "here",
        )
    Console(markup=False).print(table)


def _password(*, from_stdin: bool, weak: bool) -> str:
    """Get a new password: from a line of standard input, or twice from the terminal without showing it.

    Raises:
        DirectoryRefused: it is too short, the two differ, or there is no terminal to ask at.
    """
    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        given = getpass.getpass("New password: ")
        if getpass.getpass("Once more: ") != given:
            raise DirectoryRefused("The two passwords differ.")
    else:
        raise DirectoryRefused("There is no terminal to ask for a password at: give it with --password-stdin.")
    accounts.check_password(given, weak=weak)
    return given
