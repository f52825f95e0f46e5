"""The directory as the server asks it: who is this, whom does that stand for, what is he called.

What was found is remembered for a minute at most, and dropped as soon as the directory changes: see ``changes.py``.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

from msgspec import Struct

from convstore.database import Pool
from convstore.directory import changes, keyring, passwords
from convstore.directory.person import Person, UserRef
from convstore.directory.recent import Recent
from convstore.directory.sessions import Sessions
from convstore.directory.throttle import Throttle
from convstore.directory.tokens import Token, Tokens
from convstore.domain.uid import Uid, UserId
from convstore.errors import (
    AccountDisabled,
    AccountLocked,
    BadCredentials,
    Busy,
    UnknownGroup,
    UnknownUnit,
    UnknownUser,
)
from convstore.sql import Statements

REMEMBER_SECONDS = 60.0
PEOPLE = 10_000
FEEDBACK_SETTING = "feedbackRecipients"

_sql = Statements(files(__package__) / "queries.sql")


class _Login(Struct, frozen=True):
    id: UserId
    password_hash: str | None
    disabled: bool


@dataclass(slots=True)
class Logins:
    """How credentials were judged since the start: as before, by their hash, or wrong (locked names included)."""

    remembered: int = 0
    verified: int = 0
    refused: int = 0


class Directory:
    """The directory of one store as a process sees it. ``start`` makes it quick; without it every answer asks first."""

    def __init__(self, pool: Pool, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.counted = Logins()
        self._pool = pool
        self._changes = changes.Changes(pool, self._forget, {keyring.CHANNEL: self._ended})
        self._sessions = Sessions(pool, self._hears, clock=clock)
        self.tokens = Tokens(pool, self._hears, clock=clock)
        """The personal access tokens: ``by_token`` lets their holders in."""
        self._throttle = Throttle(clock=clock)
        # Which hash a name and password were found to belong to, by their MAC under a key that dies with the process.
        self._secret = secrets.token_bytes(32)
        self._verified: Recent[bytes, str] = Recent(size=PEOPLE, seconds=REMEMBER_SECONDS, clock=clock)
        self._verifying: dict[bytes, asyncio.Task[bool]] = {}
        self._logins: Recent[str, _Login] = Recent(size=PEOPLE, seconds=REMEMBER_SECONDS, clock=clock)
        self._people: Recent[UserId, Person] = Recent(size=PEOPLE, seconds=REMEMBER_SECONDS, clock=clock)
        self._groups: Recent[str, tuple[str, ...]] = Recent(size=10, seconds=REMEMBER_SECONDS, clock=clock)
        self._revision: int | None = None
        # Moves whenever memory is dropped: what was asked for before that must not be remembered after it.
        self._epoch = 0
        # Whom to tell that a session or a token has ended, by its hash; all of them when the directory changes.
        self._watching: dict[bytes, set[Callable[[], None]]] = {}

    async def start(self) -> None:
        """Listen for changes, on one connection of the pool.

        Raises:
            OSError: the database cannot be reached.
        """
        await self._changes.start()

    async def stop(self) -> None:
        """Give that connection back; to be awaited before the pool is closed."""
        await self._changes.stop()

    async def authenticate(self, username: str, password: str) -> Person:
        """Give the person whom a name (in any case) and a password belong to.

        A name that nobody has costs the same time as a wrong password. Names that failed ``throttle.FAILURES`` times
        are locked for a while; a password that was verified within the last minute still opens them.

        Raises:
            BadCredentials: there is no such account, it has no password, or another one.
            AccountLocked: too many wrong passwords, lately.
            AccountDisabled: the password is right, but the account may not be used.
            Busy: too many logins at once.
        """
        if not _storable(username):
            self.counted.refused += 1
            raise BadCredentials
        await self._be_current()
        login = await self._login(username)
        key = self._key(username, password)
        hashed = login.password_hash if login is not None else None
        # Compared with the hash of today: a changed password is another hash, and is verified anew.
        if login is None or hashed is None or self._verified.get(key) != hashed:
            if self._throttle.locked(username, hashed):
                self.counted.refused += 1
                raise AccountLocked
            if not await self._verify_once(key, hashed, password) or login is None or hashed is None:
                self._throttle.failed(username, hashed)
                self.counted.refused += 1
                raise BadCredentials
            self.counted.verified += 1
            self._throttle.succeeded(username)
            await self._remember_login(key, login.id, hashed, username, password)
        else:
            self.counted.remembered += 1
        if login.disabled:
            raise AccountDisabled
        person = await self._person(login.id)
        if person is None:  # deleted between the two questions
            raise BadCredentials
        return person

    async def log_in(self, username: str, password: str, *, idle: float) -> tuple[Person, str]:
        """Let somebody in as ``authenticate`` does, and give what stands for his password from now on.

        ``by_session`` takes it until it was not used for ``idle`` seconds, or the session ends otherwise.

        Raises:
            NotAuthenticated, Busy: as ``authenticate``.
        """
        # Once more when the hash moved between the two steps: a first login replaces it, on any process.
        for _ in range(2):
            person = await self.authenticate(username, password)
            verified = self._verified.get(self._key(username, password))
            token = None if verified is None else await self._sessions.open(person.id, verified, idle=idle)
            if token is not None:
                return person, token
            self._logins.drop(username)
        raise BadCredentials

    async def log_out(self, token: str) -> None:
        """End a session, in all processes; nothing happens when there is none."""
        await self._sessions.close(token)

    async def by_session(self, token: str) -> Person:
        """Give the person whose session this is.

        Raises:
            BadCredentials: there is no such session, or it has ended.
        """
        user_id = await self._sessions.find(token)
        return await self._allowed(user_id)

    async def by_token(self, secret: str) -> tuple[Person, Token]:
        """Give the person whose personal access token this is, and what it is for.

        Raises:
            BadCredentials: there is no such token, or it was revoked or has expired.
            AccountDisabled: its account may not be used.
        """
        token = await self.tokens.find(secret)
        if token is None:
            raise BadCredentials
        return await self._allowed(token.user_id), token

    async def still(self, user_id: UserId) -> Person:
        """Give somebody who came in before, with the rights that he has by now.

        Raises:
            BadCredentials: there is no such account any more.
            AccountDisabled: it may not be used any more.
        """
        return await self._allowed(user_id)

    async def session_lasts(self, token: str) -> float | None:
        """Say for how many seconds a session lasts if it is not used, without using it; None when it has ended."""
        return await self._sessions.lasts(token)

    async def password_mark(self, username: str) -> bytes | None:
        """Give what tells an account's password from the next one; None when there is no account, or no password."""
        await self._be_current()
        login = await self._login(username)
        return None if login is None or login.password_hash is None else keyring.digest(login.password_hash)

    @property
    def hears(self) -> bool:
        """Whether this process hears of every change, so that nobody need ask whether there was one."""
        return self._changes.heard

    @contextmanager
    def watching(self, secret: str, tell: Callable[[], None]) -> Iterator[None]:
        """Have ``tell`` called whenever this session or token ends, or anything in the directory may have changed.

        ``secret`` may be empty: of a password only changes of the directory are heard.
        """
        key = keyring.digest(secret)
        self._watching.setdefault(key, set()).add(tell)
        try:
            yield
        finally:
            self._watching[key].discard(tell)
            if not self._watching[key]:
                del self._watching[key]

    async def person(self, user_id: UserId) -> Person | None:
        """Give one person, disabled or not; None when there is no such account."""
        await self._be_current()
        return await self._person(user_id)

    async def exists(self, user_id: UserId) -> bool:
        """Tell whether there is such an account, disabled or not."""
        found: bool = _storable(user_id) and await self._pool.fetchval(_sql.exists, user_id)
        return found

    async def names(self, ids: Iterable[UserId]) -> dict[UserId, UserRef]:
        """Give what people are called, by their ids; those who are not there any more are left out."""
        rows = await self._pool.fetch(_sql.called, list(set(ids)))
        return {row["id"]: UserRef(**row) for row in rows}

    async def resolve(
        self,
        person: Person,
        users: Sequence[str | None],
        groups: Sequence[str | None],
        units: Sequence[str | None],
    ) -> tuple[UserId, ...]:
        """Give the people whom recipients stand for, each once: units' members, then users, then groups' members.

        Direct members only, as they are now; disabled people too. The order is that of the recipients, and by id
        within a unit or a group. None is an element without id. Any number of recipients takes one statement.

        Source: contract section 3.1.

        Raises:
            UnknownUnit: the first of the units that does not exist.
            UnknownUser: the first of the users that does not exist.
            UnknownGroup: the first of the groups that does not exist, or that ``person`` may not see.
        """
        rows = await self._pool.fetch(
            _sql.resolve, _askable(units), _askable(users), _askable(groups), person.id, person.superuser
        )
        of_unit = {row["id"]: row["people"] for row in rows if row["kind"] == "unit"}
        of_group = {row["id"]: row["people"] for row in rows if row["kind"] == "group"}
        known = {user for row in rows if row["kind"] == "user" for user in row["people"]}
        people: dict[UserId, None] = {}
        for unit in units:
            if unit is None or unit not in of_unit:
                raise UnknownUnit(unit)
            people.update(dict.fromkeys(of_unit[unit]))
        for user in users:
            if user is None or user not in known:
                raise UnknownUser(user)
            people[UserId(user)] = None
        for group in groups:
            if group is None or group not in of_group:
                raise UnknownGroup(group)
            people.update(dict.fromkeys(of_group[group]))
        return tuple(people)

    async def feedback_group(self) -> Uid | None:
        """Give the group whose members get the tickets; None when none is set, or when it is gone."""
        found = await self._remembered("feedback group", _sql.feedback_group)
        return Uid(found[0]) if found else None

    async def set_feedback_group(self, group_id: Uid | None) -> None:
        """Say whose members get the tickets and manage them from now on; None for nobody.

        Raises:
            UnknownGroup: there is no such group.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            await changes.lock(conn)
            if group_id is None:
                await conn.execute(_sql.drop_setting, FEEDBACK_SETTING)
            elif _storable(group_id) and await conn.fetchval(_sql.group_exists, group_id):
                await conn.execute(_sql.set_setting, FEEDBACK_SETTING, group_id)
            else:
                raise UnknownGroup(group_id)
            await changes.announce(conn)
        self._forget()

    async def feedback_members(self) -> tuple[UserId, ...]:
        """Give the people who get the tickets, by id; nobody when no group is set."""
        return tuple(map(UserId, await self._remembered("feedback members", _sql.feedback_members)))

    async def superusers(self) -> frozenset[UserId]:
        """Give everybody who may do everything."""
        return frozenset(map(UserId, await self._remembered("superusers", _sql.superusers)))

    async def ticket_managers(self) -> frozenset[UserId]:
        """Give everybody who manages tickets: the members of the feedback group, and all superusers."""
        return (await self.superusers()).union(await self.feedback_members())

    async def revision(self) -> int:
        """Give a number that grows with every change of the directory."""
        await self._be_current()
        if self._revision is None:
            epoch = self._epoch
            revision = await changes.current(self._pool)
            if epoch != self._epoch:
                return revision
            self._revision = revision
        return self._revision

    async def _be_current(self) -> None:
        """Make sure that what is remembered still holds: nothing to do while every change is heard of."""
        if not self._changes.heard:
            revision = await changes.current(self._pool)
            if revision != self._revision:
                self._forget()
                self._revision = revision

    async def _allowed(self, user_id: UserId | None) -> Person:
        person = None if user_id is None else await self.person(user_id)
        if person is None:
            raise BadCredentials
        if person.disabled:
            raise AccountDisabled
        return person

    def _hears(self) -> bool:
        return self._changes.heard

    def _ended(self, payload: str) -> None:
        key = bytes.fromhex(payload)
        self._sessions.known.drop(key)
        self.tokens.known.drop(key)
        for tell in tuple(self._watching.get(key, ())):
            tell()

    def _forget(self) -> None:
        # Not the verified passwords: each stands for the hash that it was compared with, which is read again.
        self._epoch += 1
        self._sessions.known.clear()
        self.tokens.known.clear()
        self._revision = None
        self._logins.clear()
        self._people.clear()
        self._groups.clear()
        for watching in tuple(self._watching.values()):
            for tell in tuple(watching):
                tell()

    def _key(self, username: str, password: str) -> bytes:
        # The length keeps the name and the password apart. Whatever came in is digested, even half a character.
        name = username.encode("utf-8", "surrogatepass")
        raw = len(name).to_bytes(4, "big") + name + password.encode("utf-8", "surrogatepass")
        # Keyed BLAKE2 is a MAC (RFC 7693 section 1), and takes a third of the time of an HMAC: each request has one.
        return hashlib.blake2b(raw, key=self._secret, digest_size=32).digest()

    async def _login(self, username: str) -> _Login | None:
        if (known := self._logins.get(username)) is not None:
            return known
        epoch = self._epoch
        row = await self._pool.fetchrow(_sql.login, username)
        if row is None:
            return None
        login = _Login(UserId(row["id"]), row["password_hash"], row["disabled"])
        if epoch == self._epoch:
            self._logins.put(username, login)
        return login

    async def _verify_once(self, key: bytes, hashed: str | None, password: str) -> bool:
        """Verify, together with everybody who asks for the very same at the moment: a client's first burst is one hash.

        Each asker is answered on the hash that the first of them met; a caller compares with his own.
        """
        # The hash belongs to the key: a password changed in between must be compared with the new one.
        key = key + (hashed or "").encode()
        task = self._verifying.get(key)
        if task is None:
            task = asyncio.create_task(passwords.verify(hashed, password), name="verify password")
            self._verifying[key] = task
            task.add_done_callback(lambda _task: self._verifying.pop(key, None))
        # One asker that goes away must not take the others' answer with him.
        return await asyncio.shield(task)

    async def _remember_login(self, key: bytes, user_id: UserId, hashed: str, username: str, password: str) -> None:
        """Note a login; a hash of another system is replaced by ours, now that the password is here."""
        if self._verified.get(key) == hashed:  # somebody else's turn in the same burst
            return
        self._verified.put(key, hashed)
        await self._pool.execute(_sql.logged_in, user_id)
        if not passwords.is_ours(hashed):
            try:
                ours = await passwords.hash_password(password)
            except Busy:  # he is in; his next login will do it
                return
            if await self._pool.execute(_sql.rehash, user_id, hashed, ours) == "UPDATE 1":
                self._verified.put(key, ours)
                self._logins.drop(username)

    async def _person(self, user_id: UserId) -> Person | None:
        if (known := self._people.get(user_id)) is not None:
            return known
        if not _storable(user_id):
            return None
        epoch = self._epoch
        row = await self._pool.fetchrow(_sql.person, user_id)
        if row is None:
            return None
        person = Person(
            id=row["id"],
            username=row["username"],
            first_name=row["first_name"],
            surname=row["surname"],
            code=row["code"],
            email=row["email"],
            phone_number=row["phone_number"],
            authorities=frozenset(row["authorities"]),
            groups=frozenset(row["groups"]),
            units=frozenset(row["units"]),
            disabled=row["disabled"],
            in_feedback_group=row["in_feedback_group"],
        )
        if epoch == self._epoch:
            self._people.put(user_id, person)
        return person

    async def _remembered(self, what: str, statement: str) -> tuple[str, ...]:
        await self._be_current()
        if (known := self._groups.get(what)) is not None:
            return known
        epoch = self._epoch
        found = tuple(row[0] for row in await self._pool.fetch(statement))
        if epoch == self._epoch:
            self._groups.put(what, found)
        return found


def _storable(text: str) -> bool:
    """Tell whether the database could hold a text at all: no NUL, no lone surrogate. If not, nothing is called so."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text


def _askable(ids: Sequence[str | None]) -> list[str]:
    return [uid for uid in ids if uid is not None and _storable(uid)]
