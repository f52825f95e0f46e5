"""What can go wrong, as one tree; each leaf says which HTTP status it becomes.

::

    ConvstoreError
    ├── Refused                        a rule says no; nothing was appended
    │   ├── ConversationNotFound       404
    │   ├── MessageNotFound            404
    │   ├── AccessDenied               403   the text is the endpoint's own (contract section 1.5)
    │   ├── InternalNotAllowed         403
    │   ├── DeleteNotAllowed           403
    │   ├── SystemSendNotAllowed       403
    │   ├── NoRecipients               409
    │   ├── SubjectRequired            409
    │   ├── SubjectTooLong             409
    │   ├── ExternalIdTooLong          409
    │   ├── NotInFeedbackGroup         409
    │   ├── UnknownUnit                409   recipients (contract section 3.1)
    │   ├── UnknownUser                409
    │   ├── UnknownGroup               404   there is none, or the caller may not see it
    │   ├── UnknownAttachment          409   there is none, or it is somebody else's
    │   ├── AttachmentUsed             409
    │   ├── UidTaken                   409   of a file that is uploaded under a uid of the client's
    │   ├── FileEmpty                  409
    │   ├── FileTooLarge               409
    │   ├── TooManyFiles               409
    │   └── ConversationExists         never seen by clients: another uid is tried
    ├── NotAuthenticated
    │   ├── BadCredentials             401   unknown name or wrong password: nobody is told which
    │   ├── AccountDisabled            401
    │   └── AccountLocked              401   too many wrong passwords; passes with time
    ├── KeyReused                      422   same Idempotency-Key, other request
    ├── Busy                           503   with Retry-After: the queue is full or the stream too contended
    ├── NotReady                       503   with Retry-After: a read model of this release is not caught up yet
    ├── StorageUnreachable             503   with Retry-After: the folder or bucket of attachments
    ├── BadText                        400   NUL or a lone surrogate in a string
    ├── BadQuery                       400   a query parameter says what there is not, or not so
    │   └── BadQueryOperator           409
    ├── CursorInvalid                  400
    ├── CursorAhead                    409   a cursor of another history, or ahead of the log
    ├── CursorExpired                  410   what changed since is not known any more
    ├── UnknownSubscription            404   there is none, or it is somebody else's
    ├── SubscriptionTaken              409
    ├── TooManySubscriptions           409
    ├── SubscriptionAhead              409   the log is not the one that its consumers followed
    ├── UnknownWebhook                 404   the subscription's events are not pushed
    ├── WebhookRefused                 400   its address, headers or secrets cannot be used
    ├── TestFailed                     exit 1 of ``webhook test``: the receiver did not take it
    ├── SnapshotUnreadable             never seen by clients: the log is folded instead
    ├── TokenRefused                   409   a token cannot be made like this; exit 1 of ``token``
    ├── DeliveryFailed                 exit 1 of ``delivery test``: the mail server or gateway did not take it
    ├── LogCorrupt                     exit 1 of ``verify log``
    ├── ArchiveDamaged                 exit 1 of ``log import``: the file is no export, or not whole
    ├── ImportRefused                  exit 1 of ``log import``: the store is no place for it
    ├── DirectoryRefused               exit 1 of ``user`` and ``directory``: what is wrong with an import, an account
    └── ConfigError                    exit 2 of the command
"""


class ConvstoreError(Exception):
    """Base of all errors that this package raises for its callers; the docstring is the default message."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])


class Refused(ConvstoreError):
    """A rule says no."""


class ConversationNotFound(Refused):
    """No such conversation: it was never started, or it was deleted."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"No conversation {conversation_id}.")
        self.conversation_id = conversation_id


class MessageNotFound(Refused):
    """No such message had been posted in this conversation, or it is not for the asker."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"No message {message_id} in this conversation.")


class AccessDenied(Refused):
    """The acting person may not do this to this conversation."""


class InternalNotAllowed(Refused):
    """Not authorized to send internal messages"""  # noqa: D415 - DHIS2's text, to the letter


class DeleteNotAllowed(Refused):
    """Access is denied, requires one Authority from [F_METADATA_IMPORT]"""  # noqa: D415 - DHIS2's text


class SystemSendNotAllowed(Refused):
    """Access is denied, requires one Authority from [F_SEND_SYSTEM_MESSAGE]"""  # noqa: D415 - in DHIS2's manner


class NoRecipients(Refused):
    """No recipients selected."""


class SubjectRequired(Refused):
    """Subject is required."""


class SubjectTooLong(Refused):
    """Subject cannot be longer than 255 characters."""


class ExternalIdTooLong(Refused):
    """External id cannot be longer than 64 characters."""


class NotInFeedbackGroup(Refused):
    """User provided is not a member of the system's feedback recipient group"""  # noqa: D415 - DHIS2's text


class UnknownUnit(Refused):
    """A recipient unit does not exist; None is an element without id."""

    def __init__(self, uid: str | None) -> None:
        super().__init__(f"Organisation Unit does not exist: {'null' if uid is None else uid}")
        self.uid = uid


class UnknownUser(Refused):
    """A recipient does not exist; None is an element without id."""

    def __init__(self, uid: str | None) -> None:
        super().__init__(f"User does not exist: {'null' if uid is None else uid}")
        self.uid = uid


class UnknownGroup(Refused):
    """A group does not exist, or is not shared with the caller; None is an element without id."""

    def __init__(self, uid: str | None) -> None:
        super().__init__(f"UserGroup with id {'null' if uid is None else uid} could not be found.")
        self.uid = uid


class UnknownAttachment(Refused):
    """There is no such file, or it is not the sender's; None is an element without id."""

    def __init__(self, uid: str | None) -> None:
        super().__init__(f"Attachment '{'null' if uid is None else uid}' not found.")


class AttachmentUsed(Refused):
    """A message has taken the file already, or is about to."""

    def __init__(self, uid: str) -> None:
        super().__init__(f"Attachment '{uid}' is already used or not a valid attachment.")


class UidTaken(Refused):
    """There is a file of this uid."""

    def __init__(self, uid: str) -> None:
        super().__init__(f"FileResource already exists: `{uid}`")


class FileEmpty(Refused):
    """Could not read file or file is empty."""


class FileTooLarge(Refused):
    """A file is larger than the server takes; both in bytes."""

    def __init__(self, limit: int, length: int) -> None:
        super().__init__(f"File size can't be bigger than {limit}, current file size {length}")


class TooManyFiles(Refused):
    """Too many of your files wait for a message: send some, or try again tomorrow."""


class ConversationExists(Refused):
    """The uid of a new conversation is taken already."""


class NotAuthenticated(ConvstoreError):
    """Nobody is known to ask: there is no account that these credentials open."""


class BadCredentials(NotAuthenticated):
    """Unauthorized"""  # noqa: D415 - DHIS2's text, to the letter


class AccountDisabled(NotAuthenticated):
    """Account disabled"""  # noqa: D415 - DHIS2's text


class AccountLocked(NotAuthenticated):
    """Account locked"""  # noqa: D415 - DHIS2's text


class KeyReused(ConvstoreError):
    """This Idempotency-Key was used before, with another request."""


class Busy(ConvstoreError):
    """The server has more to write than it can take; try again in a moment."""

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReady(ConvstoreError):
    """A read model of this release is still being built; try again later."""


class StorageUnreachable(ConvstoreError):
    """The storage of attachments cannot be reached; try again in a moment."""


class BadText(ConvstoreError):
    """A text holds a NUL character or a lone surrogate, which cannot be stored."""


class BadQuery(ConvstoreError):
    """A query parameter cannot be understood."""


class BadQueryOperator(BadQuery):
    """The queryOperator is not one."""


class CursorInvalid(ConvstoreError):
    """This is not a cursor of this store."""


class CursorAhead(ConvstoreError):
    """This cursor is ahead of the log, or from another history of it."""


class CursorExpired(ConvstoreError):
    """What changed since this cursor is not known any more: read the list again, and go on from its cursor."""


class UnknownSubscription(ConvstoreError):
    """There is no such subscription."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no subscription {name}.")


class SubscriptionTaken(ConvstoreError):
    """There is a subscription of this name, of the caller's or of somebody else's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a subscription {name} already: choose another name.")


class TooManySubscriptions(ConvstoreError):
    """An account has as many subscriptions as it may have; the text says how many."""


class SubscriptionAhead(ConvstoreError):
    """The log is not the one that a subscription followed: it was restored from a backup, or lost its end."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The log is not the one that {name} has followed: it was restored, or lost its end. See what of it is "
            "missing with you, or too much, and reset the subscription."
        )


class UnknownWebhook(ConvstoreError):
    """The events of this subscription are not pushed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The subscription {name} has no webhook.")


class WebhookRefused(ConvstoreError):
    """A webhook's address, headers or secrets cannot be used."""


class TestFailed(ConvstoreError):
    """A webhook's receiver did not take a test event."""


class SnapshotUnreadable(ConvstoreError):
    """This snapshot was made by another release, or is damaged."""


class TokenRefused(ConvstoreError):
    """A token cannot be made like this; the text says why."""


class DeliveryFailed(ConvstoreError):
    """A mail or SMS was not taken; the text says why."""


class ArchiveDamaged(ConvstoreError):
    """This file is no export of a log, or not a whole one; the text says at which line."""


class ImportRefused(ConvstoreError):
    """This store cannot take the import; the text says why."""


class LogCorrupt(ConvstoreError):
    """The log is not what was appended."""


class DirectoryRefused(ConvstoreError):
    """The directory cannot be changed like this; the text says why, and nothing was changed."""


class ConfigError(ConvstoreError):
    """The configuration cannot be used."""
