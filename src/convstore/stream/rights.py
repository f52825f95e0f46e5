"""Which events somebody may follow: by the authorities of his account, and within them by the scopes of his token.

Everybody may follow his own inbox. ``F_EVENTS`` (or ``ALL``) lets follow all events, ``F_EVENTS_MESSAGE_POSTED`` and
its like those of one type; ``F_EVENTS_TEXTS`` adds subjects, texts and names of files, ``F_EVENTS_INTERNAL`` internal
messages, which ticket managers see anyhow. A token may do what its account may, or less.
"""

from typing import Final, get_args

from msgspec import Struct, structs

from convstore.directory.person import Person
from convstore.directory.scopes import EVENTS, FULL, INTERNAL, OWN_EVENTS, READ, TAGS, TEXTS, tags_named
from convstore.directory.tokens import Token
from convstore.domain import policy
from convstore.domain.access import AccessEvent
from convstore.domain.events import tag_of
from convstore.domain.uid import UserId

ALL_EVENTS: Final = "F_EVENTS"
"""The authority to follow all events."""
_TEXTS: Final = "F_EVENTS_TEXTS"
_INTERNAL: Final = "F_EVENTS_INTERNAL"

CONVERSATION_TAGS: Final = frozenset(TAGS) - {tag_of(kind) for kind in get_args(AccessEvent)}
"""The types of events that conversations consist of; the others tell who looked at what."""


class Rights(Struct, frozen=True, kw_only=True):
    """What of the log somebody may be given.

    ``types``: events of these types only. ``own``: only of conversations that this person has a copy of, and of marks
    only his. ``texts``: with subjects, texts and names of files. ``internal``: internal messages too.
    """

    types: frozenset[str]
    own: UserId | None
    texts: bool
    internal: bool

    def include(self, other: "Rights") -> bool:
        """Tell whether these are no less than others."""
        return (
            self.types >= other.types
            and self.own in (None, other.own)
            and self.texts >= other.texts
            and self.internal >= other.internal
        )


def authority_of(tag: str) -> str:
    """Give the authority to follow the events of one type."""
    return f"{ALL_EVENTS}_{tag.upper().replace('-', '_')}"


def rights_of(person: Person, token: Token | None, *, own: bool = False) -> Rights:
    """Say what somebody may follow, who came in with this token, or without one; ``own``: of his own inbox.

    Who has no right beyond his own inbox is given that, with its texts: they are his letters.
    """
    if token is None or FULL in token.scopes or READ in token.scopes:
        return _of_account(person, own=own)
    narrowed = EVENTS not in token.scopes
    allowed = _of_account(person, own=own or (narrowed and OWN_EVENTS in token.scopes))
    if narrowed and (named := tags_named(token.scopes)):
        allowed = structs.replace(allowed, types=allowed.types & named)
    return structs.replace(
        allowed,
        texts=allowed.texts and TEXTS in token.scopes,
        internal=allowed.internal and INTERNAL in token.scopes,
    )


def may_still(person: Person, token: Token | None, asked: Rights) -> bool:
    """Tell whether somebody may be given today what he asked for once, from his own inbox or from all."""
    return any(rights_of(person, token, own=own).include(asked) for own in (False, True))


def _of_account(person: Person, *, own: bool) -> Rights:
    internal = policy.sees_internal(person.actor())
    everything = person.holds(ALL_EVENTS)
    named = frozenset(tag for tag in CONVERSATION_TAGS if person.holds(authority_of(tag)))
    if own or not (everything or named):
        return Rights(types=CONVERSATION_TAGS, own=person.id, texts=True, internal=internal)
    return Rights(
        types=frozenset(TAGS) if everything else named,
        own=None,
        texts=person.holds(_TEXTS),
        internal=internal or person.holds(_INTERNAL),
    )
