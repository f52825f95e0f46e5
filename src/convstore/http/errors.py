"""Turns everything that goes wrong into a WebMessage in the client's format (contract sections 7 and 9.1)."""

import traceback
from collections.abc import Mapping

import asyncpg
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from convstore import errors
from convstore.http.keys import REQUEST_ID
from convstore.http.nodes import message_answer, web_message

BAD_REQUEST, NOT_FOUND, FORBIDDEN, CONFLICT = "E1003", "E1005", "E1006", "E1004"

log = structlog.get_logger()

# What each leaf of errors.py becomes: the status, and DHIS2's error code where it has one (contract section 7.2).
STATUSES: Mapping[type[errors.ConvstoreError], tuple[int, str | None]] = {
    errors.ConversationNotFound: (404, NOT_FOUND),
    errors.MessageNotFound: (404, NOT_FOUND),
    errors.AccessDenied: (403, FORBIDDEN),
    errors.InternalNotAllowed: (403, FORBIDDEN),
    errors.DeleteNotAllowed: (403, None),
    errors.SystemSendNotAllowed: (403, None),
    errors.NoRecipients: (409, CONFLICT),
    errors.SubjectRequired: (409, CONFLICT),
    errors.SubjectTooLong: (409, CONFLICT),
    errors.ExternalIdTooLong: (409, CONFLICT),
    errors.NotInFeedbackGroup: (409, CONFLICT),
    errors.UnknownUnit: (409, CONFLICT),
    errors.UnknownUser: (409, CONFLICT),
    errors.UnknownGroup: (404, NOT_FOUND),
    errors.UnknownAttachment: (409, CONFLICT),
    errors.AttachmentUsed: (409, CONFLICT),
    errors.UidTaken: (409, "E1119"),
    errors.FileEmpty: (409, CONFLICT),
    errors.FileTooLarge: (409, CONFLICT),
    errors.TooManyFiles: (409, CONFLICT),
    errors.BadCredentials: (401, None),
    errors.AccountDisabled: (401, None),
    errors.AccountLocked: (401, None),
    errors.TokenRefused: (409, CONFLICT),
    errors.KeyReused: (422, None),
    errors.Busy: (503, None),
    errors.NotReady: (503, None),
    errors.StorageUnreachable: (503, None),
    errors.BadText: (400, BAD_REQUEST),
    errors.BadQuery: (400, BAD_REQUEST),
    errors.BadQueryOperator: (409, CONFLICT),
    errors.CursorInvalid: (400, BAD_REQUEST),
    errors.CursorAhead: (409, CONFLICT),
    errors.UnknownSubscription: (404, NOT_FOUND),
    errors.SubscriptionTaken: (409, CONFLICT),
    errors.TooManySubscriptions: (409, CONFLICT),
    errors.SubscriptionAhead: (409, CONFLICT),
    errors.UnknownWebhook: (404, NOT_FOUND),
    errors.WebhookRefused: (400, BAD_REQUEST),
    errors.CursorExpired: (410, None),
}

# Seconds after which to try again what was refused because something is not there just now.
_RETRY_AFTER = 1

# The database is away, or is going away: nothing that the client can mend, and nothing that is wrong with the request.
_UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    # What asyncpg says of a connection whose server has said farewell and not yet hung up (findings.md section 1.4).
    asyncpg.InternalClientError,
    ConnectionError,
)


class Problem(errors.ConvstoreError):
    """An answer that is an error, in the endpoint's own words."""

    def __init__(
        self, status: int, message: str, error_code: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.headers = dict(headers or {})


@web.middleware
async def speak(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever the handler raises with a WebMessage; what nobody expected is logged, without texts, as a 500."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the last place that can answer; unexpected ones are logged below
        problem = _problem(error) or _unexpected(request, error)
    message = web_message(problem.status, str(problem), problem.error_code)
    return message_answer(request, message, headers=problem.headers)


def body_too_large() -> Problem:
    """Make the error of a body over the limit, whether its size was said beforehand or found out."""
    return Problem(413, "The request body is too large")


def _problem(error: Exception) -> Problem | None:
    """Give what an error means to the client; None when it is a fault of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return body_too_large()
    if isinstance(error, web.RequestPayloadError):
        return Problem(400, "The request body cannot be read", BAD_REQUEST)
    if isinstance(error, (*_UNREACHABLE, asyncpg.QueryCanceledError)):
        return _unavailable(error)
    if isinstance(error, errors.ConvstoreError):
        for kind in type(error).__mro__:
            if kind in STATUSES:
                status, code = STATUSES[kind]
                after = error.retry_after if isinstance(error, errors.Busy) else _RETRY_AFTER
                return Problem(status, str(error), code, headers=_retry(after) if status == 503 else None)  # noqa: PLR2004 - HTTP's number
    return None


def _unavailable(error: Exception) -> Problem:
    if isinstance(error, asyncpg.QueryCanceledError):
        log.warning("database.too_slow")
        said = "The answer takes too long: ask for less, or again later."
    else:
        log.warning("database.unreachable", error=type(error).__name__)
        said = "The database cannot be reached; try again in a moment."
    return Problem(503, said, headers=_retry(_RETRY_AFTER))


def _retry(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _unexpected(request: web.Request, error: Exception) -> Problem:
    # Not the error's own message: it may quote what somebody wrote.
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("request.failed", request_id=request[REQUEST_ID], error=type(error).__qualname__, frames=frames)
    return Problem(500, f"Something went wrong on the server; its log has it under {request[REQUEST_ID]}.")
