"""What a token may be for: everything of its account, reading, or some of the events."""

from collections.abc import Iterable
from typing import Final, get_args

from convstore.domain.access import LoggedEvent
from convstore.domain.events import tag_of

FULL: Final = "full"
READ: Final = "read"
EVENTS: Final = "events"
OWN_EVENTS: Final = "events:own"
TEXTS: Final = "events:texts"
INTERNAL: Final = "events:internal"

TAGS: Final = tuple(tag_of(kind) for kind in get_args(LoggedEvent))
"""The types of events, in the order in which they are declared."""

_NAMED: Final = {f"events:{tag}": tag for tag in TAGS}

SCOPES: Final = {
    FULL: "everything that its owner may do",
    READ: "reading, and changing nothing",
    EVENTS: "following all events",
    OWN_EVENTS: "following the events of its owner's own inbox",
    **{scope: f"following the events {tag}" for scope, tag in _NAMED.items()},
    TEXTS: "and their subjects and texts",
    INTERNAL: "and internal messages",
}
"""The scopes, and what each means."""

# These add to what another one allows, and allow nothing by themselves.
_MORE: Final = frozenset({TEXTS, INTERNAL})


def are_for_something(scopes: Iterable[str]) -> bool:
    """Tell whether these scopes allow anything at all."""
    return not _MORE.issuperset(scopes)


def follow_events(scopes: Iterable[str]) -> bool:
    """Tell whether these scopes are for following events."""
    return any(scope == EVENTS or scope.startswith(f"{EVENTS}:") for scope in scopes)


def tags_named(scopes: Iterable[str]) -> frozenset[str]:
    """Give the types of events that these scopes name one by one."""
    return frozenset(_NAMED[scope] for scope in scopes if scope in _NAMED)
