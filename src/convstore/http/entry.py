"""How a caller came in: what his credentials are decides what else a request needs, and what they are good for."""

from enum import Enum

from msgspec import Struct

from convstore.directory import Person
from convstore.directory.tokens import Token


class Means(Enum):
    """The kinds of credentials."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - likewise


class Entry(Struct, frozen=True, kw_only=True):
    """Who came in, and how. ``token`` is there when he came with one."""

    person: Person
    means: Means
    token: Token | None = None

    @property
    def credentials(self) -> str:
        """What the log says of it: the kind, and which token it was."""
        return self.means.value if self.token is None else f"{self.means.value} {self.token.id}"
