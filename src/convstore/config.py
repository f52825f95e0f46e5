"""What an operator can set: by flag, by environment (``CONVSTORE_…``), or in a TOML file, in this order of strength.

One schema for all three. ``convstore config`` prints what is in force, without secrets.
"""

import dataclasses
import re
import tomllib
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import platformdirs
from cyclopts import Parameter

from convstore.errors import ConfigError

ENVIRONMENT_PREFIX = "CONVSTORE_"
DEFAULT_FILE = Path("convstore.toml")

# A version segment of the API looks like this; a context path must not (contract section 1.1).
_CONTEXT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_WEB_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~-]+)*")

MailSecurity: TypeAlias = Literal["starttls", "tls", "none"]


def default_data_dir() -> Path:
    """Give the folder of the embedded database when none is named: the user's own data directory."""
    return platformdirs.user_data_path("convstore", appauthor=False)


def _setting(name: str, group: str) -> Parameter:
    """Describe one setting. Only these are taken from the environment, no other argument or flag of any command."""
    return Parameter(group=group, env_var=ENVIRONMENT_PREFIX + name.upper(), negative=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Where:
    """Which database: one named by DSN, or the embedded one in a data folder."""

    dsn: Annotated[str | None, _setting("dsn", "Database")] = None
    """Owner's address of a PostgreSQL >= 15, such as postgresql://owner@host/database; none: the embedded one."""
    data_dir: Annotated[Path | None, _setting("data_dir", "Database")] = None
    """Folder of the embedded database and of attachments; by default the user's own data directory."""

    @property
    def folder(self) -> Path:
        """The data folder in force."""
        return self.data_dir or default_data_dir()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WebhookSettings(Where):
    """How events are pushed to the receivers of webhooks, and which of them may be called."""

    webhook_networks: Annotated[tuple[str, ...], _setting("webhook_networks", "Webhooks")] = ()
    """Private networks (CIDR) whose receivers may be called, such as 10.1.0.0/16; may be given several times."""
    webhook_connections: Annotated[int, _setting("webhook_connections", "Webhooks")] = 32
    """Requests to receivers at once, of each server process; each webhook has a quarter of them at most."""
    webhook_timeout: Annotated[float, _setting("webhook_timeout", "Webhooks")] = 15.0
    """How long a receiver may take for one answer, in seconds."""
    webhook_retry_seconds: Annotated[float, _setting("webhook_retry_seconds", "Webhooks")] = 5.0
    """Pause before the second attempt at an event; doubled for each one after it, to an hour."""
    webhook_attempts: Annotated[int, _setting("webhook_attempts", "Webhooks")] = 40
    """How often an event is tried before it is a dead letter."""
    webhook_give_up_hours: Annotated[float, _setting("webhook_give_up_hours", "Webhooks")] = 24.0
    """How long an event is tried before it is a dead letter."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: says which setting, its value, and what it may be.
        """
        self.check_webhooks()

    def check_webhooks(self) -> None:
        """Refuse settings of webhooks that cannot work.

        Raises:
            ConfigError: says which setting, its value, and what it may be.
        """
        _in_range(
            self,
            ("webhook_connections", 1, 1_000),
            ("webhook_timeout", 0.1, 600),
            ("webhook_retry_seconds", 0.01, 3_600),
            ("webhook_attempts", 1, 1_000),
            ("webhook_give_up_hours", 0.0001, 8_760),
        )
        for network in self.webhook_networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ConfigError(
                    f"webhook-networks {network!r}: {error}. Say it as 10.1.0.0/16 or fd00::/8."
                ) from error


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WhereFiles(Where):
    """Which database, and where the bytes of its attachments lie."""

    attachments: Annotated[str, _setting("attachments", "Attachments")] = ""
    """Where the bytes of attachments lie: a folder, or s3://bucket/prefix (gs://, az://); else in the data folder."""

    @property
    def attachments_folder(self) -> Path:
        """Where the bytes lie when nothing else is said."""
        return self.folder / "attachments"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DeliverySettings(WhereFiles):
    """How messages reach people by e-mail and SMS. Off until there is a mail server, or a gateway."""

    base_url: Annotated[str, _setting("base_url", "Delivery")] = ""
    """Where people reach the server, such as https://example.org/demo: for links in mails; none: no links."""
    mail_server: Annotated[str, _setting("mail_server", "Delivery")] = ""
    """Host of the mail server that takes mails from us, or host:port; none: no e-mail."""
    mail_security: Annotated[MailSecurity, _setting("mail_security", "Delivery")] = "starttls"
    """starttls (port 587), tls (port 465), or none (port 25): for a server on this machine or a trusted network."""
    mail_ca: Annotated[Path | None, _setting("mail_ca", "Delivery")] = None
    """File with the certificates (PEM) to trust the mail server by, instead of the system's."""
    mail_username: Annotated[str, _setting("mail_username", "Delivery")] = ""
    """Name to log in to the mail server by; none: no login."""
    mail_password: Annotated[str, _setting("mail_password", "Delivery")] = ""
    """Its password; best in the environment, CONVSTORE_MAIL_PASSWORD."""
    mail_from: Annotated[str, _setting("mail_from", "Delivery")] = ""
    """Address that mails come from; needed for e-mail."""
    mail_rate: Annotated[float, _setting("mail_rate", "Delivery")] = 20.0
    """Most mails a second, over all server processes."""
    mail_connections: Annotated[int, _setting("mail_connections", "Delivery")] = 2
    """Connections to the mail server at once."""
    mail_timeout: Annotated[float, _setting("mail_timeout", "Delivery")] = 30.0
    """How long the mail server may take for one answer, in seconds."""
    mail_reply_address: Annotated[str, _setting("mail_reply_address", "Delivery")] = ""
    """Address that answers are sent to, such as reply@example.org: it gets reply+…@example.org; none: no answers."""
    mail_listen: Annotated[str, _setting("mail_listen", "Delivery")] = ""
    """Where a mail server hands answers in, such as smtp://127.0.0.1:8025 or lmtp://127.0.0.1:8024; none: nowhere."""
    mail_listen_certificate: Annotated[Path | None, _setting("mail_listen_certificate", "Delivery")] = None
    """File with a certificate (PEM): mails are then handed in over TLS only, after STARTTLS; none: in the clear."""
    mail_listen_key: Annotated[Path | None, _setting("mail_listen_key", "Delivery")] = None
    """File with its private key, unless that is in the same file."""
    mail_reply_days: Annotated[int, _setting("mail_reply_days", "Delivery")] = 90
    """How many days a mail can be answered by mail."""
    mail_key: Annotated[int, _setting("mail_key", "Delivery")] = 0
    """From 0 to 15; another number makes all reply addresses and unsubscribe links sent so far worthless."""
    sms_gateway: Annotated[str, _setting("sms_gateway", "Delivery")] = ""
    """Address of the HTTP gateway for SMS; ${recipient}, ${text} and ${id} stand for what is sent; none: no SMS."""
    sms_method: Annotated[Literal["POST", "PUT", "GET"], _setting("sms_method", "Delivery")] = "POST"
    """HTTP method to ask it with."""
    sms_headers: Annotated[tuple[str, ...], _setting("sms_headers", "Delivery")] = ()
    """Header for the gateway, as 'Name: value'; may be given several times."""
    sms_body: Annotated[str, _setting("sms_body", "Delivery")] = ""
    """Body for the gateway, with ${recipient}, ${text} and ${id}; written as its Content-Type wants it."""
    sms_rate: Annotated[float, _setting("sms_rate", "Delivery")] = 5.0
    """Most SMS a second, over all server processes."""
    sms_max_length: Annotated[int, _setting("sms_max_length", "Delivery")] = 1_071
    """Longest text that is sent by SMS, in characters; a longer one is not sent at all."""
    sms_timeout: Annotated[float, _setting("sms_timeout", "Delivery")] = 30.0
    """How long the gateway may take for one answer, in seconds."""
    delivery_retry_seconds: Annotated[float, _setting("delivery_retry_seconds", "Delivery")] = 60.0
    """Pause before the second attempt at a mail or SMS; doubled for each one after it, to an hour."""
    delivery_give_up_hours: Annotated[float, _setting("delivery_give_up_hours", "Delivery")] = 72.0
    """How old a message may be to be sent by e-mail or SMS at all, and so how long it is tried."""
    delivery_keep_days: Annotated[int, _setting("delivery_keep_days", "Delivery")] = 90
    """How many days it is known what became of a mail or SMS."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: says which setting, its value, and what it may be.
        """
        _in_range(
            self,
            ("mail_rate", 0.01, 10_000),
            ("mail_connections", 1, 50),
            ("mail_timeout", 0.1, 600),
            ("mail_reply_days", 1, 3_650),
            ("mail_key", 0, 15),
            ("sms_rate", 0.01, 10_000),
            ("sms_max_length", 1, 100_000),
            ("sms_timeout", 0.1, 600),
            ("delivery_retry_seconds", 0.01, 3_600),
            ("delivery_give_up_hours", 0.01, 8_760),
            ("delivery_keep_days", 1, 3_650),
        )
        if self.base_url and not _WEB_ADDRESS.fullmatch(self.base_url):
            raise ConfigError(
                f"base-url {self.base_url!r}: say it as https://example.org or https://example.org/demo, without a "
                "slash at the end."
            )

    def shown(self) -> dict[str, Any]:
        """Give all settings in force, as TOML could hold them, without passwords, keys and the like."""
        values = dataclasses.asdict(self) | {
            "data_dir": str(self.folder),
            "dsn": without_password(self.dsn or ""),
            "attachments": without_secrets(self.attachments) or str(self.attachments_folder),
            **{
                name: str(getattr(self, name) or "")
                for name in ("mail_ca", "mail_listen_certificate", "mail_listen_key")
            },
            # Gateways take their keys in any of these.
            **{
                name: "***"
                for name in ("mail_password", "sms_gateway", "sms_headers", "sms_body")
                if getattr(self, name)
            },
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Settings(DeliverySettings, WebhookSettings):
    """Everything that ``convstore serve`` can be told."""

    host: Annotated[str, _setting("host", "Server")] = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, _setting("port", "Server")] = 8080
    """TCP port to listen on; 0 takes a free one and says which."""
    workers: Annotated[int, _setting("workers", "Server")] = 1
    """Server processes that share the port."""
    context_path: Annotated[str, _setting("context_path", "Server")] = ""
    """What stands before /api in all paths, such as /demo."""
    trusted_proxies: Annotated[tuple[str, ...], _setting("trusted_proxies", "Server")] = ()
    """Addresses or networks (CIDR) whose X-Forwarded-* headers are believed; may be given several times."""
    max_body: Annotated[int, _setting("max_body", "Server")] = 2_000_000
    """Largest request body, in bytes; a larger one is answered with 413."""
    max_attachment: Annotated[int, _setting("max_attachment", "Attachments")] = 10_000_000
    """Largest file that may be attached to a message, in bytes."""
    metrics_port: Annotated[int, _setting("metrics_port", "Server")] = 0
    """Port on 127.0.0.1 for /metrics and /health, without a login; worker n takes the n-th port after it; 0: none."""
    session_minutes: Annotated[int, _setting("session_minutes", "Server")] = 60
    """How long somebody who logged in by cookie stays so without doing anything, in minutes."""
    static: Annotated[tuple[str, ...], _setting("static", "Server")] = ()
    """A built web app to serve beside the API, as PATH=DIR: /dhis-web-messaging=./app; may be given several times."""
    front: Annotated[str, _setting("front", "Server")] = "page"
    """What a browser gets at /: page, the web page of convstore's own; none; or the path of an app of --static."""
    sample_seconds: Annotated[float, _setting("sample_seconds", "Server")] = 60.0
    """How often a few conversations are replayed and compared with the read models, in seconds; 0: never."""
    partitions: Annotated[int, _setting("partitions", "Database")] = 1
    """Partitions of the log, fixed when the store is created."""
    connections: Annotated[int, _setting("connections", "Database")] = 10
    """Most connections that each server process opens for requests."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is started.

        Raises:
            ConfigError: says which setting, its value, and what it may be.
        """
        super().__post_init__()
        self.check_webhooks()
        if not _CONTEXT_PATH.fullmatch(self.context_path):
            raise ConfigError(
                f"context-path {self.context_path!r}: say it with a leading slash and no trailing one, /demo."
            )
        apps = {setting.partition("=")[0].rstrip("/") for setting in self.static}
        if self.front not in {"page", "none", *apps}:
            raise ConfigError(f"front {self.front!r}: must be page, none, or the path of an app of --static.")
        _in_range(
            self,
            ("port", 0, 65_535),
            ("workers", 1, 256),
            ("metrics_port", 0, 65_536 - self.workers),
            ("partitions", 1, 1_024),
            ("connections", 2, 1_000),
            ("max_body", 1_000, 1_000_000_000),
            ("max_attachment", 1, 10_000_000_000),
            ("session_minutes", 1, 43_200),
            ("sample_seconds", 0, 86_400),
        )
        if self.metrics_port and self.metrics_port <= self.port < self.metrics_port + self.workers:
            raise ConfigError(
                f"port {self.port} is also a metrics-port: from {self.metrics_port}, one for each worker."
            )


def _in_range(settings: object, *ranges: tuple[str, float, float]) -> None:
    """Check numbers, each with the least and the most that it may be.

    Raises:
        ConfigError: one is not in its range.
    """
    for name, low, high in ranges:
        value = getattr(settings, name)
        # Also false for what is no number (nan).
        if not low <= value <= high:
            raise ConfigError(f"{name.replace('_', '-')} {value}: must be from {low} to {high}.")


def without_password(dsn: str) -> str:
    """Give a DSN as it may be shown: an address with its password replaced, anything else not at all."""
    parts = urlsplit(dsn)
    if not parts.scheme:
        return "***" if dsn else ""
    if parts.password is None:
        return dsn if "password" not in parts.query else parts._replace(query="***").geturl()
    name, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{name.partition(':')[0]}:***@{host}").geturl()


def without_secrets(place: str) -> str:
    """Give where attachments lie as it may be shown: an address without name, password and query."""
    if "://" not in place:
        return place
    parts = urlsplit(place)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def check_file(path: Path, *, required: bool) -> None:
    """Refuse a TOML file that says what nobody asks: a misspelt setting must not be silently ignored.

    Raises:
        ConfigError: the file is missing though named, is not TOML, or has a key that is no setting.
    """
    if not path.is_file():
        if required:
            raise ConfigError(f"There is no file {path}.")
        return
    try:
        keys = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    known = {field.name for field in dataclasses.fields(Settings)}
    if unknown := sorted(key for key in keys if key.replace("-", "_") not in known):
        raise ConfigError(f"{path}: no such setting: {', '.join(unknown)}. There are: {', '.join(sorted(known))}.")
