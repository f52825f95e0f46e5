"""Pages by cursor: every conversation once, in the list's order, at the price of the first page. Ours."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inbox_model import READER, Model, fill, in_order
from people import CLERK, MC, MOBILE, Answer, Caller, Client

from chance import examples
from convstore.database import Pool, open_readers
from convstore.errors import BadQuery
from convstore.http.conversations import plan_conversations
from convstore.http.query import keyset
from convstore.http.query.compile import Key
from convstore.http.query.conversation import CONVERSATION
from convstore.http.query.entities import Type
from convstore.http.query.fields import Field
from convstore.http.query.listing import ListPlan
from convstore.http.query.paging import Order, parse_order
from convstore.http.query.parameters import read_query
from convstore.http.query.run import Page, run_list

NS = "{http://dhis2.org/schema/dxf/2.0}"
NEWEST = (Order(("lastMessage",), descending=True),)
PATHS = [
    "id",
    "code",
    "subject",
    "created",
    "lastUpdated",
    "lastMessage",
    "messageType",
    "status",
    "messageCount",
    "read",
    "followUp",
    "extMessageId",
    "assignee.displayName",
    "lastSender.name",
    "lastSender.code",
    "userSurname",
]
ORDERS = st.lists(
    st.builds("{}:{}".format, st.sampled_from(PATHS), st.sampled_from(["asc", "desc", "iasc", "idesc"])), max_size=3
)


@pytest.fixture
async def model(pool: Pool) -> Model:
    async with pool.acquire() as conn, conn.transaction():
        return await fill(conn)


@pytest.fixture
async def readers(dsn: str) -> AsyncIterator[Pool]:
    async with await open_readers(dsn, size=2) as pool:
        yield pool


def plan(cursor: str, size: int, *order: str, with_internal: bool = False, **more: Any) -> ListPlan:
    asked = {"cursor": [cursor], "pageSize": [str(size)], "order": list(order)}
    query = read_query(asked | {name: [value] for name, value in more.items()})
    return plan_conversations(query, query.fields or (), with_internal=with_internal, all_tickets=False)


def ids(page: Page) -> list[str]:
    return [found["id"] for found in msgspec.to_builtins(page.objects)]


async def walk(readers: Pool, size: int, *order: str, with_internal: bool = False, **more: Any) -> list[list[str]]:
    """Give the ids of all pages."""
    cursor: str | None = ""
    pages = []
    while cursor is not None:
        asked = plan(cursor, size, *order, with_internal=with_internal, **{"fields": "id"} | more)
        page = await run_list(readers, asked, caller=READER, api_url="")
        assert page.total is None
        pages.append(ids(page))
        cursor = page.next_cursor
    return pages


@settings(deadline=None, max_examples=examples(80), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=ORDERS, size=st.sampled_from([1, 7, 30, 59, 60, 61]), with_internal=st.booleans())
async def test_walking_gives_each_conversation_once_in_the_order_of_the_list(
    model: Model, readers: Pool, order: list[str], size: int, *, with_internal: bool
) -> None:
    everything = model.with_internal if with_internal else model.plain
    expected = [found["id"] for found in in_order(everything, parse_order(order))]
    pages = await walk(readers, size, *order, with_internal=with_internal)
    assert [expected[start : start + size] for start in range(0, len(expected), size)] == pages


@pytest.mark.parametrize("direction", ["asc", "desc", "iasc", "idesc"])
@pytest.mark.parametrize("path", ["assignee.displayName", "lastSender.name", "code"])
async def test_nulls_have_their_place(model: Model, readers: Pool, path: str, direction: str) -> None:
    order = f"{path}:{direction}"
    expected = [found["id"] for found in in_order(model.plain, parse_order([order]))]
    assert [[uid] for uid in expected] == await walk(readers, 1, order)


@pytest.mark.parametrize(
    "more",
    [
        {"filter": "messageType:eq:TICKET"},
        {"filter": "status:eq:OPEN"},
        {"filter": "read:eq:false"},
        {"filter": "followUp:eq:true"},
        {"filter": "lastSender.name:ilike:o"},
        {"filter": "messages.text:like:a"},
        {"query": "mortality"},
        {"queryString": "how", "queryOperator": "ilike"},
        {"fields": "id,messages[id,text,sender[name]],userMessages[user[id]]"},
    ],
    ids=str,
)
@pytest.mark.parametrize("order", [(), ("subject:iasc", "lastMessage:desc")], ids=str)
async def test_whatever_is_asked_for_beside_it(
    model: Model, readers: Pool, order: tuple[str, ...], more: dict[str, Any]
) -> None:
    query = read_query({"pageSize": ["1000"], "order": order} | {name: [value] for name, value in more.items()})
    whole = plan_conversations(query, query.fields or (Field("id"),), with_internal=False, all_tickets=False)
    expected = ids(await run_list(readers, whole, caller=READER, api_url=""))
    pages = await walk(readers, 3, *order, **more)
    assert expected
    assert [expected[start : start + 3] for start in range(0, len(expected), 3)] == pages


@pytest.mark.parametrize("order", [(), ("subject:asc",), ("assignee.displayName:desc", "id:desc")], ids=str)
async def test_what_comes_during_the_walk_neither_repeats_nor_hides_what_was_there(
    model: Model, pool: Pool, readers: Pool, order: tuple[str, ...]
) -> None:
    expected = [found["id"] for found in in_order(model.plain, parse_order(order))]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await run_list(readers, plan(cursor, 7, *order, fields="id"), caller=READER, api_url="")
        seen += ids(page)
        cursor = page.next_cursor
        # A copy of every tenth conversation under another id, all over the list, before and behind the walk.
        await pool.execute(COPIES, READER, f"N{len(seen):03}")
    assert expected == [uid for uid in seen if uid.startswith("C")]
    assert len(set(seen)) == len(seen) > len(expected)


COLUMNS = (
    "partition, key, message_type, subject, status, priority, assignee, external_id, created, created_by,"
    " message_count, last_updated, last_message, last_sender, last_updated_all, last_message_all, last_sender_all,"
    " unread, unread_all, follow_up, public_version, internal_version, position, changed"
)
COPIES = (
    f"INSERT INTO inbox_v1 (user_id, conversation_id, {COLUMNS})"
    f" SELECT user_id, $2 || substr(conversation_id, 5), {COLUMNS} FROM inbox_v1"
    " WHERE user_id = $1 AND conversation_id LIKE 'C%0'"
)


@pytest.mark.parametrize("with_internal", [False, True])
@pytest.mark.parametrize("more", [{}, {"filter": "messageType:eq:PRIVATE"}], ids=str)
async def test_a_far_page_of_the_usual_order_is_read_off_the_index(
    model: Model, pool: Pool, readers: Pool, more: dict[str, str], *, with_internal: bool
) -> None:
    await pool.execute(MANY, READER)
    first = await explained(readers, plan("", 20, fields="id,subject", with_internal=with_internal, **more))
    row = await pool.fetchrow(f"{ONE_OF_MANY} OFFSET 3900 LIMIT 1", READER)
    assert row is not None
    cursor = keyset.encode(keyset.order_name(CONVERSATION, NEWEST), [row["last_message"], row["conversation_id"]])
    far = await explained(readers, plan(cursor, 20, fields="id,subject", with_internal=with_internal, **more))
    # Had anything been sorted for the order, or skipped, the scan would have given all that it was sorted from.
    assert (21, 0) == read_off_index(first)
    # The row of the cursor itself is looked at.
    assert (21, 1) == read_off_index(far)
    assert any(" <= " in node.get("Index Cond", "") for node in far)


def read_off_index(nodes: list[dict[str, Any]]) -> tuple[int, int]:
    """Give how many rows of the inbox were taken off its one index scan, and how many were passed over.

    What gives the revision of the inbox is looked up beside the list.
    """
    scans = [node for node in nodes if node.get("Relation Name") == "inbox_v1"]
    (scan,) = [node for node in scans if not node.get("Index Name", "").startswith("inbox_v1_changed")]
    assert all(node["Actual Rows"] <= 1 for node in scans if node is not scan)
    assert "Index Scan" == scan["Node Type"]
    return scan["Actual Rows"], scan.get("Rows Removed by Filter", 0)


# Four thousand conversations, a minute apart.
MANY = (
    f"INSERT INTO inbox_v1 (user_id, conversation_id, {COLUMNS})"
    " SELECT user_id, 'M' || lpad(n::text, 10, '0'), partition, key, 'PRIVATE', subject, status, priority, assignee,"
    " external_id, created, created_by, message_count, last_updated, at, last_sender, last_updated_all, at,"
    " last_sender_all, unread, unread_all, follow_up, public_version, internal_version, position, changed"
    " FROM (SELECT * FROM inbox_v1 WHERE user_id = $1 LIMIT 1) AS pattern"
    " CROSS JOIN (SELECT n, '2026-02-01T00:00:00Z'::timestamptz + n * interval '1 minute' AS at"
    " FROM generate_series(1, 4000) AS n) AS many"
)
ONE_OF_MANY = (
    "SELECT last_message, conversation_id FROM inbox_v1 WHERE user_id = $1 AND conversation_id LIKE 'M%'"
    " ORDER BY last_message DESC, conversation_id"
)


async def explained(readers: Pool, found: ListPlan) -> list[dict[str, Any]]:
    """Run a list, and give all nodes of the plan that it ran by."""
    async with readers.acquire() as conn:
        args = found.statement.bound(READER, "")
        text = await conn.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {found.statement.sql}", *args)
    nodes = [json.loads(text)[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", ())
    return nodes


def test_a_cursor_holds_every_type_to_the_last_digit() -> None:
    values = ["Été 'x'", -(2**63), True, datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC), None]
    types = [Type.TEXT, Type.INTEGER, Type.BOOLEAN, Type.DATE, Type.ENUM]
    keys = [Key("x", type=found) for found in types]
    cursor = keyset.encode(b"order", values)
    assert values == keyset.decode(cursor, b"order", keys)
    with pytest.raises(BadQuery):
        keyset.decode(cursor, b"another order", keys)


def forged(*values: object) -> str:
    """Give a cursor whose digest is right and whose values are not."""
    return keyset.encode(keyset.order_name(CONVERSATION, NEWEST), values)


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "AAAA",
        "é",
        "A" * 40,
        base64.urlsafe_b64encode(b"123456789[]").decode(),
        keyset.encode(keyset.order_name(CONVERSATION, parse_order(["subject"])), ["x", "C0000000000"]),
        keyset.encode(keyset.order_name(CONVERSATION, parse_order(["lastMessage"])), [0, "C0000000000"]),
        forged(0, "C0000000000")[:-2],
        forged(),
        forged(0),
        forged(0, "C0000000000", 1),
        forged("2026", "C0000000000"),
        forged(10**30, "C0000000000"),
        forged(0, 7),
        forged(0, "a\0b"),
    ],
)
def test_what_is_no_cursor_of_this_order_is_refused(cursor: str) -> None:
    with pytest.raises(BadQuery):
        plan(cursor, 50)


def test_the_usual_order_may_be_said_or_left_out() -> None:
    said = plan(forged(0, "C0000000000"), 50, "lastMessage:desc")
    assert plan(forged(0, "C0000000000"), 50).statement == said.statement


def test_nothing_of_a_cursor_becomes_sql() -> None:
    for order in ("subject", "subject:desc", "subject:idesc", "lastSender.name"):
        name = keyset.order_name(CONVERSATION, parse_order([order]))
        found = plan(keyset.encode(name, ["zq7' --", "zq7"]), 50, order)
        assert "zq7" not in found.statement.sql
        assert "zq7' --" in found.statement.args
        assert "zq7" in found.statement.args


async def followed(caller: Caller, path: str) -> list[Answer]:
    """Give all pages, by the links of each to the next; in JSON."""
    answers = [await caller.get(path)]
    while (link := answers[-1].json["pager"].get("nextPage")) is not None:
        parts = urlsplit(link)
        assert [answers[-1].json["pager"]["nextCursor"]] == parse_qs(parts.query)["cursor"]
        answers.append(await caller.get(f"{parts.path}?{parts.query}"))
    return answers


async def test_a_client_follows_the_links(client: Client) -> None:
    sent = [await client.as_admin.send(MOBILE, subject=f"No. {n}") for n in range(5)]
    pages = await followed(client.as_mobile, f"{MC}?cursor=&pageSize=2&fields=id&filter=subject:like:No")
    assert [[4, 3], [2, 1], [0]] == [
        [sent.index(found["id"]) for found in page.json["messageConversations"]] for page in pages
    ]
    assert [{"pageSize", "nextCursor", "nextPage"}] * 2 + [{"pageSize"}] == [set(page.json["pager"]) for page in pages]


async def test_a_full_last_page_has_no_next(client: Client) -> None:
    assert {"pager": {"pageSize": 50}, "messageConversations": []} == (await client.as_mobile.get(f"{MC}?cursor=")).json
    for _ in range(2):
        await client.as_admin.send(MOBILE)
    assert {"pageSize": 2} == (await client.as_mobile.get(f"{MC}?cursor=&pageSize=2")).json["pager"]


async def test_in_xml(client: Client) -> None:
    for n in range(3):
        await client.as_admin.send(MOBILE, subject=f"No. {n}")
    first = (await client.as_mobile.get(f"{MC}.xml?cursor=&pageSize=2")).xml
    pager = first.find(f"{NS}pager")
    assert ["pageSize", "nextCursor", "nextPage"] == [found.tag.removeprefix(NS) for found in pager]
    parts = urlsplit(pager.findtext(f"{NS}nextPage"))
    last = (await client.as_mobile.get(f"{parts.path}?{parts.query}")).xml
    assert ["No. 0"] == [found.get("name") for found in last.findall(f"{NS}messageConversation")]
    assert ["pageSize"] == [found.tag.removeprefix(NS) for found in last.find(f"{NS}pager")]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("cursor=&page=2", "Parameters cursor and page cannot be used together"),
        ("cursor=&paging=false", "Parameter cursor cannot be used with paging=false"),
        ("cursor=x", "Value 'x' is not valid for parameter cursor. It should be the nextCursor of this order"),
    ],
)
async def test_what_contradicts_is_refused(client: Client, asked: str, text: str) -> None:
    assert (400, text) == (await client.as_mobile.get(f"{MC}?{asked}")).message


async def test_a_cursor_shows_nobody_what_is_not_his(client: Client) -> None:
    for _ in range(3):
        await client.as_admin.send(MOBILE)
    own = await client.as_admin.send(CLERK)
    cursor = (await client.as_mobile.get(f"{MC}?cursor=&pageSize=1")).json["pager"]["nextCursor"]
    assert own == (await client.as_clerk.get(f"{MC}?fields=id")).json["messageConversations"][0]["id"]
    assert [] == (await client.as_clerk.get(f"{MC}?cursor={cursor}")).json["messageConversations"]


async def test_a_ticket_manager_walks_through_all_tickets(client: Client) -> None:
    tickets = [await client.as_mobile.ticket() for _ in range(5)]
    pages = await followed(client.as_support, f"{MC}?cursor=&pageSize=2&fields=id&filter=messageType:eq:TICKET")
    assert tickets[::-1] == [found["id"] for page in pages for found in page.json["messageConversations"]]


async def test_other_lists_go_by_cursor_too(client: Client) -> None:
    whole = (await client.as_admin.get("/api/users?fields=id&order=lastLogin:desc,surname")).json["users"]
    pages = await followed(client.as_admin, "/api/users?cursor=&pageSize=2&fields=id&order=lastLogin:desc,surname")
    assert len(pages) > 1
    assert whole == [found for page in pages for found in page.json["users"]]
