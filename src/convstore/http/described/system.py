"""What clients ask about the system as a whole."""

from collections.abc import Mapping

from convstore.http.configuration import SYSTEM_SETTINGS
from convstore.http.openapi.operation import (
    Answer,
    Body,
    Described,
    Operation,
    Schema,
    Tag,
    document,
    json,
    nothing,
    text,
)
from convstore.http.openapi.words import (
    ADDRESS,
    BOOLEAN,
    LOCATION,
    TEXT,
    TIME,
    UID,
    array,
    element,
    members,
    path,
    query,
)
from convstore.http.query.directory import GROUP

FRONT = Operation(
    tag=Tag.SYSTEM,
    summary="The web page",
    about="For whoever accepts `text/html`; for all others a line that says where the API is.",
    answers={
        200: Answer(about="The page, or the line.", content={"text/html": TEXT, "text/plain": TEXT}),
        302: nothing("To the app that stands there instead.", headers=(LOCATION,)),
        304: nothing("The page is the one that the browser has."),
    },
)
FRONT_FILE = Operation(
    tag=Tag.SYSTEM,
    summary="A file of the web page",
    parameters=(path("file", TEXT, "Its name, which changes with its content."),),
    answers={
        200: Answer(about="The file.", content={"text/css": TEXT, "text/javascript": TEXT, "image/svg+xml": TEXT}),
        304: nothing("It is the one that the browser has."),
    },
    refusals={404: "There is no such file."},
)

OPENAPI = Operation(
    tag=Tag.SYSTEM,
    summary="This document",
    answers={200: json("OpenAPI 3.1.", {"type": "object", "required": ["openapi", "info", "paths", "components"]})},
    revalidates=True,
)

ASYNCAPI = OPENAPI.but(
    summary="The streams of events, as AsyncAPI 3",
    answers={200: json("AsyncAPI 3.", {"type": "object", "required": ["asyncapi", "info", "channels", "components"]})},
)

# Headers and 304 as of every answer that a client may have already.
DOCS = Operation(
    tag=Tag.SYSTEM,
    summary="A page to read this document",
    answers={200: Answer(about="The page.", content={"text/html": TEXT})},
    revalidates=True,
)
DOCS_FILE = Operation(
    tag=Tag.SYSTEM,
    summary="A file of the page",
    parameters=(
        path("file", {"type": "string", "examples": ["start.js"]}, "Its name; the page knows which there are."),
    ),
    answers={
        200: Answer(
            about="The file.",
            content={"text/javascript": TEXT, "text/css": TEXT, "image/png": {"contentMediaType": "image/png"}},
        )
    },
    refusals={404: "There is no such file."},
    revalidates=True,
)

ENTRY = Operation(
    tag=Tag.SYSTEM, summary="Leads to the resources", answers={302: nothing("To the resources.", headers=(LOCATION,))}
)

_RESOURCE = members({"displayName": TEXT, "singular": TEXT, "plural": TEXT, "href": ADDRESS})
RESOURCES = Operation(
    tag=Tag.SYSTEM,
    summary="The resources with their links",
    answers={
        200: document(
            "The resources.",
            members({"resources": array(_RESOURCE)}),
            element(
                "metadata",
                {
                    "type": "object",
                    "properties": {
                        "resources": array({**_RESOURCE, "xml": {"name": "resource"}}, xml={"wrapped": True})
                    },
                },
            ),
        )
    },
)

_INFO: Mapping[str, Described] = {
    "contextPath": ADDRESS,
    "version": TEXT,
    "revision": TEXT,
    "serverDate": TIME,
    "serverTimeZoneId": TEXT,
    "serverTimeZoneDisplayName": TEXT,
    "calendar": TEXT,
    "dateFormat": TEXT,
    "systemId": TEXT,
    "systemName": TEXT,
    "instanceBaseUrl": ADDRESS,
}
INFO = Operation(
    tag=Tag.SYSTEM,
    summary="Which server this is",
    about="`version` is the one of DHIS2 whose clients it suits.",
    answers={200: document("The server.", element("systemInfo", members(_INFO)))},
)

NEW_IDS = Operation(
    tag=Tag.SYSTEM,
    summary="New uids",
    parameters=(query("limit", {"type": "integer", "format": "int32", "default": 1}, "How many: 1 to 10,000."),),
    answers={
        200: document(
            "As many as were asked for.",
            members({"codes": array(UID)}),
            element("codes", {"type": "object", "properties": {"code": array(UID)}}),
        )
    },
)

PING = Operation(tag=Tag.SYSTEM, summary="Whether the caller is still logged in", answers={200: text("`pong`.")})

# Of the group that gets the tickets, when there is one.
CONFIGURATION = Operation(
    tag=Tag.SYSTEM,
    summary="The system's configuration",
    answers={
        200: document(
            "Above all the group that gets the tickets.",
            element("configuration", members({"systemId": TEXT, "feedbackRecipients": GROUP})),
        )
    },
    revalidates=True,
)
FEEDBACK_RECIPIENTS = Operation(
    tag=Tag.SYSTEM,
    summary="The group that gets the tickets",
    answers={200: document("The group; an empty object when there is none.", GROUP)},
    revalidates=True,
)
_FOR_ADMINISTRATORS = "Only for accounts with `F_SYSTEM_SETTING`."
SET_FEEDBACK_RECIPIENTS = Operation(
    tag=Tag.SYSTEM,
    summary="Choose the group that gets the tickets",
    body=Body(content={"text/plain": UID}, about="The group's uid."),
    answers={204: nothing("It gets them now.")},
    refusals={403: _FOR_ADMINISTRATORS, 404: "There is no such group."},
)
DROP_FEEDBACK_RECIPIENTS = Operation(
    tag=Tag.SYSTEM,
    summary="Let nobody get the tickets",
    answers={204: nothing("Nobody gets them now.")},
    refusals={403: _FOR_ADMINISTRATORS},
)

_SETTINGS = members(dict.fromkeys(SYSTEM_SETTINGS, TEXT))
SETTINGS = Operation(
    tag=Tag.SYSTEM,
    summary="All settings of the system",
    answers={200: document("The settings.", element("systemSettings", _SETTINGS))},
    revalidates=True,
)
SETTING = SETTINGS.but(
    summary="One setting of the system",
    parameters=(path("key", {"type": "string", "examples": list(SYSTEM_SETTINGS)}, "The setting's name."),),
    answers={
        200: document(
            "An object of one member.",
            element("systemSettings", members(dict.fromkeys(SYSTEM_SETTINGS, TEXT), optional=SYSTEM_SETTINGS)),
        )
    },
    refusals={404: "There is no such setting."},
)

ATTRIBUTES = Operation(
    tag=Tag.SYSTEM, summary="Custom attributes: none", answers={200: json("None.", members({"attributes": array({})}))}
)
APPS = Operation(tag=Tag.SYSTEM, summary="Installed apps: none", answers={200: json("None.", array({}))})

_PROPERTY: Schema = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "fieldName": TEXT,
        "propertyType": TEXT,
        "itemPropertyType": TEXT,
        "collectionName": TEXT,
        "relativeApiEndpoint": TEXT,
        "constants": array(TEXT),
        **dict.fromkeys(
            ("collection", "simple", "attribute", "persisted", "owner", "required", "readable", "writable"),
            BOOLEAN,
        ),
    },
    "required": ["name", "fieldName", "propertyType"],
}
_SCHEMA = members(
    {
        **dict.fromkeys(("name", "singular", "plural", "displayName", "collectionName", "klass"), TEXT),
        "apiEndpoint": ADDRESS,
        "relativeApiEndpoint": ADDRESS,
        "href": ADDRESS,
        **dict.fromkeys(("identifiableObject", "nameableObject", "metadata", "shareable", "translatable"), BOOLEAN),
        "authorities": array({}),
        "properties": array(_PROPERTY),
    }
)
SCHEMAS = Operation(
    tag=Tag.SYSTEM,
    summary="Descriptions of objects, as DHIS2 gives them",
    answers={200: json("All there are.", members({"schemas": array(_SCHEMA)}))},
    revalidates=True,
)
SCHEMA = SCHEMAS.but(
    summary="The description of one kind of objects",
    parameters=(path("name", {"type": "string", "examples": ["messageConversation"]}, "The singular name."),),
    answers={200: json("The description.", _SCHEMA)},
    refusals={404: "There is no such kind."},
)

_MODULE = members(dict.fromkeys(("name", "namespace", "displayName", "description", "defaultAction", "icon"), TEXT))
MENU = Operation(
    tag=Tag.SYSTEM,
    summary="The apps that are served here, for the header bar",
    answers={200: json("The apps.", members({"modules": array(_MODULE)}))},
)
