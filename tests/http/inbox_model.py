"""A small inbox twice: as rows of the read models, and as plain objects that Python can filter, sort and cut."""

import random
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from convstore.database import Conn
from convstore.http.query.filters import Filter, Test, parse_list
from convstore.http.query.operators import parse_date
from convstore.http.query.paging import Order

Object = dict[str, Any]

READER = "Person00000"
PEOPLE = {
    f"Person0000{n}": (f"user{n}", first, surname, code)
    for n, (first, surname, code) in enumerate(
        [("Ann", "Reader", None), ("Bob", "O'Neil", "B-1"), ("Chloé", "Été", None), ("Dan", "Wolf 50%", "D_4")]
    )
}
# In conversations, but no longer in the directory.
GONE = "Person00009"
TYPES = ("PRIVATE", "TICKET", "VALIDATION_RESULT", "SYSTEM")
SUBJECTS = (
    "mortality data",
    "Mortality DATA",
    "été chaud",
    "ÉTÉ",
    "50% off",
    "50x off",
    "a_b",
    "axb",
    "back\\slash",
    "x",
)
TEXTS = ("how are you", "fine, thanks", "Ça va?", "数据报告 已提交", "ሰላም ለዓለም", "it's 'quoted' -- $1", "")
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class Model(Struct):
    """The conversations of one reader as he sees them, without and with internal messages."""

    plain: list[Object]
    with_internal: list[Object]


async def fill(conn: Conn, number: int = 60) -> Model:
    """Write so many conversations into the read models, and give them as objects; the same each time."""
    dice = random.Random(7)
    await conn.executemany(
        "INSERT INTO account (id, username, first_name, surname, code, uuid) VALUES ($1, $2, $3, $4, $5, $6)",
        [(uid, *names, UUID(int=n)) for n, (uid, names) in enumerate(PEOPLE.items())],
    )
    model = Model(plain=[], with_internal=[])
    for n in range(number):
        await _conversation(conn, model, f"C{n:010}", dice)
    await conn.execute(
        "INSERT INTO inbox_count_v1 SELECT user_id, message_type, 0, count(*), count(*) FILTER (WHERE unread),"
        " count(*) FILTER (WHERE unread_all) FROM inbox_v1 GROUP BY user_id, message_type"
    )
    return model


async def _conversation(conn: Conn, model: Model, uid: str, dice: random.Random) -> None:
    def some_time() -> datetime:
        # Few of them, so that there are ties; with microseconds, which nobody is shown.
        return _BEGINNING + timedelta(hours=dice.randrange(6), microseconds=dice.choice([0, 999, 1000, 123_456]))

    everybody = [*PEOPLE, GONE]
    messages: list[Object] = []
    for version in range(2, 2 + dice.randrange(1, 5)):
        sender = dice.choice([*everybody, None])
        messages.append(
            {
                "id": f"M{uid[-6:]}{version:04}",
                "version": version,
                "sender": sender,
                "internal": version > 2 and dice.random() < 0.3,
                "text": dice.choice(TEXTS),
                "sent": some_time(),
                "attachments": dice.choice(
                    ["[]", '[{"id":"File0000001","name":"a.png","content_type":"image/png","length":12}]']
                ),
            }
        )
    row = {
        "conversation_id": uid,
        "partition": 0,
        "message_type": dice.choice(TYPES),
        "subject": dice.choice(SUBJECTS),
        "status": dice.choice(["NONE", "OPEN", "SOLVED"]),
        "priority": dice.choice(["NONE", "LOW", "HIGH"]),
        "assignee": dice.choice([None, None, *everybody]),
        "external_id": dice.choice([None, None, "ext-1", "Ext-1"]),
        "created": some_time(),
        "created_by": dice.choice([None, *everybody]),
        "message_count": sum(not message["internal"] for message in messages),
        "last_updated": some_time(),
        "last_message": some_time(),
        "last_sender": dice.choice([None, *everybody]),
        "last_updated_all": some_time(),
        "last_message_all": some_time(),
        "last_sender_all": dice.choice([None, *everybody]),
        "position": 1,
    }
    await _insert(conn, "inbox_conversation_v1", row | {"version": 9})
    copies = []
    for person in [READER, *dice.sample(everybody[1:], dice.randrange(3))]:
        unread = dice.random() < 0.4
        copy = {
            "user_id": person,
            "key": UUID(int=dice.getrandbits(128)),
            "unread": unread,
            "unread_all": unread or dice.random() < 0.2,
            "follow_up": dice.random() < 0.2,
        }
        await _insert(conn, "inbox_v1", row | copy | {"public_version": 2, "internal_version": 0, "changed": 1})
        copies.append(copy)
    for message in messages:
        await conn.execute(
            "INSERT INTO thread_v1 (conversation_id, version, message_id, sent, sender, internal, text, user_agent,"
            " attachments, position) VALUES ($1, $2, $3, $4, $5, $6, $7, 'curl', $8, 1)",
            uid,
            *(message[key] for key in ("version", "id", "sent", "sender", "internal", "text", "attachments")),
        )
    copies.sort(key=lambda copy: copy["user_id"])
    model.plain.append(_seen(row, copies, messages, ""))
    model.with_internal.append(_seen(row, copies, messages, "_all"))


async def _insert(conn: Conn, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(row)
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await conn.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *row.values())


def _person(uid: str | None) -> Object | None:
    if uid not in PEOPLE:
        return None
    username, first, surname, code = PEOPLE[uid]
    name = f"{first} {surname}"
    return {
        "id": uid,
        "code": code,
        "name": name,
        "displayName": name,
        "username": username,
        "firstName": first,
        "surname": surname,
    }


def _seen(row: dict[str, Any], copies: list[Object], messages: list[Object], suffix: str) -> Object:
    creator, last = _person(row["created_by"]), _person(row[f"last_sender{suffix}"])
    (mine,) = [copy for copy in copies if copy["user_id"] == READER]
    return {
        "id": row["conversation_id"],
        "code": None,
        "name": row["subject"],
        "displayName": row["subject"],
        "subject": row["subject"],
        "created": row["created"],
        "lastUpdated": row[f"last_updated{suffix}"],
        "createdBy": creator,
        "user": creator,
        "lastUpdatedBy": None,
        "messageType": row["message_type"],
        "priority": row["priority"],
        "status": row["status"],
        "assignee": _person(row["assignee"]),
        "lastSender": last,
        "lastMessage": row[f"last_message{suffix}"],
        "messageCount": row["message_count"],
        "read": not mine[f"unread{suffix}"],
        "followUp": mine["follow_up"],
        "userSurname": creator and creator["surname"],
        "userFirstname": creator and creator["firstName"],
        "lastSenderSurname": last and last["surname"],
        "lastSenderFirstname": last and last["firstName"],
        "extMessageId": row["external_id"],
        "messages": [
            {
                "id": message["id"],
                "created": message["sent"],
                "text": message["text"],
                "internal": message["internal"],
                "sender": _person(message["sender"]),
                "attachments": [] if message["attachments"] == "[]" else [{"name": "a.png", "contentLength": 12}],
            }
            for message in messages
            if suffix or not message["internal"]
        ],
        "userMessages": [
            {
                "key": str(copy["key"]),
                "read": not copy[f"unread{suffix}"],
                "followUp": copy["follow_up"],
                "user": _person(copy["user_id"]),
            }
            for copy in copies
        ],
        "translations": [],
    }


# What a filter means, said once more, in Python.

REFERENCES = frozenset({"createdBy", "user", "lastUpdatedBy", "assignee", "lastSender", "sender"})


def passes(found: Object, asked: Filter) -> bool:
    """Say whether an object passes a filter."""
    return _passes(found, asked.path, asked)


def _passes(found: Object | None, path: Sequence[str], asked: Filter) -> bool:
    name, rest = path[0], path[1:]
    value = None if found is None else found[name]
    if name in REFERENCES:
        return _passes(value, rest or ("id",), asked)
    if isinstance(value, list) and rest:
        return any(_passes(element, rest, asked) for element in value)
    result = _holds(len(value) if isinstance(value, list) else value, asked)
    return result is not asked.operator.negated


def _holds(value: Any, asked: Filter) -> bool:
    test, wanted = asked.operator.test, asked.value
    if test is Test.NULL:
        return value is None
    if test is Test.EMPTY:
        return not value
    if value is None:
        return False
    if test is Test.IN:
        return any(_compare(Test.EQUAL, value, one) for one in parse_list(wanted, "in"))
    if test in _TEXT_TESTS:
        return _TEXT_TESTS[test](value, wanted)
    return _compare(test, value, wanted)


def _compare(test: Test, value: Any, wanted: str) -> bool:
    other: Any = wanted
    if isinstance(value, bool):
        return value == (wanted.lower() == "true")
    if isinstance(value, int):
        other = int(wanted)
    if isinstance(value, datetime):
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
        other = parse_date(wanted)
    return {
        Test.EQUAL: value == other,
        Test.GREATER: value > other,
        Test.LESS: value < other,
        Test.GREATER_OR_EQUAL: value >= other,
        Test.LESS_OR_EQUAL: value <= other,
    }[test]


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text.lower()).split()


def _begins_a_word(text: str, token: str) -> bool:
    if unicodedata.name(token[0]).startswith("CJK"):
        return token in text.lower()
    return any(word.startswith(token) for word in _words(text))


_TEXT_TESTS: dict[Test, Callable[[str, str], bool]] = {
    Test.I_EQUAL: lambda value, wanted: value.lower() == wanted.lower(),
    Test.CONTAINS: lambda value, wanted: wanted.replace("%", "") in value,
    Test.STARTS: lambda value, wanted: value.startswith(wanted.replace("%", "")),
    Test.ENDS: lambda value, wanted: value.endswith(wanted.replace("%", "")),
    Test.I_CONTAINS: lambda value, wanted: wanted.replace("%", "").lower() in value.lower(),
    Test.I_STARTS: lambda value, wanted: value.lower().startswith(wanted.replace("%", "").lower()),
    Test.I_ENDS: lambda value, wanted: value.lower().endswith(wanted.replace("%", "").lower()),
    Test.TOKENS: lambda value, wanted: all(_begins_a_word(value, token) for token in _words(wanted)),
}


def in_order(found: Sequence[Object], order: Sequence[Order]) -> list[Object]:
    """Sort as PostgreSQL does: nulls last, and first when descending; ids where all else is equal."""
    result = sorted(found, key=lambda one: one["id"])
    for asked in reversed(order or (Order(("lastMessage",), descending=True),)):
        result.sort(key=lambda one, asked=asked: _key(one, asked), reverse=asked.descending)  # type: ignore[misc] # mypy cannot infer the default
    return result


def _key(found: Object, asked: Order) -> tuple[bool, Any]:
    value: Any = found
    for name in asked.path:
        value = value and value[name]
    if asked.ignore_case and isinstance(value, str):
        # The database of locale C folds ASCII letters only.
        value = "".join(char.lower() if char.isascii() else char for char in value)
    return (value is None, "" if value is None else value)
