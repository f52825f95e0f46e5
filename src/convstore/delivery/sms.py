"""SMS: one HTTP request to a gateway for each, by an operator's template."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from errno import ECONNREFUSED
from http import HTTPStatus
from string import Template
from typing import Final
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
)
from msgspec import Struct
from yarl import URL

from convstore.delivery.letter import Letter, Reader, Row
from convstore.delivery.verdict import Deferred, InDoubt, NotSent, Refused, Skipped, Unavailable
from convstore.patience import retry_after

# Of these, DHIS2 sends the first line only (contract section 6).
_SUMMARY: Final = re.compile(r"High \d+, medium \d+, low \d+", re.IGNORECASE)
_NOT_DIALLED: Final = re.compile(r"[\s().\-/]")
# As ITU-T E.164 has it, and shorter for the numbers that are good within one network only.
_NUMBER: Final = re.compile(r"[0-9]{3,15}")
_NOT_NOW: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_LOGIN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED})
# What no one message can be to blame for: no credit, another method wanted.
_OURS: Final = frozenset({HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.METHOD_NOT_ALLOWED})
# What XML cannot hold (XML 1.0 section 2.2).
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONNECTIONS: Final = 2


class Gateway(Struct, frozen=True, kw_only=True):
    """Where and how: ``url`` and ``body`` hold ${recipient}, ${text} and ${id}; ``timeout`` in seconds."""

    url: str
    method: str
    headers: Sequence[tuple[str, str]]
    body: str
    max_length: int
    timeout: float


class Sms:
    """The channel: a gateway."""

    name = "sms"
    setting = "keyMessageSmsNotification"
    connections = _CONNECTIONS

    def __init__(self, gateway: Gateway, *, rate: float) -> None:
        self.rate = rate
        self._gateway = gateway
        self._session: ClientSession | None = None
        types = [value for name, value in gateway.headers if name.lower() == "content-type"]
        self._written = _writing(types[0] if types else "")

    async def send(self, worker: int, row: Row, letter: Letter, reader: Reader) -> None:  # noqa: ARG002 - a channel's
        """Send a message's text to one person. The subject is not sent.

        Raises:
            NotSent: it was not.
        """
        text = sms_text(letter.text)
        if not text:
            raise Skipped("no text")
        if len(text) > self._gateway.max_length:
            raise Skipped("too long")
        await self.ask(number_of(reader.phone_number), text, f"{letter.message_id}-{reader.id}")

    async def ask(self, number: str, text: str, name: str) -> None:
        """Ask the gateway to send a text to a number; ``name`` is the same whenever it is asked again.

        Raises:
            NotSent: it does not.
        """
        values = {"recipient": number, "text": text, "id": name}
        gateway = self._gateway
        url = URL(_filled(gateway.url, values, lambda value: quote(value, safe="")), encoded=True)
        body = _filled(gateway.body, values, self._written).encode() if gateway.body else None
        headers = [*gateway.headers, ("Idempotency-Key", f'"{name}"')]
        try:
            async with self._open().request(
                gateway.method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                status, after = answer.status, retry_after(answer.headers.get("Retry-After"))
        except (ClientError, OSError) as error:
            raise _broken_off(error) from error
        _judge(status, after)

    async def rest(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> ClientSession:
        if self._session is None:
            patience = self._gateway.timeout
            self._session = ClientSession(
                timeout=ClientTimeout(total=2 * patience, connect=patience, sock_read=patience)
            )
        return self._session


def sms_text(text: str) -> str:
    """Give what is sent of a message: of a validation summary its first line, else all."""
    return text.split("\n", 1)[0].rstrip("\r") if _SUMMARY.match(text) else text


def number_of(text: str | None) -> str:
    """Give a phone number as gateways want it: digits only, from the country's code on, without 00 or +.

    Raises:
        Skipped: there is none, or it is not one.
    """
    if not text or not text.strip():
        raise Skipped("no number")
    number = _NOT_DIALLED.sub("", text)
    number = number.removeprefix("+") if number.startswith("+") else number.removeprefix("00")
    if not _NUMBER.fullmatch(number):
        raise Skipped("invalid number")
    return number


def _broken_off(error: ClientError | OSError) -> NotSent:
    """Say what it means that there was no answer: only without a connection it is sure that nothing was sent."""
    match error:
        case ClientConnectorDNSError():
            return Unavailable("unknown host")
        case ClientConnectorCertificateError() | ClientConnectorSSLError():
            return Unavailable("TLS failed")
        case ConnectionTimeoutError():
            return Unavailable("no answer")
        case ClientConnectorError():
            return Unavailable("connection refused" if error.os_error.errno == ECONNREFUSED else "no connection")
        case TimeoutError():
            return InDoubt("timeout")
        case _:
            return InDoubt("connection lost")


def _judge(status: int, after: float | None) -> None:
    """Say what a gateway's answer means.

    Raises:
        NotSent: anything but success.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status in _LOGIN:
        raise Unavailable(f"login refused, HTTP {status}")
    if status in _OURS or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise Unavailable(f"HTTP {status}")
    if status in _NOT_NOW or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Deferred(f"HTTP {status}", after=after)
    raise Refused(f"HTTP {status}")


def _filled(template: str, values: Mapping[str, str], written: Callable[[str], str]) -> str:
    return Template(template).safe_substitute({name: written(value) for name, value in values.items()})


def _writing(content_type: str) -> Callable[[str], str]:
    """Say how a value is written in a body of this type, so that it stays one value whatever is in it."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return lambda value: json.dumps(value)[1:-1]
    if kind == "application/x-www-form-urlencoded":
        return quote_plus
    if kind.endswith(("/xml", "+xml")):
        return lambda value: escape(_NOT_XML.sub("", value), {'"': "&quot;", "'": "&apos;"})
    return lambda value: value
