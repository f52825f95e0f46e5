"""A mail server and an SMS gateway on loopback, real ones, that do what a test says and keep what they were given."""

import asyncio
import email
import email.policy
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Delivered:
    """A mail that the server took."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def body(self, kind: str = "plain") -> str:
        """Its part in this kind of text."""
        part = self.message.get_body((kind,))
        assert part is not None
        content = part.get_content()
        assert isinstance(content, str)
        return content.replace("\r\n", "\n")


# Gives an SMTP answer other than 250, or None to take the mail; may break the connection off.
Script = Callable[[SMTP, Envelope], Awaitable[str | None]]


@dataclass
class Post:
    """A mail server. ``refuse``: answers to RCPT by address; ``script``: what becomes of the next mails, one each."""

    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    sender_answer: str | None = None
    script: list[Script] = field(default_factory=list)
    mails: list[Delivered] = field(default_factory=list)
    sessions: int = 0
    users: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    _server: asyncio.Server | None = None
    _open: set[asyncio.BaseTransport] = field(default_factory=set)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.sender_answer is not None:
            return self.sender_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = await self.script.pop(0)(server, envelope) if self.script else None
        if answer is None:
            self.take(envelope)
        return answer or "250 2.0.0 taken"

    def take(self, envelope: Envelope) -> None:
        """Keep a mail."""
        assert envelope.mail_from is not None
        assert isinstance(envelope.original_content, bytes)
        self.mails.append(Delivered(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        known = self.users.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=known, handled=False)

    async def open(self) -> None:
        """Listen, on the same port as before if there was one."""

        def connected() -> SMTP:
            self.sessions += 1
            login: dict[str, Any] = {}
            if self.users:
                login = {
                    "authenticator": self.authenticate,
                    "auth_required": True,
                    "auth_require_tls": True,
                }
            return _Noted(
                self._open, self, hostname="post.example", tls_context=None if self.implicit else self.tls,
                require_starttls=self.tls is not None and not self.implicit, **login,
            )  # fmt: skip

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            connected, "127.0.0.1", self.port, ssl=self.tls if self.implicit else None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Listen no more, and hang up on everybody."""
        assert self._server is not None
        self._server.close()
        for transport in list(self._open):
            transport.close()
        await self._server.wait_closed()

    @property
    def by_recipient(self) -> Counter[str]:
        """How many mails each address got."""
        return Counter(address for mail in self.mails for address in mail.recipients)

    def to(self, address: str) -> list[Delivered]:
        """Give the mails to an address."""
        return [mail for mail in self.mails if address in mail.recipients]


class _Noted(SMTP):
    """A session that can be hung up on from outside."""

    def __init__(self, known: set[asyncio.BaseTransport], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._known = known

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._known.add(transport)
        super().connection_made(transport)


async def hang_up(server: SMTP, _envelope: Envelope) -> str | None:
    """Break the connection off in the middle of the dialogue."""
    server.transport.abort()
    return "451 nobody hears this"


def answer(text: str) -> Script:
    """Answer a mail with this."""

    async def say(_server: SMTP, _envelope: Envelope) -> str | None:
        return text

    return say


@asynccontextmanager
async def post_office(**options: Any) -> AsyncIterator[Post]:
    """Run a mail server until the end of the block."""
    post = Post(**options)
    await post.open()
    try:
        yield post
    finally:
        await post.shut()


@dataclass
class Gateway:
    """An SMS gateway. ``script``: status and headers of the next answers, 0 for hanging up; then 200."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    script: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    async def serve(self, request: web.Request) -> web.Response:
        self.requests.append(
            {
                "method": request.method,
                "query": dict(request.query),
                "headers": dict(request.headers),
                "body": await request.text(),
            }
        )
        status, headers = self.script.pop(0) if self.script else (200, {})
        if not status:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def sms_gateway() -> AsyncIterator[Gateway]:
    """Run a gateway until the end of the block."""
    gateway = Gateway()
    app = web.Application()
    app.router.add_route("*", "/send", gateway.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}/send"
    try:
        yield gateway
    finally:
        await runner.cleanup()
