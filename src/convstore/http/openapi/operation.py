"""What is said of a route: what it takes, what it answers, and when it refuses. See ``Route.describes``.

What holds for many routes alike is not said here but added by rule (``rules.py``): who may come in, the refusals of
what no route takes, the headers that every answer has.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct, structs

from convstore.http.negotiation import Format
from convstore.http.query.entities import Entity

# JSON Schema, as OpenAPI 3.1 has it, with whatever can be described inside.
Schema = Mapping[str, Any]


class Named(Struct, frozen=True):
    """A schema, or a table, under a name of its own in the document, where several places refer to it."""

    name: str
    schema: Schema | Entity


# What a value is described by: a schema; a type that msgspec reads or writes; or the table that objects are read by.
Described = Schema | Named | type | Entity


class Tag(StrEnum):
    """What the operations are grouped by, in this order; the value is the group's name."""

    CONVERSATIONS = "Conversations"
    MESSAGES = "Messages"
    MARKS = "Marks"
    TICKETS = "Tickets"
    FILES = "Files"
    EVENTS = "Events"
    DIRECTORY = "Directory"
    ME = "The caller"
    ACCOUNTS = "Logging in"
    SYSTEM = "System"
    OPERATION = "Operation"


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter: of the query, the path or a header.

    ``repeated``: it may be there several times, ``value`` describes each. ``joined``: several values may also stand in
    one, joined by commas.
    """

    name: str
    value: Described
    about: str
    where: Literal["query", "path", "header"] = "query"
    required: bool = False
    repeated: bool = False
    joined: bool = False

    def but(self, **changes: Any) -> "Parameter":
        """Give the same with some things said otherwise."""
        return structs.replace(self, **changes)


class Header(Struct, frozen=True, kw_only=True):
    """A header of an answer. ``always``: each such answer has it."""

    name: str
    about: str
    value: Described
    always: bool = False


class Body(Struct, frozen=True, kw_only=True):
    """A request's body, by media type."""

    content: Mapping[str, Described]
    about: str = ""
    required: bool = True


class Answer(Struct, frozen=True, kw_only=True):
    """An answer that is no refusal, by media type; without any content it has no body."""

    about: str
    content: Mapping[str, Described] = {}
    headers: tuple[Header, ...] = ()


class Operation(Struct, frozen=True, kw_only=True):
    """The description of a route.

    ``answers`` and ``refusals`` go by status; the text of a refusal says when it comes, and those that come by rule
    need not be named. ``revalidates``: its answer has an ``ETag`` and may be 304. ``cursor``: its answer says which
    place of the log it reflects. ``command``: it takes an ``Idempotency-Key`` and ``Prefer``, and its answer says
    which place of the log it led to.
    """

    tag: Tag
    summary: str
    answers: Mapping[int, Answer]
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    refusals: Mapping[int, str] = {}
    revalidates: bool = False
    cursor: bool = False
    command: bool = False

    def but(self, **changes: Any) -> "Operation":
        """Give the same with some things said otherwise."""
        return structs.replace(self, **changes)


def document(
    about: str, described: Described, xml: Described | None = None, *, headers: tuple[Header, ...] = ()
) -> Answer:
    """Make the answer that is a document in JSON or XML; ``xml`` describes the latter where they differ in shape."""
    content = {Format.JSON.value: described, Format.XML.value: described if xml is None else xml}
    return Answer(about=about, content=content, headers=headers)


def json(about: str, described: Described, *, headers: tuple[Header, ...] = ()) -> Answer:
    """Make the answer that is given in JSON only."""
    return Answer(about=about, content={Format.JSON.value: described}, headers=headers)


def text(about: str) -> Answer:
    """Make the answer that is a bare text."""
    return Answer(about=about, content={"text/plain": {"type": "string"}})


def nothing(about: str, *, headers: tuple[Header, ...] = ()) -> Answer:
    """Make the answer that has no body."""
    return Answer(about=about, headers=headers)
