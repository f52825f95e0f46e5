"""One request to a webhook's receiver, and what its answer means."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ServerDisconnectedError,
)
from msgspec import Struct
from yarl import URL

import convstore
from convstore.log import cloudevents
from convstore.patience import retry_after
from convstore.webhook import signing
from convstore.webhook.guard import AddressRefused

# What is read of an answer: enough for people to see what is wrong. Whoever says more, or slowly, is cut off.
_MOST_READ: Final = 4_096
_READ_WITHIN: Final = 1.0

_ASK_TO_WAIT: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

_OURS: Final = {
    "Content-Type": cloudevents.CONTENT_TYPE,
    "Accept-Encoding": "identity",
    "User-Agent": f"convstore/{convstore.__version__}",
}


class Answer(Struct, frozen=True, kw_only=True):
    """What a receiver said: its status, None when there was no answer; ``reason``, what that means, in our words.

    ``after``: seconds until it wants to be asked again. ``body``: the first bytes of what it said. ``seconds``: how
    long it all took.
    """

    status: int | None
    reason: str
    seconds: float
    after: float | None = None
    body: bytes = b""

    @property
    def taken(self) -> bool:
        """Whether the receiver has the event."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def gone(self) -> bool:
        """Whether it wants no more events, ever."""
        return self.status == HTTPStatus.GONE


async def call(
    session: ClientSession, url: str, *, headers: Mapping[str, str], secrets: Sequence[str], event_id: str, body: bytes
) -> Answer:
    """Push one event, in its envelope, to a receiver. Redirects are not followed."""
    began = time.monotonic()
    signed = signing.headers(secrets, event_id, int(time.time()), body)
    said = {**headers, **_OURS, **signed}

    def failed(reason: str) -> Answer:
        return Answer(status=None, reason=reason, seconds=time.monotonic() - began)

    try:
        try:
            status, after, start = await _post(session, url, said, body)
        except ServerDisconnectedError:
            # A connection that was kept may have been closed just then: that says nothing about this event.
            status, after, start = await _post(session, url, said, body)
    except AddressRefused:
        return failed("its address may not be called: see webhook-networks")
    except TimeoutError:
        return failed("no answer in time")
    except ClientSSLError as error:
        return failed(f"no secure connection, {type(error).__name__}")
    except ClientConnectorError as error:
        return failed(f"no connection, {type(error.os_error).__name__}")
    except (ClientError, OSError) as error:
        return failed(f"no answer, {type(error).__name__}")
    return Answer(
        status=status,
        reason=_meaning(status),
        seconds=time.monotonic() - began,
        after=after if status in _ASK_TO_WAIT else None,
        body=start,
    )


async def _post(
    session: ClientSession, url: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, float | None, bytes]:
    async with session.post(URL(url), data=body, headers=headers, allow_redirects=False) as response:
        start = await _start_of(response)
        return response.status, retry_after(response.headers.get("Retry-After")), start


async def _start_of(response: ClientResponse) -> bytes:
    """Read the start of an answer; if that is not all of it, the connection is closed."""
    read = b""
    with contextlib.suppress(TimeoutError, ClientError):
        async with asyncio.timeout(_READ_WITHIN):
            while len(read) <= _MOST_READ:
                piece = await response.content.read(_MOST_READ + 1 - len(read))
                if not piece:
                    return read
                read += piece
    response.close()
    return read[:_MOST_READ]


def _meaning(status: int) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"HTTP {status}: redirects are not followed"
    return f"HTTP {status}"
