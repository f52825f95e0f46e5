"""``convstore subscription``: where the systems stand that follow the log, and what they could not deal with."""

from typing import Annotated, Final

import cyclopts
import msgspec
from cyclopts import Parameter

from convstore import overview
from convstore.cli.connection import opened
from convstore.cli.loop import run
from convstore.cli.tables import print_lines, print_table
from convstore.config import Where
from convstore.database import Pool
from convstore.errors import ConfigError
from convstore.log import cursor, read
from convstore.log.create import facts
from convstore.stream import letters as dead_letters
from convstore.stream import subscriptions
from convstore.stream.letters import Letter

app = cyclopts.App(name="subscription", help="See and mend the subscriptions of systems that follow the log.")

# Letters that are fetched at once.
_PAGE: Final = 1_000

_COLUMNS: Final = ("name", "events behind", "seconds behind", "consumers", "dead letters", "ahead of the log")
_LETTERS: Final = ("id", "conversation", "version", "type", "attempts", "last failed", "due", "reason")


@app.command(name="list")
def list_(*, where: Where = Where(), json: Annotated[bool, Parameter(negative=())] = False) -> None:  # noqa: B008 - frozen
    """List the subscriptions and where they stand: a table on a terminal, tab-separated lines elsewhere.

    Parameters
    ----------
    json
        One JSON object a line.
    """

    async def work() -> list[overview.Following]:
        async with opened(where.dsn, where.data_dir) as pool:
            return [overview.following(each) for each in await subscriptions.standings(pool)]

    found = run(work())
    if json:
        print_lines(msgspec.json.encode(each).decode() for each in found)
    else:
        print_table(_COLUMNS, [_cells(each) for each in found])


@app.command
def letters(
    name: str,
    /,
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """List the dead letters of a subscription, oldest first: events that its consumers could not deal with.

    Parameters
    ----------
    name
        The subscription's name.
    json
        One JSON object a line.
    """

    async def work() -> list[Letter]:
        async with opened(where.dsn, where.data_dir) as pool:
            await subscriptions.get(pool, name)
            found: list[Letter] = []
            while page := await dead_letters.letters(pool, name, after=found[-1].id if found else 0, limit=_PAGE):
                found += page
            return found

    found = run(work())
    if json:
        print_lines(msgspec.json.encode(each).decode() for each in found)
    else:
        print_table(_LETTERS, [_letter(each) for each in found])


@app.command
def redeliver(name: str, /, *ids: int, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """Give dead letters to the consumers once more.

    Parameters
    ----------
    name
        The subscription's name.
    ids
        The letters, as `letters` shows them; all of them when none is named.
    """

    async def work() -> int:
        async with opened(where.dsn, where.data_dir) as pool:
            await subscriptions.get(pool, name)
            return await dead_letters.redeliver(pool, name, list(ids) or None)

    print(f"{run(work())} to be given once more.")  # noqa: T201


@app.command
def discard(name: str, /, *ids: int, where: Where = Where(), everything: bool = False) -> None:  # noqa: B008 - frozen
    """Forget dead letters.

    Parameters
    ----------
    name
        The subscription's name.
    ids
        The letters, as `letters` shows them.
    everything
        All of them.
    """
    if bool(ids) == everything:
        raise ConfigError("Name the letters to be forgotten, or say --everything.")

    async def work() -> int:
        async with opened(where.dsn, where.data_dir) as pool:
            await subscriptions.get(pool, name)
            return await dead_letters.discard(pool, name, None if everything else list(ids))

    print(f"{run(work())} forgotten.")  # noqa: T201


@app.command
def reset(name: str, /, *, after: str, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """Let a subscription begin anew elsewhere in the log; its dead letters are forgotten.

    Parameters
    ----------
    name
        The subscription's name.
    after
        A cursor, as every event has one; start, or latest.
    """

    async def work() -> None:
        async with opened(where.dsn, where.data_dir) as pool:
            await subscriptions.reset(pool, name, await _positions(pool, after))

    run(work())


@app.command
def delete(name: str, /, *, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """End a subscription, and forget how far it was.

    Parameters
    ----------
    name
        The subscription's name.
    """

    async def work() -> None:
        async with opened(where.dsn, where.data_dir) as pool:
            await subscriptions.delete(pool, name)

    run(work())


async def _positions(pool: Pool, after: str) -> tuple[int, ...]:
    async with pool.acquire() as conn:
        known = await facts(conn)
        match after:
            case "start":
                return (0,) * known.partitions
            case "latest":
                return tuple(await read.heads(conn))
            case _:
                return cursor.decode(after, known.partitions, known.id)


def _cells(each: overview.Following) -> tuple[str, ...]:
    return (
        each.subscription,
        str(each.lag_events),
        f"{each.lag_seconds:.1f}",
        ", ".join(each.consumers) or "none",
        str(each.dead_letters),
        "yes: reset it" if each.ahead_of_log else "no",
    )


def _letter(each: Letter) -> tuple[str, ...]:
    return (
        str(each.id),
        each.stream,
        str(each.version),
        each.type,
        str(each.attempts),
        f"{each.failed_at:%Y-%m-%d %H:%M:%S}",
        "yes" if each.due else "no",
        each.reason,
    )
