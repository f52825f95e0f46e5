"""The folds and their statements: what a story makes of the tables does not depend on how it is cut into pages."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from stories import Story, cuts, stories

from chance import examples
from convstore.database import SERVER_ROLE, Conn, connect
from convstore.domain.events import ConversationDeleted, MessagePosted, ParticipantRemoved
from convstore.log.recorded import Recorded
from convstore.projections import discover

Tables = dict[str, list[dict[str, Any]]]

# Each example asks a few hundred statements of a database that others use too.
_thorough = settings(max_examples=examples(35), deadline=None, suppress_health_check=list(HealthCheck))


class Models:
    """All read models on one connection, driven by hand."""

    def __init__(self, conn: Conn, runner: asyncio.Runner) -> None:
        self.conn = conn
        self.runner = runner

    def run(self, *pages: list[Recorded]) -> Tables:
        """Empty the tables, take these pages in one after another, and give all rows."""
        return self.runner.run(self._run(pages))

    async def _run(self, pages: tuple[list[Recorded], ...]) -> Tables:
        transaction = self.conn.transaction()
        await transaction.start()
        try:
            for page in pages:
                for projection in discover():
                    for change in projection.fold(page):
                        await self.conn.execute(projection.apply[change.statement], *change.args)
            return {table: await self._rows(table) for projection in discover() for table in projection.tables}
        finally:
            await transaction.rollback()

    async def _rows(self, table: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.conn.fetch(f"SELECT * FROM {table} AS t ORDER BY t::text")]


@pytest.fixture(scope="module")
def models(templates: Callable[[int], str], server: str) -> Iterator[Models]:
    with asyncio.Runner() as runner:
        # The template itself: every transaction is rolled back, so it stays empty.
        dsn = server.replace("/postgres?", f"/{templates(1)}?")
        conn = runner.run(connect(dsn, role=SERVER_ROLE, application="test"))
        try:
            yield Models(conn, runner)
        finally:
            runner.run(conn.close())


def _one_by_one(story: Story) -> list[list[Recorded]]:
    return [[event] for event in story.events]


def _pages(story: Story, places: list[int]) -> list[list[Recorded]]:
    return [story.events[first:last] for first, last in zip([0, *places], places, strict=False) if first < last]


@_thorough
@given(st.data())
def test_pages_of_any_size_do_what_event_by_event_does(models: Models, data: st.DataObject) -> None:
    story = data.draw(stories())
    expected = models.run(*_one_by_one(story))
    assert expected == models.run(story.events)
    assert expected == models.run(*_pages(story, data.draw(cuts(story))))


@_thorough
@given(st.data())
def test_taking_a_page_in_again_changes_nothing(models: Models, data: st.DataObject) -> None:
    story = data.draw(stories())
    pages = _pages(story, data.draw(cuts(story)))
    assert models.run(*pages) == models.run(*(page for page in pages for _ in range(2)))


@_thorough
@given(st.data())
def test_going_on_from_before_what_was_taken_in_ends_the_same(models: Models, data: st.DataObject) -> None:
    story = data.draw(stories())
    places = data.draw(cuts(story))
    back = data.draw(st.integers(0, places[-2] if len(places) > 1 else 0))
    assert models.run(story.events) == models.run(*_pages(story, places[:-1]), story.events[back:])


@_thorough
@given(st.data())
def test_tombstones_are_of_the_last_month_however_the_log_is_cut(models: Models, data: st.DataObject) -> None:
    story = data.draw(stories())
    days = data.draw(st.sampled_from((0, 1, 5, 40)))
    # Every fourth event comes at a position at which tombstones are cleared away.
    spread = [
        replace(event, position=event.position * 64, recorded_at=event.recorded_at + timedelta(days * number))
        for number, event in enumerate(story.events)
    ]
    story = Story(spread, story.states)
    tables = models.run(*_one_by_one(story))
    assert tables == models.run(story.events)
    assert tables == models.run(*_pages(story, data.draw(cuts(story))))
    leaving = [event for event in spread if isinstance(event.event, ParticipantRemoved | ConversationDeleted)]
    cleared = [event.recorded_at for event in spread if event.position % 256 == 0]
    kept = {row["position"] for row in tables["inbox_gone_v1"]}
    assert kept <= {event.position for event in leaving}
    assert all(row["ends"] > cleared[-1] for row in tables["inbox_gone_v1"])
    last = {event.stream: event for event in leaving}
    month = cleared[-1] - timedelta(days=30)
    assert {event.position for event in last.values() if event.recorded_at > month} <= kept


@_thorough
@given(stories())
def test_the_last_change_of_each_copy_is_one_that_its_person_may_see(models: Models, story: Story) -> None:
    tables = models.run(story.events)
    events = {event.position: event for event in story.events}
    seen: set[tuple[str, int]] = set()
    for copy in tables["inbox_v1"]:
        visible, last = events[copy["changed"]], events[copy["position"]]
        assert copy["conversation_id"] == visible.stream == last.stream
        assert not (isinstance(visible.event, MessagePosted) and visible.event.internal)
        internal = isinstance(last.event, MessagePosted) and last.event.internal
        assert internal == (copy["changed"] < copy["position"])
        seen.add((copy["user_id"], copy["changed"]))
    assert len(seen) == len(tables["inbox_v1"])


@_thorough
@given(stories())
def test_copies_agree_with_what_the_rules_know(models: Models, story: Story) -> None:
    tables = models.run(story.events)
    copies = {(row["conversation_id"], row["user_id"]): row for row in tables["inbox_v1"]}
    living = [state for state in story.states.values() if state.exists]
    assert {(state.id, person) for state in living for person in state.roster} == copies.keys()
    for state in living:
        for person, mark in state.roster.marks().items():
            copy = copies[state.id, person]
            assert (
                state.is_unread(person, with_internal=False),
                state.is_unread(person, with_internal=True),
                mark.follow_up,
                state.message_type,
                state.status,
                state.priority,
                state.assignee,
            ) == (
                copy["unread"],
                copy["unread_all"],
                copy["follow_up"],
                copy["message_type"],
                copy["status"],
                copy["priority"],
                copy["assignee"],
            )


@_thorough
@given(stories())
def test_copies_repeat_what_their_header_says(models: Models, story: Story) -> None:
    tables = models.run(story.events)
    headers = {row["conversation_id"]: row for row in tables["inbox_conversation_v1"]}
    for copy in tables["inbox_v1"]:
        header = headers[copy["conversation_id"]]
        repeated = (header.keys() & copy.keys()) - {"position"}
        assert {name: header[name] for name in repeated} == {name: copy[name] for name in repeated}


@_thorough
@given(stories())
def test_counts_are_the_sums_over_the_copies(models: Models, story: Story) -> None:
    tables = models.run(story.events)
    sums: dict[tuple[str, str, int], list[int]] = {}
    for copy in tables["inbox_v1"]:
        counted = sums.setdefault((copy["user_id"], copy["message_type"], copy["partition"]), [0, 0, 0])
        counted[0] += 1
        counted[1] += copy["unread"]
        counted[2] += copy["unread_all"]
    assert sums == {
        (row["user_id"], row["message_type"], row["partition"]): [row["total"], row["unread"], row["unread_all"]]
        for row in tables["inbox_count_v1"]
    }


@_thorough
@given(stories())
def test_messages_for_everybody_are_counted_and_all_are_kept(models: Models, story: Story) -> None:
    tables = models.run(story.events)
    for header in tables["inbox_conversation_v1"]:
        thread = [row for row in tables["thread_v1"] if row["conversation_id"] == header["conversation_id"]]
        public = [row for row in thread if not row["internal"]]
        assert len(public) == header["message_count"]
        assert max(row["sent"] for row in public) == header["last_message"]
        assert max(row["sent"] for row in thread) == header["last_message_all"]
        assert max(thread, key=lambda row: row["version"])["sender"] == header["last_sender_all"]
    assert {row["conversation_id"] for row in tables["thread_v1"]} == {
        row["conversation_id"] for row in tables["inbox_conversation_v1"]
    }
