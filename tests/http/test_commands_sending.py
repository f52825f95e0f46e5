"""Rows 4 to 7 of contract section 1.5: start, reply, add recipients, feedback; in JSON and XML."""

from itertools import product
from typing import Any

import pytest
from people import (
    ADMIN,
    CLERK,
    DISABLED,
    EMPTY_GROUP,
    EMPTY_UNIT,
    FEEDBACK,
    FRIENDS,
    HOSPITAL,
    MC,
    MOBILE,
    NO_CONVERSATION,
    NOBODY,
    SECRET,
    SUPPORT,
    Client,
)

from convstore.domain.events import ConversationStarted, MessagePosted, ParticipantsAdded
from convstore.domain.types import Addressed, MessageType, Status

XML = {"Content-Type": "application/xml"}
TEXT = {"Content-Type": "text/plain"}
CREATED = (201, "Message conversation created")
DXF2 = "http://dhis2.org/schema/dxf/2.0"


def document(**members: Any) -> dict[str, Any]:
    return {"subject": "Hey", "text": "How are you?", **members}


def xml(inner: str) -> bytes:
    return f'<message xmlns="{DXF2}"><subject>Hey</subject><text>How are you?</text>{inner}</message>'.encode()


async def test_a_message_is_sent_and_its_conversation_is_where_the_location_says(client: Client) -> None:
    answer = await client.as_admin.post(f"/api/26{MC[4:]}", json=document(users=[{"id": MOBILE}]))

    assert answer.message == CREATED
    assert answer.json == {
        "httpStatus": "Created",
        "httpStatusCode": 201,
        "status": "OK",
        "message": "Message conversation created",
    }
    assert answer.headers["Location"] == f"{client.url}/api/26/messageConversations/{answer.uid}"
    started, added, posted = await client.history(answer.uid)
    assert started == ConversationStarted(
        message_type=MessageType.PRIVATE,
        subject="Hey",
        sender=ADMIN,
        created_by=ADMIN,
        addressed=Addressed(users=(MOBILE,)),
    )
    assert added == ParticipantsAdded(participants=(MOBILE,))
    assert isinstance(posted, MessagePosted)
    assert (posted.sender, posted.text, posted.internal) == (ADMIN, "How are you?", False)


@pytest.mark.parametrize("content_type", ["application/xml", "text/xml", "application/xml; charset=UTF-8"])
@pytest.mark.parametrize(
    "inner",
    [
        f'<users><user id="{MOBILE}"/></users><userGroups><userGroup id="{FRIENDS}"/></userGroups>',
        f'<user id="{MOBILE}"/><userGroup id="{FRIENDS}"/>',
    ],
)
async def test_a_message_in_xml_is_answered_in_xml(client: Client, content_type: str, inner: str) -> None:
    answer = await client.as_admin.post(MC, data=xml(inner), headers={"Content-Type": content_type})

    assert answer.message == CREATED
    assert answer.xml.attrib == {"httpStatus": "Created", "httpStatusCode": "201", "status": "OK"}
    assert answer.xml.tag == f"{{{DXF2}}}webMessage"
    started, added, _ = await client.history(answer.uid)
    assert isinstance(started, ConversationStarted)
    assert started.addressed == Addressed(users=(MOBILE,), groups=(FRIENDS,))
    assert added == ParticipantsAdded(participants=(MOBILE, CLERK))


async def test_units_stand_for_their_people_and_everybody_gets_one_copy(client: Client) -> None:
    lists = {"users": [{"id": DISABLED}, {"id": ADMIN}], "userGroups": [{"id": FRIENDS}]}

    answer = await client.as_admin.post(MC, json=document(organisationUnits=[{"id": HOSPITAL}], **lists))

    state = await client.state(answer.uid)
    assert state is not None
    assert set(state.roster) == {ADMIN, MOBILE, CLERK, DISABLED}


async def test_what_the_official_app_adds_to_recipients_is_ignored(client: Client) -> None:
    user = {"id": MOBILE, "username": "mobile", "displayName": "Mobile User", "type": "user", "loading": False}
    body = document(users=[user], userGroups=[], organisationUnits=None, attachments=None, extra={"deep": [1, None]})

    assert (await client.as_admin.post(MC, json=body)).message == CREATED


async def test_writing_to_oneself_is_allowed(client: Client) -> None:
    assert (await client.as_mobile.post(MC, json=document(users=[{"id": MOBILE}]))).message == CREATED


async def test_a_message_may_have_no_text(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE, text="")

    posted = (await client.history(uid))[-1]
    assert isinstance(posted, MessagePosted)
    assert posted.text is None


REFUSED_DOCUMENTS = [
    ({}, (409, "No recipients selected."), "E1004"),
    ({"users": [], "userGroups": None}, (409, "No recipients selected."), "E1004"),
    ({"userGroups": [{"id": EMPTY_GROUP}]}, (409, "No recipients selected."), "E1004"),
    ({"organisationUnits": [{"id": EMPTY_UNIT}]}, (409, "No recipients selected."), "E1004"),
    ({"users": [{"id": MOBILE}, {"id": NOBODY}]}, (409, f"User does not exist: {NOBODY}"), "E1004"),
    ({"users": [{"name": "mobile"}]}, (409, "User does not exist: null"), "E1004"),
    ({"users": [{"id": ""}]}, (409, "User does not exist: null"), "E1004"),
    ({"users": [None]}, (409, "User does not exist: null"), "E1004"),
    (
        {"organisationUnits": [{"id": "x"}], "users": [{"id": "y"}]},
        (409, "Organisation Unit does not exist: x"),
        "E1004",
    ),
    ({"users": [{"id": "y"}], "userGroups": [{"id": "z"}]}, (409, "User does not exist: y"), "E1004"),
    ({"userGroups": [{"id": NOBODY}]}, (404, f"UserGroup with id {NOBODY} could not be found."), "E1005"),
    ({"userGroups": [{"id": SECRET}]}, (404, f"UserGroup with id {SECRET} could not be found."), "E1005"),
    ({"users": [{"id": MOBILE}], "subject": None}, (409, "Subject is required."), "E1004"),
    ({"users": [{"id": MOBILE}], "subject": ""}, (409, "Subject is required."), "E1004"),
    (
        {"users": [{"id": MOBILE}], "subject": "x" * 256},
        (409, "Subject cannot be longer than 255 characters."),
        "E1004",
    ),
    (
        {"users": [{"id": MOBILE}], "attachments": [{"id": "fTpI4GOmujz"}]},
        (409, "Attachment 'fTpI4GOmujz' not found."),
        "E1004",
    ),
    (
        {"users": [{"id": MOBILE}], "attachments": ["fTpI4GOmujz"]},
        (409, "Attachment 'fTpI4GOmujz' not found."),
        "E1004",
    ),
    # Recipients come before attachments.
    ({"attachments": ["fTpI4GOmujz"]}, (409, "No recipients selected."), "E1004"),
]


async def test_a_message_that_cannot_be_sent_is_refused_and_nothing_is_stored(client: Client) -> None:
    for members, expected, code in REFUSED_DOCUMENTS:
        answer = await client.as_clerk.post(MC, json=document(**members))

        assert (answer.message, answer.json["errorCode"]) == (expected, code), members
    assert await client.events() == 0


REFUSED_XML = [
    ("", (409, "No recipients selected.")),
    (f'<users><user id="{NOBODY}"/></users>', (409, f"User does not exist: {NOBODY}")),
    ("<user/>", (409, "User does not exist: null")),
    (f'<userGroup id="{SECRET}"/>', (404, f"UserGroup with id {SECRET} could not be found.")),
    (f'<user id="{MOBILE}"/><attachment id="abc"/>', (409, "Attachment 'abc' not found.")),
]


async def test_refusals_of_xml_are_in_xml(client: Client) -> None:
    for inner, expected in REFUSED_XML:
        answer = await client.as_clerk.post(MC, data=xml(inner), headers=XML)

        assert (answer.message, answer.xml.get("status")) == (expected, "ERROR"), inner
    assert await client.events() == 0


async def test_a_message_in_another_format_is_not_taken(client: Client) -> None:
    answer = await client.as_admin.post(MC, data=b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.message == (415, "Content-Type 'application/x-www-form-urlencoded' is not supported")


# Row 5


async def test_a_reply_says_200_where_the_manual_does_and_201_today(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    versions = {"": 200, "/24": 200, "/29": 200, "/30": 201, "/33": 201, "/42": 201}
    for version, status in versions.items():
        answer = await client.as_mobile.post(f"/api{version}/messageConversations/{uid}", data="Yes", headers=TEXT)

        assert answer.message == (status, "Message conversation created")
        assert answer.json["httpStatus"] == {200: "OK", 201: "Created"}[status]
        assert answer.headers["Location"] == f"{client.url}/api{version}/messageConversations/{uid}"


async def test_the_body_of_a_reply_is_its_text_whatever_it_looks_like(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    texts = ['{"text":"text"}', "<text/>", "a=b&c=%41+d", "  \n", "naïve 😀"]
    forms = ["text/plain", "application/json", "application/xml", "application/x-www-form-urlencoded", "image/png"]
    for content_type, text in product(forms, texts):
        answer = await client.as_mobile.post(
            f"{MC}/{uid}", data=text.encode(), headers={"Content-Type": content_type, "Accept": "application/json"}
        )

        assert answer.message == (200, "Message conversation created")
        posted = (await client.history(uid))[-1]
        assert isinstance(posted, MessagePosted)
        assert (posted.sender, posted.text) == (MOBILE, text)


async def test_a_reply_is_read_in_the_encoding_that_it_names(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    for charset in ("iso-8859-1", "windows-1252", "utf-16", "UTF-8"):
        await client.as_mobile.post(
            f"{MC}/{uid}", data="Ça va".encode(charset), headers={"Content-Type": f"text/plain; charset={charset}"}
        )

        posted = (await client.history(uid))[-1]
        assert isinstance(posted, MessagePosted)
        assert posted.text == "Ça va"


async def test_the_user_agent_is_kept_as_far_as_it_fits(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    await client.as_mobile.post(f"{MC}/{uid}", data="Yes", headers=TEXT | {"User-Agent": "x" * 1000})

    posted = (await client.history(uid))[-1]
    assert isinstance(posted, MessagePosted)
    assert posted.user_agent == "x" * (255 - len("User-agent: "))


async def test_an_internal_reply_is_for_ticket_managers(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    for internal in ("true", "True", "1", "yes", "on"):
        answer = await client.as_support.post(f"{MC}/{uid}?internal={internal}", data="Old one?", headers=TEXT)

        assert answer.status == 200
        posted = (await client.history(uid))[-1]
        assert isinstance(posted, MessagePosted)
        assert posted.internal


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
async def test_replies_that_are_refused(client: Client, accept: str) -> None:
    uid = await client.as_admin.send(MOBILE)
    before = await client.events()

    async def refused(caller: str, path: str, text: str = "Hey") -> tuple[int, str, str | None]:
        answer = await client.by(caller).post(f"{MC}/{path}", data=text, headers=TEXT | {"Accept": accept})
        code = answer.json.get("errorCode") if "json" in accept else answer.xml.get("errorCode")
        return *answer.message, code

    missing = "Message conversation does not exist: "
    assert await refused("mobile", "xyz") == (404, missing + "xyz", None)
    assert await refused("mobile", NO_CONVERSATION) == (404, missing + NO_CONVERSATION, None)
    assert await refused("mobile", f"{NO_CONVERSATION}?internal=true", "") == (404, missing + NO_CONVERSATION, None)
    internal = (403, "Not authorized to send internal messages", "E1006")
    assert await refused("mobile", f"{uid}?internal=true") == internal
    assert await refused("clerk", f"{uid}?internal=true&attachments=abc") == internal
    denied = (403, "Not authorized to send messages to this conversation.", "E1006")
    assert await refused("clerk", uid) == denied
    assert await refused("support", f"{uid}?internal=true") == denied
    assert await refused("clerk", f"{uid}?attachments=abc", "") == denied
    not_found = (409, "Attachment 'abc' not found.", None)
    assert await refused("mobile", f"{uid}?attachments=abc,def") == not_found
    assert await refused("mobile", f"{uid}?attachments=abc&attachments=def", "") == not_found
    assert await refused("mobile", uid, "") == (400, "Required request body is missing", None)
    flag = "Value 'maybe' is not valid for parameter internal. It should be of type boolean"
    assert await refused("mobile", f"{uid}?internal=maybe") == (400, flag, "E1003")
    assert await client.events() == before


async def test_whoever_was_removed_does_not_come_back_by_a_reply(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    await client.as_mobile.delete(f"{MC}/{uid}/{MOBILE}")

    await client.as_admin.reply(uid)

    state = await client.state(uid)
    assert state is not None
    assert set(state.roster) == {ADMIN}


# Row 6


async def test_recipients_are_added_once(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.post(
        f"{MC}/{uid}/recipients", json={"users": [{"id": SUPPORT}], "userGroups": [{"id": FRIENDS}]}
    )

    assert (answer.status, answer.body) == (204, b"")
    assert (await client.history(uid))[-1] == ParticipantsAdded(participants=(SUPPORT, CLERK))


@pytest.mark.parametrize("inner", ["<users><user id='ClerkClerk1'/></users>", "<user id='ClerkClerk1'/>"])
async def test_recipients_may_come_in_xml(client: Client, inner: str) -> None:
    uid = await client.as_admin.send(MOBILE)

    answer = await client.as_admin.post(f"{MC}/{uid}/recipients", data=f"<message>{inner}</message>", headers=XML)

    assert answer.status == 204
    assert (await client.history(uid))[-1] == ParticipantsAdded(participants=(CLERK,))


async def test_nobody_new_is_nothing_to_do(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    before = await client.events()
    bodies: list[dict[str, Any]] = [{}, {"users": [], "userGroups": None}, {"users": [{"id": ADMIN}]}]

    for body in bodies:
        assert (await client.as_admin.post(f"{MC}/{uid}/recipients", json=body)).status == 204
    assert await client.events() == before


async def test_recipients_that_are_refused(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    before = await client.events()
    unknown = {"users": [{"id": NOBODY}]}

    async def refused(caller: str, of: str, body: Any) -> tuple[int, str, str | None]:
        answer = await client.by(caller).post(f"{MC}/{of}/recipients", json=body)
        return *answer.message, answer.json.get("errorCode")

    missing = (404, f"Message conversation does not exist: {NO_CONVERSATION}", None)
    assert await refused("admin", NO_CONVERSATION, unknown) == missing
    assert await refused("admin", "xyz", {}) == (404, "Message conversation does not exist: xyz", None)
    denied = (403, "Not authorized to change recipients in this conversation.", "E1006")
    assert await refused("clerk", uid, unknown) == denied
    assert await refused("clerk", uid, {}) == denied
    assert await refused("mobile", uid, unknown) == (409, f"User does not exist: {NOBODY}", "E1004")
    group = {"userGroups": [{"id": NOBODY}]}
    assert await refused("mobile", uid, group) == (404, f"UserGroup with id {NOBODY} could not be found.", "E1005")
    unit = {"organisationUnits": [{"id": NOBODY}]}
    assert await refused("mobile", uid, unit) == (409, f"Organisation Unit does not exist: {NOBODY}", "E1004")
    assert await client.events() == before


async def test_recipients_that_cannot_be_parsed_are_a_bad_request(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    for data, content_type in ((b"{", "application/json"), (b"<message>", "application/xml")):
        answer = await client.as_admin.post(f"{MC}/{uid}/recipients", data=data, headers={"Content-Type": content_type})

        status, text = answer.message
        assert status == 400
        assert "parse error: " in text


# Row 7


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
async def test_feedback_starts_a_ticket_for_the_feedback_group(client: Client, accept: str) -> None:
    answer = await client.as_mobile.post(
        "/api/33/messageConversations/feedback?subject=Tablet%20%C3%A9",
        data="It's off.",
        headers=TEXT | {"Accept": accept},
    )

    assert answer.message == (201, "Feedback created")
    assert answer.headers["Location"] == f"{client.url}/api/33/messageConversations/{answer.uid}"
    started, added, posted = await client.history(answer.uid)
    assert started == ConversationStarted(
        message_type=MessageType.TICKET,
        subject="Tablet é",
        status=Status.OPEN,
        sender=MOBILE,
        created_by=MOBILE,
        addressed=Addressed(groups=(FEEDBACK,)),
    )
    assert added == ParticipantsAdded(participants=(SUPPORT,))
    assert isinstance(posted, MessagePosted)
    assert posted.text == "It's off."


async def test_without_a_feedback_group_a_ticket_is_its_senders_alone(client: Client) -> None:
    await client.backend.directory.set_feedback_group(None)

    state = await client.state(await client.as_mobile.ticket())

    assert state is not None
    assert set(state.roster) == {MOBILE}


async def test_feedback_that_is_refused(client: Client) -> None:
    missing = (400, "Required request parameter 'subject' is not present")
    for query, text, expected in (
        ("", "text", missing),
        ("", "", missing),
        ("?subject=a", "", (400, "Required request body is missing")),
        ("?subject=", "text", (409, "Subject is required.")),
        (f"?subject={'x' * 256}", "text", (409, "Subject cannot be longer than 255 characters.")),
    ):
        answer = await client.as_mobile.post(f"{MC}/feedback{query}", data=text, headers=TEXT)

        assert answer.message == expected
    assert await client.events() == 0
