"""A made-up national health service to try convstore with: people, units and groups, and some messages among them.

The people are in ``demo.json``, as a DHIS2 export would have them; all log in with ``PASSWORD``. Uids that the DHIS2
manual prints in its calls (contract section 10) are those of its demo server, so that the calls work as printed.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import as_file, files
from itertools import groupby

from convstore.database import Conn, Pool
from convstore.directory import Directory, changes, metadata
from convstore.directory.importing import import_files
from convstore.directory.passwords import hash_password
from convstore.domain.commands import (
    Assign,
    ConversationCommand,
    FlagFollowUp,
    MarkRead,
    Reply,
    SendMessage,
    SendTicket,
    SendValidationResult,
    SetPriority,
    SetStatus,
)
from convstore.domain.types import Actor, Addressed, Priority, Status
from convstore.domain.uid import Uid, UserId, derive_uid
from convstore.errors import ConfigError
from convstore.sql import Statements

PASSWORD = "district"  # noqa: S105 - the manual's, printed everywhere: the demo listens on the loopback address only

ADMIN = UserId("xE7jOejl9FI")
MOBILE = UserId("PhzytPW3g2J")
OFFICERS = Uid("ZoHNWQajIoe")
HELP_DESK = Uid("VdkgnRUjd4L")
SURVEILLANCE = Uid("WOOHOkNhyZR")

_SUPPORT = UserId("zWu3VHOAJAz")
_HELENE = UserId("qPNvXhjGvXk")
_ABEBE = UserId("Hm04Zj2k7T4")
_FATIMA = UserId("B7Iob2s2aGy")
_MOHAMED = UserId("KH8uHIN6nh1")
_GRACE = UserId("qR8IYiijkML")
_MONITOR = UserId("DEyUxPCQOkj")

_sql = Statements(files(__package__) / "demo.sql")


async def load(pool: Pool) -> bool:
    """Put the demo's people into the directory, once: false when they were there already, and then nothing changes.

    Raises:
        ConfigError: there are people of another making; they must not get a superuser whose password everybody knows.
    """
    if await pool.fetchval(_sql.loaded):
        return False
    with as_file(files(__package__) / "demo.json") as file:
        people = [user.id for user in metadata.read(file).users or ()]
        if await pool.fetchval(_sql.strangers, people):
            raise ConfigError("This store has people of its own; the demo has well-known passwords and needs another.")
        await import_files(pool, [file])
    # One hash for all: it is one password, and everybody knows it.
    hashed = await hash_password(PASSWORD)
    await Directory(pool).set_feedback_group(HELP_DESK)
    async with pool.acquire() as conn, conn.transaction():
        await changes.lock(conn)
        await conn.execute(_sql.set_passwords, people, hashed)
        await conn.execute(_sql.note)
        await changes.announce(conn)
    return True


async def is_loaded(conn: Conn) -> bool:
    """Tell whether the demo's people, with their well-known passwords, are in this store."""
    loaded: bool = await conn.fetchval(_sql.loaded)
    return loaded


def stories() -> list[list[ConversationCommand]]:
    """Give the demo's messages by conversation: the commands of each, to be carried out together, in their order."""
    return [list(commands) for _, commands in groupby(messages(), key=lambda command: command.conversation_id)]


def messages() -> list[ConversationCommand]:
    """Give the demo's messages, as commands in the order in which they are to be carried out.

    Each conversation's commands stand together, the one that starts it first.
    """
    return [command for story in (_manual(), _letters(), _tickets(), _results()) for command in story]


def _manual() -> Iterator[ConversationCommand]:
    """The conversations that the manual's calls name."""
    yield _message(
        "ZjHHSjyyeJ2",
        _admin(),
        "Mortality data reporting",
        [MOBILE],
        "Have you reported data for the Mortality data set for January 2014?",
    )
    yield _message(
        "GDBqVfkmnp2",
        _admin(),
        "DHIS2 version 2.7 is deployed",
        [MOBILE],
        "The new version is in service since this morning. Please tell the help desk when something looks odd to you.",
        group=OFFICERS,
    )
    yield _message(
        "jMe43trzrdi",
        _person(MOBILE),
        "Vaccine fridge at Lagoon Health Centre",
        [ADMIN],
        "The fridge was at 11 °C this morning. I have moved the vaccines to the cold box.",
    )
    yield _reply("jMe43trzrdi", 1, _admin(), "Thank you. A technician comes on Thursday; keep the log sheet, please.")
    yield _message(
        "WzMRrCosqc0",
        _admin(),
        "Training on the new register",
        [MOBILE],
        "The training is on the 14th at Port Amani Referral Hospital. Can you come?",
    )
    yield _reply("WzMRrCosqc0", 1, _person(MOBILE), "Yes, two of us will be there.")
    yield _message(
        "lxCjiigqrJm",
        _person(MOBILE),
        "Monthly summary sent",
        [ADMIN],
        "The monthly summary is in the system. The malaria figures were checked twice.",
    )
    yield _message(
        "ZrKML5WiyFm",
        _person(_HELENE),
        "Rapport hebdomadaire du District de Grand-Pré",
        [ADMIN],
        "Bonjour, le rapport de la semaine 12 est complet. Deux centres de santé ont déclaré en retard.",
    )
    yield _message(
        "Gc03smoTm6q", _person(_ABEBE), "የክትባት ዘመቻ", [ADMIN], "የክትባት ዘመቻው በሚቀጥለው ሳምንት ይጀምራል። እባክዎ ተጨማሪ ቀዝቃዛ ሳጥኖችን ይላኩ።"
    )


def _letters() -> Iterator[ConversationCommand]:
    yield _message(
        "AcaCiaLet01",
        _person(_MOHAMED),
        "اجتماع المنطقة",
        [_FATIMA, ADMIN],
        "الاجتماع الشهري يوم الأحد الساعة العاشرة. أرجو إحضار تقرير المستوصف.",
    )
    yield _reply("AcaCiaLet01", 1, _person(_FATIMA), "سأحضر التقرير معي، شكرا.")
    yield MarkRead(conversation_id=Uid("AcaCiaLet01"), actor=_admin(), reader=ADMIN)
    yield FlagFollowUp(conversation_id=Uid("AcaCiaLet01"), actor=_admin(), participant=ADMIN)
    yield _message(
        "AcaCiaLet02",
        _person(_HELENE),
        "Stock de tests rapides",
        [],
        "Chers collègues, il nous reste 120 tests. Qui peut nous en céder jusqu'à la prochaine livraison ?",
        group=OFFICERS,
    )
    yield _reply("AcaCiaLet02", 1, _person(_ABEBE), "We can send 300. ነገ እንልካለን።")


def _tickets() -> Iterator[ConversationCommand]:
    desk = _support()
    managers = frozenset({ADMIN, *_members(HELP_DESK)})
    yield _ticket(
        "HeLpDeskT01",
        _person(MOBILE),
        "Cannot submit the weekly report",
        "When I press Complete, the page stays grey. The phone has the latest version of the app.",
    )
    yield Assign(conversation_id=Uid("HeLpDeskT01"), actor=desk, assignee=_SUPPORT, assignee_in_feedback_group=True)
    yield SetPriority(conversation_id=Uid("HeLpDeskT01"), actor=desk, priority=Priority.HIGH)
    yield SetStatus(conversation_id=Uid("HeLpDeskT01"), actor=desk, status=Status.PENDING)
    yield Reply(
        conversation_id=Uid("HeLpDeskT01"),
        message_id=_message_id("HeLpDeskT01", 1),
        actor=desk,
        text="Same as last week in Salt Bay: their gateway cuts off long requests. I ask the provider.",
        internal=True,
        ticket_managers=managers,
    )
    yield _reply(
        "HeLpDeskT01", 2, desk, "We found the cause and are at it. Please keep the report on paper until then."
    )
    yield _ticket("HeLpDeskT02", _person(_FATIMA), "لا أستطيع تسجيل الدخول", "نسيت كلمة المرور الخاصة بي.")
    yield SetStatus(conversation_id=Uid("HeLpDeskT02"), actor=desk, status=Status.SOLVED)
    yield _ticket(
        "HeLpDeskT03",
        _person(_GRACE),
        "A word in the Portuguese register",
        "On page 3 it says “semana” twice. It is only a slip.",
    )
    yield SetPriority(conversation_id=Uid("HeLpDeskT03"), actor=desk, priority=Priority.LOW)


def _results() -> Iterator[ConversationCommand]:
    yield SendValidationResult(
        conversation_id=Uid("VaLidation1"),
        message_id=_message_id("VaLidation1", 0),
        actor=Actor(id=_MONITOR, may_send_system=True),
        subject="Validation results of week 12",
        text="High 1, medium 1, low 0\n\nMeasles cases, Ridge Hospital: 14, expected at most 3.\n"
        "Deliveries, Twin Lakes Clinic: more than first antenatal visits.",
        recipients=_members(SURVEILLANCE),
        priorities=(Priority.MEDIUM, Priority.HIGH),
        addressed=Addressed(groups=(SURVEILLANCE,)),
    )


def _message(
    uid: str, sender: Actor, subject: str, to: Sequence[UserId], text: str, *, group: Uid | None = None
) -> SendMessage:
    members = _members(group) if group is not None else ()
    return SendMessage(
        conversation_id=Uid(uid),
        message_id=_message_id(uid, 0),
        actor=sender,
        subject=subject,
        text=text,
        recipients=tuple(dict.fromkeys((*to, *members))),
        addressed=Addressed(users=tuple(to), groups=(group,) if group is not None else ()),
    )


def _ticket(uid: str, sender: Actor, subject: str, text: str) -> SendTicket:
    return SendTicket(
        conversation_id=Uid(uid),
        message_id=_message_id(uid, 0),
        actor=sender,
        subject=subject,
        text=text,
        recipients=_members(HELP_DESK),
        addressed=Addressed(groups=(HELP_DESK,)),
    )


def _reply(uid: str, number: int, sender: Actor, text: str) -> Reply:
    return Reply(conversation_id=Uid(uid), message_id=_message_id(uid, number), actor=sender, text=text)


def _message_id(conversation: str, number: int) -> Uid:
    return derive_uid(b"messages of the demo", conversation, str(number))


def _admin() -> Actor:
    return Actor(id=ADMIN, superuser=True, ticket_manager=True, may_delete=True, may_send_system=True)


def _support() -> Actor:
    return Actor(id=_SUPPORT, ticket_manager=True)


def _person(user_id: UserId) -> Actor:
    return Actor(id=user_id)


@cache
def _groups() -> dict[str, tuple[UserId, ...]]:
    with as_file(files(__package__) / "demo.json") as file:
        groups = metadata.read(file).user_groups or ()
    return {group.id: tuple(UserId(member.id) for member in group.users or ()) for group in groups}


def _members(group: Uid) -> tuple[UserId, ...]:
    return _groups()[group]
