"""Request bodies: message documents in JSON and XML, lists of uids, plain texts (contract section 1.6)."""

import codecs
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
from aiohttp import HttpVersion11, web
from msgspec import Struct

from convstore.http import xml_body
from convstore.http.errors import Problem, body_too_large
from convstore.http.incoming import Document, SystemDocument
from convstore.http.negotiation import is_json, is_xml, media_type
from convstore.http.texts import check_escapes, decoded

Decoded = TypeVar("Decoded")
Read = TypeVar("Read", Document, SystemDocument)

# aiohttp undoes these while it reads, and counts what comes out.
_ENCODINGS = frozenset({"identity", "gzip", "deflate"})

# The labels of text encodings that are taken. Not whatever Python knows under a name: some of those (idna,
# unicode_escape) are slow or are no encodings of texts, and each unknown name stays in a cache for ever.
_LABELS = re.compile(
    r"utf-?(8|(16|32)(-?[lb]e)?)|(us-)?ascii|iso-?8859-\d{1,2}|latin-?1|(windows-|cp)125\d|koi8-[ru]"
    r"|gb18030|gbk|gb2312|big5|shift_jis|euc-jp|euc-kr"
)


class Reference(Struct):
    """Somebody or something that is named by its id; other members mean nothing."""

    id: str | None = None


class MessageBody(Struct, rename="camel"):
    """A message document in JSON, as it is sent; other members mean nothing."""

    subject: str | None = None
    text: str | None = None
    users: list[Reference | None] | None = None
    user_groups: list[Reference | None] | None = None
    organisation_units: list[Reference | None] | None = None
    # The manual writes bare strings, DHIS2 wants objects: both are taken (contract section 1.6).
    attachments: list[Reference | str | None] | None = None


class SystemMessageBody(MessageBody, rename="camel"):
    """The message document of a system in JSON."""

    sender: Reference | str | None = None
    external_id: str | None = None
    forced: bool | str | None = None
    priority: str | None = None
    priorities: list[str | None] | None = None


_message_decoder = msgspec.json.Decoder(MessageBody)
_system_decoder = msgspec.json.Decoder(SystemMessageBody)
_ids_decoder = msgspec.json.Decoder(list[str | None] | None)


async def admit_body(request: web.Request, most: int) -> None:
    """Look at what is said of a body before any of it is read, and let a client that waits for that send it.

    ``most``: how many bytes it may have.

    Raises:
        Problem: 413, it is too large; 415, its encoding is unknown; 417, something else is expected.
    """
    if (request.content_length or 0) > most:
        raise body_too_large()
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise Problem(415, f"Content-Encoding '{encoding}' is not supported")
    if (expected := request.headers.get("Expect")) is not None and request.version >= HttpVersion11:
        if expected.lower() != "100-continue":
            raise Problem(417, f"The expectation '{expected}' cannot be met")
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun: as in aiohttp's own handler


async def read_document(request: web.Request, *, malformed: int) -> Document:
    """Read a message document, in JSON or XML; ``malformed`` is the status for one that cannot be parsed.

    Raises:
        Problem: 415, it is in another format; 400, there is none; ``malformed``, it is not what it should be.
        BadText: it holds what cannot be stored.
    """
    return await _read_either(request, malformed, _from_json, xml_body.parse)


async def read_system_document(request: web.Request) -> SystemDocument:
    """Read a message document of a system, in JSON or XML.

    Raises:
        Problem: 415, it is in another format; 400, there is none; 409, it is not what it should be.
        BadText: it holds what cannot be stored.
    """
    return await _read_either(request, 409, _system_from_json, xml_body.parse_system)


async def read_json(request: web.Request, decoder: msgspec.json.Decoder[Decoded]) -> Decoded:
    """Read a JSON document of some other kind.

    Raises:
        Problem: 415, it is not JSON; 400, it is not what it should be, or there is none.
        BadText: it holds what cannot be stored.
    """
    if not is_json(media_type(request.headers.get("Content-Type", ""))):
        raise unsupported(request)
    return _decoded_json(decoder, await _body(request), 400)


async def read_ids(request: web.Request) -> tuple[str, ...]:
    """Read a JSON list of uids, each once, in the order given; empty ones are left out.

    Raises:
        Problem: 415, it is not JSON; 400, it is no list of strings, or there is none.
        BadText: it holds what cannot be stored.
    """
    ids = await read_json(request, _ids_decoder)
    return tuple(dict.fromkeys(uid for uid in ids or () if uid))


async def read_text(request: web.Request) -> str:
    """Read a text that stands for itself, in the encoding that its content type names, else UTF-8; maybe empty.

    Raises:
        Problem: 415, there is no such encoding.
        BadText: it is not in that encoding, or holds what cannot be stored.
    """
    return decoded(await request.read(), _encoding(request))


def missing_body() -> Problem:
    """Make the error of a body that is not there."""
    return Problem(400, "Required request body is missing")


async def _read_either(
    request: web.Request,
    malformed: int,
    from_json: Callable[[bytes, int], Read],
    from_xml: Callable[[bytes, str | None], Read],
) -> Read:
    name = media_type(request.headers.get("Content-Type", ""))
    if is_json(name):
        return from_json(await _body(request), malformed)
    if is_xml(name):
        charset = _encoding(request) if request.charset is not None else None
        try:
            return from_xml(await _body(request), charset)
        except xml_body.MalformedXml as error:
            raise Problem(malformed, f"XML parse error: {error}") from None
    raise unsupported(request)


async def _body(request: web.Request) -> bytes:
    body = await request.read()
    if not body.strip():
        raise missing_body()
    return body


def _from_json(body: bytes, malformed: int) -> Document:
    return _document(_decoded_json(_message_decoder, body, malformed))


def _system_from_json(body: bytes, malformed: int) -> SystemDocument:
    message = _decoded_json(_system_decoder, body, malformed)
    forced = message.forced
    return SystemDocument(
        message=_document(message),
        sender=_id(message.sender),
        external_id=message.external_id or None,
        forced=str(forced).lower() if isinstance(forced, bool) else forced or "",
        priorities=tuple(filter(None, (message.priority, *(message.priorities or ())))),
    )


def _document(message: MessageBody) -> Document:
    return Document(
        subject=message.subject or None,
        text=message.text or None,
        users=_ids(message.users),
        groups=_ids(message.user_groups),
        units=_ids(message.organisation_units),
        attachments=_ids(message.attachments),
    )


def _ids(references: Iterable[Reference | str | None] | None) -> tuple[str | None, ...]:
    return tuple(map(_id, references or ()))


def _id(reference: Reference | str | None) -> str | None:
    return (reference.id if isinstance(reference, Reference) else reference) or None


def _decoded_json(decoder: msgspec.json.Decoder[Decoded], body: bytes, malformed: int) -> Decoded:
    text = decoded(body).removeprefix("\ufeff")
    check_escapes(text)
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Problem(malformed, f"JSON parse error: {reason}") from None


def _encoding(request: web.Request) -> str:
    """Give Python's name of the encoding that the content type names."""
    label = (request.charset or "utf-8").lower()
    try:
        if _LABELS.fullmatch(label):
            return codecs.lookup(label).name
    except LookupError:  # iso-8859-99
        pass
    raise unsupported(request)


def unsupported(request: web.Request) -> Problem:
    """Make the error of a body in a format that is not taken here."""
    return Problem(415, f"Content-Type '{request.headers.get('Content-Type', '')}' is not supported")
