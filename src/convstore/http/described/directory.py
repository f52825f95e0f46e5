"""People, groups and organisation units, and the look-up of recipients."""

from convstore.http.openapi.operation import Operation, Schema, Tag, document
from convstore.http.openapi.words import (
    ADDRESS,
    FIELDS,
    OF_LISTS,
    TEXT,
    UID,
    array,
    attribute,
    element,
    listing,
    members,
    path,
    query,
)
from convstore.http.query.directory import GROUP, UNIT, USER
from convstore.http.query.entities import Entity


def _list(summary: str, entity: Entity) -> Operation:
    return Operation(
        tag=Tag.DIRECTORY,
        summary=summary,
        parameters=OF_LISTS,
        answers={200: listing("The page, by name unless another order is asked for.", entity)},
        revalidates=True,
    )


def _one(summary: str, entity: Entity) -> Operation:
    return Operation(
        tag=Tag.DIRECTORY,
        summary=summary,
        parameters=(path("id", TEXT, "The uid."), FIELDS),
        answers={200: document("The object.", entity)},
        refusals={404: "There is no such object, or not for the caller."},
        revalidates=True,
    )


_FOR_VIEWERS = "Only for accounts with `F_USER_VIEW`."

USERS = _list("A page of all users", USER).but(refusals={403: _FOR_VIEWERS})
USER_BY_ID = _one("One user", USER).but(
    refusals={403: f"{_FOR_VIEWERS} Everybody may see himself.", 404: "There is no such user."}
)
GROUPS = _list("A page of the user groups that are shared with the caller", GROUP)
GROUP_BY_ID = _one("One user group", GROUP)
UNITS = _list("A page of all organisation units", UNIT)
UNIT_BY_ID = _one("One organisation unit", UNIT)

_NAMES = ("username", "firstName", "surname", "displayName")
_PERSON = members({"id": UID, **dict.fromkeys(_NAMES, TEXT)})
_PERSON_IN_XML: Schema = element(
    "user", {"type": "object", "properties": {"id": attribute(UID), **dict.fromkeys(_NAMES, TEXT)}}
)
_PEOPLE_IN_XML = element(
    "users", {"type": "object", "properties": {"link": attribute(ADDRESS), "user": array(_PERSON_IN_XML)}}
)

LOOK_UP = Operation(
    tag=Tag.DIRECTORY,
    summary="People to write to",
    about="At most 25, by surname.",
    parameters=(query("query", TEXT, "A part of a name, username or e-mail address, in any case.", required=True),),
    answers={200: document("The people found.", members({"users": array(_PERSON)}), _PEOPLE_IN_XML)},
    revalidates=True,
)
LOOK_UP_FEEDBACK = LOOK_UP.but(
    summary="People among those who get tickets", refusals={409: "Nobody gets tickets here."}
)
LOOK_UP_ONE = LOOK_UP.but(
    summary="One person, by uid, uuid or username",
    about="",
    parameters=(path("id", TEXT, "The uid, uuid or username."),),
    answers={200: document("The person.", _PERSON, _PERSON_IN_XML)},
    refusals={404: "There is no such person."},
)
