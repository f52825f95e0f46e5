"""Unread and total per type, in one call; in JSON and XML."""

from people import ADMIN, CLERK, MC, MOBILE, SUPPORT, Caller, Client, MakeClient

COUNTS = f"{MC}/counts"
TYPES = ("PRIVATE", "SYSTEM", "VALIDATION_RESULT", "TICKET", "SYSTEM_VERSION_UPDATE")


def counted(**found: tuple[int, int]) -> dict[str, object]:
    """Say what the call answers for these types, unread and total each, and nothing of the others."""
    by_type = {kind: found.get(kind, (0, 0)) for kind in TYPES}
    return {
        "unread": sum(unread for unread, _ in by_type.values()),
        "total": sum(total for _, total in by_type.values()),
        "messageTypes": {kind: {"unread": unread, "total": total} for kind, (unread, total) in by_type.items()},
    }


async def counts_of(caller: Caller) -> object:
    return (await caller.get(COUNTS)).json


async def test_somebody_who_has_nothing_has_zero_of_everything(client: Client) -> None:
    assert counted() == await counts_of(client.as_mobile)


async def test_each_type_is_counted_by_itself(client: Client) -> None:
    read = await client.as_admin.send(MOBILE)
    await client.as_admin.send(MOBILE)
    await client.as_mobile.send(CLERK)
    await client.as_mobile.ticket()
    await client.as_mobile.post(f"{MC}/read", json=[read])
    document = {"subject": "a", "text": "b", "users": [{"id": MOBILE}]}
    await client.as_admin.post(f"{MC}/system", json=document)
    await client.as_admin.post(f"{MC}/validation", json=document)

    assert await counts_of(client.as_mobile) == counted(
        PRIVATE=(1, 3), TICKET=(0, 1), SYSTEM=(1, 1), VALIDATION_RESULT=(1, 1)
    )
    assert counted(PRIVATE=(1, 1)) == await counts_of(client.as_clerk)
    assert counted(PRIVATE=(0, 2)) == await counts_of(client.as_admin)
    assert 401 == (await client.as_nobody.get(COUNTS)).status


async def test_an_internal_message_counts_for_those_who_see_it(client: Client) -> None:
    ticket = await client.as_mobile.ticket()
    await client.as_support.post(f"{MC}/read", json=[ticket])
    await client.as_mobile.post(f"{MC}/{ticket}/recipients", json={"users": [{"id": CLERK}, {"id": ADMIN}]})
    await client.as_clerk.post(f"{MC}/read", json=[ticket])
    before = await counts_of(client.as_clerk), await counts_of(client.as_mobile)

    await client.as_admin.reply(ticket, internal=True)

    assert before == (await counts_of(client.as_clerk), await counts_of(client.as_mobile))
    assert counted(TICKET=(1, 1)) == await counts_of(client.as_support)


async def test_it_agrees_with_the_badge_and_with_the_totals_of_lists(make_client: MakeClient) -> None:
    client = await make_client(partitions=3)
    uids = [await client.as_clerk.send(MOBILE, SUPPORT) for _ in range(9)]
    await client.as_mobile.post(f"{MC}/read", json=uids[:4])
    await client.as_mobile.ticket()

    for caller in (client.as_mobile, client.as_support):
        found = (await caller.get(COUNTS)).json
        assert found["unread"] == (await caller.get("/api/me/dashboard")).json["unreadMessageConversations"]
        for kind in TYPES:
            listed = f"{MC}?fields=id&filter=messageType:eq:{kind}"
            unread = (await caller.get(f"{listed}&filter=read:eq:false")).json["pager"]["total"]
            total = (await caller.get(listed)).json["pager"]["total"]
            assert found["messageTypes"][kind] == {"unread": unread, "total": total}


async def test_in_xml(client: Client) -> None:
    await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.get(f"{COUNTS}.xml")

    assert "{http://dhis2.org/schema/dxf/2.0}counts" == answer.xml.tag
    assert {"unread": "1", "total": "1"} == answer.xml.attrib
    types = answer.xml.findall("{*}messageTypes/{*}messageType")
    assert [{"name": kind, "unread": n, "total": n} for kind, n in zip(TYPES, "10000", strict=True)] == [
        each.attrib for each in types
    ]


async def test_it_says_its_place_in_the_log_and_nothing_twice(client: Client) -> None:
    await client.as_admin.send(MOBILE)

    first = await client.as_mobile.get(COUNTS)
    again = await client.as_mobile.get(COUNTS, headers={"If-None-Match": first.headers["ETag"]})
    await client.as_admin.send(MOBILE)
    changed = await client.as_mobile.get(COUNTS, headers={"If-None-Match": first.headers["ETag"]})

    assert client.backend.store.positions(first.headers["Convstore-Cursor"]) == (3,)
    assert (304, b"") == (again.status, again.body)
    assert 200 == changed.status


async def test_there_is_nothing_else_to_do_with_it(client: Client) -> None:
    assert (405, "Request method 'POST' is not supported") == (await client.as_mobile.post(COUNTS)).message
    assert 404 == (await client.as_mobile.get(f"{COUNTS}/unread")).status
