"""Personal access tokens: what a program shows instead of its owner's password, for some purposes and some time.

A token looks as DHIS2's do: ``d2pat_``, 32 letters and digits, and the CRC-32 of these in ten digits, so that scanners
for leaked secrets know it and a mistyped one is told from a revoked one without asking the database. Changing the
password does not end it; revoking it does, at once and in all processes. While its account is closed it opens nothing.
"""

import re
import secrets
import string
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import asyncpg
from msgspec import Struct

from convstore.database import Pool
from convstore.directory.keyring import CHANNEL, Keyring, digest
from convstore.directory.scopes import FULL, READ, SCOPES, are_for_something, follow_events
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.errors import TokenRefused
from convstore.sql import Statements

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

DEFAULT_LIFE = timedelta(days=30)
LONGEST_LIFE = timedelta(days=3650)
MOST = 100
"""How many tokens that have not expired an account may have."""

_LONGEST_NAME = 255
_PREFIX = "d2pat_"
_CODE_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits
_FORM = re.compile(rf"{_PREFIX}([A-Za-z0-9]{{{_CODE_LENGTH}}})([0-9]{{10}})")

_sql = Statements(files(__package__) / "tokens.sql")


class Token(Struct, frozen=True, kw_only=True):
    """A token without its secret, of which ``hint`` is the end. ``methods``: the only ones, or None for all."""

    id: Uid
    user_id: UserId
    name: str
    hint: str
    scopes: tuple[str, ...]
    methods: tuple[str, ...] | None
    created: datetime
    expires: datetime
    last_used: datetime | None

    def permits(self, method: str, *, changes: bool, for_consumers: bool = False) -> bool:
        """Tell whether it may be used for a request with this method, which changes something or not.

        ``for_consumers``: the request follows events; what of them the token lets through is asked there.
        """
        asked = "GET" if method == "HEAD" else method
        if self.methods is not None and asked not in self.methods:
            return False
        if for_consumers and follow_events(self.scopes):
            return True
        return FULL in self.scopes or (READ in self.scopes and method in SAFE_METHODS and not changes)


class Owned(Struct, frozen=True, kw_only=True):
    """A token and the username of its account."""

    token: Token
    username: str


class Tokens:
    """The tokens of one store. ``heard`` tells whether this process hears of every one that is revoked elsewhere."""

    def __init__(
        self, pool: Pool, heard: Callable[[], bool] = lambda: False, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._heard = heard
        self.known: Keyring[Token] = Keyring(clock=clock)

    async def create(
        self,
        user_id: UserId,
        *,
        name: str = "",
        scopes: Sequence[str] = (FULL,),
        methods: Sequence[str] | None = None,
        expires: datetime | None = None,
    ) -> tuple[Token, str]:
        """Make a token; gives it with its secret, which cannot be had again. It expires in 30 days unless said.

        Raises:
            TokenRefused: it would be for nothing, for what there is not, or for no time; or there are too many.
        """
        expires = expires or datetime.now(UTC) + DEFAULT_LIFE
        wanted = check(name, scopes, methods, expires)
        secret = new_secret()
        row = await self._pool.fetchrow(
            _sql.create, new_uid(), digest(secret), user_id, name, secret[-4:], *wanted, expires, MOST
        )
        if row is None:
            raise TokenRefused(f"An account has at most {MOST} tokens: revoke one first.")
        return _token(row), secret

    async def find(self, secret: str) -> Token | None:
        """Give the token that a secret belongs to; None when there is none, or when it has expired."""
        if not is_wellformed(secret):
            return None
        key = digest(secret)
        if self._heard() and (token := self.known.get(key)) is not None:
            return token
        epoch = self.known.epoch
        row = await self._pool.fetchrow(_sql.find, key)
        if row is None:
            return None
        token = _token(row)
        await self._pool.execute(_sql.used, token.id)
        self.known.put(key, token, seconds=row["seconds"], epoch=epoch)
        return token

    async def of_account(self, user_id: UserId) -> list[Token]:
        """Give the tokens of an account, newest first, the expired ones too."""
        return [_token(row) for row in await self._pool.fetch(_sql.of_account, user_id)]

    async def listed(self, username: str | None = None) -> list[Owned]:
        """Give all tokens, by account; those of one account when it is named."""
        rows = await self._pool.fetch(_sql.listed, username)
        return [Owned(token=_token(row), username=row["username"]) for row in rows]

    async def revoke(self, ids: Sequence[str], *, user_id: UserId | None = None) -> frozenset[str]:
        """End tokens, all at once, in all processes; those of one account only, when it is named.

        Gives the ids of those that there were.
        """
        rows = await self._pool.fetch(_sql.revoke, list(ids), user_id, CHANNEL)
        # This process hears of it too, a moment later; what it answers next must know already.
        self.known.clear()
        return frozenset(row["id"] for row in rows)


def new_secret() -> str:
    """Make the secret of a new token."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    return f"{_PREFIX}{code}{_checksum(code)}"


def is_wellformed(secret: str) -> bool:
    """Tell whether a text could be a token's secret: right letters, right checksum."""
    found = _FORM.fullmatch(secret)
    return found is not None and _checksum(found[1]) == found[2]


def check(
    name: str, scopes: Sequence[str], methods: Sequence[str] | None, expires: datetime
) -> tuple[list[str], list[str] | None]:
    """Check what a token is to be, and give its scopes and methods in order, each once.

    Raises:
        TokenRefused: says what is wrong.
    """
    if len(name) > _LONGEST_NAME:
        raise TokenRefused(f"A token's name has at most {_LONGEST_NAME} characters.")
    if unknown := sorted(set(scopes) - SCOPES.keys()):
        raise TokenRefused(f"There is no scope {', '.join(map(repr, unknown))}. There are: {', '.join(SCOPES)}.")
    if not are_for_something(scopes) or (methods is not None and not methods):
        raise TokenRefused("A token must be for something: name a scope, and a method if methods are restricted.")
    if unknown := sorted(set(methods or ()) - set(METHODS)):
        raise TokenRefused(f"No method {', '.join(map(repr, unknown))} is served. There are: {', '.join(METHODS)}.")
    life = expires - datetime.now(UTC)
    if not timedelta() < life <= LONGEST_LIFE:
        raise TokenRefused(f"A token expires in the future, within {LONGEST_LIFE.days} days.")
    return list(dict.fromkeys(scopes)), None if methods is None else [each for each in METHODS if each in methods]


def _checksum(code: str) -> str:
    return f"{zlib.crc32(code.encode()):010d}"


def _token(row: asyncpg.Record) -> Token:
    methods = row["methods"]
    return Token(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        hint=row["hint"],
        scopes=tuple(row["scopes"]),
        methods=None if methods is None else tuple(methods),
        created=row["created"],
        expires=row["expires"],
        last_used=row["last_used"],
    )
