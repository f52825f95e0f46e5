"""``convstore token``: personal access tokens, made and revoked by the operator."""

import sys
from datetime import UTC, datetime, timedelta
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
from convstore.directory.scopes import FULL
from convstore.directory.tokens import DEFAULT_LIFE, LONGEST_LIFE, Owned, Tokens
from convstore.errors import TokenRefused

app = cyclopts.App(name="token", help="Make, list and revoke personal access tokens.")


@app.command
def create(
    username: str,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    name: str = "",
    scope: Annotated[tuple[str, ...], Parameter(negative=())] = (FULL,),
    method: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    days: float = DEFAULT_LIFE / timedelta(days=1),
) -> None:
    """Make a token for an account, and print its secret: it is kept nowhere, and cannot be shown again.

    Parameters
    ----------
    username
        The account's name; the token may do what the account may.
    name
        What it is for, to know it by later.
    scope
        full (everything that the account may do), read (reading, and changing nothing), or for following events:
        events, events:own, events:message-posted and its like, events:texts, events:internal; may be given several
        times.
    method
        An HTTP method that it may be used with, such as GET; may be given several times. All, if none is given.
    days
        How many days it lasts.
    """
    if not 0 < days <= LONGEST_LIFE.days:  # a timedelta takes neither inf nor nan
        raise TokenRefused(f"A token expires in the future, within {LONGEST_LIFE.days} days.")

    async def work() -> str:
        async with opened(where.dsn, where.data_dir) as pool:
            user_id = await accounts.find(pool, username)
            _, secret = await Tokens(pool).create(
                user_id,
                name=name,
                scopes=scope,
                methods=[each.upper() for each in method] or None,
                expires=datetime.now(UTC) + timedelta(days=days),
            )
            return secret

    print(run(work()))  # noqa: T201


@app.command(name="list")
def list_(
    username: str | None = None,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """List all tokens, or those of one account: a table on a terminal, tab-separated lines elsewhere.

    Parameters
    ----------
    username
        The account's name.
    json
        One JSON object a line.
    """

    async def work() -> list[Owned]:
        async with opened(where.dsn, where.data_dir) as pool:
            if username is not None:
                await accounts.find(pool, username)
            return await Tokens(pool).listed(username)

    found = run(work())
    if json:
        for owned in found:
            sys.stdout.write(msgspec.json.encode(_object(owned)).decode() + "\n")
    elif sys.stdout.isatty():
        table = Table(*_COLUMNS)
        for owned in found:
            table.add_row(*_cells(owned))
        Console(markup=False).print(table)
    else:
        for owned in found:
            # A name cannot break its line or move to another column.
            sys.stdout.write("\t".join(" ".join(cell.split()) for cell in _cells(owned)) + "\n")


@app.command
def revoke(*uid: str, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """Revoke tokens: they open nothing from now on, in no process.

    Parameters
    ----------
    uid
        The tokens' uids, as `list` shows them.
    """

    async def work() -> frozenset[str]:
        async with opened(where.dsn, where.data_dir) as pool:
            return await Tokens(pool).revoke(uid)

    if missing := sorted(set(uid) - run(work())):
        raise TokenRefused(f"There is no token {', '.join(missing)}.")


_COLUMNS = ("uid", "account", "name", "scopes", "methods", "expires", "last used", "ends in")


def _cells(owned: Owned) -> tuple[str, ...]:
    token = owned.token
    expired = " (expired)" if token.expires <= datetime.now(UTC) else ""
    return (
        token.id,
        owned.username,
        token.name,
        ", ".join(token.scopes),
        "all" if token.methods is None else ", ".join(token.methods),
        f"{token.expires:%Y-%m-%d %H:%M}{expired}",
        "never" if token.last_used is None else f"{token.last_used:%Y-%m-%d %H:%M}",
        f"…{token.hint}",
    )


def _object(owned: Owned) -> dict[str, object]:
    token = owned.token
    return {
        "id": token.id,
        "username": owned.username,
        "name": token.name,
        "scopes": token.scopes,
        "methods": token.methods,
        "created": token.created,
        "expires": token.expires,
        "lastUsed": token.last_used,
        "hint": token.hint,
    }
