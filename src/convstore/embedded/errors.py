"""What can go wrong with the embedded PostgreSQL, each with what to do about it.

::

    EmbeddedError
    ├── BinariesNotFound     no PostgreSQL >= 15 anywhere
    ├── WrongMajor           the folder was made by a major version that is not here
    ├── FolderInUse          another process owns the data folder
    ├── FolderUnusable       the folder cannot be read, written or entered by the server
    ├── NoIdentity           root, and neither a user namespace nor another user works
    ├── InitFailed           initdb ended with an error
    └── ServerFailed         the server ended before it was ready
"""

from __future__ import annotations


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the message says what to do."""


class BinariesNotFound(EmbeddedError):
    """No PostgreSQL of a major version that we can use was found."""


class WrongMajor(EmbeddedError):
    """The data folder belongs to a major version for which there are no binaries here."""


class FolderInUse(EmbeddedError):
    """Another process owns the data folder; ``pid`` is who, if that could be told."""

    def __init__(self, message: str, *, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class FolderUnusable(EmbeddedError):
    """The data folder, or something in it, stands in the way."""


class NoIdentity(EmbeddedError):
    """PostgreSQL refuses to run as root, and nothing else could be arranged."""


class InitFailed(EmbeddedError):
    """``initdb`` failed; the message ends with what it said."""


class ServerFailed(EmbeddedError):
    """The server ended, or refused us, before it was ready; the message ends with the last lines of its log."""
