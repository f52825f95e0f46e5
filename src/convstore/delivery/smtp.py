"""E-mail: mails to one mail server, over connections that are kept while there is something to send."""

import socket
import ssl
from typing import Any, Final

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponse,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from msgspec import Struct

from convstore.delivery.letter import Letter, Reader, Row
from convstore.delivery.mail import Mail, Writer
from convstore.delivery.verdict import Deferred, InDoubt, NotSent, Refused, Unavailable

# Servers close connections that bring too much, and some count.
_MAILS_A_CONNECTION: Final = 100
_CLOSING: Final = 421
_PERMANENT: Final = 500
_TOO_LARGE: Final = 552


class Server(Struct, frozen=True, kw_only=True):
    """The mail server. ``security``: starttls, tls or none; ``timeout``: of one answer, in seconds."""

    host: str
    port: int
    security: str
    username: str
    password: str
    timeout: float
    context: ssl.SSLContext | None


class _Client(SMTP):
    """A client that knows whether it has begun to hand a mail over: what breaks off then may have been taken."""

    handing: bool = False

    async def data(self, message: str | bytes, /, **options: Any) -> SMTPResponse:
        """Hand the mail over."""
        self.handing = True
        return await super().data(message, **options)


class _Line:
    """A connection to the mail server; made when it is needed."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name
        self._client: _Client | None = None
        self._mails = 0

    async def send(self, mail: Mail) -> None:
        """Send one mail.

        Raises:
            NotSent: it was not, as far as is known.
        """
        kept = self._client is not None
        try:
            await self._once(mail)
        except (SMTPServerDisconnected, OSError) as error:
            await self.close()
            if not kept:
                raise Deferred("connection lost") from error
            # A connection that was kept may have been closed by the other side long ago: that says nothing.
            try:
                await self._once(mail)
            except (SMTPServerDisconnected, OSError) as again:
                await self.close()
                raise Deferred("connection lost") from again

    async def close(self) -> None:
        """Say goodbye, if anybody is listening."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            await client.quit(timeout=1.0)
        except (SMTPException, OSError):
            client.close()

    async def _once(self, mail: Mail) -> None:
        client = await self._connected()
        client.handing = False
        try:
            await client.sendmail(mail.sender, [mail.recipient], mail.content)
        except SMTPTimeoutError as error:
            # Where in the dialogue it hangs is unknown, so the connection is of no use any more.
            client.close()
            self._client = None
            raise (InDoubt if client.handing else Deferred)("timeout") from error
        except (SMTPServerDisconnected, OSError) as error:
            if client.handing:
                await self.close()
                raise InDoubt("connection lost") from error
            raise
        except (SMTPException, ValueError) as error:
            raise _verdict(error) from error
        self._mails += 1
        if self._mails >= _MAILS_A_CONNECTION:
            await self.close()

    async def _connected(self) -> _Client:
        if self._client is None:
            server = self._server
            client = _Client(
                hostname=server.host,
                port=server.port,
                use_tls=server.security == "tls",
                start_tls=False,
                timeout=server.timeout,
                tls_context=server.context,
                local_hostname=self._name,
            )
            try:
                await self._introduce(client)
            except Unavailable:
                client.close()
                raise
            except (SMTPException, OSError) as error:
                client.close()
                raise Unavailable(_why(error)) from error
            self._client, self._mails = client, 0
        return self._client

    async def _introduce(self, client: _Client) -> None:
        """Connect, and log in: never before the connection is safe, if it is to be."""
        await client.connect()
        if self._server.security == "starttls":
            await client.ehlo()
            if not client.supports_extension("starttls"):
                raise Unavailable("STARTTLS not offered")
            await client.starttls()
        if self._server.username:
            await client.ehlo()
            if not client.supports_extension("auth"):
                raise Unavailable("no login offered")
            await client.login(self._server.username, self._server.password)


class Email:
    """The channel: a mail server, and how mails are written."""

    name = "email"
    setting = "keyMessageEmailNotification"

    def __init__(self, server: Server, writer: Writer, *, rate: float, connections: int, domain: str) -> None:
        self.rate = rate
        self.connections = connections
        self._writer = writer
        self._lines = [_Line(server, domain) for _ in range(connections)]

    async def send(self, worker: int, row: Row, letter: Letter, reader: Reader) -> None:
        """Send a message to one person.

        Raises:
            NotSent: it was not.
        """
        await self._lines[worker].send(self._writer.write(row, letter, reader))

    async def send_test(self, address: str) -> None:
        """Send a mail that only says that mails arrive.

        Raises:
            NotSent: it was not.
        """
        await self._lines[0].send(self._writer.test(address))

    async def rest(self) -> None:
        """Close the connections."""
        for line in self._lines:
            await line.close()


def _why(error: SMTPException | OSError) -> str:
    """Say why there is no connection, in words that lead to the setting to look at; without what the server said."""
    said = "no connection"
    match cause := error.__cause__ or error:
        case TimeoutError():
            said = "no answer"
        case ssl.SSLCertVerificationError():
            said = f"TLS failed: {cause.verify_message.rstrip('.')}"
        case ssl.SSLError():
            said = f"TLS failed: {(cause.reason or 'unknown').replace('_', ' ').lower()}"
        case socket.gaierror():
            said = "unknown host"
        case ConnectionRefusedError():
            said = "connection refused"
        case SMTPAuthenticationError():
            said = f"login refused, {_said(cause)}"
        case SMTPResponseException():
            # What is no answer of SMTP has no code.
            said = f"turned away, {_said(cause)}" if cause.code > 0 else "not a mail server"
    return said


def _verdict(error: SMTPException | ValueError) -> NotSent:
    """Say what a server's answer means: for this mail, or for all."""
    match error:
        case SMTPRecipientsRefused():
            return _of_code(error.recipients[0])
        case SMTPSenderRefused() if error.code == _TOO_LARGE:
            return Refused(_said(error))
        case SMTPSenderRefused():
            # It does not take mails from us: no recipient can help that.
            return Unavailable(f"sender refused, {error.code}")
        case SMTPDataError() | SMTPResponseException():
            return _of_code(error)
        case _:
            return Refused("not to be sent")


def _of_code(error: SMTPResponseException) -> NotSent:
    if error.code == _CLOSING:
        return Unavailable(_said(error))
    return Refused(_said(error)) if error.code >= _PERMANENT else Deferred(_said(error))


def _said(error: SMTPResponseException) -> str:
    """Give the code of an answer, with the enhanced one (RFC 3463) that its text begins with, and no more of it."""
    first = str(error.message).partition(" ")[0]
    parts = first.split(".")
    enhanced = len(parts) == 3 and all(part.isdigit() and len(part) <= 3 for part in parts)  # noqa: PLR2004 - x.y.z
    return f"{error.code} {first}" if enhanced else str(error.code)


def trust(security: str, authority: str | None) -> ssl.SSLContext | None:
    """Make what a server's certificate is checked by: the system's authorities, or those of a file.

    Raises:
        OSError: the file cannot be read.
    """
    return None if security == "none" else ssl.create_default_context(cafile=authority)
