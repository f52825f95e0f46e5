"""Where the events of subscriptions are pushed to: said, looked at, paused; and how that goes."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from msgspec import Struct
from yarl import URL

from convstore.database import Conn, Pool
from convstore.domain.uid import UserId
from convstore.errors import UnknownWebhook, WebhookRefused
from convstore.sql import Statements
from convstore.webhook.guard import Guard
from convstore.webhook.signing import check_secrets

sql: Final = Statements(files(__package__) / "statements.sql")

AUTHORITY: Final = "F_WEBHOOKS"
"""The authority to have this server call others: what is pushed leaves it, as long as nobody stops that."""

_LONGEST_URL: Final = 2_000
_MOST_HEADERS: Final = 20
# A name: what ends in a number is an address that is written in some other way (WHATWG URL, host parsing).
_HOST: Final = re.compile(r"(?:[0-9A-Za-z_-]{1,63}\.)*(?!(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$)[0-9A-Za-z_-]{1,63}\.?")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,2000}")
# Said by us, or by HTTP itself.
_RESERVED: Final = re.compile(
    r"webhook-.*|content-.*|accept-encoding|connection|cookie|expect|host|keep-alive|proxy-.*|te|trailer|"
    r"transfer-encoding|upgrade|user-agent",
    re.IGNORECASE,
)


class Webhook(Struct, frozen=True, kw_only=True):
    """Where the events of the subscription ``name`` are pushed to, and how that goes.

    ``followed_since``: when the subscription was made. ``headers`` go with each request. ``secrets`` sign it, the
    newest first. ``revision`` grows when it is to begin anew. ``paused``: why nothing is pushed. ``trouble``: why
    nothing can be. ``failing``: slots that stand at an event that the receiver has not taken yet; of the one that has
    stood longest, ``since`` when and for which ``reason``; and ``attempts``, the most of any.
    """

    name: str
    user_id: UserId
    followed_since: datetime
    url: str
    headers: Mapping[str, str]
    secrets: Sequence[str]
    revision: int
    created: datetime
    paused: str | None
    paused_at: datetime | None
    trouble: str | None
    troubled_at: datetime | None
    failing: int
    attempts: int
    since: datetime | None
    reason: str | None

    @property
    def receiver(self) -> str:
        """Scheme, host and port of its address: the rest may be secret."""
        return str(URL(self.url).origin())

    @property
    def state(self) -> str:
        """``paused``, ``halted`` (there is trouble), ``failing``, or ``pushing``."""
        if self.paused is not None:
            return "paused"
        if self.trouble is not None:
            return "halted"
        return "failing" if self.failing else "pushing"

    @property
    def why(self) -> str | None:
        """Why it is in this state, in words without anything secret; None when all is well."""
        return self.paused or self.trouble or self.reason

    @property
    def since_when(self) -> datetime | None:
        """Since when it is in this state; None when all is well."""
        return self.paused_at or self.troubled_at or self.since


async def put(
    pool: Pool, guard: Guard, name: str, *, url: str, headers: Mapping[str, str], secrets: Sequence[str]
) -> None:
    """Have the events of a subscription pushed there, from where it stands; one that was paused goes on.

    Raises:
        WebhookRefused: says what of it cannot be used.
    """
    _check_url(url, guard)
    _check_headers(headers)
    check_secrets(secrets)
    await pool.execute(sql.put, name, url, msgspec.json.encode(headers).decode(), list(secrets))


async def listed(conn: Conn | Pool, name: str | None = None) -> list[Webhook]:
    """Give all webhooks, or the one of this name if there is one; by name."""
    return [
        Webhook(**dict(row) | {"headers": msgspec.json.decode(row["headers"], type=dict[str, str])})
        for row in await conn.fetch(sql.listed, name)
    ]


async def get(conn: Conn | Pool, name: str) -> Webhook:
    """Give the webhook of a subscription.

    Raises:
        UnknownWebhook: it has none.
    """
    found = await listed(conn, name)
    if not found:
        raise UnknownWebhook(name)
    return found[0]


async def delete(pool: Pool, name: str) -> None:
    """Push the events of a subscription nowhere any more; it goes on to be one.

    Raises:
        UnknownWebhook: it has no webhook.
    """
    await _change(pool, name, sql.delete)


async def sign_with(pool: Pool, name: str, secrets: Sequence[str]) -> None:
    """Set the secrets that requests are signed with, the newest first.

    Raises:
        UnknownWebhook: there is no such webhook.
        WebhookRefused: they cannot sign.
    """
    check_secrets(secrets)
    await _change(pool, name, sql.sign_with, list(secrets))


async def pause(pool: Pool, name: str, reason: str, *, url: str | None = None) -> None:
    """Push nothing until ``resume``; nothing is passed over meanwhile. Only while it is pushed to ``url``, if named.

    Raises:
        UnknownWebhook: there is no such webhook.
    """
    await _change(pool, name, sql.pause, reason, url)


async def resume(pool: Pool, name: str) -> None:
    """Push again, at once, what waits.

    Raises:
        UnknownWebhook: there is no such webhook.
    """
    await _change(pool, name, sql.resume)


async def _change(pool: Pool, name: str, statement: str, *arguments: Any) -> None:
    if await pool.fetchval(statement, name, *arguments) is None:
        raise UnknownWebhook(name)


def _check_url(text: str, guard: Guard) -> None:
    """Refuse an address that can never be called. A name is resolved only when it is called, and checked then.

    Raises:
        WebhookRefused: says why.
    """
    try:
        url = URL(text)
        well_formed = len(text) <= _LONGEST_URL and url.scheme in ("http", "https") and url.host and url.port != 0
    except ValueError as error:
        raise WebhookRefused("The url is not one.") from error
    if not well_formed:
        raise WebhookRefused(f"The url must be an absolute one, http or https, of at most {_LONGEST_URL} characters.")
    if url.user is not None or url.password is not None or url.fragment:
        raise WebhookRefused("The url must have no name, no password and no fragment; use headers to log in.")
    try:
        address = ip_address(url.host or "")
    except ValueError as error:
        if _HOST.fullmatch(url.raw_host or "") is None:
            raise WebhookRefused("The url's host is no name, and no address in its usual form.") from error
        return
    if not guard.allows(str(address)):
        raise WebhookRefused("This address may not be called: the operator can allow its network (webhook-networks).")


def _check_headers(headers: Mapping[str, str]) -> None:
    if len(headers) > _MOST_HEADERS:
        raise WebhookRefused(f"There may be {_MOST_HEADERS} headers at most.")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise WebhookRefused("A header has a name as HTTP takes it, and a value of printable ASCII characters.")
        if _RESERVED.fullmatch(name):
            raise WebhookRefused(f"The header {name} is not to be set.")
