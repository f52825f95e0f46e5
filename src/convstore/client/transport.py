"""Carries requests to the server: who asks, how long it may take, and what is tried again.

What may be asked twice is tried again when the connection fails, and when the server says 429, 502, 503 or 504: reads,
and whatever has an ``Idempotency-Key``. The pauses grow, differ at random, and are never shorter than ``Retry-After``.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import (
    ClientConnectionError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    encode_basic_auth,
)
from aiohttp import ClientError as AiohttpError
from msgspec import Struct
from yarl import URL

from convstore.client.errors import ClientError, Unavailable, Unreachable, Unreadable, refusal

Params = Iterable[tuple[str, str]]
T = TypeVar("T")

_AGAIN: Final = frozenset((429, 502, 503, 504))
_BROKEN: Final = (ClientConnectionError, ClientPayloadError, TimeoutError, ConnectionError)
_JSON: Final = "application/json"

log = logging.getLogger("convstore.client")


class Retries(Struct, frozen=True, kw_only=True):
    """How what failed is tried again, in seconds: ``within`` which time after the first try, and the pauses between."""

    within: float = 60.0
    first_pause: float = 0.2
    longest_pause: float = 10.0

    def pause(self, tries: int, asked: float | None = None) -> float:
        """Give the pause after so many tries: longer each time, not the same for all, at least what was asked for."""
        longest = min(self.first_pause * 2.0 ** min(tries - 1, 30), self.longest_pause)
        return max(longest * random.uniform(0.5, 1.0), asked or 0.0)  # noqa: S311 - spreads load, no secret


class Answer(Struct, frozen=True):
    """What a server answered, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, kind: type[T]) -> T:
        """Read the body as JSON of this kind.

        Raises:
            Unreadable: it is something else.
        """
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.DecodeError as error:
            raise Unreadable(f"The answer is no {kind}: {error}") from error

    def header(self, name: str) -> str:
        """Give a header that answers have.

        Raises:
            Unreadable: this one has it not.
        """
        try:
            return self.headers[name]
        except KeyError:
            raise Unreadable(f"The answer has no {name}.") from None


class Transport:
    """The connections to one server, in the name of one account."""

    def __init__(self, url: str, authorization: str, *, timeout: float, retries: Retries) -> None:
        self._base = api_of(url)
        self._headers = {
            "Authorization": authorization,
            "Accept": _JSON,
            "User-Agent": f"convstore-client/{version('convstore')}",
        }
        self._timeout = ClientTimeout(total=timeout, connect=min(timeout, 10.0))
        self.retries = retries
        self._session: ClientSession | None = None

    async def open(self) -> None:
        """Make ready for requests."""
        self._session = ClientSession(headers=self._headers, timeout=self._timeout)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        body: bytes | None = None,
        content_type: str = _JSON,
        key: str | None = None,
        again: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - seconds for one try, not for the call
    ) -> Answer:
        """Send a request, and give what was answered; tried again if it is a read, has a key, or ``again`` allows it.

        ``timeout``: seconds that one try may take beyond those of the client, for calls that wait.

        Raises:
            Unreachable: nobody answered.
            Refused: the server said no; its leaves tell which no.
        """
        headers = {} if body is None else {"Content-Type": content_type}
        if key is not None:
            headers["Idempotency-Key"] = f'"{key}"'
        limit = self._timeout
        if timeout is not None:
            limit = ClientTimeout(total=(limit.total or 0.0) + timeout, connect=limit.connect)
        repeatable = again or key is not None or method in ("GET", "HEAD")
        until = time.monotonic() + self.retries.within
        tries = 0
        while True:
            tries += 1
            asked = None
            try:
                async with self._request(method, path, params, headers=headers, limit=limit, body=body) as response:
                    said = await response.read()
                    if response.status < HTTPStatus.MULTIPLE_CHOICES:
                        return Answer(response.status, response.headers, said)
                    failed: ClientError = refusal(response.status, said, response.headers.get("X-Request-ID"))
                    if response.status not in _AGAIN:
                        raise failed
                    asked = _retry_after(response.headers.get("Retry-After"))
            except _BROKEN as error:
                failed = self._unreachable(error)
                failed.__cause__ = error
                if isinstance(error, ClientSSLError):
                    raise failed from error
            except AiohttpError as error:
                raise self._unreachable(error) from error
            pause = self.retries.pause(tries, asked)
            if not repeatable or time.monotonic() + pause > until:
                raise failed
            log.info("request.again path=%s tries=%d: %s", path, tries, failed)
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def listen(
        self, path: str, *, params: Params, headers: Mapping[str, str], silence: float
    ) -> AsyncIterator[ClientResponse]:
        """Open an answer that goes on; it broke off when nothing comes for ``silence`` seconds.

        Raises:
            Unreachable: nobody answered, or it broke off.
            Refused: the server said no.
        """
        limit = ClientTimeout(total=None, connect=self._timeout.connect, sock_read=silence)
        headers = {**headers, "Accept": "text/event-stream"}
        try:
            async with self._request("GET", path, params, headers=headers, limit=limit) as response:
                if response.status != HTTPStatus.OK:
                    said = await response.read()
                    raise refusal(response.status, said, response.headers.get("X-Request-ID"))
                yield response
        except (*_BROKEN, AiohttpError) as error:
            raise self._unreachable(error) from error

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        params: Params,
        *,
        headers: Mapping[str, str],
        limit: ClientTimeout,
        body: bytes | None = None,
    ) -> AsyncIterator[ClientResponse]:
        if self._session is None:
            raise ClientError("The client is not open: use it in `async with`.")
        url = (self._base / path).with_query(list(params))
        # Nothing of convstore's is elsewhere; and who asks is not to be told to others.
        async with self._session.request(
            method, url, headers=headers, data=body, timeout=limit, allow_redirects=False
        ) as response:
            yield response

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self._base.origin()}: {str(error) or type(error).__name__}")


class Waits:
    """The pauses of somebody who follows: for ever, once it has worked; before that, no longer than for any call."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._tries = 0
        self._begun_by = time.monotonic() + retries.within

    def worked(self) -> None:
        """Note that it works: the next pause is the shortest."""
        self._tries = 0
        self._begun_by = float("inf")

    async def after(self, failed: ClientError | None) -> None:
        """Wait until it is to be tried again; after a failure that comes from the server being away, only.

        Raises:
            ClientError: it is no such failure; or it has never worked.
        """
        if failed is not None and not isinstance(failed, Unreachable | Unavailable):
            raise failed
        if failed is not None and time.monotonic() > self._begun_by:
            raise failed
        self._tries += 1
        if failed is not None:
            log.warning("following.broken tries=%d: %s", self._tries, failed)
        await asyncio.sleep(self._retries.pause(self._tries))


def authorization_of(token: str | None, user: str | None, password: str | None) -> str:
    """Give the header that says who asks.

    Raises:
        ValueError: neither token nor name and password were given, or both.
    """
    if token is not None and user is None and password is None:
        return f"ApiToken {token}"
    if token is None and user is not None and password is not None:
        return encode_basic_auth(user, password)
    raise ValueError("Give a token, or user and password.")


def api_of(url: str) -> URL:
    """Give the address of the API from that of the server, or its own.

    Raises:
        ValueError: it is no address.
    """
    base = URL(url.rstrip("/"))
    if base.scheme not in ("http", "https") or not base.host:
        raise ValueError(f"{url!r} is no address of a server; it should be like https://messages.example.org")
    return base if base.name == "api" else base / "api"


def encoded(value: Any) -> bytes:
    """Write a body in JSON."""
    return msgspec.json.encode(value)


def _retry_after(text: str | None) -> float | None:
    """Read a Retry-After (RFC 9110 section 10.2.3), in seconds; None when there is none that can be read."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
