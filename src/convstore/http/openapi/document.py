"""Makes the OpenAPI 3.1 document of the routes that serve: https://spec.openapis.org/oas/v3.1.0."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from convstore import __version__
from convstore.http.cookies import NAME as SESSION_COOKIE
from convstore.http.openapi import rules
from convstore.http.openapi.operation import Answer, Body, Header, Operation, Parameter, Tag
from convstore.http.openapi.schemas import Schemas
from convstore.http.openapi.words import web_message
from convstore.http.router import Route, placeholders

_ABOUT: Final = """\
Speaks the Web API of DHIS2's message conversations, in JSON and XML.

- A path below `/api` may have a version segment, `/api/42/…`: it changes nothing but the links in answers, and the
  status of a reply.
- `.json` or `.xml` after the last word of a path chooses the format, before `Accept` does; not of what is given in one
  format of its own.
- `HEAD` is served wherever `GET` is.
- Parameters that are not described mean nothing. Booleans are `true` or `false`, also `1`, `yes`, `on` and their like;
  names of enumerations may be written in any case.
- Every refusal is a `WebMessage`; `message` says what is wrong.
- In XML, lists that are empty and members that are null are left out. Objects that have an `href` have the same address
  as `link`, too, where they stand in a list.
- With `Accept-Encoding: gzip`, answers of a kilobyte and more come with `Content-Encoding: gzip`; files of messages,
  streams, and what nobody may keep (`no-store`) do not, and there `Content-Encoding` is not described. An `ETag` is the
  same either way.
"""
_TAGS: Final[Mapping[Tag, str]] = {
    Tag.CONVERSATIONS: "Lists, one conversation, counts.",
    Tag.MESSAGES: "Start a conversation, reply, add people.",
    Tag.MARKS: "Read, unread, follow-up; leave a conversation.",
    Tag.TICKETS: "Status, priority, who is responsible.",
    Tag.FILES: "Attachments.",
    Tag.EVENTS: "What happened, as it happens.",
    Tag.DIRECTORY: "People, groups, organisation units.",
    Tag.ME: "Profile, rights, settings of the caller.",
    Tag.ACCOUNTS: "Sessions and personal access tokens.",
    Tag.SYSTEM: "What clients ask about the system.",
    Tag.OPERATION: "For whoever watches over the server.",
}
_SECURITY: Final[Mapping[str, Any]] = {
    "basic": {"type": "http", "scheme": "basic", "description": "Username and password (RFC 7617), in UTF-8."},
    "apiToken": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A personal access token: `ApiToken d2pat_…`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "The session that a login gives; over https its name begins with `__Host-`, with a context path "
        "`__Secure-`. What changes anything must come from a page of this server.",
    },
}


def make_document(
    api: Iterable[Route], outside: Iterable[Route], *, version: int = 0, context_path: str = ""
) -> dict[str, Any]:
    """Make the document of the routes below ``/api`` and of those beside it; those without a description are left out.

    ``version``: that of the paths, ``/api/42/…``; 0 is none.
    """
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    prefix = f"/api/{version}" if version else "/api"
    for base, routes in ((prefix, api), ("", outside)):
        for route in routes:
            if route.describes is not None:
                path = f"{base}/{route.path}" if route.path else base or "/"
                paths.setdefault(path, {})[route.method.lower()] = _operation(route, route.describes, schemas)
    usual = {_name(status): _refusal(status, about, schemas) for status, about in rules.USUAL.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "convstore",
            "version": __version__,
            "summary": "Message conversations.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": context_path or "/"}],
        "tags": [{"name": tag.value, "description": about} for tag, about in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": usual,
            "headers": {each.name: _header(each, schemas) for each in rules.OF_COMPRESSED},
            "securitySchemes": _SECURITY,
        },
        "security": [{name: []} for name in _SECURITY],
    }


def _operation(route: Route, operation: Operation, schemas: Schemas) -> dict[str, Any]:
    described = _parameters(route, operation)
    said: dict[str, Any] = {
        "tags": [operation.tag.value],
        "summary": operation.summary,
        "operationId": _identifier(route),
        "parameters": [_parameter(each, schemas) for each in described],
        "responses": _responses(route, operation, schemas),
    }
    if operation.about:
        said["description"] = operation.about
    if operation.body is not None:
        said["requestBody"] = _body(operation.body, schemas)
    if route.public:
        said["security"] = []
    return said


def _parameters(route: Route, operation: Operation) -> tuple[Parameter, ...]:
    """Give all parameters of a route.

    Raises:
        ValueError: the description has other placeholders than the path, or one parameter twice.
    """
    found = rules.parameters(operation)
    in_path = [each.name for each in found if each.where == "path"]
    if sorted(in_path) != sorted(placeholders(route.path)):
        raise ValueError(f"{route.method} {route.path}: described are the placeholders {in_path}")
    keys = [(each.where, each.name) for each in found]
    if len(set(keys)) < len(keys):
        raise ValueError(f"{route.method} {route.path}: a parameter is described twice")
    return found


def _identifier(route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", route.path) or [route.handler.__name__]
    return route.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.of(parameter.value)
    about = parameter.about
    if parameter.repeated:
        schema = {"type": "array", "items": schema}
        about += " May be repeated."
    if parameter.joined:
        about += " Several may be joined by commas."
    said: dict[str, Any] = {"name": parameter.name, "in": parameter.where, "description": about, "schema": schema}
    if parameter.required:
        said["required"] = True
    if parameter.repeated:
        said |= {"style": "form", "explode": True}
    return said


def _body(body: Body, schemas: Schemas) -> dict[str, Any]:
    said: dict[str, Any] = {"content": _content(body.content, schemas), "required": body.required}
    if body.about:
        said["description"] = body.about
    return said


def _responses(route: Route, operation: Operation, schemas: Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {}
    by_rule = rules.headers(operation)
    for status, answer in operation.answers.items():
        found[str(status)] = _answer(answer, (*by_rule, *answer.headers), schemas)
    if operation.revalidates:
        found["304"] = _answer(Answer(about="The client has this very answer."), by_rule, schemas)
    for status, about in rules.refusals(
        route.method, operation, documents=route.documents, public=route.public
    ).items():
        usual = about == rules.USUAL.get(status)
        found[str(status)] = (
            {"$ref": f"#/components/responses/{_name(status)}"} if usual else _refusal(status, about, schemas)
        )
    return dict(sorted(found.items()))


def _name(status: int) -> str:
    return HTTPStatus(status).name.title().replace("_", "")


def _refusal(status: int, about: str, schemas: Schemas) -> dict[str, Any]:
    """Describe a refusal, which is given in the client's format even where the answer would have one of its own."""
    return _answer(web_message(about), rules.refusal_headers(status), schemas)


def _answer(answer: Answer, headers: Iterable[Header], schemas: Schemas) -> dict[str, Any]:
    said: dict[str, Any] = {
        "description": answer.about or HTTPStatus.OK.phrase,
        "headers": {each.name: _header(each, schemas) for each in headers},
    }
    if rules.may_be_compressed(answer):
        said["headers"] |= {each.name: {"$ref": f"#/components/headers/{each.name}"} for each in rules.OF_COMPRESSED}
    if answer.content:
        said["content"] = _content(answer.content, schemas)
    return said


def _header(header: Header, schemas: Schemas) -> dict[str, Any]:
    return {"description": header.about, "required": header.always, "schema": schemas.of(header.value)}


def _content(content: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    return {media_type: {"schema": schemas.of(described)} for media_type, described in content.items()}
