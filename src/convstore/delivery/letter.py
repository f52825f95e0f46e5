"""What is sent, and to whom: read from the log and the directory when it is sent, and kept nowhere."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct

from convstore.database import Conn
from convstore.delivery.audience import has_footer
from convstore.delivery.consumer import read_beginnings
from convstore.delivery.leader import sql
from convstore.domain.events import MessagePosted
from convstore.domain.types import MessageType
from convstore.domain.uid import Uid, UserId
from convstore.log.codec import CODEC

_DEFAULT_TITLE: Final = "DHIS 2"
# Messages that are kept at hand while they are sent to many.
_AT_HAND: Final = 50

Place = tuple[Uid, int]


class Row(Struct, frozen=True):
    """One message to one person, claimed to be sent. ``age``: seconds since it was first to be.

    ``earlier``: the latest message of the conversation that he was sent before. ``attempts`` counts this one.
    """

    partition: int
    conversation_id: Uid
    user_id: UserId
    version: int
    message_id: Uid
    forced: bool
    attempts: int
    repeated: bool
    age: float
    earlier: Uid | None

    @property
    def place(self) -> Place:
        """Which message."""
        return self.conversation_id, self.version


class Signature(Struct, frozen=True):
    """Who wrote: his name, and what he is reached by (contract section 6)."""

    name: str
    units: str | None
    email: str | None
    phone_number: str | None

    def lines(self) -> list[str]:
        """Give name, units, address and phone, those that there are."""
        return [line for line in (self.name, self.units, self.email, self.phone_number) if line]


class Letter(Struct, frozen=True, kw_only=True):
    """One message, as it is sent to everybody.

    ``title``: what this system calls itself; ``locale``: of whoever began the conversation.
    """

    conversation_id: Uid
    version: int
    message_id: Uid
    first_message_id: Uid
    message_type: MessageType
    subject: str
    text: str
    internal: bool
    footer: bool
    signature: Signature | None
    title: str
    locale: str

    @property
    def first(self) -> bool:
        """Whether it opened the conversation."""
        return self.message_id == self.first_message_id


class Reader(Struct, frozen=True):
    """Whom it is sent to, as the directory has him now. ``wants``: by his setting for this channel."""

    id: UserId
    first_name: str
    surname: str
    email: str | None
    phone_number: str | None
    disabled: bool
    wants: bool

    @property
    def name(self) -> str:
        """First name and surname."""
        return f"{self.first_name} {self.surname}".strip()


class Letters:
    """The messages that are being sent."""

    def __init__(self) -> None:
        self._at_hand: OrderedDict[Place, Letter] = OrderedDict()

    async def read(self, conn: Conn, partition: int, places: Collection[Place]) -> Mapping[Place, Letter]:
        """Give the messages at these places of one partition."""
        found = {place: self._at_hand[place] for place in places if place in self._at_hand}
        if lacking := [place for place in places if place not in found]:
            for letter in await self._read(conn, partition, lacking):
                place = letter.conversation_id, letter.version
                found[place] = self._at_hand[place] = letter
            while len(self._at_hand) > _AT_HAND:
                self._at_hand.popitem(last=False)
        return found

    async def _read(self, conn: Conn, partition: int, places: Collection[Place]) -> list[Letter]:
        beginnings = await read_beginnings(conn, partition, list({stream for stream, _ in places}))
        first_places = {(stream, beginning.first_version) for stream, beginning in beginnings.items()}
        streams, versions = zip(*{*places, *first_places}, strict=True)
        messages: dict[Place, MessagePosted] = {}
        for row in await conn.fetch(sql.messages, partition, list(streams), list(versions)):
            event = CODEC.decode(row["data"])
            assert isinstance(event, MessagePosted)  # noqa: S101 - the consumer wrote down no others
            messages[row["stream"], row["version"]] = event
        title = await conn.fetchval(sql.setting, "applicationTitle")
        letters = []
        for stream, version in places:
            posted, beginning = messages[stream, version], beginnings[stream]
            opening = messages[stream, beginning.first_version]
            first = version == beginning.first_version
            creator = beginning.started.created_by or beginning.started.sender
            letters.append(
                Letter(
                    conversation_id=stream,
                    version=version,
                    message_id=posted.message_id,
                    first_message_id=opening.message_id,
                    message_type=beginning.started.message_type,
                    subject=beginning.started.subject,
                    text=posted.text or "",
                    internal=posted.internal,
                    footer=has_footer(beginning.started, first=first),
                    signature=None if posted.sender is None else await _signature(conn, posted.sender),
                    title=_DEFAULT_TITLE if title is None else title,
                    locale=await conn.fetchval(sql.locale, creator),
                )
            )
        return letters


async def read_people(conn: Conn, people: Collection[UserId], setting: str) -> dict[UserId, Reader]:
    """Give these people as they are now; those without an account are left out."""
    rows = await conn.fetch(sql.people, list(people), setting)
    return {row["id"]: Reader(**row) for row in rows}


async def _signature(conn: Conn, sender: UserId) -> Signature | None:
    row = await conn.fetchrow(sql.sender, sender)
    return None if row is None else Signature(**row)
