"""Lists against a plain evaluation in Python over the same data: filters, orders, pages and totals."""

from collections.abc import AsyncIterator
from itertools import cycle, product

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inbox_model import READER, Model, fill, in_order, passes

from chance import examples
from convstore.database import Pool, open_readers
from convstore.http.conversations import plan_conversations
from convstore.http.query.fields import Field
from convstore.http.query.filters import parse_filters
from convstore.http.query.paging import Paging, parse_order
from convstore.http.query.parameters import Query
from convstore.http.query.run import run_list

TEXT_PATHS = [
    "id",
    "code",
    "name",
    "displayName",
    "subject",
    "userSurname",
    "userFirstname",
    "lastSenderSurname",
    "lastSenderFirstname",
    "extMessageId",
    "createdBy.id",
    "user.username",
    "assignee.id",
    "assignee",
    "assignee.displayName",
    "assignee.code",
    "lastSender",
    "lastSender.name",
    "lastUpdatedBy.id",
    "messages.text",
    "messages.id",
    "messages.sender",
    "messages.sender.displayName",
    "messages.attachments.name",
    "userMessages.user.id",
    "userMessages.user.surname",
    "userMessages.key",
]
TEXT_OPERATORS = [
    "eq",
    "!eq",
    "ne",
    "neq",
    "gt",
    "ge",
    "gte",
    "lt",
    "le",
    "lte",
    "ieq",
    "like",
    "!like",
    "$like",
    "!$like",
    "like$",
    "!like$",
    "ilike",
    "!ilike",
    "$ilike",
    "!$ilike",
    "ilike$",
    "!ilike$",
    "startsWith",
    "endsWith",
    "token",
    "!token",
    "in",
    "!in",
    "null",
    "!null",
    "empty",
    "!empty",
]
# Nothing in here is a pattern, a quote or an end of a statement to the database.
TEXT_VALUES = (
    "mortality data",
    "MORTALITY",
    "data",
    "mort",
    "été",
    "ÉTÉ",
    "É",
    "50% off",
    "50",
    "%",
    "_",
    "a_b",
    "\\",
    "back\\slash",
    "'",
    "x'; DROP TABLE inbox_v1; --",
    "$1",
    "Ann Reader",
    "O'Neil",
    "wolf",
    "Person00001",
    "Person00009",
    "C0000000007",
    "B-1",
    "d_4",
    "ext-1",
    "how you",
    "ça",
    "数据",
    "报告",
    "ሰላ",
    "ዓለም",
    ".*",
    "(",
    "[",
    "]",
    "a.png",
    "",
)

COMPARISONS = ["eq", "!eq", "ne", "gt", "ge", "lt", "lte", "in", "!in", "null", "!null"]
NUMBER_PATHS = [
    "messageCount",
    "messages",
    "userMessages",
    "translations",
    "messages.attachments",
    "messages.attachments.contentLength",
]
DATE_PATHS = ["created", "lastUpdated", "lastMessage", "messages.created"]
DATE_VALUES = (
    "2026-01-01",
    "2026",
    "2026-01",
    "2026-01-01T02:00:00.123",
    "2026-01-01T02:00:00.000",
    "2026-01-01T03:00:00.001Z",
    "2026-01-01T05:00:00+0100",
    "2025-12-31T23:00:00.000-02:00",
    "2030-05",
)
BOOLEAN_PATHS = ["read", "followUp", "messages.internal", "userMessages.read", "userMessages.followUp"]
ENUMS = {
    "messageType": ("PRIVATE", "TICKET", "SYSTEM", "SYSTEM_VERSION_UPDATE"),
    "status": ("NONE", "OPEN", "INVALID"),
    "priority": ("NONE", "LOW", "HIGH"),
}
ORDERED = [
    "id",
    "created",
    "lastUpdated",
    "subject",
    "name",
    "displayName",
    "lastMessage",
    "messageCount",
    "messageType",
    "priority",
    "status",
    "extMessageId",
    "read",
    "followUp",
    "userSurname",
    "lastSenderFirstname",
    "assignee.username",
    "lastSender.name",
    "code",
]


def _written(path: str, operator: str, value: str, several: list[str]) -> str:
    if operator.endswith(("null", "empty")):
        return f"{path}:{operator}"
    return f"{path}:{operator}:[{','.join(several)}]" if operator.endswith("in") else f"{path}:{operator}:{value}"


def _filters_on(paths: list[str], operators: list[str], values: tuple[str, ...]) -> st.SearchStrategy[str]:
    listable = [value for value in values if value.strip() and not set(value) & set(",[]")]
    several = st.lists(st.sampled_from(listable), min_size=1, max_size=3)
    return st.builds(_written, st.sampled_from(paths), st.sampled_from(operators), st.sampled_from(values), several)


FILTERS = st.one_of(
    _filters_on(TEXT_PATHS, TEXT_OPERATORS, TEXT_VALUES),
    _filters_on(NUMBER_PATHS, COMPARISONS, ("0", "1", "2", "3", "12", "-1")),
    _filters_on(DATE_PATHS, COMPARISONS, DATE_VALUES),
    _filters_on(BOOLEAN_PATHS, ["eq", "ne", "!eq", "in", "!in", "null", "!null"], ("true", "false", "True", "yes")),
    *(_filters_on([path], ["eq", "ne", "in", "!in", "null"], values) for path, values in ENUMS.items()),
    _filters_on(list(ENUMS), ["like", "ilike", "token", "$like", "empty", "!empty"], ("P", "open", "EN", "")),
)
ORDERS = st.lists(
    st.builds(
        lambda path, direction: f"{path}:{direction}",
        st.sampled_from(ORDERED),
        st.sampled_from(["asc", "desc", "iasc", "idesc", "up"]),
    ),
    max_size=3,
)


@pytest.fixture
async def model(pool: Pool) -> Model:
    async with pool.acquire() as conn, conn.transaction():
        return await fill(conn)


@pytest.fixture
async def readers(dsn: str) -> AsyncIterator[Pool]:
    async with await open_readers(dsn, size=2) as pool:
        yield pool


QUERIES = st.builds(
    lambda filters, orders, page, size, any_filter: Query(
        filters=parse_filters(filters),
        any_filter=any_filter,
        order=parse_order(orders),
        paging=Paging(page=page, size=size),
    ),
    st.lists(FILTERS, max_size=3),
    ORDERS,
    st.integers(1, 4),
    st.sampled_from([1, 7, 50, 1000]),
    st.booleans(),
)


@settings(deadline=None, max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, with_internal=st.booleans())
async def test_lists_are_what_python_makes_of_the_same_data(
    model: Model, readers: Pool, query: Query, *, with_internal: bool
) -> None:
    await check(model, readers, query, with_internal=with_internal)


# Every operator with every value; the paths take turns, as many as there are ways to come to a text.
_PATHS = ("subject", "lastSender.name", "messages.text", "messages.sender.displayName", "extMessageId")
EVERY_TEXT_FILTER = [
    f"{path}:{operator}:{f'[{value}]' if operator.endswith('in') else value}"
    for path, (operator, value) in zip(cycle(_PATHS), product(TEXT_OPERATORS, TEXT_VALUES))
    if not (operator.endswith("in") and not value.strip(" []"))
]


async def test_every_text_operator_is_what_python_makes_of_it(model: Model, readers: Pool) -> None:
    for text in EVERY_TEXT_FILTER:
        await check(model, readers, Query(filters=parse_filters([text])), with_internal=True)


async def check(model: Model, readers: Pool, query: Query, *, with_internal: bool) -> None:
    """Compare what the database answers with what Python makes of the same data."""
    everything = model.with_internal if with_internal else model.plain
    choose = any if query.any_filter and query.filters else all
    expected = in_order(
        [found for found in everything if choose(passes(found, asked) for asked in query.filters)], query.order
    )
    plan = plan_conversations(query, (Field("id"),), with_internal=with_internal, all_tickets=False)
    answer = await run_list(readers, plan, caller=READER, api_url="http://host/api")
    said = [asked.text for asked in query.filters]
    assert len(expected) == answer.total, said
    start = query.paging.offset
    wanted = [found["id"] for found in expected[start : start + query.paging.size]]
    assert [{"id": uid} for uid in wanted] == msgspec.to_builtins(answer.objects), said
