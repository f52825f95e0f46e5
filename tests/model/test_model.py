"""Random commands by random people, through two processes' stores on a real log and an engine that comes and goes.

After every few steps the log's states, the inboxes in both views, their counts and the threads are what a naive model
says (naive.py); at the end a replay gives the same rows, and the log is sound. ``CONVSTORE_MODEL_EXAMPLES`` and
``CONVSTORE_MODEL_STEPS`` make it longer.
"""

import asyncio
import os
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from asking import PEOPLE, RIGHTS, Asker, Kind, anybody, anything, deleting, replying, starting
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from naive import Naive, Talk

from convstore.database import SERVER_ROLE, Pool, connect, open_pool
from convstore.domain.commands import ConversationCommand
from convstore.domain.events import tag_of
from convstore.domain.types import Actor, MessageType
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.engine import Engine
from convstore.errors import Refused
from convstore.log import read
from convstore.log.outcome import IdempotencyKey, Outcome
from convstore.log.recorded import Meta
from convstore.log.store import Store
from convstore.log.verify import verify
from convstore.projections import load
from eventually import eventually
from rebuilt import assert_rebuilt_equals_live
from words import CID

EXAMPLES = int(os.environ.get("CONVSTORE_MODEL_EXAMPLES", "8"))
STEPS = int(os.environ.get("CONVSTORE_MODEL_STEPS", "50"))
LOOK_EVERY = 6

process = st.integers(0, 1)
recent = st.integers(0, 3)


class Machine(RuleBasedStateMachine):
    """A store in two processes' memory, an engine, and the model that says how all must look."""

    def __init__(self, server: str, template: Callable[[int], str]) -> None:
        super().__init__()
        self.server = server
        self.template = template
        self.name = f"model_{secrets.token_hex(6)}"
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.naive = Naive()
        self.uids: list[Uid] = []
        self.times: dict[tuple[Uid, int], datetime] = {}
        self.engine: Engine | None = None
        self.since_look = 0

    @initialize(partitions=st.sampled_from([1, 8]))
    def begin(self, partitions: int) -> None:
        self.runner.run(self._begin(self.template(partitions), partitions))

    @rule(by=anybody, kind=starting, process=process)
    def start(self, by: Asker, kind: Kind, process: int) -> None:
        self.uids.append(new_uid())
        self._submit(process, [self._asked(by, kind)])

    @precondition(lambda self: self.uids)
    @rule(by=anybody, kind=starting, at=recent, process=process)
    def start_what_is_there(self, by: Asker, kind: Kind, at: int, process: int) -> None:
        self._submit(process, [self._asked(by, kind, at)])

    @rule(by=anybody, kind=st.one_of(replying, deleting), process=process)
    def ask_of_what_never_was(self, by: Asker, kind: Kind, process: int) -> None:
        self._submit(process, [kind(self._actor(by, None), new_uid(), 0)])

    @precondition(lambda self: self.uids)
    @rule(by=anybody, kind=anything, at=recent, process=process)
    def ask_one(self, by: Asker, kind: Kind, at: int, process: int) -> None:
        self._submit(process, [self._asked(by, kind, at)])

    @precondition(lambda self: self.uids)
    @rule(by=anybody, kinds=st.lists(anything, min_size=2, max_size=6), at=recent, process=process)
    def ask_in_one_request(self, by: Asker, kinds: list[Kind], at: int, process: int) -> None:
        self._submit(process, [self._asked(by, kind, at) for kind in kinds])

    @precondition(lambda self: self.uids)
    @rule(asked=st.lists(st.tuples(anybody, anything, recent), min_size=2, max_size=20), process=process)
    def ask_at_once(self, asked: list[tuple[Asker, Kind, int]], process: int) -> None:
        self.runner.run(self._submitted_at_once(process, [self._asked(*each) for each in asked]))

    @precondition(lambda self: self.uids)
    @rule(by=anybody, kind=anything, at=recent, process=process)
    def ask_twice_with_a_key(self, by: Asker, kind: Kind, at: int, process: int) -> None:
        command = self._asked(by, kind, at)
        key = IdempotencyKey(command.actor.id, secrets.token_hex(8), b"the same")
        if (outcome := self._submit(process, [command], key)) is not None:
            again = self.runner.run(self.stores[1 - process].submit([command], Meta(), key))
            assert again.replayed
            assert outcome.decided == again.decided

    @precondition(lambda self: self.uids)
    @rule(by=anybody, kind=deleting, at=recent, process=process)
    def delete(self, by: Asker, kind: Kind, at: int, process: int) -> None:
        self._submit(process, [self._asked(by, kind, at)])

    @precondition(lambda self: self.engine is not None)
    @rule()
    def the_engine_goes_away(self) -> None:
        assert self.engine is not None
        self.runner.run(self.engine.stop())
        self.engine = None

    @precondition(lambda self: self.engine is None)
    @rule()
    def the_engine_comes_back(self) -> None:
        self.runner.run(self._start_engine())

    @invariant()
    def all_agree(self) -> None:
        self.since_look += 1
        if self.since_look >= LOOK_EVERY:
            self.since_look = 0
            self.runner.run(self._look())

    def teardown(self) -> None:
        try:
            if self.uids:
                self.runner.run(self._end())
        finally:
            self.runner.run(self._clean_up())
            self.runner.close()

    def _asked(self, by: Asker, kind: Kind, at: int = 0) -> ConversationCommand:
        """Ask something of one of the conversations, counted from the one that started last."""
        uid = self.uids[-1 - at % len(self.uids)]
        talk = self.naive.talks.get(uid)
        return kind(self._actor(by, talk), uid, talk.version if talk is not None else 0)

    def _actor(self, by: Asker, talk: Talk | None) -> Actor:
        if isinstance(by, Actor):
            return by
        inside = sorted(talk.copies) if talk is not None and talk.copies else PEOPLE
        return RIGHTS[inside[by % len(inside)]]

    async def _begin(self, template: str, partitions: int) -> None:
        await self._execute(f"CREATE DATABASE {self.name} TEMPLATE {template}")
        self.dsn = urlunsplit(urlsplit(self.server)._replace(path="/" + self.name))
        self.pools: list[Pool] = []
        self.stores: list[Store] = []
        for _ in range(2):
            pool = await self.stack.enter_async_context(await open_pool(self.dsn, size=partitions + 3))
            self.pools.append(pool)
            self.stores.append(await self.stack.enter_async_context(await Store.open(pool)))
        await self._start_engine()

    async def _execute(self, statement: str) -> None:
        conn = await asyncpg.connect(self.server)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()

    async def _start_engine(self) -> None:
        self.engine = Engine(self.pools[0], self.dsn, self.stores[0])
        await self.engine.start()

    def _submit(
        self, process: int, commands: Sequence[ConversationCommand], key: IdempotencyKey | None = None
    ) -> Outcome | None:
        return self.runner.run(self._submitted(process, commands, key))

    async def _submitted(
        self, process: int, commands: Sequence[ConversationCommand], key: IdempotencyKey | None = None
    ) -> Outcome | None:
        """Submit one request to one process, and see that the model agrees on what becomes of it."""
        expected = self.naive.ask(commands)
        submit = self.stores[process].submit(commands, Meta(actor=commands[0].actor.id), key)
        if isinstance(expected, type):
            with pytest.raises(Refused) as refused:
                await submit
            assert expected is refused.type
            return None
        outcome = await submit
        assert [len(tags) for tags in expected] == [one.events for one in outcome.decided]
        assert [tag for tags in expected for tag in tags] == [tag_of(recorded.event) for recorded in outcome.recorded]
        for recorded in outcome.recorded:
            self.times[recorded.stream, recorded.version] = recorded.recorded_at
        return outcome

    async def _submitted_at_once(self, process: int, commands: Sequence[ConversationCommand]) -> None:
        """Submit these as so many requests: they are carried out in the order in which they came."""
        await asyncio.gather(*(self._submitted(process, [command]) for command in commands))

    async def _look(self) -> None:
        await self._look_at_states()
        if self.engine is not None:
            await self._caught_up(self.engine)
            for who in PEOPLE:
                await self._look_at_inbox(who, internal_too=False)
                await self._look_at_inbox(who, internal_too=True)
            await self._look_at_counts()
            await self._look_at_tickets()
            await self._look_at_threads()

    async def _caught_up(self, engine: Engine) -> None:
        async with self.pools[0].acquire() as conn:
            heads = await read.heads(conn)
        await eventually(
            lambda: all(
                reached >= head
                for positions in engine.positions().values()
                for reached, head in zip(positions, heads, strict=True)
            )
        )

    async def _look_at_states(self) -> None:
        living = self.naive.living()
        for store in self.stores:
            states = await store.states(self.uids)
            assert living.keys() == states.keys()
            for uid, talk in living.items():
                state = states[uid]
                assert (talk.version, talk.kind, talk.status, talk.priority, talk.assignee) == (
                    state.version,
                    state.message_type,
                    state.status,
                    state.priority,
                    state.assignee,
                )
                assert set(talk.copies) == set(state.roster)
                for who, copy in talk.copies.items():
                    for view in (False, True):
                        assert copy.unread(internal_too=view) == state.is_unread(who, with_internal=view)

    async def _look_at_inbox(self, who: UserId, *, internal_too: bool) -> None:
        queries = load("inbox").queries
        rows = await self.pools[0].fetch(queries.own_all if internal_too else queries.own, who)
        expected = {
            uid: self._row(uid, talk, who, internal_too=internal_too)
            for uid, talk in self.naive.living().items()
            if who in talk.copies
        }
        assert expected == {row["id"]: dict(row) for row in rows}
        unread = sum(not row["read"] for row in expected.values())
        total = queries.total_unread_all if internal_too else queries.total_unread
        assert len(expected) == await self.pools[0].fetchval(queries.total, who)
        assert unread == await self.pools[0].fetchval(total, who)

    def _row(self, uid: Uid, talk: Talk, who: UserId, *, internal_too: bool) -> dict[str, Any]:
        """Give a copy as its owner's list shows it."""
        last = talk.visible(internal_too=internal_too)[-1]
        return {
            "id": uid,
            "created": self.times[uid, 1],
            "created_by": talk.created_by,
            "last_updated": self.times[uid, talk.changed_all if internal_too else talk.changed],
            "subject": talk.subject,
            "message_type": talk.kind,
            "priority": talk.priority,
            "status": talk.status,
            "assignee": talk.assignee,
            "external_id": talk.external_id,
            "message_count": len(talk.visible(internal_too=False)),
            "last_message": self.times[uid, last.version],
            "last_sender": last.sender,
            "read": not talk.copies[who].unread(internal_too=internal_too),
            "follow_up": talk.copies[who].follow_up,
            "own": True,
        }

    async def _look_at_counts(self) -> None:
        totals: Counter[tuple[str, str]] = Counter()
        unread: Counter[tuple[str, str]] = Counter()
        unread_all: Counter[tuple[str, str]] = Counter()
        for talk in self.naive.living().values():
            for who, copy in talk.copies.items():
                totals[who, talk.kind] += 1
                unread[who, talk.kind] += copy.unread(internal_too=False)
                unread_all[who, talk.kind] += copy.unread(internal_too=True)
        rows = await self.pools[0].fetch(
            "SELECT user_id, message_type, sum(total), sum(unread), sum(unread_all)"
            "  FROM inbox_count_v1 GROUP BY user_id, message_type"
        )
        assert {(*key, total, unread[key], unread_all[key]) for key, total in totals.items()} == set(map(tuple, rows))

    async def _look_at_tickets(self) -> None:
        rows = await self.pools[0].fetch(load("inbox").queries.tickets_all, CID)
        expected = {
            uid: not talk.copies[CID].unread(internal_too=True) if CID in talk.copies else None
            for uid, talk in self.naive.living().items()
            if talk.kind is MessageType.TICKET
        }
        assert expected == {row["id"]: row["read"] for row in rows}

    async def _look_at_threads(self) -> None:
        queries = load("thread").queries
        for internal_too in (False, True):
            rows = await self.pools[0].fetch(queries.messages_all if internal_too else queries.messages)
            expected = {
                (uid, message.version): (
                    message.id,
                    self.times[uid, message.version],
                    message.sender,
                    message.internal,
                    message.text,
                )
                for uid, talk in self.naive.living().items()
                for message in talk.visible(internal_too=internal_too)
            }
            assert expected == {
                (row["conversation_id"], row["version"]): (
                    row["id"],
                    row["sent"],
                    row["sender"],
                    row["internal"],
                    row["text"],
                )
                for row in rows
            }

    async def _end(self) -> None:
        if self.engine is None:
            await self._start_engine()
        await self._look()
        await assert_rebuilt_equals_live(self.dsn)
        conn = await connect(self.dsn, role=SERVER_ROLE)
        try:
            assert () == (await verify(conn)).findings
        finally:
            await conn.close()

    async def _clean_up(self) -> None:
        if self.engine is not None:
            await self.engine.stop()
        await self.stack.aclose()
        await self._execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


@pytest.mark.slow
@pytest.mark.timeout(60 + EXAMPLES * STEPS / 2)
def test_whatever_people_do_log_and_read_models_agree_with_a_naive_model(
    server: str, templates: Callable[[int], str]
) -> None:
    run_state_machine_as_test(
        lambda: Machine(server, templates),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
