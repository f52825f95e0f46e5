"""The caller: profile, rights, badge, settings."""

from convstore.http.described.conversations import PAST, REFUSED_PAST
from convstore.http.me import USER_SETTINGS
from convstore.http.openapi.operation import Body, Named, Operation, Schema, Tag, document, json, nothing, text
from convstore.http.openapi.words import (
    BOOLEAN,
    COUNT,
    FIELDS,
    NOT_STORED,
    TEXT,
    array,
    element,
    members,
    path,
    query,
    web_message,
)
from convstore.http.query.directory import myself

# The caller's own entity: a user, with the settings and rights that only he is told.
MYSELF = Named("Myself", myself((), {}))

ME = Operation(
    tag=Tag.ME,
    summary="The caller's profile",
    parameters=(FIELDS,),
    answers={200: document("The profile.", MYSELF)},
    refusals={404: "The account has just been removed."},
    revalidates=True,
)

DASHBOARD = Operation(
    tag=Tag.ME,
    summary="The number on the mail icon",
    parameters=PAST,
    refusals=REFUSED_PAST,
    cursor=True,
    answers={
        200: document(
            "Unread conversations of all types.",
            element("dashboard", members({"unreadMessageConversations": COUNT, "unreadInterpretations": COUNT})),
            headers=(NOT_STORED,),
        )
    },
)

AUTHORIZATION = Operation(
    tag=Tag.ME,
    summary="The caller's authorities",
    answers={
        200: document(
            "Their names.",
            array(TEXT),
            element("authorities", {"type": "object", "properties": {"authority": array(TEXT)}}),
        )
    },
    revalidates=True,
)

HAS_AUTHORITY = Operation(
    tag=Tag.ME,
    summary="Whether the caller holds an authority",
    parameters=(path("authority", TEXT, "Its name, such as `F_METADATA_IMPORT`."),),
    answers={200: json("By itself or by `ALL`.", BOOLEAN)},
)

_SETTINGS: Schema = members(
    {name: BOOLEAN if isinstance(default, bool) else TEXT for name, default in USER_SETTINGS.items()}
)
_KEY = path("key", {"type": "string", "examples": list(USER_SETTINGS)}, "The setting's name.")
_NO_SUCH_KEY = "There is no such setting."

SETTINGS = Operation(
    tag=Tag.ME,
    summary="All settings of the caller",
    answers={200: document("Those never set with their defaults.", element("userSettings", _SETTINGS))},
    revalidates=True,
)
SETTING = Operation(
    tag=Tag.ME,
    summary="One setting of the caller",
    parameters=(_KEY,),
    answers={200: text("Its value.")},
    refusals={409: _NO_SUCH_KEY},
)
SET_SETTING = Operation(
    tag=Tag.ME,
    summary="Set one setting of the caller",
    parameters=(_KEY, query("value", TEXT, "The value; without it, the body is.")),
    body=Body(content={"text/plain": TEXT}, required=False),
    answers={200: web_message("It is set.")},
    refusals={409: f"{_NO_SUCH_KEY} Or there is no value, or one of more than 255 characters."},
)
DROP_SETTING = Operation(
    tag=Tag.ME,
    summary="Set one setting of the caller back to its default",
    parameters=(_KEY,),
    answers={204: nothing("The default holds.")},
    refusals={409: _NO_SUCH_KEY},
)
