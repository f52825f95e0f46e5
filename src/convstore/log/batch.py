"""One micro-batch: the commands of many requests, decided one after another, and what the append makes of them.

Requests that concern the same conversation belong together: a later one was decided on what an earlier one would make
of it. So requests that share streams form a *group*, which is appended as a whole or, when one of its streams turns
out to have moved, decided again as a whole. The append function judges groups; which of their requests were refused or
had nothing to do, it need not know (migrations/0001_log.sql).
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from convstore.domain.access import LoggedEvent, NoteAccess
from convstore.domain.commands import ConversationCommand
from convstore.domain.conversation import Conversation, decide, evolve
from convstore.domain.uid import Uid
from convstore.errors import KeyReused, Refused
from convstore.log.codec import encode
from convstore.log.outcome import Decided, IdempotencyKey, Outcome
from convstore.log.recorded import Recorded
from convstore.log.states import cost

# What can be asked of the log.
LogCommand = ConversationCommand | NoteAccess

_result_encoder: Final = msgspec.json.Encoder()
decode_result: Final = msgspec.json.Decoder(tuple[Decided, ...]).decode


@dataclass(slots=True, eq=False)
class Request:
    """Commands that were submitted together, and the caller who waits for what becomes of them.

    ``size`` is their weight in a queue or a batch, in bytes. ``followers`` came with the same key while this one was
    being carried out; they get its answer.
    """

    commands: Sequence[LogCommand]
    meta: str
    key: IdempotencyKey | None
    size: int
    answer: "asyncio.Future[Outcome]"
    attempts: int = 0
    followers: "list[Request]" = field(default_factory=list)

    def succeed(self, outcome: Outcome) -> None:
        """Give the outcome to the caller, and to those with the same key and request."""
        if not self.answer.done():
            self.answer.set_result(outcome)
        again = Outcome(outcome.partition, outcome.position, (), outcome.decided, replayed=True)
        for follower in self.followers:
            if self._is_same(follower):
                follower.succeed(again)
            else:
                follower.fail(KeyReused())

    def fail(self, error: Exception) -> None:
        """Give the error to the caller, and to those with the same key: nothing of theirs was done either.

        A refusal is no answer to another request, which has not been decided.
        """
        if not self.answer.done():
            self.answer.set_exception(error)
        for follower in self.followers:
            follower.fail(KeyReused() if isinstance(error, Refused) and not self._is_same(follower) else error)

    def replay(self, outcome: Outcome, digest: bytes) -> None:
        """Answer from what the key has stored: to each according to his request."""
        for request in (self, *self.followers):
            request.followers = []
            if request.key is not None and request.key.digest == digest:
                request.succeed(outcome)
            else:
                request.fail(KeyReused())
        self.followers = []

    def _is_same(self, other: "Request") -> bool:
        return self.key is not None and other.key is not None and self.key.digest == other.key.digest


@dataclass(slots=True)
class _Verdict:
    """What was decided on a request: its events are those from ``first``, ``count`` of them."""

    request: Request
    stream: int  # one that it concerns; all that it concerns are of one group
    first: int
    count: int
    decided: tuple[Decided, ...]
    refusal: Refused | None


# The place of its stream, its version there, what is stored of it (tag, text, circumstances), and the event itself.
_NewEvent = tuple[int, int, str, str, str, LoggedEvent]


class Settled(NamedTuple):
    """What an append left behind: what is in the log now, in order, and the requests to decide again.

    ``states`` are those that were verified, each with what replaying its new events would cost.
    """

    recorded: list[Recorded]
    states: list[tuple[Conversation, int]]
    stale: list[Request]


class Answer(NamedTuple):
    """What the append function gave back (migrations/0001_log.sql)."""

    base_position: int
    batch_time: datetime
    stale_groups: Sequence[int]
    used_keys: Sequence[int] | None
    used_digests: Sequence[bytes] | None
    used_results: Sequence[str] | None


class Batch:
    """Decides requests on states, gathers what must be sent, and settles the requests by the answer.

    ``known`` has a state for each conversation that the requests concern.
    """

    def __init__(self, partition: int, known: Mapping[Uid, Conversation]) -> None:
        self.partition = partition
        self.id = uuid.uuid4()
        self._states = dict(known)
        self._keyed: dict[tuple[str, str], Request] = {}
        self._verdicts: list[_Verdict] = []
        # Streams, in order of appearance: place, version that it was decided on, another stream of its group (a forest:
        # a root points to itself).
        self._places: dict[Uid, int] = {}
        self._versions: list[int] = []
        self._parents: list[int] = []
        self._events: list[_NewEvent] = []

    def __len__(self) -> int:
        """How many requests wait for the append's answer."""
        return len(self._verdicts)

    def add(self, request: Request) -> None:
        """Decide a request on the states as the ones before it left them.

        One with a key that is in the batch already follows that one; one that cannot be stored fails here.
        """
        key = request.key
        if key is not None and (first := self._keyed.setdefault((key.account, key.key), request)) is not request:
            first.followers += (request, *request.followers)
            request.followers = []
            return
        first_event = len(self._events)
        before: dict[Uid, Conversation] = {}
        decided: list[Decided] = []
        refusal: Refused | None = None
        try:
            for command in request.commands:
                before.setdefault(command.conversation_id, self._states[command.conversation_id])
                decided.append(self._decide(command, request.meta))
        except Refused as e:
            self._take_back(first_event, before)
            refusal = e
        except Exception as e:  # noqa: BLE001 - whatever else is wrong concerns this request's caller alone
            self._take_back(first_event, before)
            if key is not None:
                del self._keyed[key.account, key.key]
            request.fail(e)
            return
        places = [self._place(state) for state in before.values()]
        for other in places[1:]:
            self._parents[self._root(other)] = self._root(places[0])
        count = len(self._events) - first_event
        self._verdicts.append(_Verdict(request, places[0], first_event, count, tuple(decided), refusal))

    def arguments(self) -> tuple[Any, ...]:
        """Give what the append function takes of streams, events and keys."""
        uids = list(self._places)
        groups = [self._root(place) for place in range(len(uids))]
        # Columns, of which no event leaves none.
        places, versions, types, data, meta, _ = zip(*self._events, strict=True) if self._events else ((),) * 6
        keyed = [(verdict, key) for verdict in self._verdicts if (key := verdict.request.key) is not None]
        return (
            groups,
            uids,
            self._versions,
            [self._states[uid].version for uid in uids],
            [groups[place] for place in places],
            [uids[place] for place in places],
            versions,
            types,
            data,
            meta,
            [groups[verdict.stream] for verdict, _ in keyed],
            [key.account for _, key in keyed],
            [key.key for _, key in keyed],
            [key.digest for _, key in keyed],
            # A refusal has no effect that a key would have to guard: it is only looked up.
            [None if v.refusal else _result_encoder.encode(v.decided).decode() for v, _ in keyed],
        )

    def settle(self, answer: Answer) -> Settled:
        """Give every request its answer, but for the stale ones, which nothing was appended of."""
        stale_groups = frozenset(answer.stale_groups)
        used = self._used_keys(answer)
        uids = list(self._places)
        costs = [0] * len(uids)
        settled = Settled([], [], [])
        position = answer.base_position
        for verdict in self._verdicts:
            request = verdict.request
            if (stored := used.get(id(request))) is not None:
                digest, result = stored
                outcome = Outcome(self.partition, position, (), decode_result(result), replayed=True)
                request.replay(outcome, digest)
            elif self._root(verdict.stream) in stale_groups:
                settled.stale.append(request)
            elif verdict.refusal is not None:
                request.fail(verdict.refusal)
            else:
                recorded = []
                for place, version, _, data, meta, event in self._events[verdict.first : verdict.first + verdict.count]:
                    position += 1
                    costs[place] += cost(data)
                    recorded.append(
                        Recorded(self.partition, position, uids[place], version, event, answer.batch_time, meta)
                    )
                settled.recorded.extend(recorded)
                request.succeed(Outcome(self.partition, position, tuple(recorded), verdict.decided))
        for uid, place in self._places.items():
            if self._root(place) not in stale_groups:
                settled.states.append((self._states[uid], costs[place]))
        return settled

    def _decide(self, command: LogCommand, meta: str) -> Decided:
        uid = command.conversation_id
        state = self._states[uid]
        new: Sequence[LoggedEvent] = [command.event] if isinstance(command, NoteAccess) else decide(state, command)
        if new:
            place = self._place(state)
            for event in new:
                tag, data = encode(event)
                state = evolve(state, event)
                self._events.append((place, state.version, tag, data, meta, event))
            self._states[uid] = state
        return Decided(uid, state.version, len(new))

    def _take_back(self, first_event: int, before: Mapping[Uid, Conversation]) -> None:
        del self._events[first_event:]
        self._states.update(before)

    def _place(self, state: Conversation) -> int:
        """Give the place of a stream among those of this batch; a new one is at the version that it has now."""
        place = self._places.setdefault(state.id, len(self._versions))
        if place == len(self._versions):
            self._versions.append(state.version)
            self._parents.append(place)
        return place

    def _root(self, place: int) -> int:
        while (parent := self._parents[place]) != place:
            self._parents[place] = self._parents[parent]
            place = parent
        return place

    def _used_keys(self, answer: Answer) -> dict[int, tuple[bytes, str]]:
        """Give digest and result of the requests whose keys were used before, by identity of the request."""
        if not answer.used_keys or answer.used_digests is None or answer.used_results is None:
            return {}
        keyed = [verdict.request for verdict in self._verdicts if verdict.request.key is not None]
        return {
            id(keyed[ordinal - 1]): (digest, result)
            for ordinal, digest, result in zip(answer.used_keys, answer.used_digests, answer.used_results, strict=True)
        }
