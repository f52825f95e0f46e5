"""``convstore webhook``: where events are pushed to, whether they arrive, and a stop for those that should not."""

import sys
from typing import Annotated, Final

import cyclopts
import msgspec
from cyclopts import Parameter

from convstore import overview
from convstore.cli.connection import opened
from convstore.cli.loop import run
from convstore.cli.tables import print_lines, print_table
from convstore.config import WebhookSettings, Where
from convstore.errors import TestFailed
from convstore.log.create import facts
from convstore.webhook import targets
from convstore.webhook.calling import Answer
from convstore.webhook.trying import send_test

app = cyclopts.App(name="webhook", help="See, try and stop the webhooks that events are pushed to.")

_COLUMNS: Final = ("subscription", "receiver", "state", "failing slots", "attempts", "reason")
_SHOWN: Final = 1_000


@app.command(name="list")
def list_(*, where: Where = Where(), json: Annotated[bool, Parameter(negative=())] = False) -> None:  # noqa: B008 - frozen
    """List the webhooks and how they go: a table on a terminal, tab-separated lines elsewhere.

    Of an address only host and port are shown: the rest may be secret.

    Parameters
    ----------
    json
        One JSON object a line.
    """

    async def work() -> list[overview.Pushing]:
        async with opened(where.dsn, where.data_dir) as pool:
            return [overview.pushing(each) for each in await targets.listed(pool)]

    found = run(work())
    if json:
        print_lines(msgspec.json.encode(each).decode() for each in found)
    else:
        print_table(_COLUMNS, [_cells(each) for each in found])


@app.command(name="test")
def try_out(name: str, /, *, settings: WebhookSettings = WebhookSettings()) -> None:  # noqa: B008 - frozen
    """Send one signed test event to a webhook's receiver, past everything that waits, and print what came back.

    Exit code 1 when the receiver did not take it.

    Parameters
    ----------
    name
        The subscription's name.
    """

    async def work() -> Answer:
        async with opened(settings.dsn, settings.data_dir) as pool:
            webhook = await targets.get(pool, name)
            async with pool.acquire() as conn:
                known = await facts(conn)
            return await send_test(webhook, known.id, settings)

    answer = run(work())
    print(f"{answer.reason}, after {answer.seconds * 1000:.0f} ms")  # noqa: T201
    if answer.body:
        # What a stranger says: nothing in it may move a terminal's cursor.
        said = answer.body.decode("utf-8", "replace")[:_SHOWN]
        sys.stdout.write("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in said))
        sys.stdout.write("\n")
    if not answer.taken:
        raise TestFailed(f"The receiver of {name} did not take the test event: {answer.reason}.")


@app.command
def pause(name: str, /, *, where: Where = Where(), reason: str = "an operator paused it") -> None:  # noqa: B008 - frozen
    """Push nothing for the time being; nothing is passed over. Running servers stop within seconds.

    Parameters
    ----------
    name
        The subscription's name.
    reason
        Why, for those who wonder.
    """

    async def work() -> None:
        async with opened(where.dsn, where.data_dir) as pool:
            await targets.pause(pool, name, reason)

    run(work())


@app.command
def resume(name: str, /, *, where: Where = Where()) -> None:  # noqa: B008 - frozen
    """Push again, what failed too, without waiting any longer. Running servers begin within seconds.

    Parameters
    ----------
    name
        The subscription's name.
    """

    async def work() -> None:
        async with opened(where.dsn, where.data_dir) as pool:
            await targets.resume(pool, name)

    run(work())


def _cells(each: overview.Pushing) -> tuple[str, ...]:
    return (
        each.subscription,
        each.receiver,
        each.state,
        str(each.failing_slots),
        str(each.attempts),
        each.reason or "",
    )
