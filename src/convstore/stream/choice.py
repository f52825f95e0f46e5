"""Which events somebody asks for, of those that he may be given: told of one event here, and in events.sql of many."""

from msgspec import Struct

from convstore.domain.events import MessagePosted, tag_of
from convstore.domain.uid import Uid
from convstore.log.recorded import Recorded
from convstore.stream.rights import Rights


class Choice(Struct, frozen=True, kw_only=True):
    """What is given: as far as ``rights`` go, and of one conversation only, if one is named."""

    rights: Rights
    conversation: Uid | None = None

    def wants(self, recorded: Recorded) -> bool:
        """Tell whether an event is to be given. Not for rights that depend on a person's inbox: the database knows."""
        event = recorded.event
        return (
            tag_of(event) in self.rights.types
            and self.conversation in (None, recorded.stream)
            and (self.rights.internal or not (isinstance(event, MessagePosted) and event.internal))
        )
