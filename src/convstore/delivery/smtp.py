"""E-mail: mails to one mail server, over connections that are kept while there is something to send."""

import ssl
from typing import Final

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from msgspec import Struct

from convstore.delivery.letter import Letter, Reader, Row
from convstore.delivery.mail import Mail, Writer
from convstore.delivery.verdict import Deferred, NotSent, Refused, Unavailable

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


class _Line:
    """A connection to the mail server; made when it is needed."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name
        self._client: SMTP | None = None
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
        try:
            await client.sendmail(mail.sender, [mail.recipient], mail.content)
        except SMTPTimeoutError as error:
            # Where in the dialogue it hangs is unknown, so the connection is of no use any more.
            client.close()
            self._client = None
            raise Deferred("timeout") from error
        except (SMTPServerDisconnected, OSError):
            raise
        except (SMTPException, ValueError) as error:
            raise _verdict(error) from error
        self._mails += 1
        if self._mails >= _MAILS_A_CONNECTION:
            await self.close()

    async def _connected(self) -> SMTP:
        if self._client is None:
            server = self._server
            client = SMTP(
                hostname=server.host,
                port=server.port,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                username=server.username or None,
                password=server.password or None,
                timeout=server.timeout,
                tls_context=server.context,
                local_hostname=self._name,
            )
            try:
                await client.connect()
            except SMTPAuthenticationError as error:
                client.close()
                raise Unavailable(f"login refused, {error.code}") from error
            except SMTPTimeoutError as error:
                client.close()
                raise Unavailable("no answer") from error
            except ssl.SSLError as error:
                client.close()
                raise Unavailable("TLS failed") from error
            except (SMTPConnectError, SMTPException, OSError) as error:
                client.close()
                raise Unavailable("no connection") from error
            self._client, self._mails = client, 0
        return self._client


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
