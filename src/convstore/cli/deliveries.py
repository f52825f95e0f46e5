"""``convstore deliveries`` and ``convstore delivery``: what became of mails and SMS, and whether they arrive at all."""

import secrets
from contextlib import AsyncExitStack
from typing import Annotated, Final

import cyclopts
import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from convstore.cli.connection import opened
from convstore.cli.loop import run
from convstore.config import DeliverySettings, Where
from convstore.delivery import plan
from convstore.delivery.outbox import Entry, listed, resume, retry
from convstore.delivery.signed import Signer
from convstore.delivery.sms import number_of
from convstore.delivery.verdict import DEAD, NotSent, State
from convstore.errors import ConfigError, DeliveryFailed

app = cyclopts.App(name="deliveries", help="What became of messages sent by e-mail and SMS.")
one = cyclopts.App(name="delivery", help="Try whether e-mail and SMS work.")

_COLUMNS: Final = ("changed", "channel", "state", "reason", "attempts", "conversation", "message", "user")
_TEST: Final = "SMS from convstore arrive here."


@app.command(name="list")
def list_(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    conversation: str | None = None,
    state: Annotated[tuple[State, ...], Parameter(negative=())] = (),
    channel: str | None = None,
    limit: int = 100,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """List what became of mails and SMS, those that changed last first; without --state, of those that never arrived.

    Parameters
    ----------
    conversation
        Of this conversation only, whatever became of them.
    state
        waiting, sending, sent, skipped, failed, expired, uncertain or bounced; may be given several times.
    channel
        email or sms.
    limit
        At most so many.
    json
        One JSON object a line.
    """
    wanted = state or (tuple(State) if conversation is not None else DEAD)

    async def work() -> list[Entry]:
        async with opened(where.dsn, where.data_dir) as pool:
            return await listed(pool, conversation=conversation, states=wanted, channel=_known(channel), limit=limit)

    found = run(work())
    if json:
        for entry in found:
            print(msgspec.json.encode(entry).decode())  # noqa: T201
        return
    rows = [_row(entry) for entry in found]
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        table = Table(*_COLUMNS, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        for row in rows:
            print("\t".join(row))  # noqa: T201


@app.command(name="retry")
def retry_(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    conversation: str | None = None,
    user: str | None = None,
    channel: str | None = None,
    everything: Annotated[bool, Parameter(name="--all", negative=())] = False,
) -> None:
    """Send again what never arrived: failed, expired, uncertain, bounced. A running server begins within a second.

    Parameters
    ----------
    conversation
        Of this conversation.
    user
        To the person with this uid.
    channel
        email or sms.
    everything
        All there is.
    """
    if not (everything or conversation or user or channel):
        raise ConfigError("Say what to send again: --conversation, --user, --channel, or --all of it.")

    async def work() -> int:
        async with opened(where.dsn, where.data_dir) as pool:
            return await retry(pool, conversation=conversation, user=user, channel=_known(channel))

    print(f"{run(work())} to be sent again")  # noqa: T201


@app.command(name="resume")
def resume_(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    at_end: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Let a channel go on that has stopped, because the log is not the one that it had read: see docs/delivery.md.

    Parameters
    ----------
    at_end
        Go on at the end of the log, and send nothing of what lies before it.
    """

    async def work() -> int:
        async with opened(where.dsn, where.data_dir) as pool:
            return await resume(pool, at_end=at_end)

    print(f"{run(work())} partitions go on")  # noqa: T201


@one.command(name="test")
def try_out(
    *,
    settings: DeliverySettings = DeliverySettings(),  # noqa: B008 - frozen
    email: str | None = None,
    sms: str | None = None,
) -> None:
    """Send a test mail or SMS with the settings in force, past the queue, and say what the server answered.

    Parameters
    ----------
    email
        An e-mail address.
    sms
        A phone number, with the country's code.
    """
    if email is None and sms is None:
        raise ConfigError("Say where to: --email ADDRESS, or --sms NUMBER.")

    async def work() -> None:
        async with AsyncExitStack() as stack:
            if email is not None:
                # The signature of a mail that nobody answers needs no store's secret.
                channel = plan.email(settings, Signer(secrets.token_bytes(32), settings.mail_key))
                if channel is None:
                    raise ConfigError("There is no mail server: set --mail-server and --mail-from.")
                stack.push_async_callback(channel.rest)
                await channel.send_test(email)
                print("the mail server took the mail")  # noqa: T201
            if sms is not None:
                gateway = plan.sms(settings)
                if gateway is None:
                    raise ConfigError("There is no gateway: set --sms-gateway.")
                stack.push_async_callback(gateway.rest)
                await gateway.ask(number_of(sms), _TEST, f"test-{secrets.token_hex(8)}")
                print("the gateway took the SMS")  # noqa: T201

    try:
        run(work())
    except NotSent as why:
        raise DeliveryFailed(f"It was not sent: {why.reason}.") from why


def _known(channel: str | None) -> str | None:
    if channel is not None and channel not in plan.CHANNELS:
        raise ConfigError(f"channel {channel!r}: there are {' and '.join(plan.CHANNELS)}.")
    return channel


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.changed.isoformat(timespec="seconds"),
        entry.channel,
        entry.state,
        entry.reason or "",
        str(entry.attempts),
        entry.conversation_id,
        entry.message_id,
        entry.user_id,
    )
