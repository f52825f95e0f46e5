"""DHIS2 metadata as JSON files carry it, decoded to typed values; what convstore does not need is passed over.

Forms of several DHIS2 versions are taken: a username at the top or in ``userCredentials``; sharing as one object or as
``publicAccess`` with ``userAccesses``; membership on either side. A list that is absent or null says nothing; an empty
one says that there is none.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from convstore.errors import DirectoryRefused

# NUL cannot be stored; lone surrogates are refused by the JSON decoder itself.
Text = Annotated[str, Meta(pattern=r"^[^\x00]*\Z")]
UidText = Annotated[str, Meta(pattern=r"^[a-zA-Z][a-zA-Z0-9]{10}\Z")]
Username = Annotated[str, Meta(pattern=r"^[^\x00:]+\Z", max_length=255)]


class Ref(Struct, frozen=True):
    """A reference to another object; what else is told of it there is passed over."""

    id: UidText


class Access(Struct, frozen=True, rename="camel"):
    """What one person, or the members of one group, may do with an object: 'rw------'."""

    access: Text = "--------"
    id: Text | None = None
    user_uid: Text | None = None
    user_group_uid: Text | None = None


class Sharing(Struct, frozen=True, rename="camel"):
    """Who may do what with an object, since DHIS2 2.36. Keys are uids."""

    public: Text | None = None
    owner: Text | None = None
    users: dict[UidText, Access] | None = None
    user_groups: dict[UidText, Access] | None = None


class Timed(Struct, frozen=True, kw_only=True, rename="camel"):
    """What all objects have. Times without a zone are UTC."""

    id: UidText
    code: Text | None = None
    created: Text | None = None
    last_updated: Text | None = None

    def times(self) -> tuple[datetime | None, datetime | None]:
        """Give the times of creation and of the last change.

        Raises:
            DirectoryRefused: one of them is no time.
        """
        return self._time("created", self.created), self._time("lastUpdated", self.last_updated)

    def check(self) -> None:
        """See whether it can be used.

        Raises:
            DirectoryRefused: it cannot; says why.
        """
        self.times()

    def _time(self, name: str, text: str | None) -> datetime | None:
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise DirectoryRefused(f"{name} is no time: {text!r}") from None
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


class Unit(Timed, frozen=True, kw_only=True, rename="camel"):
    """An organisation unit. Its path and level follow from the parents, whatever the file says."""

    name: Text
    short_name: Text | None = None
    parent: Ref | None = None
    users: list[Ref] | None = None


class Role(Timed, frozen=True, kw_only=True, rename="camel"):
    """A role and what it allows."""

    name: Text
    authorities: list[Text] | None = None
    users: list[Ref] | None = None


class Group(Timed, frozen=True, kw_only=True, rename="camel"):
    """A group of users, and whom it is shared with."""

    name: Text
    users: list[Ref] | None = None
    sharing: Sharing | None = None
    public_access: Text | None = None
    user: Ref | None = None
    user_accesses: list[Access] | None = None
    user_group_accesses: list[Access] | None = None

    @property
    def shared(self) -> bool:
        """Whether the file says anything about sharing."""
        said = (self.sharing, self.public_access, self.user, self.user_accesses, self.user_group_accesses)
        return any(value is not None for value in said)

    @property
    def public(self) -> str:
        """What everybody may do with it."""
        return (self.sharing.public if self.sharing else self.public_access) or "--------"

    @property
    def owner(self) -> str | None:
        """Whose it is."""
        if self.sharing is not None:
            return self.sharing.owner
        return self.user.id if self.user is not None else None

    def grants(self) -> list[tuple[str, str, str]]:
        """Give all grants: 'user' or 'group', whom, what."""
        if self.sharing is not None:
            users, groups = self.sharing.users or {}, self.sharing.user_groups or {}
            return [
                *(("user", uid, grant.access) for uid, grant in users.items()),
                *(("group", uid, grant.access) for uid, grant in groups.items()),
            ]
        # Several grants to the same one: the last counts.
        grants = {
            **{("user", grant.user_uid or grant.id): grant.access for grant in self.user_accesses or ()},
            **{("group", grant.user_group_uid or grant.id): grant.access for grant in self.user_group_accesses or ()},
        }
        return [(kind, uid, access) for (kind, uid), access in grants.items() if uid is not None]


class Credentials(Struct, frozen=True, rename="camel"):
    """What an account was to log in with, until DHIS2 2.37."""

    username: Username | None = None
    password: Text | None = None
    disabled: bool | None = None
    uuid: UUID | None = None
    user_roles: list[Ref] | None = None


_NO_CREDENTIALS = Credentials()


class User(Timed, frozen=True, kw_only=True, rename="camel"):
    """A person with his account."""

    first_name: Text
    surname: Text
    email: Text | None = None
    phone_number: Text | None = None
    username: Username | None = None
    password: Text | None = None
    disabled: bool | None = None
    uuid: UUID | None = None
    user_credentials: Credentials | None = None
    user_roles: list[Ref] | None = None
    user_groups: list[Ref] | None = None
    organisation_units: list[Ref] | None = None

    def check(self) -> None:
        """See whether it can be used.

        Raises:
            DirectoryRefused: it cannot; says why.
        """
        super().check()
        _ = self.credentials

    @property
    def credentials(self) -> Credentials:
        """Give the name, password, state and roles of the account, wherever they stand.

        Raises:
            DirectoryRefused: there is no username.
        """
        old = self.user_credentials or _NO_CREDENTIALS
        username = self.username or old.username
        if username is None:
            raise DirectoryRefused("there is no username, neither at the top nor in userCredentials")
        return Credentials(
            username=username,
            password=self.password or old.password,
            disabled=self.disabled if self.disabled is not None else old.disabled,
            uuid=self.uuid or old.uuid,
            user_roles=self.user_roles if self.user_roles is not None else old.user_roles,
        )


class Metadata(Struct, frozen=True, rename="camel"):
    """A file: lists of objects, by kind. None: the file does not speak of this kind."""

    organisation_units: list[Unit] | None = None
    user_roles: list[Role] | None = None
    user_groups: list[Group] | None = None
    users: list[User] | None = None

    def lists(self) -> dict[str, Sequence[Timed] | None]:
        """Give the lists by the names that they have in the file."""
        return {
            "organisationUnits": self.organisation_units,
            "userRoles": self.user_roles,
            "userGroups": self.user_groups,
            "users": self.users,
        }


Named = TypeVar("Named", bound=Timed)


class Merged(Struct, frozen=True, kw_only=True):
    """All files together, each object once."""

    units: dict[str, Unit] | None
    roles: dict[str, Role] | None
    groups: dict[str, Group] | None
    users: dict[str, User] | None
    repeated: int
    """How many objects came more than once: the last of each was taken."""


_decoder = msgspec.json.Decoder(Metadata)


def read(file: Path) -> Metadata:
    """Read one file.

    Raises:
        DirectoryRefused: it cannot be read or is not DHIS2 metadata; names the file and the place in it.
    """
    try:
        metadata = _decoder.decode(file.read_bytes())
    except OSError as problem:
        raise DirectoryRefused(f"{file}: {problem.strerror}") from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise DirectoryRefused(f"{file}: {problem}") from problem
    lists = metadata.lists()
    if all(objects is None for objects in lists.values()):
        raise DirectoryRefused(f"{file}: there is none of the lists {', '.join(lists)}")
    for name, objects in lists.items():
        for number, found in enumerate(objects or ()):
            try:
                found.check()
            except DirectoryRefused as problem:
                raise DirectoryRefused(f"{file}: {problem} - at `$.{name}[{number}]`") from None
    return metadata


def merge(files: list[Metadata]) -> Merged:
    """Put several files together."""
    units = _by_id([metadata.organisation_units for metadata in files])
    roles = _by_id([metadata.user_roles for metadata in files])
    groups = _by_id([metadata.user_groups for metadata in files])
    users = _by_id([metadata.users for metadata in files])
    repeated = units[1] + roles[1] + groups[1] + users[1]
    return Merged(units=units[0], roles=roles[0], groups=groups[0], users=users[0], repeated=repeated)


def _by_id(lists: list[list[Named] | None]) -> tuple[dict[str, Named] | None, int]:
    said = [named for some in lists if some is not None for named in some]
    if not said and all(some is None for some in lists):
        return None, 0
    by_id = {named.id: named for named in said}
    return by_id, len(said) - len(by_id)
