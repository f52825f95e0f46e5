"""``convstore deliveries`` and ``convstore delivery``: what became of mails and SMS, and whether they arrive at all."""

import secrets
import sys
from contextlib import AsyncExitStack
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import cyclopts
import msgspec
from cyclopts import Parameter, validators

from convstore.cli.connection import opened
from convstore.cli.looking import conversation_named
from convstore.cli.loop import run
from convstore.cli.tables import print_lines, print_table
from convstore.config import DeliverySettings, Where
from convstore.delivery import plan
from convstore.delivery.outbox import Entry, listed, resume, retry
from convstore.delivery.signed import Signer
from convstore.delivery.sms import number_of
from convstore.delivery.verdict import DEAD, NotSent, State
from convstore.errors import ConfigError, DeliveryFailed

app = cyclopts.App(name="deliveries", help="What became of messages sent by e-mail and SMS.")
one = cyclopts.App(name="delivery", help="Try whether e-mail and SMS work.")

ChannelName = Literal["email", "sms"]

_COLUMNS: Final = ("changed", "channel", "state", "reason", "attempts", "conversation", "message", "user")
_TEST: Final = "SMS from convstore arrive here."
# What to look at, by how the reason of a failure begins.
_HINTS: Final = {
    "unknown host": "Is the name of the server right?",
    "connection refused": "Nothing listens there: are host and port right, and does a firewall let them through?",
    "no answer": "Does a firewall stand between? Port 465 wants --mail-security tls, port 587 starttls.",
    "STARTTLS not offered": "The password and the mails would go in the clear. Port 465 wants --mail-security tls; "
    "--mail-security none is for a server on this machine.",
    "TLS failed: wrong version number": "It does not speak TLS from the start: try --mail-security starttls.",
    "TLS failed": "--mail-ca names a file with the certificates to trust; --mail-server must be the name in the "
    "server's certificate.",
    "login refused": "See --mail-username and --mail-password, or the keys in --sms-gateway and --sms-headers.",
    "no login offered": "Leave --mail-username and --mail-password away, or see --mail-security.",
    "sender refused": "It takes no mails from --mail-from, or wants a login or TLS.",
    "turned away": "It does not talk to this machine: does it allow it to send mails?",
    "not a mail server": "Something else listens there: is the port right?",
    "invalid address": "An address is of the form name@example.org.",
    "invalid number": "A number has the country's code: +255700000001.",
    "HTTP 404": "Is the path in --sms-gateway right?",
    "550 5.7": "Is this machine allowed to send mails to others by it?",
}


@app.command(name="list")
def list_(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    conversation: str | None = None,
    state: Annotated[tuple[State, ...], Parameter(negative=())] = (),
    channel: ChannelName | None = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 100,
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
            return await listed(pool, conversation=_uid(conversation), states=wanted, channel=channel, limit=limit)

    found = run(work())
    if json:
        print_lines(msgspec.json.encode(entry).decode() for entry in found)
    else:
        print_table(_COLUMNS, [_row(entry) for entry in found])
        if not found:
            print(f"none that is {' or '.join(wanted)}", file=sys.stderr)  # noqa: T201


@app.command(name="retry")
def retry_(
    *,
    where: Where = Where(),  # noqa: B008 - frozen
    conversation: str | None = None,
    user: str | None = None,
    channel: ChannelName | None = None,
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
            return await retry(pool, conversation=_uid(conversation), user=_uid(user, "person"), channel=channel)

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
                _tell(f"asking {settings.mail_server}, security {settings.mail_security}")
                await channel.send_test(email)
                print("the mail server took the mail")  # noqa: T201
            if sms is not None:
                gateway = plan.sms(settings)
                if gateway is None:
                    raise ConfigError("There is no gateway: set --sms-gateway.")
                stack.push_async_callback(gateway.rest)
                # Not the address: keys stand in it.
                _tell(f"asking {urlsplit(settings.sms_gateway).hostname}")
                await gateway.ask(number_of(sms), _TEST, f"test-{secrets.token_hex(8)}")
                print("the gateway took the SMS")  # noqa: T201

    try:
        run(work())
    except NotSent as why:
        raise DeliveryFailed(f"It was not sent: {why.reason}.{_hint(why.reason)}") from why


def _tell(text: str) -> None:
    """Say on a terminal what is waited for."""
    if sys.stderr.isatty():
        print(f"{text} …", file=sys.stderr)  # noqa: T201


def _uid(text: str | None, what: str = "conversation") -> str | None:
    return None if text is None else conversation_named(text, what)


def _hint(reason: str) -> str:
    """Say where to look for what is wrong with the settings."""
    return next((f" {hint}" for start, hint in _HINTS.items() if reason.startswith(start)), "")


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
