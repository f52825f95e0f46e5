"""Makes the AsyncAPI 3 document of the streams that are served.

Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0. What an event has in it is described by the very
classes that the log is decoded to, so that none can be forgotten.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, get_args

from aiohttp import web

from convstore import __version__
from convstore.domain.access import AccessEvent
from convstore.domain.events import ConversationEvent, Event, tag_of
from convstore.http.described.events import EVENT
from convstore.http.keys import BACKEND, FORMAT
from convstore.http.links import origin
from convstore.http.live import InboxEvent
from convstore.http.negotiation import Format
from convstore.http.nodes import json_bytes
from convstore.http.openapi.operation import Schema
from convstore.http.openapi.schemas import Schemas
from convstore.http.reading import read_answer
from convstore.http.sse import Ended
from convstore.log import cloudevents
from convstore.webhook import trying

_KINDS: Final[tuple[type[Event], ...]] = (*get_args(ConversationEvent), *get_args(AccessEvent))

_ABOUT: Final = (
    "What other systems follow convstore by: every event of the log, each conversation in order, from any place on. "
    "The calls themselves are in the OpenAPI document, `/api/openapi.json`."
)
_WITHHELD: Final = (
    "Subjects, texts and names of files are left out unless the consumer was granted them, and always when the "
    "conversation was deleted."
)
# Those of them that the log always has.
_WITHHELD_MEMBERS: Final = (("ConversationStarted", "subject"), ("Attachment", "name"))
_CHANNELS: Final[Mapping[str, tuple[str | None, str]]] = {
    "events": (
        "messageConversations/events/stream",
        "Server-sent events: the next ones, and all to come, as they come.",
    ),
    "pages": ("messageConversations/events", "The next events, in a page; whoever wants more asks again."),
    "subscription": ("subscriptions/{name}/events", "The next events for one of the consumers of a subscription."),
    "webhook": (
        None,
        "Each event of a subscription, as a POST to the url of its webhook; signed; and test events without meaning.",
    ),
}
# What else there is on these channels.
_BESIDE: Final = {"events": ["end"], "webhook": [trying.TYPE]}


def make_document(origin: str, context_path: str) -> dict[str, Any]:
    """Make the document for clients that reach the server at this origin, such as ``https://host:8080``."""
    protocol, _, host = origin.partition("://")
    schemas = Schemas()
    envelope = schemas.of(EVENT)
    messages = {tag_of(kind): _message(kind, envelope, schemas) for kind in _KINDS}
    for component, member in _WITHHELD_MEMBERS:
        schemas.components[component]["required"].remove(member)
    messages["inbox-changed"] = {
        "name": "inbox-changed",
        "title": "Something changed in the caller's inbox",
        "summary": (
            "The kind of the server-sent event says what: `changed`, or `removed` from it; `ready` tells that nothing "
            "is missed from here on, `reset` that the inbox is to be read again."
        ),
        "contentType": Format.JSON.value,
        "payload": schemas.of(InboxEvent),
    }
    messages["end"] = {
        "name": "end",
        "title": "There is no more on this stream",
        "summary": "A server-sent event of the kind `end`, the last one.",
        "contentType": Format.JSON.value,
        "payload": schemas.of(Ended),
    }
    messages[trying.TYPE] = {
        "name": trying.TYPE,
        "title": "A test of a webhook",
        "payload": {"allOf": [envelope, {"properties": {"type": {"const": trying.TYPE}}}]},
    }
    logged = [tag_of(kind) for kind in _KINDS]
    channels = {
        name: _channel(address, about, [*logged, *_BESIDE.get(name, ())])
        for name, (address, about) in _CHANNELS.items()
    }
    channels["subscription"]["parameters"] = {"name": {"description": "The subscription's name."}}
    channels["inbox"] = _channel("me/events", "The caller's inbox, as it changes.", ["inbox-changed", "end"])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "convstore",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": cloudevents.CONTENT_TYPE,
        "servers": {
            "convstore": {
                "host": host,
                "pathname": f"{context_path}/api",
                "protocol": protocol,
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("password", "token")],
            }
        },
        "channels": channels,
        "operations": {
            # The server sends; whoever reads this receives.
            f"send-{name}": {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
            for name in channels
        },
        "components": {
            "messages": messages,
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic", "description": "Username and password."},
                "token": {
                    "type": "httpApiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "A personal access token: `ApiToken d2pat_…`.",
                },
            },
        },
    }


async def asyncapi(request: web.Request) -> web.Response:
    """``GET /api/asyncapi.json``: the streams of events, as AsyncAPI 3. JSON, whatever ``Accept`` says."""
    request[FORMAT] = Format.JSON
    settings = request.app[BACKEND].settings
    return read_answer(request, _made(origin(request), settings.context_path))


# By the names that clients reach the server by: few, unless somebody makes them up.
@lru_cache(maxsize=4)
def _made(origin: str, context_path: str) -> bytes:
    return json_bytes(make_document(origin, context_path))


def _message(kind: type[Event], envelope: Schema, schemas: Schemas) -> dict[str, Any]:
    tag = tag_of(kind)
    data = schemas.of(kind)
    component = schemas.components[kind.__name__]
    return {
        "name": tag,
        "title": component.get("description", tag),
        "summary": _WITHHELD,
        "payload": {"allOf": [envelope, {"properties": {"type": {"const": tag}, "data": data}}]},
    }


def _channel(path: str | None, about: str, tags: list[str]) -> dict[str, Any]:
    return {
        # Receivers have addresses of their own.
        "address": None if path is None else f"/{path}",
        "description": about,
        "messages": {tag: {"$ref": f"#/components/messages/{tag}"} for tag in tags},
    }
