"""Answers to commands: DHIS2's WebMessage envelope and its small node documents, in JSON and XML.

Sources: contract sections 2.5.6 and 7.1.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from convstore.http import markup
from convstore.http.keys import FORMAT
from convstore.http.negotiation import Format

# The names that DHIS2's framework gives to statuses; Python's own names of these changed between its versions.
_PHRASES = {413: "Payload Too Large", 422: "Unprocessable Entity"}

_encode = msgspec.json.Encoder().encode


# For the description of the API.
_ATTRIBUTE: Final = Meta(extra_json_schema={"xml": {"attribute": True}})


class WebMessage(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What became of a request: members in this order, absent ones left out (contract section 7.1)."""

    http_status: Annotated[str, _ATTRIBUTE]
    http_status_code: Annotated[int, _ATTRIBUTE]
    status: Annotated[str, _ATTRIBUTE]
    message: str | None = None
    error_code: Annotated[str | None, _ATTRIBUTE] = None


def web_message(code: int, message: str | None = None, error_code: str | None = None) -> WebMessage:
    """Make the envelope that belongs to a status code."""
    phrase = _PHRASES.get(code) or HTTPStatus(code).phrase
    status = "OK" if code < HTTPStatus.BAD_REQUEST else "ERROR"
    return WebMessage(http_status=phrase, http_status_code=code, status=status, message=message, error_code=error_code)


def answer(
    request: web.Request, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with a document that is written already, in the format of the request."""
    if request[FORMAT] is Format.XML:
        return web.Response(body=body, status=status, headers=headers, content_type=Format.XML.value, charset="UTF-8")
    return web.Response(body=body, status=status, headers=headers, content_type=Format.JSON.value)


def message_answer(
    request: web.Request, message: WebMessage, *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with an envelope; the status line always equals its code."""
    body = _message_xml(message) if request[FORMAT] is Format.XML else _encode(message)
    return answer(request, body, status=message.http_status_code, headers=headers)


def node_answer(
    request: web.Request, name: str, value: str | int | Sequence[str], *, root: str = "response"
) -> web.Response:
    """Answer with a node of one member: a text, a number, or a list of uids.

    In XML a list has no element of its own, its uids lie in the root; only ``removed`` wraps them (section 2.5.6).
    """
    if request[FORMAT] is Format.JSON:
        return answer(request, _encode({name: value}))
    if isinstance(value, str | int):
        inner = markup.element(name, str(value))
    else:
        inner = "".join(markup.element("uid", uid) for uid in value)
        if name == "removed" and value:
            inner = f"<removed>{inner}</removed>"
    return answer(request, f"{markup.DECLARATION}<{root}>{inner}</{root}>".encode())


def json_bytes(value: Any) -> bytes:
    """Write a document of plain values in JSON."""
    return _encode(value)


def _message_xml(message: WebMessage) -> bytes:
    """Write the envelope in XML: all members but the message are attributes."""
    attributes: dict[str, Any] = {
        "httpStatus": message.http_status,
        "httpStatusCode": str(message.http_status_code),
        "status": message.status,
        "errorCode": message.error_code,
    }
    written = "".join(f' {name}="{markup.attribute(value)}"' for name, value in attributes.items() if value is not None)
    inner = "" if message.message is None else markup.element("message", message.message)
    return f'{markup.DECLARATION}<webMessage xmlns="{markup.DXF2}"{written}>{inner}</webMessage>'.encode()
