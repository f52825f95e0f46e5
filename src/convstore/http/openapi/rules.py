"""What holds for routes by what they are, so that no description need say it: credentials, refusals, headers.

Each refusal is added only where it can occur. A 500 is a fault of ours and promised nowhere.
"""

from collections.abc import Mapping
from typing import Final

from convstore.directory.tokens import SAFE_METHODS
from convstore.http.compression import GZIP, compressible
from convstore.http.openapi.operation import Answer, Header, Operation, Parameter
from convstore.http.openapi.words import CURSOR, NOT_STORED, TEXT

IDEMPOTENCY_KEY: Final = Parameter(
    name="Idempotency-Key",
    value={"type": "string", "minLength": 1, "maxLength": 255, "pattern": '^"[ !#-\\[\\]-~]+"$|^[!#-~]+$'},
    about="The client's own name for this request: sent again with the same one, it has the effect of one, and gets "
    "the same answer, for 7 days.",
    where="header",
)
PREFER: Final = Parameter(
    name="Prefer",
    value={"type": "string", "examples": ["respond-async"]},
    about="`respond-async`: answer as soon as it is safe, without waiting until lists show it (RFC 7240).",
    where="header",
)
IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match",
    value={"type": "string", "examples": ['"9f86d081884c7d659a2feaa0c55ad015"']},
    about="The `ETag` of the answer that the client has: the same again is a 304.",
    where="header",
)

REQUEST_ID: Final = Header(name="X-Request-ID", about="What the log has this request under.", value=TEXT, always=True)
ETAG: Final = Header(
    name="ETag",
    about="Names what is answered, for `If-None-Match`; weak, but for a file, whose bytes it names.",
    value=TEXT,
    always=True,
)
REFLECTS: Final = Header(
    name="Convstore-Cursor", about="The place in the log that this answer reflects.", value=CURSOR, always=True
)
REFLECTED: Final = Header(
    name="Convstore-Reflected",
    about="`false`: it is done and safe, but lists do not show it yet.",
    value={"type": "string", "enum": ["false"]},
)
APPLIED: Final = Header(
    name="Preference-Applied", about="What of `Prefer` was heeded.", value={"type": "string", "enum": ["respond-async"]}
)
RETRY_AFTER: Final = Header(
    name="Retry-After",
    about="After how many seconds to try again.",
    value={"type": "integer", "minimum": 0},
    always=True,
)
CHALLENGE: Final = Header(
    name="WWW-Authenticate", about="How to come in; left out for scripts (`X-Requested-With`).", value=TEXT
)
# Those of answers that may come compressed; in the document they stand once.
OF_COMPRESSED: Final = (
    Header(
        name="Content-Encoding",
        about="That it is compressed, as `Accept-Encoding` allowed.",
        value={"type": "string", "enum": [GZIP]},
    ),
    Header(
        name="Vary",
        about="Which headers of the request the answer depends on; among them `Accept-Encoding` when it is compressed.",
        value=TEXT,
    ),
)
_STREAMED: Final = frozenset({"text/event-stream"})

# The refusals that come by rule; many descriptions name others with the same status instead.
USUAL: Final[Mapping[int, str]] = {
    400: "The request cannot be understood; the message says what of it.",
    401: "There are no credentials, or they open no account (any more).",
    403: "The credentials are not good for this: a token that is not meant for it, or a session's cookie from another "
    "server's page.",
    406: "It cannot be given in the format that is asked for.",
    413: "The body is too large.",
    415: "The body's format or encoding is not taken here.",
    417: "`Expect` asks for something else than `100-continue`.",
    422: "This `Idempotency-Key` was used before, with another request.",
    503: "Something that is needed cannot be reached or is too busy just now; try again.",
}
_WITH_THE_USUAL: Final = frozenset({403, 503})


def parameters(operation: Operation) -> tuple[Parameter, ...]:
    """Give the parameters of an operation, with the headers that its kind takes."""
    more = (IF_NONE_MATCH,) if operation.revalidates else ()
    return (*operation.parameters, *more, *((IDEMPOTENCY_KEY, PREFER) if operation.command else ()))


def headers(operation: Operation) -> tuple[Header, ...]:
    """Give the headers that the answers of an operation have, those of a 304 too."""
    found = [REQUEST_ID]
    if operation.revalidates:
        found.append(ETAG)
    if operation.cursor or operation.command:
        found.append(REFLECTS)
    if operation.command:
        found += [REFLECTED, APPLIED]
    return tuple(found)


def may_be_compressed(answer: Answer) -> bool:
    """Tell whether an answer may come compressed: ``compression.to_be_compressed``, by what is described of it."""
    kinds = answer.content.keys() - _STREAMED
    return NOT_STORED not in answer.headers and any(map(compressible, kinds))


def refusal_headers(status: int) -> tuple[Header, ...]:
    """Give the headers of a refusal."""
    more = {401: (CHALLENGE,), 503: (RETRY_AFTER,)}
    return (REQUEST_ID, *more.get(status, ()))


def refusals(method: str, operation: Operation, *, documents: bool, public: bool) -> Mapping[int, str]:
    """Give the refusals of an operation by status: those it names itself, and those that come by rule."""
    by_rule = {400, 503}
    if not public:
        by_rule |= {401, 403}
    if documents:
        by_rule.add(406)
    if method not in SAFE_METHODS:
        by_rule |= {413, 415, 417}
    if operation.command:
        by_rule.add(422)
    found = {status: USUAL[status] for status in by_rule}
    for status, text in operation.refusals.items():
        found[status] = f"{text} {found[status]}" if status in _WITH_THE_USUAL & by_rule else text
    return {status: text for status, text in sorted(found.items()) if status not in operation.answers}
