"""What a list costs, and what can never get into its statement: design section 6, contract section 9.1."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from inbox_model import READER, fill

from convstore.database import Pool, open_readers
from convstore.errors import BadQuery
from convstore.http.conversations import plan_conversations
from convstore.http.query.listing import ListPlan
from convstore.http.query.parameters import read_query
from convstore.http.query.run import run_list

APP_FIELDS = (
    "id,displayName,subject,messageType,lastSender[id, displayName],assignee[id, displayName],status,priority,"
    "lastUpdated,read,lastMessage,followUp"
)
ANY = {"with_internal": False, "all_tickets": False}


@pytest.fixture
async def readers(dsn: str) -> AsyncIterator[Pool]:
    async with await open_readers(dsn, size=1) as pool:
        yield pool


@pytest.fixture(params=[10, 500])
async def inbox(pool: Pool, request: pytest.FixtureRequest) -> int:
    async with pool.acquire() as conn, conn.transaction():
        await fill(conn, request.param)
    number: int = request.param
    return number


def plan(fields: str, *filters: str, **rights: bool) -> ListPlan:
    query = read_query({"fields": [fields], "filter": filters, "pageSize": ["1000"]})
    assert query.fields is not None
    return plan_conversations(query, query.fields, **ANY | rights)


@pytest.mark.parametrize(
    ("fields", "filters", "statements"),
    [
        (APP_FIELDS, (), 1),
        (APP_FIELDS, ("messageType:eq:PRIVATE", "read:eq:false", "followUp:eq:true"), 1),
        (APP_FIELDS, ("assignee.name:ilike:ann", "messages.text:token:how"), 1),
        # A transaction around them, one for the page, one for each kind of collection.
        ("*,messages[*,sender[id,displayName],attachments[id]],userMessages[user[id]]", (), 5),
        ("messages~size,userMessages~size", (), 1),
        ("messages[*]", (), 4),
    ],
)
async def test_a_list_takes_the_same_few_statements_whatever_its_size(
    inbox: int, readers: Pool, fields: str, filters: tuple[str, ...], statements: int
) -> None:
    # The first time, asyncpg asks for the types that it does not know yet.
    await run_list(readers, plan(fields, *filters), caller=READER, api_url="")
    seen: list[str] = []
    async with readers.acquire() as conn:
        conn.add_query_logger(lambda record: seen.append(record.query))
    page = await run_list(readers, plan(fields, *filters), caller=READER, api_url="")
    await asyncio.sleep(0)  # asyncpg tells of a statement in the loop's next turn
    assert statements == len(seen), seen
    assert page.total is not None
    assert filters or inbox == page.total == len(page.objects)


async def test_a_list_never_loads_messages_or_participants_nobody_asked_for() -> None:
    for fields in ("id", APP_FIELDS, ":simple", "*,!messages,!userMessages"):
        found = plan(fields)
        assert () == found.children
        assert "thread_v1" not in found.statement.sql
        assert "participant" not in found.statement.sql


MARK = "zq7"
PLACES = [
    *(
        {"filter": [f"{path}:{operator}:[{MARK}]"]}
        for path in ("subject", "messages.text", "assignee.name", "messages.sender.name", "href")
        for operator in ("eq", "ne", "like", "!$ilike", "token", "in", "gt")
    ),
    {"filter": [f"identifiable:eq:{MARK}"]},
    {"query": [MARK]},
    {"queryString": [MARK]},
    {"queryString": [MARK], "queryOperator": ["ilike$"]},
    {"fields": [f"{MARK},{MARK}.{MARK}[{MARK}],!{MARK},:{MARK},id~{MARK}({MARK}),messages~pluck({MARK})"]},
    {"fields": [f"messages~keyBy({MARK})~rename({MARK}),subject~rename({MARK})"]},
    {"order": [f"subject:{MARK}"]},
]


@pytest.mark.parametrize("given", PLACES, ids=str)
@pytest.mark.parametrize("with_internal", [False, True])
def test_nothing_that_a_client_writes_becomes_sql(given: dict[str, list[str]], *, with_internal: bool) -> None:
    query = read_query(given)
    found = plan_conversations(query, query.fields or (), with_internal=with_internal, all_tickets=with_internal)
    texts = [found.statement.sql, *(child.sql for child in found.children)]
    assert not [text for text in texts if MARK in text.lower()]


@pytest.mark.parametrize(
    "given", [{"filter": [f"{MARK}:eq:x"]}, {"order": [MARK]}, {"filter": [f"id:{MARK}:x"]}], ids=str
)
def test_names_that_there_are_not_are_refused_before_they_could(given: dict[str, list[str]]) -> None:
    with pytest.raises(BadQuery):
        plan_conversations(read_query(given), (), **ANY)


@pytest.mark.parametrize(
    "given",
    [
        {"filter": ["id:eq:a"] * 101},
        {"filter": [",".join(["id:eq:a"] * 101)]},
        {"filter": ["messages.text:like:a"] * 26},
        {"filter": [f"id:in:[{'a,' * 10_000}]"]},
        {"filter": [f"created:in:[{'2020,' * 100}2021]"]},
        {"filter": [f"subject:ilike:{'a' * 1_001}"]},
        {"filter": [f"subject:!token:{'a ' * 101}"]},
        {"query": ["a" * 1_001]},
        {"queryString": ["a" * 1_001], "queryOperator": ["ilike"]},
        {"order": [",".join(f"lastSender{'.x' * number}" for number in range(26))]},
    ],
    ids=range(10),
)
def test_no_more_is_asked_of_the_database_than_it_can_plan(given: dict[str, list[str]]) -> None:
    with pytest.raises(BadQuery, match=r"(?i)at most"):
        plan_conversations(read_query(given), (), **ANY)


async def test_readers_wait_for_no_answer_without_end(readers: Pool) -> None:
    assert "30s" == await readers.fetchval("SHOW statement_timeout")


async def test_readers_cannot_write(readers: Pool) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await readers.execute("DELETE FROM inbox_v1")
