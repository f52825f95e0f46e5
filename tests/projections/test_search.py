"""What a search finds: told as stories, asked of the tables as a list would."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convstore.database import SERVER_ROLE, Conn, Pool, connect
from convstore.directory.accounts import NewAccount, add
from convstore.directory.importing import import_files
from convstore.domain.events import ConversationEvent
from convstore.domain.types import Status
from convstore.domain.uid import Uid
from convstore.engine import Engine
from convstore.log.recorded import Recorded
from convstore.log.store import Store
from convstore.projections import load
from convstore.words import LONGEST, MOST, cut, query_prefixes, tsquery
from rebuilt import assert_rebuilt_equals_live
from seeding import tell
from words import (
    ANN,
    BOB,
    CID,
    Told,
    assignee_set,
    begun,
    conversation_deleted,
    conversation_read,
    follow_up_flagged,
    history,
    participants_added,
    posted,
    status_set,
)

_BEGAN = datetime(2026, 11, 23, 8, tzinfo=UTC)
ONE, TWO, THREE = Uid("OneOneOne01"), Uid("TwoTwoTwo02"), Uid("ThreeThree3")
search = load("search")


def page(*events: tuple[Uid, ConversationEvent], first: int = 1) -> list[Recorded]:
    """Give events of several conversations as the log would."""
    return [
        Recorded(0, position, uid, position, event, _BEGAN, "{}") for position, (uid, event) in enumerate(events, first)
    ]


class Texts:
    """The words' table, and a log that goes on."""

    def __init__(self, conn: Conn) -> None:
        self.conn = conn
        self.position = 0

    async def take(self, *told: Told, conversation: Uid = ONE) -> None:
        """Take in what happened next, as one page."""
        events = page(*((conversation, event) for event in history(*told)), first=self.position + 1)
        self.position += len(events)
        await self.apply(events)

    async def apply(self, events: list[Recorded]) -> None:
        """Take in a page."""
        for change in search.fold(events):
            await self.conn.execute(search.apply[change.statement], *change.args)

    async def find(
        self, question: str, *, internal: bool = False, among: Iterable[str] = (ONE, TWO, THREE)
    ) -> set[str]:
        """Give the conversations that a question finds, in the view without or with internal messages."""
        condition = search.queries["found_all" if internal else "found"].format("c", "$2::tsquery")
        rows = await self.conn.fetch(
            f"SELECT c.id FROM unnest($1::text[]) AS c (id) WHERE {condition}",
            list(among),
            tsquery(query_prefixes(question)),
        )
        return {row["id"] for row in rows}

    async def rows(self) -> int:
        """Give the number of texts."""
        count: int = await self.conn.fetchval("SELECT count(*) FROM search_v1")
        return count


@pytest.fixture
async def texts(pool: Pool) -> AsyncIterator[Texts]:
    async with pool.acquire() as conn:
        yield Texts(conn)


async def test_subject_and_every_message_are_found(texts: Texts) -> None:
    await texts.take(begun(subject="Mortality data"), posted(text="How are you?"), posted(text="Fine, thanks."))
    await texts.take(begun(subject="Stocks"), posted(text="Vaccines"), conversation=TWO)
    for question in ("mortality", "MORT", "you", "thank", "data mort"):
        assert {ONE} == await texts.find(question)
    assert {TWO} == await texts.find("vacc")
    assert set() == await texts.find("ortality")


async def test_scripts_of_the_world_are_found(texts: Texts) -> None:
    await texts.take(begun(subject="Épidémie"), posted(text="L'épidémie de choléra s'étend."))
    await texts.take(begun(subject="وباء"), posted(text="وصلت اللقاحات إلى المستودع أمس"), conversation=TWO)
    await texts.take(begun(subject="የጤና ጥበቃ"), posted(text="昨天报告霍乱疫情"), conversation=THREE)
    for question, found in (
        ("epid", ONE),
        ("épid", ONE),
        ("CHOLÉRA ÉTEND", ONE),
        ("وَبَاء", TWO),
        ("اللقاحات الى", TWO),
        ("جاءت", None),
        ("የጤና", THREE),
        ("霍乱", THREE),
        ("报告霍乱疫情", THREE),
        ("乱霍", None),
    ):
        assert ({found} - {None}) == await texts.find(question), question


async def test_all_that_is_asked_for_stands_in_one_text(texts: Texts) -> None:
    await texts.take(
        begun(subject="Cholera in the north"), posted(text="Malaria is down."), posted(text="Send tablets.")
    )
    assert {ONE} == await texts.find("north cholera")
    assert set() == await texts.find("cholera malaria")
    assert set() == await texts.find("malaria tablets")


async def test_internal_messages_are_found_by_those_who_see_them(texts: Texts, pool: Pool) -> None:
    carla = await add(pool, NewAccount(username="carla", first_name="Carla", surname="Manager"), None)
    await texts.take(begun(subject="Tablet"), posted(text="It does not start."))
    await texts.take(posted(by=carla, text="He dropped it, I bet.", internal=True))
    for question in ("dropped", "carla"):
        assert set() == await texts.find(question)
        assert {ONE} == await texts.find(question, internal=True)
    assert {ONE} == await texts.find("start") == await texts.find("start", internal=True)


async def test_senders_are_found_by_the_names_that_they_have_now(texts: Texts, pool: Pool) -> None:
    zoe = await add(pool, NewAccount(username="zz", first_name="Zoé", surname="N'Diaye-Lévesque"), None)
    eve = await add(pool, NewAccount(username="eve", first_name="Eve", surname="Levesque"), None)
    await texts.take(begun(by=ANN), posted(by=ANN), posted(by=zoe, text=None))
    await texts.take(begun(by=eve), posted(by=eve), conversation=TWO)
    assert {ONE, TWO} == await texts.find("lévesque")
    assert {ONE} == await texts.find("ndiaye") | await texts.find("diaye zoe")
    # Of one person: neither of the two has both.
    assert set() == await texts.find("zoe eve")
    # Not of one text together with a name.
    assert set() == await texts.find("zoe fine")
    await pool.execute("DELETE FROM account WHERE id = $1", zoe)
    assert set() == await texts.find("zoe")


async def test_an_import_changes_the_names_that_senders_are_found_by(texts: Texts, pool: Pool, tmp_path: Path) -> None:
    async def named(first_name: str) -> None:
        (tmp_path / "metadata.json").write_bytes(
            msgspec.json.encode(
                {"users": [{"id": BOB, "username": "bob", "firstName": first_name, "surname": "Bürger"}]}
            )
        )
        await import_files(pool, [tmp_path / "metadata.json"])

    await texts.take(begun(by=BOB), posted(by=BOB))
    await named("Robert")
    assert {ONE} == await texts.find("robert burg")
    await named("Bertrand")
    assert {ONE} == await texts.find("bürger bertrand")
    assert set() == await texts.find("robert")
    # Written by a release that cut words in another way.
    await pool.execute("UPDATE account SET name_words = array_to_tsvector(ARRAY['Bertrand'])")
    assert set() == await texts.find("bertrand")
    await named("Bertrand")
    assert {ONE} == await texts.find("bertrand")


async def test_a_system_is_nobody_and_a_message_may_say_nothing(texts: Texts) -> None:
    await texts.take(begun(by=None, subject=""), posted(by=None, text=None))
    assert 2 == await texts.rows()
    assert set() == await texts.find("a")


async def test_a_deleted_conversation_is_found_no_more(texts: Texts) -> None:
    await texts.take(begun(subject="Stocks"), posted(text="Vaccines"))
    await texts.take(begun(subject="Stocks"), posted(text="Tablets"), conversation=TWO)
    await texts.take(posted(text="One more"), conversation_deleted())
    assert {TWO} == await texts.find("stocks")
    assert 2 == await texts.rows()


async def test_a_conversation_that_came_and_went_within_a_page_leaves_nothing(texts: Texts) -> None:
    await texts.take(begun(subject="Stocks"), posted(text="Vaccines"), conversation_deleted())
    assert 0 == await texts.rows()


def test_events_without_a_text_cost_nothing() -> None:
    events = (
        participants_added(BOB, CID),
        conversation_read(by=BOB, up_to=1),
        follow_up_flagged(by=BOB),
        status_set(Status.NONE, Status.OPEN),
        assignee_set(BOB),
    )
    assert [] == list(search.fold(page(*((ONE, event) for event in events))))


async def test_a_page_taken_in_twice_changes_nothing(texts: Texts) -> None:
    events = page((ONE, begun(subject="Stocks")), (ONE, posted(text="Vaccines")), (TWO, conversation_deleted()))
    await texts.apply(events)
    before = await texts.conn.fetch("SELECT * FROM search_v1 ORDER BY version")
    await texts.apply(events)
    assert before == await texts.conn.fetch("SELECT * FROM search_v1 ORDER BY version")


async def test_the_longest_text_of_all_fits(texts: Texts) -> None:
    # Letters of four bytes each, as many different words as are kept, each as long as is kept.
    letters = [chr(code) for code in range(0x10400 + 40, 0x10400 + 80)]
    words = [
        "".join(letters[number // 40**place % 40] for place in range(3)).ljust(LONGEST, letters[0])
        for number in range(MOST)
    ]
    assert MOST == len(cut(" ".join(words)))
    await texts.take(begun(subject=" ".join(words)), posted(text="x" * 2_000_000))
    assert {ONE} == await texts.find(words[-1])
    assert {ONE} == await texts.find("x" * 3_000_000)


@pytest.mark.parametrize(
    "question", ["'", "\\", "a' | 'b", "!a", "a & !b", "a:*", "<->", "(", "a\\'b", "'':*", "%", "\ud800a"]
)
async def test_a_question_means_its_words_only(texts: Texts, question: str) -> None:
    await texts.take(begun(subject="a b"), posted(text="c"))
    await texts.take(begun(subject="c"), posted(text="d"), conversation=TWO)
    prefixes = query_prefixes(question)
    assert set(prefixes) <= {"a", "b"}
    assert ({ONE} if prefixes else set()) == await texts.find(question)


async def test_what_commands_did_is_found_and_can_be_rebuilt(dsn: str, pool: Pool) -> None:
    async with await Store.open(pool) as store, pool.acquire() as conn:
        engine = Engine(pool, dsn, store)
        await engine.start()
        try:
            bob = await add(pool, NewAccount(username="bob", first_name="Bob", surname="Builder"), None)
            await tell(conn, begun(subject="Épidémie"), posted(by=bob, text="霍乱"), conversation=ONE)
            await tell(conn, begun(subject="Stocks"), conversation_deleted(), conversation=TWO)
            last = await tell(conn, begun(subject="Stocks"), posted(text="نعم", internal=True), conversation=THREE)
            assert await engine.wait(0, last, timeout=20)
            texts = Texts(conn)
            assert {ONE} == await texts.find("epid") == await texts.find("乱") == await texts.find("build")
            assert {THREE} == await texts.find("stock")
            assert {THREE} == await texts.find("نعم", internal=True)
            # Names change between a live run and its rebuild.
            await pool.execute("UPDATE account SET name_words = '' WHERE id = $1", bob)
            await assert_rebuilt_equals_live(dsn)
        finally:
            await engine.stop()


# A few words that share beginnings, so that questions find something and miss something.
_words = st.sampled_from(
    ["Été", "ete", "étés", "e", "l'été", "mort", "mortality", "霍乱", "乱疫", "أحمد", "احم", "a.b", "…", "ሰላም"]
)
_texts = st.lists(_words, max_size=4).map(" ".join)
_people = st.sampled_from([ANN, BOB, CID])
_uids = st.sampled_from([ONE, TWO, THREE])
_events: st.SearchStrategy[ConversationEvent] = st.one_of(
    st.builds(begun, by=_people, subject=_texts),
    *[st.builds(posted, by=st.none() | _people, text=st.none() | _texts, internal=st.booleans())] * 3,
    st.just(conversation_deleted()),
)
NAMES = {ANN: "Ann Été", BOB: "Bob Mortimer", CID: "أحمد 霍乱"}


def by_hand(events: Iterable[Recorded], question: str, *, internal: bool) -> set[str]:
    """Give what a question finds by looking at every text: subjects, messages and the names of who sent them."""

    def answers(text: str) -> bool:
        words = cut(text)
        return all(any(word.startswith(prefix) for word in words) for prefix in query_prefixes(question))

    found: dict[str, bool] = {}
    for recorded in events:
        event: Any = recorded.event
        known = found.get(recorded.stream, False)
        match event.__struct_config__.tag:
            case "conversation-started":
                found[recorded.stream] = known or answers(event.subject)
            case "message-posted" if internal or not event.internal:
                by_name = event.sender is not None and answers(NAMES[event.sender])
                found[recorded.stream] = known or answers(event.text or "") or by_name
            case "conversation-deleted":
                found[recorded.stream] = False
    return {uid for uid, yes in found.items() if yes}


def until_deleted(events: list[tuple[Uid, ConversationEvent]]) -> list[tuple[Uid, ConversationEvent]]:
    """Leave out what follows a deletion, for nothing does."""
    deleted = [(uid, conversation_deleted()) for uid, _ in events]
    return [happened for place, happened in enumerate(events) if deleted[place] not in events[:place]]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def conn(runner: asyncio.Runner, templates: Callable[[int], str], server: str) -> Iterator[Conn]:
    # The template itself: every transaction is rolled back, so it stays empty.
    conn = runner.run(connect(server.replace("/postgres?", f"/{templates(1)}?"), role=SERVER_ROLE, application="test"))
    yield conn
    runner.run(conn.close())


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=st.lists(st.tuples(_uids, _events), max_size=12).map(until_deleted),
    question=st.lists(_words, min_size=1, max_size=2).map(" ".join).filter(query_prefixes),
    internal=st.booleans(),
)
def test_a_search_finds_what_one_finds_by_hand(
    conn: Conn, runner: asyncio.Runner, events: list[tuple[Uid, ConversationEvent]], question: str, *, internal: bool
) -> None:
    async def find() -> set[str]:
        transaction = conn.transaction()
        await transaction.start()
        try:
            for user_id, name in NAMES.items():
                await conn.execute(
                    "INSERT INTO account (id, username, first_name, surname, name_words, uuid)"
                    " VALUES ($1, $1, $2, '', array_to_tsvector($3::text[]), gen_random_uuid())",
                    user_id, name, cut(name),
                )  # fmt: skip
            texts = Texts(conn)
            for number, event in enumerate(events, 1):
                # Half of it page by page, half of it as one.
                if number <= len(events) // 2:
                    await texts.apply(page(event, first=number))
            await texts.apply(page(*events[len(events) // 2 :], first=len(events) // 2 + 1))
            return await texts.find(question, internal=internal)
        finally:
            await transaction.rollback()

    assert by_hand(page(*events), question, internal=internal) == runner.run(find())
