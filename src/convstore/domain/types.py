"""Values that commands, events and state share."""

from enum import StrEnum

from msgspec import Struct

from convstore.domain.uid import Uid, UserId


class MessageType(StrEnum):
    """Kinds of conversations, in DHIS2's order of declaration (contract section 2.1)."""

    PRIVATE = "PRIVATE"
    SYSTEM = "SYSTEM"
    VALIDATION_RESULT = "VALIDATION_RESULT"
    TICKET = "TICKET"
    SYSTEM_VERSION_UPDATE = "SYSTEM_VERSION_UPDATE"


class Priority(StrEnum):
    """Priorities, lowest first, so that ``list(Priority).index`` orders them."""

    NONE = "NONE"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class Status(StrEnum):
    """States of a ticket or a validation result; every conversation has one."""

    NONE = "NONE"
    OPEN = "OPEN"
    PENDING = "PENDING"
    INVALID = "INVALID"
    SOLVED = "SOLVED"


class Actor(Struct, frozen=True, kw_only=True):
    """The acting person with the rights that the rules ask about, as they are when the command is made.

    ``ticket_manager`` is true for members of the feedback group and for superusers (contract section 4);
    ``may_delete`` for holders of ``ALL`` or ``F_METADATA_IMPORT``; ``may_send_system`` for service accounts with
    ``F_SEND_SYSTEM_MESSAGE`` (or ``ALL``).
    """

    id: UserId
    superuser: bool = False
    ticket_manager: bool = False
    may_delete: bool = False
    may_send_system: bool = False


class Addressed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom a conversation was addressed to, before it was resolved to people: uids as given by the sender."""

    users: tuple[UserId, ...] = ()
    groups: tuple[Uid, ...] = ()
    units: tuple[Uid, ...] = ()


class Attachment(Struct, frozen=True, kw_only=True):
    """A file of a message, frozen when the message was sent; ``length`` in bytes."""

    id: Uid
    name: str
    content_type: str
    length: int
