"""Listens for answers by mail: SMTP or LMTP, from the mail server that faces the world.

Only mails to signed addresses are taken, and told apart by each recipient. Nothing is relayed. One listener a machine:
worker 0 has it.
"""

import asyncio
import logging
import socket
from collections import Counter
from typing import Any, Final

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from convstore.delivery.answering import Answering, Verdict
from convstore.delivery.inbound import Outcome
from convstore.delivery.plan import Listen
from convstore.delivery.signed import Purpose
from convstore.errors import ConfigError
from convstore.faults import described

log = structlog.get_logger(__name__)

# It writes addresses and, when asked for details, whole mails.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

# Mails that are worked at at once; others wait, and so do those who bring them.
_AT_ONCE: Final = 4
_MOST_SESSIONS: Final = 100
# Recipients of one mail: an answer has one, and a few more when it goes to all of one's own addresses.
_MOST_RECIPIENTS: Final = 20
_TIMEOUT: Final = 60.0
# What a mail has beside its files, which grow by a third on their way.
_WRAPPING: Final = 1_000_000
_GROWTH: Final = 1.4


def longest_mail(longest_text: int, largest_file: int) -> int:
    """Say how large a mail may be at most, in bytes."""
    return _WRAPPING + 2 * longest_text + int(_GROWTH * largest_file)


class _Handler:
    """Answers to what is said in a session; the names of its methods are aiosmtpd's."""

    def __init__(self, answering: Answering, counted: Counter[str], *, lmtp: bool) -> None:
        self._answering = answering
        self._counted = counted
        self._lmtp = lmtp
        self._working = asyncio.Semaphore(_AT_ONCE)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take an address that is signed by us: before the mail itself is sent."""
        if len(envelope.rcpt_tos) >= _MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        try:
            token = self._answering.token(address)
        except Verdict as verdict:
            self._note(verdict.outcome)
            return verdict.said
        if token.purpose is Purpose.REPLY and not _sender(envelope):
            self._note(Outcome.AUTOMATIC)
            return "550 5.7.1 Automatic answers are not taken"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail for each of its recipients, and answer for all together, or by LMTP for each."""
        answers = [await self._take(address, envelope) for address in envelope.rcpt_tos]
        if self._lmtp:
            return "\r\n".join(answers)
        # SMTP has one answer for all. One that may be better later is first: what was taken is not taken twice.
        return min(answers, key=lambda said: ("425".index(said[0]), said))

    async def _take(self, address: str, envelope: Envelope) -> str:
        content = envelope.original_content
        assert isinstance(content, bytes)  # noqa: S101 - it is not decoded
        try:
            async with self._working:
                outcome = await self._answering.take(_sender(envelope), self._answering.token(address), content)
        except Verdict as verdict:
            self._note(verdict.outcome)
            return verdict.said
        except Exception as error:  # noqa: BLE001 - a mail must not be lost for a defect: it is handed in again
            log.error("answer.failed", error=described(error))  # noqa: TRY400 - a traceback quotes texts
            self._counted[Outcome.FAILED] += 1
            return "451 4.3.0 Try again later"
        self._note(outcome)
        return "250 2.0.0 OK"

    def _note(self, outcome: Outcome) -> None:
        self._counted[outcome] += 1
        log.info("answer.handled", outcome=outcome)


def _sender(envelope: Envelope) -> str:
    """Give the envelope's sender; '' for the empty return path, which aiosmtpd gives as it was written."""
    return (envelope.mail_from or "").strip("<> ")


class Listener:
    """The listener of one process; ``counted``: what became of mails."""

    def __init__(self, where: Listen, answering: Answering, counted: Counter[str], *, longest: int) -> None:
        self._where = where
        self._handler = _Handler(answering, counted, lmtp=where.lmtp)
        self._longest = longest
        self._server: asyncio.Server | None = None
        self._sessions: set[SMTP] = set()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._server is not None  # noqa: S101 - only while started
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            ConfigError: the port is taken, or the address is not this machine's.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._session, self._where.host, self._where.port)
        except OSError as error:
            raise _cannot_listen(self._where, error) from error
        encrypted = self._where.context is not None
        log.info("answer.listening", host=self._where.host, port=self.port, lmtp=self._where.lmtp, tls=encrypted)

    async def stop(self) -> None:
        """Listen no more, and end the sessions: who was in the middle of handing in a mail tries again."""
        if self._server is None:
            return
        self._server.close()
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()
        await self._server.wait_closed()
        self._server = None

    def _session(self) -> SMTP:
        kind = _Lmtp if self._where.lmtp else _Smtp
        return kind(
            self._sessions,
            self._handler,
            data_size_limit=self._longest,
            enable_SMTPUTF8=True,
            tls_context=self._where.context,
            require_starttls=self._where.context is not None,
            hostname="convstore",
            ident="convstore",
            timeout=_TIMEOUT,
        )


def check_port(where: Listen) -> None:
    """Find out whether the port may be had, before processes are started that would fail for it again and again.

    Raises:
        ConfigError: it is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    try:
        socket.create_server((where.host, where.port), family=family).close()
    except OSError as error:
        raise _cannot_listen(where, error) from error


def _cannot_listen(where: Listen, error: OSError) -> ConfigError:
    return ConfigError(f"Cannot listen for mail on {where.host} port {where.port}: {error.strerror}.")


class _Bounded:
    """Sessions that are known, and not too many of them; to be mixed into aiosmtpd's."""

    def __init__(self, sessions: set[Any], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._known = sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A session comes here once more when it goes over to TLS.
        many = len(self._known) >= _MOST_SESSIONS and self not in self._known
        if many and isinstance(transport, asyncio.Transport):
            transport.write(b"421 4.3.2 Too many connections\r\n")
            transport.close()
            return
        self._known.add(self)
        super().connection_made(transport)  # type: ignore[misc]  # the other base's

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._known:
            self._known.discard(self)
            super().connection_lost(error)  # type: ignore[misc]  # the other base's


class _Smtp(_Bounded, SMTP):
    """SMTP (RFC 5321)."""


class _Lmtp(_Bounded, LMTP):
    """LMTP (RFC 2033): an answer for each recipient."""
