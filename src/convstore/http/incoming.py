"""What a client sends to start a conversation or to add people to one, whatever format it came in."""

from msgspec import Struct


class Document(Struct, frozen=True, kw_only=True):
    """A message document as it was sent. Empty texts are None; so is the id of somebody who was named without one."""

    subject: str | None = None
    text: str | None = None
    users: tuple[str | None, ...] = ()
    groups: tuple[str | None, ...] = ()
    units: tuple[str | None, ...] = ()
    attachments: tuple[str | None, ...] = ()


class SystemDocument(Struct, frozen=True, kw_only=True):
    """A message document of a system, with what only systems say of their messages; as it was sent, not yet judged."""

    message: Document
    sender: str | None = None
    external_id: str | None = None
    forced: str = ""
    priorities: tuple[str, ...] = ()
