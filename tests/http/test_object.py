"""Rows 2 and 3 of contract section 1.5: one conversation, and one property of it."""

from typing import Any

import pytest
from people import ADMIN, CLERK, MC, MOBILE, NO_CONVERSATION, SUPPORT, Client

NS = "{http://dhis2.org/schema/dxf/2.0}"

JOHN = {"id": ADMIN, "code": None, "name": "John Traore", "displayName": "John Traore", "username": "admin"}
MOBILE_USER = {
    "id": MOBILE,
    "code": None,
    "name": "Mobile User",
    "displayName": "Mobile User",
    "username": "mobile",
}

APP_FIELDS = (
    "fields=*,assignee[id, displayName],messages[*,sender[id,displayName],attachments[id, name, contentLength]],"
    "userMessages[user[id, displayName]]"
)


async def test_an_object_shows_everything(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE, subject="Mortality data reporting", text="Have you?")
    found = (await client.as_mobile.get(f"{MC}/{uid}")).json
    when = found.pop("created")
    assert [when, when] == [found.pop("lastUpdated"), found.pop("lastMessage")]
    assert 23 == len(when)
    copies = found.pop("userMessages")
    assert 2 == len({copy.pop("key") for copy in copies})
    assert [
        {"read": False, "followUp": False, "user": MOBILE_USER},
        {"read": True, "followUp": False, "user": JOHN},
    ] == copies
    (message,) = found.pop("messages")
    assert {"id"} == message.keys()
    assert {
        "id": uid,
        "name": "Mortality data reporting",
        "displayName": "Mortality data reporting",
        "href": f"{client.url}{MC}/{uid}",
        "createdBy": JOHN,
        "user": JOHN,
        "subject": "Mortality data reporting",
        "messageType": "PRIVATE",
        "priority": "NONE",
        "status": "NONE",
        "lastSender": {"id": ADMIN},
        "messageCount": 1,
        "read": False,
        "followUp": False,
        "access": {"manage": True, "write": True, "read": True, "update": True, "delete": True},
        "sharing": {"users": {}, "userGroups": {}},
        "translations": [],
        "attributeValues": [],
    } == found


async def test_the_apps_fields_show_each_message(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE, text="Have you?")
    await client.as_mobile.reply(uid, "Yes.")
    found = (await client.as_admin.get(f"{MC}/{uid}?{APP_FIELDS.replace(' ', '%20')}")).json
    first, second = found["messages"]
    assert first.pop("created") == first.pop("lastUpdated") < second.pop("created") == second.pop("lastUpdated")
    assert first.pop("id") != second.pop("id")
    agent = first.pop("metaData")
    assert agent == second.pop("metaData")
    assert agent.startswith("User-agent: Python/")
    assert {
        "text": "Have you?",
        "internal": False,
        "sender": {"id": ADMIN, "displayName": "John Traore"},
        "attachments": [],
    } == first
    assert {
        "text": "Yes.",
        "internal": False,
        "sender": {"id": MOBILE, "displayName": "Mobile User"},
        "attachments": [],
    } == second
    assert [
        {"user": {"id": MOBILE, "displayName": "Mobile User"}},
        {"user": {"id": ADMIN, "displayName": "John Traore"}},
    ] == found["userMessages"]
    assert "assignee" not in found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("subject", {"subject": "Hey"}),
        ("id,!id", {}),
        ("*,!messages,-userMessages,messages[id]", {"messages", "userMessages"}),
        ("messages[*,!metaData,-id,!created,!lastUpdated]", {}),
        ("lastSender[*]", {}),
        ("lastSender[id,email,authorities,password]", {"lastSender": {"id": ADMIN}}),
        ("lastSender.displayName", {"lastSender": {"displayName": "John Traore"}}),
        ("subject~rename(title)", {"title": "Hey"}),
        ("messageType,subject~rename(messageType)", {"messageType": "Hey"}),
        ("id~rename(f0),subject~rename(lastSender),lastSender~rename(f0)", {"f0": {"id": ADMIN}, "lastSender": "Hey"}),
        ("subject::size", {"subject": 3}),
        ("subject|isEmpty,messages@isNotEmpty", {"subject": False, "messages": True}),
        ("messages~size~rename(count)", {"count": 1}),
        ("messages~pluck(text)", {"messages": ["How are you?"]}),
        ("messages[text]~size", None),
        ("userMessages~pluck(read)", {"userMessages": [False, True]}),
        ("access[read,write]", {"access": {"read": True, "write": True}}),
        (":simple,!created,!lastUpdated,!lastMessage,!href,!id", {}),
        (":identifiable,!created,!lastUpdated,!id", {"name": "Hey"}),
        ("subject,,  messageType ,", {"subject": "Hey", "messageType": "PRIVATE"}),
        ("access(read)", {"access": {"read": True}}),
        (
            "userMessages[user[name",
            {"userMessages": [{"user": {"name": "Mobile User"}}, {"user": {"name": "John Traore"}}]},
        ),
        ("assignee~size,code~isEmpty", {}),
    ],
)
async def test_fields_choose_and_transform(client: Client, fields: str, expected: Any) -> None:
    uid = await client.as_admin.send(MOBILE)
    answer = await client.as_mobile.get(f"{MC}/{uid}?fields={fields.replace(' ', '%20')}")
    match fields:
        case "messages[text]~size":
            assert (400, "Expected ',' or closing bracket but found '~' at position 14 of fields") == answer.message
        case "*,!messages,-userMessages,messages[id]":
            assert not expected & answer.json.keys()
            assert {"subject", "access", "lastSender"} <= answer.json.keys()
        case "messages[*,!metaData,-id,!created,!lastUpdated]":
            message = {"text": "How are you?", "internal": False, "sender": {"id": ADMIN}, "attachments": []}
            assert {"messages": [message]} == answer.json
        case "lastSender[*]":
            names = {"firstName": "John", "surname": "Traore", "username": "admin"}
            assert {
                "lastSender": {"id": ADMIN, "name": "John Traore", "displayName": "John Traore", **names}
            } == answer.json
        case ":simple,!created,!lastUpdated,!lastMessage,!href,!id":
            assert {
                "name": "Hey",
                "displayName": "Hey",
                "subject": "Hey",
                "messageType": "PRIVATE",
                "priority": "NONE",
                "status": "NONE",
                "messageCount": 1,
                "read": False,
                "followUp": False,
            } == answer.json
        case _:
            assert expected == answer.json


async def test_a_long_collection_is_given_by_pages(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE, text="1")
    for number in "2345":
        await client.as_admin.reply(uid, number)

    async def texts(steps: str) -> Any:
        return (await client.as_mobile.get(f"{MC}/{uid}?fields=messages{steps}~rename(found)[text]")).json["found"]

    def shown(numbers: str) -> list[dict[str, str]]:
        return [{"text": number} for number in numbers]

    assert shown("12") == await texts("::paging(1;2)")
    assert shown("34") == await texts("~paging(2,2)")
    assert shown("5") == await texts("|paging(3;2)")
    assert shown("") == await texts("~paging(4;2)")
    assert shown("12345") == await texts("~paging(1)")
    assert shown("1") == await texts("~paging(0;-7)")
    assert shown("45") == await texts("~paging(-1;2)")
    assert shown("1") == await texts("~paging(-3;2)")
    assert shown("") == await texts("~paging(-99999999999999999999;99999999999999999999)")
    assert shown("12345") == await texts("~paging(x;2)")
    assert shown("12345") == await texts("~paging")
    # One after another: of the page its size, of what was taken out its page.
    assert 2 == await texts("~paging(1;2)~size")
    assert shown("4") == await texts("~paging(2;2)~paging(-1;1)")
    assert ["1", "2"] == await texts("~pluck(text)~paging(1;2)")


async def test_lists_page_the_messages_of_each_conversation(client: Client) -> None:
    for subject in ("One", "Two"):
        uid = await client.as_admin.send(MOBILE, subject=subject, text="first")
        await client.as_admin.reply(uid, f"last of {subject}")
    fields = "subject,messages~paging(-1;1)[text,sender[displayName]],messages~size~rename(all)"

    found = (await client.as_mobile.get(f"{MC}?fields={fields}&order=subject")).json["messageConversations"]

    assert [
        {
            "subject": subject,
            "messages": [{"text": f"last of {subject}", "sender": {"displayName": "John Traore"}}],
            "all": 2,
        }
        for subject in ("One", "Two")
    ] == found


async def test_elements_can_be_keyed(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    await client.as_admin.reply(uid, "And you?")
    keyed = (await client.as_mobile.get(f"{MC}/{uid}?fields=messages[id,text]")).json["messages"]
    found = (await client.as_mobile.get(f"{MC}/{uid}?fields=messages~keyBy(id)")).json
    assert {"messages": {message["id"]: {"id": message["id"]} for message in keyed}} == found
    found = (await client.as_mobile.get(f"{MC}/{uid}?fields=userMessages~keyBy(followUp)")).json
    assert 2 == len(found["userMessages"]["False"])


async def test_objects_have_no_surnames_unless_asked_for(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    assert "userSurname" not in (await client.as_mobile.get(f"{MC}/{uid}")).json
    assert {"userSurname": "Traore"} == (await client.as_mobile.get(f"{MC}/{uid}?fields=userSurname")).json


class TestAccess:
    """The one rule of contract section 4, on objects and on their properties."""

    @pytest.mark.parametrize("path", ["", "/messages", "/subject", "/nonsense"])
    async def test_strangers_are_refused(self, client: Client, path: str) -> None:
        uid = await client.as_admin.send(MOBILE)
        for suffix in (".json", ".xml"):
            answer = await client.as_clerk.get(f"{MC}/{uid}{path}{suffix}")
            assert (403, "Not authorized to access this conversation.") == answer.message
        assert "E1006" == (await client.as_clerk.get(f"{MC}/{uid}{path}")).json["errorCode"]

    async def test_who_was_removed_is_a_stranger(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        await client.as_mobile.delete(f"{MC}/{uid}/{MOBILE}")
        assert 403 == (await client.as_mobile.get(f"{MC}/{uid}")).status
        assert 403 == (await client.as_mobile.get(f"{MC}/{uid}?markRead=true")).status

    async def test_superusers_see_all(self, client: Client) -> None:
        uid = await client.as_mobile.send(CLERK)
        found = (await client.as_admin.get(f"{MC}/{uid}?fields=id,read,followUp")).json
        assert {"id": uid, "read": False, "followUp": False} == found
        assert {"subject": "Hey"} == (await client.as_admin.get(f"{MC}/{uid}/subject")).json

    async def test_ticket_managers_see_tickets_and_nothing_else(self, client: Client) -> None:
        ticket = await client.as_mobile.ticket()
        await client.as_support.delete(f"{MC}/{ticket}/{SUPPORT}")
        other = await client.as_mobile.send(CLERK)
        assert 200 == (await client.as_support.get(f"{MC}/{ticket}")).status
        assert 200 == (await client.as_support.get(f"{MC}/{ticket}/messages")).status
        assert 403 == (await client.as_support.get(f"{MC}/{other}")).status
        assert 403 == (await client.as_support.get(f"{MC}/{other}/messages")).status

    async def test_internal_messages_are_for_ticket_managers(self, client: Client) -> None:
        ticket = await client.as_mobile.ticket(text="Broken")
        await client.as_support.reply(ticket, "Again him", internal=True)
        await client.as_support.reply(ticket, "Coming")
        for path in (f"{MC}/{ticket}?fields=messages[text]", f"{MC}/{ticket}/messages?fields=text"):
            assert {"messages": [{"text": "Broken"}, {"text": "Coming"}]} == (await client.as_mobile.get(path)).json
            seen = {"messages": [{"text": "Broken"}, {"text": "Again him"}, {"text": "Coming"}]}
            assert seen == (await client.as_support.get(path)).json
            assert seen == (await client.as_admin.get(path)).json


class TestNotThere:
    async def test_unknown_uids(self, client: Client) -> None:
        answer = await client.as_admin.get(f"{MC}/{NO_CONVERSATION}")
        assert (404, f"No MessageConversation found with UID: {NO_CONVERSATION}") == answer.message
        answer = await client.as_admin.get(f"{MC}/{NO_CONVERSATION}/messages")
        assert (404, f"MessageConversation with id {NO_CONVERSATION} could not be found.") == answer.message
        assert "E1005" == answer.json["errorCode"]

    async def test_malformed_uids(self, client: Client) -> None:
        said = (
            "Value '0abcdefghij' is not valid for path parameter uid. UID must be an alphanumeric string of 11 "
            "characters starting with a letter, but was: 0abcdefghij"
        )
        assert (400, said) == (await client.as_admin.get(f"{MC}/0abcdefghij")).message
        assert (400, said) == (await client.as_admin.get(f"{MC}/0abcdefghij/messages")).message

    @pytest.mark.parametrize("uid", ["xyz", "abcdefghij-", "abcdefghijkl", "%C3%A4bcdefghijk", "gist"])
    async def test_what_is_no_uid_at_all_is_not_found(self, client: Client, uid: str) -> None:
        assert 404 == (await client.as_admin.get(f"{MC}/{uid}")).status

    async def test_deleted_ones(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        await client.as_admin.delete(f"{MC}/{uid}")
        assert 404 == (await client.as_admin.get(f"{MC}/{uid}")).status
        assert [] == (await client.as_mobile.get(MC)).json["messageConversations"]

    async def test_unknown_properties(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        answer = await client.as_mobile.get(f"{MC}/{uid}/colour")
        assert (404, "Property colour does not exist on MessageConversation") == answer.message


class TestMarkRead:
    @pytest.mark.parametrize("word", ["true", "TRUE"])
    async def test_it_marks_ones_copy_and_shows_it(self, client: Client, word: str) -> None:
        uid = await client.as_admin.send(MOBILE)
        assert {"read": True} == (await client.as_mobile.get(f"{MC}/{uid}?markRead={word}&fields=read")).json
        assert {"read": True} == (await client.as_mobile.get(f"{MC}/{uid}?fields=read")).json

    @pytest.mark.parametrize("word", ["false", "", "yes"])
    async def test_any_other_word_does_not(self, client: Client, word: str) -> None:
        uid = await client.as_admin.send(MOBILE)
        assert {"read": False} == (await client.as_mobile.get(f"{MC}/{uid}?markRead={word}&fields=read")).json

    async def test_it_does_nothing_for_who_has_no_copy(self, client: Client) -> None:
        uid = await client.as_mobile.send(CLERK)
        before = await client.events()
        assert {"read": False} == (await client.as_admin.get(f"{MC}/{uid}?markRead=true&fields=read")).json
        assert before == await client.events()


class TestProperties:
    async def test_objects_of_a_collection_are_whole(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE, text="Have you?")
        (message,) = (await client.as_mobile.get(f"{MC}/{uid}/messages")).json["messages"]
        assert {
            "id",
            "created",
            "lastUpdated",
            "text",
            "metaData",
            "internal",
            "sender",
            "attachments",
        } == message.keys()
        assert {"id": ADMIN} == message["sender"]

    async def test_fields_choose_among_theirs(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE, text="Have you?")
        found = (await client.as_mobile.get(f"{MC}/{uid}/messages?fields=text,sender[username]")).json
        assert {"messages": [{"text": "Have you?", "sender": {"username": "admin"}}]} == found

    async def test_references_never_show_more_than_seven_members(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        found = (await client.as_mobile.get(f"{MC}/{uid}/lastSender")).json
        assert {"id", "name", "displayName", "username", "firstName", "surname"} == found["lastSender"].keys()

    async def test_unset_ones_are_left_out(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        assert {} == (await client.as_mobile.get(f"{MC}/{uid}/assignee")).json


class TestXml:
    async def test_an_object(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE, subject="<Mortality> & co", text="Have\nyou?")
        root = (await client.as_mobile.get(f"{MC}/{uid}.xml")).xml
        assert f"{NS}messageConversation" == root.tag
        attributes = dict(root.attrib)
        assert attributes.pop("created") == attributes.pop("lastUpdated")
        assert {
            "id": uid,
            "name": "<Mortality> & co",
            "href": f"{client.url}{MC}/{uid}",
            "messageCount": "1",
            "read": "false",
            "followUp": "false",
        } == attributes
        assert ["<Mortality> & co", "<Mortality> & co", "PRIVATE", "NONE", "NONE"] == [
            root.findtext(f"{NS}{name}") for name in ("displayName", "subject", "messageType", "priority", "status")
        ]
        assert {"id": ADMIN} == dict(root.find(f"{NS}lastSender").attrib)
        assert (ADMIN, "John Traore") == (
            root.find(f"{NS}user").get("id"),
            root.findtext(f"{NS}user/{NS}displayName"),
        )
        (message,) = root.findall(f"{NS}messages/{NS}message")
        assert ["id"] == list(message.attrib)
        copies = root.findall(f"{NS}userMessages/{NS}userMessage")
        assert [(MOBILE, "false"), (ADMIN, "true")] == [
            (copy.find(f"{NS}user").get("id"), copy.findtext(f"{NS}read")) for copy in copies
        ]
        assert 36 == len(copies[0].findtext(f"{NS}key"))
        assert "true" == root.findtext(f"{NS}access/{NS}write")
        # Empty wrappers are left out.
        assert [] == [child.tag for child in root if len(child) == 0 and not child.text and not child.attrib]

    async def test_an_expanded_message(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE, text="Have\nyou?")
        root = (await client.as_mobile.get(f"{MC}/{uid}.xml?fields=messages[*,sender[id,displayName]]")).xml
        (message,) = root.findall(f"{NS}messages/{NS}message")
        assert {"id", "created", "lastUpdated"} == set(message.attrib)
        assert ("Have\nyou?", "false", ADMIN, "John Traore") == (
            message.findtext(f"{NS}text"),
            message.findtext(f"{NS}internal"),
            message.find(f"{NS}sender").get("id"),
            message.findtext(f"{NS}sender/{NS}displayName"),
        )

    async def test_a_property(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        root = (await client.as_mobile.get(f"{MC}/{uid}/messages.xml?fields=text")).xml
        assert f"{NS}messageConversation" == root.tag
        assert ["How are you?"] == [text.text for text in root.iterfind(f"{NS}messages/{NS}message/{NS}text")]

    async def test_a_page_of_messages(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        await client.as_admin.reply(uid, "And you?")
        root = (await client.as_mobile.get(f"{MC}/{uid}.xml?fields=messages~paging(-1;1)[text]")).xml
        assert ["And you?"] == [text.text for text in root.iterfind(f"{NS}messages/{NS}message/{NS}text")]

    async def test_transformed_members(self, client: Client) -> None:
        uid = await client.as_admin.send(MOBILE)
        fields = "messages~size~rename(9lives),userMessages~pluck(read),messages~keyBy(text)~rename(texts)"
        root = (await client.as_mobile.get(f"{MC}/{uid}.xml?fields={fields}")).xml
        assert "1" == root.findtext(f"{NS}_9lives")
        assert ["false", "true"] == [item.text for item in root.iterfind(f"{NS}userMessages/{NS}userMessage")]
        assert 1 == len(root.find(f"{NS}texts"))
