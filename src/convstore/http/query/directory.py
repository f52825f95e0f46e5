"""The properties of users, groups and units (contract section 1.7), for who may read these resources.

Members of groups and units are shown as anybody is in a conversation: by their names, never by more.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from convstore.http.query.conversation import PERSON, access
from convstore.http.query.entities import Collection, Constant, Entity, Link, Property, Reference, Scalar, Type, table
from convstore.sql import Statements

SQL = Statements(files("convstore.http") / "people.sql")


def _named(plural: str, *, stamped: bool = True) -> Iterable[Property]:
    """Give what all objects with a name have."""
    yield Scalar(name="id", sql="{0}.id", attribute=True)
    yield Scalar(name="code", sql="{0}.code", attribute=True)
    yield Scalar(name="name", sql="{0}.name", attribute=True)
    yield Scalar(name="displayName", sql="{0}.name", persisted=False)
    if stamped:
        yield from _stamps(plural)


def _stamps(plural: str) -> Iterable[Property]:
    yield Scalar(name="created", sql="{0}.created", type=Type.DATE, attribute=True)
    yield Scalar(name="lastUpdated", sql="{0}.last_updated", type=Type.DATE, attribute=True)
    yield Link(path=plural)


def _nothing() -> Iterable[Property]:
    """Give what DHIS2's objects have and ours do not."""
    yield Constant(name="translations", value=[], item="translation")
    yield Constant(name="attributeValues", value=[], item="attributeValue")


def _unit() -> Entity:
    properties: dict[str, Property] = {}
    unit = Entity(
        name="organisationUnit",
        plural="organisationUnits",
        kind="OrganisationUnit",
        asked=("name", "shortName"),
        properties=properties,
    )
    properties.update(
        table(
            *_named("organisationUnits"),
            Scalar(name="shortName", sql="{0}.short_name", attribute=True),
            Scalar(name="displayShortName", sql="{0}.short_name", persisted=False),
            Scalar(name="path", sql="{0}.path", attribute=True),
            Scalar(name="level", sql="{0}.level", type=Type.INTEGER, kind="Integer", attribute=True),
            Reference(
                name="parent",
                target=unit,
                join=f"LEFT JOIN ({SQL.units}) AS {{1}} ON {{1}}.id = {{0}}.parent_id",
            ),
            Collection(
                name="children",
                item="child",
                target=unit,
                rows=SQL.units,
                key="parent_id",
                order="name",
            ),
            Collection(name="users", item="user", target=PERSON, rows=SQL.users_of_unit, key="unit_id", order="id"),
            access(),
            *_nothing(),
        )
    )
    return unit


UNIT = _unit()

GROUP = Entity(
    name="userGroup",
    plural="userGroups",
    kind="UserGroup",
    properties=table(
        *_named("userGroups"),
        Scalar(name="publicAccess", sql="{0}.public_access"),
        Collection(name="users", item="user", target=PERSON, rows=SQL.users_of_group, key="group_id", order="id"),
        Constant(
            name="access", value={"manage": False, "write": False, "read": True, "update": False, "delete": False}
        ),
        *_nothing(),
    ),
)

# As they are seen from a user who is in them: by name, for they may not be shared with who looks.
ROLE_SEEN = Entity(
    name="userRole", plural="userRoles", kind="UserRole", properties=table(*_named("userRoles", stamped=False))
)
GROUP_SEEN = Entity(
    name="userGroup", plural="userGroups", kind="UserGroup", properties=table(*_named("userGroups", stamped=False))
)


def _roles() -> Collection:
    return Collection(
        name="userRoles", item="userRole", target=ROLE_SEEN, rows=SQL.roles_of_user, key="user_id", order="id"
    )


CREDENTIALS = Entity(
    name="userCredentials",
    plural="userCredentials",
    kind="UserCredentials",
    properties=table(
        *(found for found in PERSON.properties.values() if found.name not in ("firstName", "surname")),
        Scalar(name="disabled", sql="{0}.disabled", type=Type.BOOLEAN),
        Scalar(name="lastLogin", sql="{0}.last_login", type=Type.DATE),
        _roles(),
    ),
)


_ITEMS = {"authorities": "authority"}


def _user(more: Mapping[str, Any]) -> Entity:
    return Entity(
        name="user",
        plural="users",
        kind="User",
        asked=("name", "username", "email"),
        properties=table(
            *PERSON.properties.values(),
            *_stamps("users"),
            Scalar(name="email", sql="{0}.email"),
            Scalar(name="phoneNumber", sql="{0}.phone_number"),
            Scalar(name="disabled", sql="{0}.disabled", type=Type.BOOLEAN),
            Scalar(name="lastLogin", sql="{0}.last_login", type=Type.DATE),
            _roles(),
            Collection(
                name="userGroups",
                item="userGroup",
                target=GROUP_SEEN,
                rows=SQL.groups_of_user,
                key="user_id",
                order="id",
            ),
            Collection(
                name="organisationUnits",
                item="organisationUnit",
                target=UNIT,
                rows=SQL.units_of_user,
                key="user_id",
                order="id",
            ),
            # Clients of 2.37 and older look for name and roles in here.
            Reference(
                name="userCredentials",
                target=CREDENTIALS,
                join="LEFT JOIN account AS {1} ON {1}.id = {0}.id",
                default=(),
                persisted=False,
            ),
            access(),
            *_nothing(),
            *(Constant(name=name, value=value, item=_ITEMS.get(name, "item")) for name, value in more.items()),
        ),
    )


USER = _user({})


def myself(authorities: Iterable[str], settings: Mapping[str, Any]) -> Entity:
    """Make the entity of ``/api/me``: a user, with what only he is told."""
    return _user(
        {
            "authorities": sorted(authorities),
            "settings": dict(settings),
            "programs": [],
            "dataSets": [],
            "dataViewOrganisationUnits": [],
            "teiSearchOrganisationUnits": [],
        }
    )
