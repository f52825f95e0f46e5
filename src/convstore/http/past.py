"""Compiles reads of the past: the sources of the timeline for a reader with these rights, as of these positions.

Who could see a conversation then, and may see it now, is shown it. What comes from the log (copies, marks, messages) is
as of then; what comes from the directory (names, who manages tickets) is today's, for the directory keeps no past.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from msgspec import Struct

from convstore.domain import policy
from convstore.domain.types import Actor
from convstore.http.query.compile import Late
from convstore.http.query.conversation import Collections, asks_for_tickets, conversation, of_tickets
from convstore.http.query.entities import Entity
from convstore.http.query.fields import Field
from convstore.http.query.listing import Form, ListPlan, ObjectPlan, Source, plan_list, plan_object
from convstore.http.query.paging import Order
from convstore.http.query.parameters import Query
from convstore.http.query.search import search_condition
from convstore.projections import load

_timeline = load("timeline").queries

NEWEST_FIRST: Final = (Order(("lastMessage",), descending=True),)


class Past(Struct, frozen=True):
    """Through whose eyes to look, with the rights that he has today, and as of which positions (index = partition).

    ``everything``: whoever asks may see all that there is now, so that what the reader could see then is enough.
    """

    reader: Actor
    positions: Sequence[int]
    everything: bool

    @property
    def _view(self) -> tuple[str, str]:
        """What the statements of the timeline leave open: whose messages count, and what unread means."""
        suffix = "_all" if policy.sees_internal(self.reader) else ""
        return suffix, _timeline[f"left_unread{suffix}"]

    @property
    def entity(self) -> Entity:
        """The table of a conversation's properties, with the messages and participants that there were."""
        suffix, unread = self._view
        messages = _timeline[f"messages{suffix}"]
        return conversation(Collections(messages, _timeline.participants.format(suffix, unread), (self.positions,)))

    @property
    def own(self) -> str:
        """The copies that the reader had: a statement of ``own_args``."""
        tickets = policy.finds_all_tickets(self.reader)
        return _timeline.own.format(*self._view, _timeline.sees_tickets if tickets else _timeline.sees_no_others)

    def own_args(self, reader: Any) -> tuple[Any, ...]:
        """Give the parameters of ``own``."""
        return reader, self.positions, self.everything

    def others(self, condition: str) -> Source:
        """Give the conversations that there were, the reader's and others, by a named condition of the timeline."""
        return Source(
            entity=self.entity,
            rows=_timeline.others.format(*self._view, _timeline[condition]),
            args=(Late.CALLER, self.positions),
            order=NEWEST_FIRST,
            positions=_reflected,
            search=partial(search_condition, with_internal=policy.sees_internal(self.reader), past=True),
            form=Form.HITS,
        )


def plan_past_list(past: Past, query: Query, fields: tuple[Field, ...]) -> ListPlan:
    """Compile a list of conversations as it was.

    No index has the order of a time that is past: what passes is found once, to be counted, sorted and cut.

    Raises:
        BadQuery: filters, order or fields speak of what there is not.
    """
    if policy.finds_all_tickets(past.reader) and asks_for_tickets(query):
        return plan_list(past.others("sees_tickets"), of_tickets(query), fields)
    source = Source(
        entity=past.entity,
        rows=past.own,
        args=past.own_args(Late.CALLER),
        order=NEWEST_FIRST,
        positions=_reflected,
        search=partial(search_condition, with_internal=policy.sees_internal(past.reader), past=True),
        form=Form.HITS,
    )
    return plan_list(source, query, fields)


def plan_past_object(past: Past, fields: tuple[Field, ...]) -> ObjectPlan:
    """Compile one conversation as it was; ``extra``: whether the reader had a copy, has one now, and the type."""
    return plan_object(past.others("sees_all"), fields, extra=("own", "has_copy", "message_type"))


def _reflected(_arguments: object) -> str:
    return _timeline.positions
