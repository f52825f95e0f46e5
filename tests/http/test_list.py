"""Row 1 of contract section 1.5: lists, as a client sees them."""

from datetime import datetime

import pytest
from people import ADMIN, CLERK, MC, MOBILE, NOBODY, SUPPORT, Client, MakeClient

NS = "{http://dhis2.org/schema/dxf/2.0}"

APP_FIELDS = (
    "id,displayName,subject,messageType,lastSender[id, displayName],assignee[id, displayName],status,priority,"
    "lastUpdated,read,lastMessage,followUp"
)


async def test_a_list_shows_id_and_name_newest_first(client: Client) -> None:
    first = await client.as_admin.send(MOBILE, subject="First")
    second = await client.as_admin.send(MOBILE, subject="Second")
    listed = await client.as_mobile.get(MC)
    assert 200 == listed.status
    assert {
        "pager": {"page": 1, "total": 2, "pageSize": 50, "pageCount": 1},
        "messageConversations": [{"id": second, "displayName": "Second"}, {"id": first, "displayName": "First"}],
    } == listed.json


async def test_an_empty_inbox_is_an_empty_list(client: Client) -> None:
    listed = await client.as_mobile.get(MC)
    assert {
        "pager": {"page": 1, "total": 0, "pageSize": 50, "pageCount": 1},
        "messageConversations": [],
    } == listed.json


async def test_a_list_has_ones_own_inbox_only_even_for_a_superuser(client: Client) -> None:
    await client.as_mobile.send(CLERK)
    assert [] == (await client.as_admin.get(MC)).json["messageConversations"]


@pytest.mark.parametrize(
    "asked",
    [
        "query=Hey",
        "queryString=Hey",
        "queryString=x&queryOperator=!like",
        "rootJunction=OR&filter=subject:like:Hey&filter=id:!null",
        "filter=messageType:eq:PRIVATE",
        f"filter=userMessages.user.id:eq:{MOBILE}",
        "rootJunction=OR&filter=messageType:eq:TICKET",
        "filter=messageType:in:[TICKET]",
    ],
)
async def test_nothing_that_is_asked_widens_what_is_listed(client: Client, asked: str) -> None:
    await client.as_mobile.send(CLERK)
    await client.as_mobile.ticket()
    assert [] == (await client.as_admin.get(f"{MC}?{asked}&fields=id")).json["messageConversations"]


async def test_ticket_managers_find_the_tickets_of_others(client: Client) -> None:
    ticket = await client.as_mobile.ticket()
    await client.as_mobile.send(CLERK)
    listed = await client.as_admin.get(f"{MC}?filter=messageType:eq:TICKET&fields=id,read,followUp,messageCount")
    assert [{"id": ticket, "read": False, "followUp": False, "messageCount": 1}] == listed.json["messageConversations"]
    assert 1 == listed.json["pager"]["total"]


@pytest.mark.parametrize("read", ["false", "true"])
async def test_read_is_asked_of_ones_own_copies_only(client: Client, read: str) -> None:
    await client.as_mobile.ticket()
    listed = await client.as_admin.get(f"{MC}?filter=messageType:eq:TICKET&filter=read:eq:{read}&fields=id")
    assert [] == listed.json["messageConversations"]
    assert 0 == listed.json["pager"]["total"]


async def test_a_ticket_of_others_alone_is_told_from_one_that_is_unread(client: Client) -> None:
    own = await client.as_mobile.ticket()
    others = await client.as_mobile.ticket()
    assert {"removed": [SUPPORT]} == (await client.as_admin.delete(f"{MC}/{others}/{SUPPORT}")).json
    tickets = await client.as_support.get(f"{MC}?filter=messageType:eq:TICKET&fields=id,read,participant&order=created")

    assert [
        {"id": own, "read": False, "participant": True},
        {"id": others, "read": False, "participant": False},
    ] == tickets.json["messageConversations"]
    assert {"participant": False} == (await client.as_support.get(f"{MC}/{others}?fields=participant")).json
    # Whoever does not name it sees what DHIS2 shows.
    assert "participant" not in (await client.as_support.get(f"{MC}/{own}")).json
    assert "participant" not in (await client.as_support.get(f"{MC}/{own}?fields=:simple")).json


async def test_who_manages_no_tickets_finds_his_own_only(client: Client) -> None:
    mine = await client.as_mobile.ticket("Mine")
    await client.as_clerk.ticket("Somebody's")
    listed = await client.as_mobile.get(f"{MC}?filter=messageType:eq:TICKET&fields=id")
    assert [{"id": mine}] == listed.json["messageConversations"]


async def test_the_apps_list_has_all_that_the_app_reads(client: Client) -> None:
    uid = await client.as_mobile.ticket("Tablet")
    await client.as_admin.post(f"{MC}/{uid}/assign?userId={SUPPORT}")
    asked = f"filter=messageType:eq:TICKET&pageSize=35&page=1&fields={APP_FIELDS}&order=lastMessage:desc"
    listed = await client.as_support.get(f"{MC}?{asked.replace(' ', '%20')}")
    (found,) = listed.json["messageConversations"]
    for name in ("lastUpdated", "lastMessage"):
        datetime.strptime(found.pop(name), "%Y-%m-%dT%H:%M:%S.%f")  # noqa: DTZ007 - DHIS2 writes no zone
    assert {
        "id": uid,
        "displayName": "Tablet",
        "subject": "Tablet",
        "messageType": "TICKET",
        "lastSender": {"id": MOBILE, "displayName": "Mobile User"},
        "assignee": {"id": SUPPORT, "displayName": "Help Desk"},
        "status": "OPEN",
        "priority": "NONE",
        "read": False,
        "followUp": False,
    } == found
    assert 35 == listed.json["pager"]["pageSize"]


async def test_references_without_sub_fields_are_ids_and_unset_ones_are_left_out(client: Client) -> None:
    await client.as_admin.send(MOBILE)
    listed = await client.as_mobile.get(f"{MC}?fields=lastSender,assignee,code")
    assert [{"lastSender": {"id": ADMIN}}] == listed.json["messageConversations"]


async def test_lists_have_the_surnames_of_sender_and_creator(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    await client.as_mobile.reply(uid)
    named = "userSurname,userFirstname,lastSenderSurname,lastSenderFirstname"
    listed = await client.as_mobile.get(f"{MC}?fields={named}")
    expected = {
        "userSurname": "Traore",
        "userFirstname": "John",
        "lastSenderSurname": "User",
        "lastSenderFirstname": "Mobile",
    }
    assert [expected] == listed.json["messageConversations"]
    assert expected.items() <= (await client.as_mobile.get(f"{MC}?fields=*")).json["messageConversations"][0].items()


async def test_unknown_fields_are_passed_over(client: Client) -> None:
    await client.as_admin.send(MOBILE)
    assert [{}] == (await client.as_mobile.get(f"{MC}?fields=foo")).json["messageConversations"]


async def test_repeated_fields_that_are_not_balanced_by_themselves_are_joined(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE, text="Hello")
    asked = "fields=id&fields=messages[text,sender[id,displayName]&fields=attachments[id,%20name]]"
    listed = await client.as_mobile.get(f"{MC}?{asked}")
    message = {"text": "Hello", "sender": {"id": ADMIN, "displayName": "John Traore"}, "attachments": []}
    assert [{"id": uid, "messages": [message]}] == listed.json["messageConversations"]


async def test_collections_in_a_list_are_those_of_each_conversation(client: Client) -> None:
    one = await client.as_admin.send(MOBILE, text="one")
    two = await client.as_admin.send(MOBILE, CLERK, text="two")
    await client.as_mobile.reply(two, "three")
    listed = await client.as_mobile.get(
        f"{MC}?fields=id,messages[text],userMessages[user[username],read]&order=created"
    )
    assert [
        {
            "id": one,
            "messages": [{"text": "one"}],
            "userMessages": [
                {"user": {"username": "mobile"}, "read": False},
                {"user": {"username": "admin"}, "read": True},
            ],
        },
        {
            "id": two,
            "messages": [{"text": "two"}, {"text": "three"}],
            "userMessages": [
                {"user": {"username": "clerk"}, "read": False},
                {"user": {"username": "mobile"}, "read": False},
                {"user": {"username": "admin"}, "read": False},
            ],
        },
    ] == listed.json["messageConversations"]


async def test_the_unread_badge_is_a_total(client: Client) -> None:
    first = await client.as_admin.send(MOBILE)
    await client.as_admin.send(MOBILE)
    await client.as_mobile.post(f"{MC}/read", json=[first])
    asked = "fields=read&filter=read:eq:false&filter=messageType:eq:PRIVATE&pageSize=1"
    listed = await client.as_mobile.get(f"{MC}?{asked}")
    assert {
        "pager": {"page": 1, "total": 1, "pageSize": 1, "pageCount": 1},
        "messageConversations": [{"read": False}],
    } == listed.json


class TestPages:
    @pytest.fixture
    async def three(self, client: Client) -> list[str]:
        return [await client.as_admin.send(MOBILE, subject=f"Nr {n}") for n in range(3)]

    async def test_pages_lead_to_one_another(self, client: Client, three: list[str]) -> None:
        link = f"{client.url}{MC}"
        asked = "fields=id&order=created:asc&filter=subject:like:Nr"
        kept = "fields=id&order=created%3Aasc&filter=subject%3Alike%3ANr"
        first = (await client.as_mobile.get(f"{MC}?{asked}&pageSize=1")).json
        assert [{"id": three[0]}] == first["messageConversations"]
        assert {
            "page": 1,
            "total": 3,
            "pageSize": 1,
            "pageCount": 3,
            "nextPage": f"{link}?page=2&pageSize=1&{kept}",
        } == first["pager"]
        second = (await client.as_mobile.get(first["pager"]["nextPage"].removeprefix(client.url))).json
        assert [{"id": three[1]}] == second["messageConversations"]
        assert {
            "page": 2,
            "total": 3,
            "pageSize": 1,
            "pageCount": 3,
            "nextPage": f"{link}?page=3&pageSize=1&{kept}",
            "prevPage": f"{link}?pageSize=1&{kept}",
        } == second["pager"]

    async def test_a_page_beyond_the_end_is_empty_and_called_the_last(self, client: Client, three: list[str]) -> None:
        listed = (await client.as_mobile.get(f"{MC}?page=7&pageSize=2")).json
        assert [] == listed["messageConversations"]
        assert {
            "page": 2,
            "total": 3,
            "pageSize": 2,
            "pageCount": 2,
            "prevPage": f"{client.url}{MC}?pageSize=2",
        } == listed["pager"]

    async def test_without_paging_there_is_everything_and_no_pager(self, client: Client, three: list[str]) -> None:
        listed = (await client.as_mobile.get(f"{MC}?paging=false&fields=id&order=created")).json
        assert {"messageConversations": [{"id": uid} for uid in three]} == listed

    async def test_sizes_below_one_are_one_and_too_large_ones_are_cut(self, client: Client, three: list[str]) -> None:
        assert 1 == (await client.as_mobile.get(f"{MC}?pageSize=0")).json["pager"]["pageSize"]
        assert 1000 == (await client.as_mobile.get(f"{MC}?pageSize=5000")).json["pager"]["pageSize"]
        assert 1 == (await client.as_mobile.get(f"{MC}?page=-3")).json["pager"]["page"]

    async def test_links_keep_version_and_suffix(self, client: Client, three: list[str]) -> None:
        listed = (await client.as_mobile.get("/api/33/messageConversations.json?pageSize=2")).json
        link = f"{client.url}/api/33/messageConversations.json?page=2&pageSize=2"
        assert link == listed["pager"]["nextPage"]


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ("filter=subject", 400, "Invalid filter => subject"),
        ("filter=subject:eq", 400, "Invalid filter => subject:eq"),
        ("filter=foo:eq:x", 400, "Unknown path property: foo"),
        ("filter=lastSender.password:eq:x", 400, "Unknown path property: lastSender.password"),
        ("filter=messages.sender.email:like:x", 400, "Unknown path property: messages.sender.email"),
        ("filter=subject.id:eq:x", 400, "Unknown path property: subject.id"),
        ("filter=subject:wie:x", 400, "`wie` is not a valid operator."),
        ("filter=messageCount:eq:many", 400, "Unable to parse `many` as `Integer`."),
        ("filter=subject:in:x", 400, "Invalid argument `x` for in operator."),
        (
            "filter=status:eq:open",
            400,
            (
                "Unable to parse `open` as `MessageConversationStatus`, available values are: "
                "[NONE, OPEN, PENDING, INVALID, SOLVED]"
            ),
        ),
        ("filter=created:gt:yesterday", 400, "Unable to parse `yesterday` as `Date`."),
        ("filter=created:like:2014", 400, "`like` is not a valid operator for `created`."),
        ("order=foo:asc", 400, "No such property: foo"),
        ("order=messages", 400, "No such property: messages"),
        ("page=abc", 400, "Value 'abc' is not valid for parameter page. It should be of type int"),
        ("pageSize=1e3", 400, "Value '1e3' is not valid for parameter pageSize. It should be of type int"),
        (
            "pageSize=99999999999",
            400,
            "Value '99999999999' is not valid for parameter pageSize. It should be of type int",
        ),
        ("paging=perhaps", 400, "Value 'perhaps' is not valid for parameter paging. It should be of type boolean"),
        ("rootJunction=XOR", 400, "Value 'XOR' is not valid for parameter rootJunction. Valid values are: [AND, OR]"),
        ("fields=a]", 400, "Expected field but found ']' at position 1 of fields"),
        ("queryString=x&queryOperator=foo", 409, "`foo` is not a valid operator."),
    ],
)
async def test_what_cannot_be_understood_is_said(client: Client, asked: str, status: int, message: str) -> None:
    for suffix in (".json", ".xml"):
        answer = await client.as_mobile.get(f"{MC}{suffix}?{asked}")
        assert (status, message) == answer.message


async def test_filters_and_searches_that_hold_nul_are_refused(client: Client) -> None:
    assert 400 == (await client.as_mobile.get(f"{MC}?filter=subject:eq:%00")).status
    assert 400 == (await client.as_mobile.get(f"{MC}?queryString=%00")).status


async def test_unknown_parameters_mean_nothing(client: Client) -> None:
    assert 200 == (await client.as_mobile.get(f"{MC}?useWrapper=true&inclusionStrategy=ALWAYS&totalPages=True")).status


class TestInternalMessages:
    """An internal message changes nothing for those who do not see it (contract section 9.1)."""

    @pytest.fixture
    async def ticket(self, client: Client) -> str:
        uid = await client.as_mobile.ticket("Tablet", "It does not start.")
        await client.as_mobile.post(f"{MC}/read", json=[uid])
        await client.as_support.reply(uid, "Clueless caller", internal=True)
        return uid

    async def test_the_list_of_who_does_not_see_them_stays(self, client: Client, ticket: str) -> None:
        asked = "fields=lastSender,lastMessage,created,lastUpdated,messageCount,read,messages[text]"
        (found,) = (await client.as_mobile.get(f"{MC}?{asked}")).json["messageConversations"]
        assert found["created"] == found["lastMessage"] == found["lastUpdated"]
        assert {"id": MOBILE} == found["lastSender"]
        assert (1, True, [{"text": "It does not start."}]) == (
            found["messageCount"],
            found["read"],
            found["messages"],
        )

    async def test_ticket_managers_see_them(self, client: Client, ticket: str) -> None:
        asked = (
            "fields=lastSender,lastMessage,created,messageCount,messages[text,internal]&filter=messageType:eq:TICKET"
        )
        (found,) = (await client.as_admin.get(f"{MC}?{asked}")).json["messageConversations"]
        assert found["created"] < found["lastMessage"]
        assert ({"id": SUPPORT}, 1) == (found["lastSender"], found["messageCount"])
        assert [
            {"text": "It does not start.", "internal": False},
            {"text": "Clueless caller", "internal": True},
        ] == found["messages"]

    @pytest.mark.parametrize(
        "asked",
        [
            "queryString=clueless",
            "queryString=Desk",
            "filter=messages.text:ilike:clueless",
            "filter=messages.internal:eq:true",
            "filter=messages:gte:2",
            f"filter=lastSender.id:eq:{SUPPORT}",
            "filter=lastSenderSurname:eq:Desk",
            "filter=messages.sender.username:eq:support",
        ],
    )
    async def test_no_question_finds_them_but_a_ticket_managers(self, client: Client, ticket: str, asked: str) -> None:
        assert [] == (await client.as_mobile.get(f"{MC}?{asked}&fields=id")).json["messageConversations"]
        seen = (await client.as_support.get(f"{MC}?{asked}&fields=id")).json["messageConversations"]
        assert [{"id": ticket}] == seen

    async def test_counting_transformers_do_not_count_them(self, client: Client, ticket: str) -> None:
        asked = "fields=messages~size~rename(n)"
        assert [{"n": 1}] == (await client.as_mobile.get(f"{MC}?{asked}")).json["messageConversations"]
        assert [{"n": 2}] == (await client.as_support.get(f"{MC}?{asked}")).json["messageConversations"]


async def test_people_who_left_the_directory_are_not_shown(client: Client) -> None:
    await client.as_clerk.send(MOBILE)
    await client.backend.pool.execute("DELETE FROM account WHERE id = $1", CLERK)
    asked = "fields=subject,lastSender[id,name],createdBy,userSurname,messages[text,sender]"
    listed = await client.as_mobile.get(f"{MC}?{asked}")
    assert [{"subject": "Hey", "messages": [{"text": "How are you?"}]}] == listed.json["messageConversations"]


class TestXml:
    async def test_a_list_has_the_manuals_form(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE, subject='Ä & "B" <C>')
        listed = await client.as_mobile.get("/api/26/messageConversations", headers={"Accept": "application/xml"})
        root = listed.xml
        link = f"{client.url}/api/26/messageConversations"
        assert (f"{NS}messageConversations", link) == (root.tag, root.get("link"))
        assert ["1", "1", "1", "50"] == [
            root.findtext(f"{NS}pager/{NS}{name}") for name in ("page", "pageCount", "total", "pageSize")
        ]
        (found,) = root.findall(f"{NS}messageConversation")
        assert {
            "id": uid,
            "name": 'Ä & "B" <C>',
            "link": f"{link}/{uid}",
            "href": f"{link}/{uid}",
        } == dict(found.attrib)
        assert 'Ä & "B" <C>' == found.findtext(f"{NS}displayName")

    async def test_the_form_of_servers_of_2_26_can_be_had(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        await client.as_admin.send(MOBILE)
        root = (await client.as_mobile.get(f"{MC}.xml?wrapper=metadata&pageSize=1&order=created&fields=id")).xml
        assert f"{NS}metadata" == root.tag
        assert [f"{NS}pager", f"{NS}messageConversations"] == [child.tag for child in root]
        assert [uid] == [found.get("id") for found in root.iterfind(f"{NS}messageConversations/*")]
        assert "wrapper=metadata" in root.findtext(f"{NS}pager/{NS}nextPage")

    async def test_pages_have_their_links(self, client: Client) -> None:
        for _ in range(3):
            await client.as_admin.send(MOBILE)
        root = (await client.as_mobile.get(f"{MC}.xml?pageSize=1&page=2&fields=id")).xml
        link = f"{client.url}{MC}.xml"
        assert f"{link}?page=3&pageSize=1&fields=id" == root.findtext(f"{NS}pager/{NS}nextPage")
        assert f"{link}?pageSize=1&fields=id" == root.findtext(f"{NS}pager/{NS}prevPage")

    async def test_without_paging_there_is_no_pager(self, client: Client) -> None:
        assert None is (await client.as_mobile.get(f"{MC}.xml?paging=false")).xml.find(f"{NS}pager")

    async def test_characters_that_xml_cannot_carry_do_not_break_it(self, client: Client) -> None:
        await client.as_admin.send(MOBILE, subject="a\x0bb", text="c\x1fd")
        root = (await client.as_mobile.get(f"{MC}.xml?fields=name,messages[text]")).xml
        assert "a\ufffdb" == root.find(f"{NS}messageConversation").get("name")
        assert "c\ufffdd" == root.findtext(f".//{NS}text")


class TestHeaders:
    async def test_the_answer_says_which_place_of_the_log_it_reflects(self, client: Client) -> None:
        positions = client.backend.store.positions
        before = positions((await client.as_mobile.get(MC)).headers["Convstore-Cursor"])
        await client.as_admin.send(MOBILE)
        after = positions((await client.as_mobile.get(MC)).headers["Convstore-Cursor"])
        assert before != after
        assert after == positions((await client.as_admin.get(f"{MC}?fields=messages")).headers["Convstore-Cursor"])

    async def test_an_unchanged_list_need_not_be_sent_again(self, client: Client) -> None:
        await client.as_admin.send(MOBILE)
        tag = (await client.as_mobile.get(MC)).headers["ETag"]
        assert tag.startswith('W/"')
        for shown in (tag, tag.removeprefix("W/")):
            again = await client.as_mobile.get(MC, headers={"If-None-Match": f'"other", {shown}'})
            assert (304, b"", tag) == (again.status, again.body, again.headers["ETag"])
        await client.as_admin.send(MOBILE)
        assert 200 == (await client.as_mobile.get(MC, headers={"If-None-Match": tag})).status

    async def test_reads_are_not_to_be_kept_by_others(self, client: Client) -> None:
        assert "no-cache, private" == (await client.as_mobile.get(MC)).headers["Cache-Control"]


async def test_eight_partitions_are_one_inbox(make_client: MakeClient) -> None:
    client = await make_client(partitions=8)
    sent = {await client.as_admin.send(MOBILE) for _ in range(12)}
    listed = (await client.as_mobile.get(f"{MC}?fields=id&pageSize=100")).json
    assert sent == {found["id"] for found in listed["messageConversations"]}
    assert 12 == listed["pager"]["total"]
    assert [] == (await client.as_mobile.get(f"{MC}?filter=lastSender.id:eq:{NOBODY}")).json["messageConversations"]
