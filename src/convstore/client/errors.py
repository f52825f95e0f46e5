"""What can go wrong for a client, by what its caller can do about it.

ClientError
├── Unreachable            nobody answered, or broke off, however often it was tried
├── Unreadable             an answer came that is none of convstore's
└── Refused                the server said no, in its own words
    ├── Invalid            400: the request is wrong
    ├── NotAuthenticated   401: who asks is not known, or not any more
    ├── Forbidden          403
    ├── NotFound           404
    ├── Conflict           409: not now, or not so; also a cursor that is ahead of a restored log
    ├── Expired            410: a cursor that is too old; begin with a list again
    ├── KeyReused          422: the key was used before, with another request
    └── Unavailable        429, 500 and above: not just now
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct


class WebMessage(Struct, frozen=True, kw_only=True, rename="camel"):
    """How the server says what became of a request."""

    http_status_code: int
    status: str
    message: str | None = None
    error_code: str | None = None


class ClientError(Exception):
    """The base of all that this package raises."""


class Unreachable(ClientError):
    """Nobody answered, or the connection broke off, however often it was tried."""


class Unreadable(ClientError):
    """An answer came that is none of convstore's: is the address right?"""


class Refused(ClientError):
    """The server said no. The text says what it said; ``web_message`` is that, None when the answer was no such one.

    ``request_id``: what the server's log has the request under.
    """

    def __init__(self, status: int, web_message: WebMessage | None, request_id: str | None = None) -> None:
        said = web_message.message if web_message is not None and web_message.message else "no reason given"
        super().__init__(f"{status}: {said}")
        self.status = status
        self.web_message = web_message
        self.request_id = request_id


class Invalid(Refused):
    """The request is wrong."""


class NotAuthenticated(Refused):
    """Who asks is not known: a wrong password, a token that was revoked or has expired, an account that was closed."""


class Forbidden(Refused):
    """Whoever asks may not do that."""


class NotFound(Refused):
    """There is no such thing, or it is not the caller's."""


class Conflict(Refused):
    """Not now, or not so; also a cursor that is ahead of the log, which was restored perhaps."""


class Expired(Refused):
    """The cursor is too old: begin with a list again."""


class KeyReused(Refused):
    """The key was used before, with another request."""


class Unavailable(Refused):
    """Not just now: the server is busy, stopping, or has a fault."""


_KINDS: Final[Mapping[int, type[Refused]]] = {
    400: Invalid,
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: KeyReused,
    429: Unavailable,
}
_SERVERS_OWN: Final = 500

_web_message = msgspec.json.Decoder(WebMessage)


def refusal(status: int, body: bytes, request_id: str | None = None) -> Refused:
    """Make the exception that belongs to an answer."""
    try:
        said = _web_message.decode(body)
    except msgspec.DecodeError:
        said = None
    kind = Unavailable if status >= _SERVERS_OWN else _KINDS.get(status, Refused)
    return kind(status, said, request_id)
