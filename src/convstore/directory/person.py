"""A person as the rest of the program knows him: frozen, as the directory had him when he was read."""

from msgspec import Struct

from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId

ALL = "ALL"
"""The authority that includes all others: its holder is a superuser (contract section 4)."""


class UserRef(Struct, frozen=True, kw_only=True):
    """What may be shown of a person to anybody who meets him in a conversation (contract sections 2.5.3 and 9.1)."""

    id: UserId
    code: str | None
    username: str
    first_name: str
    surname: str

    @property
    def name(self) -> str:
        """The name and display name: first name, a blank, surname."""
        return f"{self.first_name} {self.surname}"


class Person(Struct, frozen=True, kw_only=True):
    """One account with its rights. ``authorities``: the union over its roles; ``units``: where he is assigned."""

    id: UserId
    username: str
    first_name: str
    surname: str
    code: str | None
    email: str | None
    phone_number: str | None
    authorities: frozenset[str]
    groups: frozenset[Uid]
    units: frozenset[Uid]
    disabled: bool
    in_feedback_group: bool

    @property
    def name(self) -> str:
        """The name and display name: first name, a blank, surname."""
        return f"{self.first_name} {self.surname}"

    @property
    def superuser(self) -> bool:
        """Whether he may do everything."""
        return ALL in self.authorities

    @property
    def ticket_manager(self) -> bool:
        """Whether he handles tickets and sees internal messages: a member of the feedback group, or a superuser."""
        return self.in_feedback_group or self.superuser

    def holds(self, authority: str) -> bool:
        """Tell whether he has an authority, by itself or by ``ALL``."""
        return self.superuser or authority in self.authorities

    def actor(self) -> Actor:
        """Give him as the rules of conversations see him."""
        return Actor(
            id=self.id,
            superuser=self.superuser,
            ticket_manager=self.ticket_manager,
            may_delete=self.holds("F_METADATA_IMPORT"),
            may_send_system=self.holds("F_SEND_SYSTEM_MESSAGE"),
        )
