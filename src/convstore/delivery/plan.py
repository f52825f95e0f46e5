"""What an operator's settings come to: which channels there are, and how mails are written and answered."""

import re
import ssl
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from convstore.config import DeliverySettings
from convstore.delivery.mail import Wording, Writer, address_of
from convstore.delivery.sender import Channel
from convstore.delivery.signed import LONGEST_PREFIX, Signer
from convstore.delivery.sms import Gateway, Sms
from convstore.delivery.smtp import Email, Server, trust
from convstore.delivery.verdict import Skipped
from convstore.errors import ConfigError
from convstore.patience import Patience

CHANNELS: Final = ("email", "sms")

_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)")
_HIGHEST_PORT: Final = 65_535


class Listen(Struct, frozen=True):
    """Where answers by mail come in; ``lmtp``: by LMTP (RFC 2033), else by SMTP; ``context``: only over TLS."""

    lmtp: bool
    host: str
    port: int
    context: ssl.SSLContext | None = None


def patience(settings: DeliverySettings) -> Patience:
    """Say how long something is tried."""
    return Patience(settings.delivery_retry_seconds, settings.delivery_give_up_hours * 3_600)


def news(settings: DeliverySettings) -> timedelta:
    """Say how old a message may be to be sent at all."""
    return timedelta(hours=settings.delivery_give_up_hours)


def channels(settings: DeliverySettings, signer: Signer) -> list[Channel]:
    """Give the channels that are switched on.

    Raises:
        ConfigError: a setting of theirs cannot be used; says which.
    """
    found: list[Channel] = []
    if (mail := email(settings, signer)) is not None:
        found.append(mail)
    if (gateway := sms(settings)) is not None:
        found.append(gateway)
    return found


def check(settings: DeliverySettings) -> None:
    """See whether the settings can be used, before anything is started.

    Raises:
        ConfigError: one of them cannot; says which.
    """
    channels(settings, Signer(b"", settings.mail_key))
    listen(settings)


def email(settings: DeliverySettings, signer: Signer) -> Email | None:
    """Give the channel of e-mail; None when it is off.

    Raises:
        ConfigError: a setting of it cannot be used.
    """
    if not settings.mail_server:
        return None
    sender = _address("mail-from", settings.mail_from)
    reply = reply_address(settings)
    if len(reply.rpartition("@")[0]) > LONGEST_PREFIX:
        raise ConfigError(
            f"mail-reply-address {reply}: at most {LONGEST_PREFIX} characters before the @, for a long token follows "
            "them."
        )
    if settings.mail_security == "none" and settings.mail_password:
        raise ConfigError("mail-password: it would be sent in the clear; set mail-security to starttls or tls.")
    host, port = _host("mail-server", settings.mail_server, _PORTS[settings.mail_security])
    try:
        context = trust(settings.mail_security, None if settings.mail_ca is None else str(settings.mail_ca))
    except OSError as error:
        raise ConfigError(f"mail-ca {settings.mail_ca}: cannot be used: {error.strerror or error}.") from error
    return Email(
        Server(
            host=host,
            port=port,
            security=settings.mail_security,
            username=settings.mail_username,
            password=settings.mail_password,
            timeout=settings.mail_timeout,
            context=context,
        ),
        Writer(
            Wording(sender=sender, base_url=settings.base_url, reply_address=reply),
            signer,
        ),
        rate=settings.mail_rate,
        connections=settings.mail_connections,
        domain=sender.rpartition("@")[2],
    )


def reply_address(settings: DeliverySettings) -> str:
    """Give the address that answers are sent to, as it is written on the wire; '' for none.

    Raises:
        ConfigError: it is no address.
    """
    return _address("mail-reply-address", settings.mail_reply_address) if settings.mail_reply_address else ""


def sms(settings: DeliverySettings) -> Sms | None:
    """Give the channel of SMS; None when it is off.

    Raises:
        ConfigError: a setting of it cannot be used.
    """
    if not settings.sms_gateway:
        return None
    if not settings.sms_gateway.startswith(("http://", "https://")):
        raise ConfigError("sms-gateway: must be an address that begins with https:// or http://.")
    template = settings.sms_gateway + settings.sms_body
    for name in ("recipient", "text"):
        if f"${{{name}}}" not in template:
            raise ConfigError(f"sms-gateway, sms-body: one of them must have ${{{name}}} in it.")
    headers = []
    for number, header in enumerate(settings.sms_headers, 1):
        found = _HEADER.fullmatch(header)
        if found is None:
            # Not quoted: it may hold a key.
            raise ConfigError(f"sms-headers: number {number} is not of the form 'Name: value'.")
        headers.append((found[1], found[2].strip()))
    if settings.sms_body and not any(name.lower() == "content-type" for name, _ in headers):
        raise ConfigError(
            "sms-headers: a body needs a Content-Type, such as 'Content-Type: application/json', for texts are written "
            "into it as that demands."
        )
    return Sms(
        Gateway(
            url=settings.sms_gateway,
            method=settings.sms_method,
            headers=headers,
            body=settings.sms_body,
            max_length=settings.sms_max_length,
            timeout=settings.sms_timeout,
        ),
        rate=settings.sms_rate,
    )


def listen(settings: DeliverySettings) -> Listen | None:
    """Say where answers by mail come in; None for nowhere.

    Raises:
        ConfigError: the setting cannot be used, or there is no address to answer to.
    """
    if not settings.mail_listen:
        return None
    if not settings.mail_reply_address:
        raise ConfigError("mail-listen: needs mail-reply-address, the address that answers are sent to.")
    parts = urlsplit(settings.mail_listen)
    if parts.scheme not in ("smtp", "lmtp") or parts.path not in ("", "/"):
        raise ConfigError(f"mail-listen {settings.mail_listen!r}: say it as smtp://127.0.0.1:8025 or lmtp://….")
    host, port = _host("mail-listen", parts.netloc, None)
    return Listen(parts.scheme == "lmtp", host, port, _own_certificate(settings))


def _own_certificate(settings: DeliverySettings) -> ssl.SSLContext | None:
    """Read what the listener shows of itself; None when it speaks in the clear.

    Raises:
        ConfigError: certificate and key cannot be read, or do not belong together.
    """
    certificate, key = settings.mail_listen_certificate, settings.mail_listen_key
    if certificate is None:
        if key is not None:
            raise ConfigError("mail-listen-key: needs mail-listen-certificate, the certificate that it belongs to.")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password: nobody sits there to type one in.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        said = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigError(
            f"mail-listen-certificate {certificate}, mail-listen-key {key or certificate}: cannot be used: {said}."
        ) from error
    return context


def _address(name: str, text: str) -> str:
    try:
        return address_of(text)
    except Skipped as why:
        raise ConfigError(f"{name} {text!r}: {why.reason}.") from why


def _host(name: str, text: str, default: int | None) -> tuple[str, int]:
    """Read host and port.

    Raises:
        ConfigError: it is not host:port, or the port is missing and has no default.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port if parts.port is not None else default
    except ValueError:
        host, port = None, None
    if not host or port is None or not 0 <= port <= _HIGHEST_PORT:
        raise ConfigError(f"{name} {text!r}: say it as host:port.")
    return host, port
