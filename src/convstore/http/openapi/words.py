"""What many descriptions speak of: values, parameters, headers, bodies and answers that are the same everywhere."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from convstore.domain.types import MessageType
from convstore.http import markup
from convstore.http.documents import CursorPager, Pager
from convstore.http.negotiation import Format
from convstore.http.nodes import WebMessage
from convstore.http.openapi.operation import Answer, Body, Described, Header, Named, Parameter, Schema, document
from convstore.http.query.entities import Entity
from convstore.http.query.paging import LARGEST_PAGE, PAGE_SIZE
from convstore.http.query.shape import Member

REFERENCE: Final = "#/components/schemas/{name}"

# Values.

TEXT: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ADDRESS: Schema = {"type": "string", "format": "uri-reference"}
UID = Named(
    "Uid",
    {
        "type": "string",
        "pattern": "^[A-Za-z][A-Za-z0-9]{10}$",
        "description": "11 letters or digits, the first a letter.",
        "examples": ["ZjHHSjyyeJ2"],
    },
)
TIME = Named(
    "Time",
    {
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$",
        "description": "A time in UTC, without zone, with three decimals.",
        "examples": ["2026-02-03T10:11:12.345"],
    },
)
CURSOR: Schema = {"type": "string", "description": "A place in the log: one opaque word."}


# One event of a stream, as a reader of ``text/event-stream`` gets it; ``data`` is a line.
SENT_EVENT = Named(
    "SentEvent",
    {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "Where to go on from, as `Last-Event-ID`."},
            "event": {"type": "string", "description": "What kind of event; `message` when none is named."},
            "data": TEXT,
            "retry": {"type": "integer", "description": "After how many milliseconds to connect again."},
        },
    },
)


def array(items: Described, **more: Any) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": items, **more}


def members(described: Mapping[str, Described], *, optional: Iterable[str] = (), **more: Any) -> Schema:
    """Describe an object that has these members and no others; all of them, but for the ``optional`` ones."""
    left_out = frozenset(optional)
    return {
        "type": "object",
        "properties": dict(described),
        "required": [name for name in described if name not in left_out],
        **more,
    }


def nullable(described: Described) -> Schema:
    """Describe what may be null."""
    return {"anyOf": [described, {"type": "null"}]}


def element(name: str, described: Schema, *, namespace: bool = True) -> Schema:
    """Say what the element of a document in XML is called; ``namespace``: and that it is in DHIS2's."""
    return {**described, "xml": {"name": name} | ({"namespace": markup.DXF2} if namespace else {})}


def attribute(described: Described) -> Schema:
    """Say that a member is an attribute in XML."""
    # Beside a reference, 3.1 allows it, but many readers of documents expect nothing there.
    about = described if isinstance(described, Mapping) else {"allOf": [described]}
    return {**about, "xml": {"attribute": True}}


def laid_out(name: str, described: Described, layout: Mapping[str, Member]) -> Schema:
    """Describe the document in XML that is written of an object by a layout (``documents.object_xml``)."""
    return element(name, _object_in_xml(described, layout))


def _object_in_xml(described: Described, layout: Mapping[str, Member]) -> Schema:
    schema = _plain(described)
    inside = {key: _member_in_xml(each, layout.get(key, Member())) for key, each in schema["properties"].items()}
    return {**schema, "properties": inside}


def _member_in_xml(described: Described, member: Member) -> Described:
    schema = _plain(described)
    beneath = member.inner if isinstance(member.inner, Mapping) else {}
    if schema.get("type") == "array":
        items = schema["items"]
        inside = _object_in_xml(items, beneath) if "properties" in _plain(items) else {"allOf": [items]}
        return {**schema, "items": {**inside, "xml": {"name": member.item}}, "xml": {"wrapped": True}}
    if "properties" in schema:
        return _object_in_xml(schema, beneath)
    if "anyOf" in schema:
        return {**schema, "anyOf": [_member_in_xml(each, member) for each in schema["anyOf"]]}
    return attribute(described) if member.attribute else described


def _plain(described: Described) -> Mapping[str, Any]:
    """Give the schema of what may have a name; of a type but for structs there is nothing to be said inside."""
    if isinstance(described, type) and issubclass(described, Struct):
        _, components = msgspec.json.schema_components([described], ref_template=REFERENCE)
        # Without its docstring: that is said where it stands under its name.
        return {key: value for key, value in components[described.__name__].items() if key != "description"}
    found = described.schema if isinstance(described, Named) else described
    return found if isinstance(found, Mapping) else {}


# Parameters.


def query(
    name: str,
    value: Described,
    about: str,
    *,
    required: bool = False,
    repeated: bool = False,
    joined: bool = False,
) -> Parameter:
    """Describe a parameter of the query."""
    return Parameter(name=name, value=value, about=about, required=required, repeated=repeated, joined=joined)


def path(name: str, value: Described, about: str) -> Parameter:
    """Describe a placeholder of the path."""
    return Parameter(name=name, value=value, about=about, where="path", required=True)


FIELDS = query(
    "fields",
    {"type": "string", "examples": ["id,subject,messages[id,text,sender[displayName]]", ":all"]},
    "What is shown of an object: its properties, those of objects inside it in brackets, presets such as `:all`, "
    "`!name` to leave one out, and transformers such as `~rename(title)`, `~size`, or `~paging(-1;50)` for the last 50 "
    "elements of a collection. By default a list shows `id,displayName` and an object everything.",
    repeated=True,
)
FILTER = query(
    "filter",
    {"type": "string", "examples": ["read:eq:false", "subject:ilike:fridge", "messageType:in:[TICKET,PRIVATE]"]},
    "A condition, `property:operator:value`. Operators: `eq ieq ne gt ge lt le like ilike $like like$ $ilike ilike$ "
    "token in null empty`, most also with `!` before them. Several conditions must all be met, unless "
    "`rootJunction=OR`.",
    repeated=True,
)
ORDER = query(
    "order",
    {"type": "string", "examples": ["lastMessage:desc", "subject:iasc"]},
    "What a list is sorted by, `property:direction`; directions: `asc desc iasc idesc`, with `i` in any case.",
    repeated=True,
)
ROOT_JUNCTION = query(
    "rootJunction", {"type": "string", "enum": ["AND", "OR"]}, "Whether all conditions must be met, or one of them."
)
PAGING = query("paging", BOOLEAN, "`false`: everything in one answer, without a pager.")
PAGE = query(
    "page",
    {"type": "integer", "format": "int32"},
    "Which page, from 1; one beyond the last is empty. Not with `cursor`.",
)
PAGE_SIZE_PARAMETER = query(
    "pageSize",
    {"type": "integer", "format": "int32", "default": PAGE_SIZE},
    f"How many objects a page has; more than {LARGEST_PAGE} are cut to that.",
)
LIST_CURSOR = query(
    "cursor",
    TEXT,
    "Pages by cursor instead of by number: empty for the first one, then the `nextCursor` of the one before. "
    "Not with `page` or `paging=false`.",
)
WRAPPER = query(
    "wrapper",
    {"type": "string", "enum": ["metadata"]},
    "In XML: a root `<metadata>`, as servers of 2.26 to 2.29 had it.",
)
TEXT_QUERY = query("query", TEXT, "An id, or a part of what the objects are called, in any case.")
QUERY_STRING = query(
    "queryString", TEXT, "Words to be looked for in subjects, texts and names of senders of the caller's conversations."
)
QUERY_OPERATOR = query(
    "queryOperator", TEXT, "How `queryString` is compared: `token` by default, or another operator of `filter`."
)
# The query language of every list; conversations can be searched besides.
OF_LISTS = (FIELDS, FILTER, ROOT_JUNCTION, ORDER, PAGING, PAGE, PAGE_SIZE_PARAMETER, LIST_CURSOR, TEXT_QUERY, WRAPPER)

MESSAGE_TYPE = query("messageType", MessageType, "Conversations of this type only.")

# Placeholders that mean the same wherever they stand.
CONVERSATION_UID = path(
    "uid",
    {"type": "string", "examples": ["ZjHHSjyyeJ2"]},
    "The conversation: 11 letters or digits, the first a letter.",
)

# Headers.

LOCATION = Header(name="Location", about="Where it is.", value={"type": "string", "format": "uri"}, always=True)
NOT_STORED = Header(name="Cache-Control", about="Not to be kept by anybody.", value=TEXT, always=True)
SESSION_COOKIE = Header(name="Set-Cookie", about="The session.", value=TEXT, always=True)

# Bodies.

UIDS = Body(content={Format.JSON.value: array(TEXT)}, about="Uids of conversations; unknown ones are skipped.")

# A text that is taken as it stands, whatever its content type says.
BARE_TEXT = Body(content={"text/plain": TEXT}, about="The text as it stands, whatever its content type.")

# Answers.


def web_message(about: str, *, headers: tuple[Header, ...] = ()) -> Answer:
    """Make the answer that is an envelope without more."""
    return document(about, WebMessage, element("webMessage", {"allOf": [WebMessage]}), headers=headers)


def listing(about: str, entity: Entity) -> Answer:
    """Make the answer that is a list of objects, with its pager."""
    objects = array(entity)
    in_json = {
        "type": "object",
        "properties": {"pager": {"anyOf": [Pager, CursorPager]}, entity.plural: objects},
        "required": [entity.plural],
    }
    # The manual's form; `wrapper=metadata` puts the same into another element.
    in_xml = element(
        entity.plural,
        {
            "type": "object",
            "properties": {
                "link": attribute(ADDRESS),
                "pager": {"anyOf": [Pager, CursorPager]},
                entity.name: objects,
            },
        },
    )
    return document(about, in_json, in_xml)


def node(name: str, value: Described, about: str, *, root: str = "response", wrapped: bool = False) -> Answer:
    """Make the answer that is an object of one member, as ``nodes.node_answer`` gives it."""
    in_xml: Schema
    if isinstance(value, Mapping) and value.get("type") == "array":
        in_xml = {"type": "object", "properties": {name: wrapped_uids()} if wrapped else {"uid": array(UID)}}
    else:
        in_xml = {"type": "object", "properties": {name: value}}
    return document(about, members({name: value}), element(root, in_xml, namespace=False))


def wrapped_uids() -> Schema:
    """Describe uids that in XML lie in an element of their own."""
    return array({"allOf": [UID], "xml": {"name": "uid"}}, xml={"wrapped": True})


def closed(value: str) -> Schema:
    """Describe a text that is always the same."""
    return {"type": "string", "const": value}
