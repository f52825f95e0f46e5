"""Rows 8 to 11 of contract section 1.5: priority, status, assignee; in JSON and XML."""

from people import ADMIN, CLERK, DISABLED, MC, MOBILE, NO_CONVERSATION, NOBODY, SUPPORT, Answer, Client

from convstore.domain.types import Priority, Status

MISSING = (404, "No MessageConversation found for the given ID.")
XML = {"Accept": "application/xml"}


async def test_a_priority_is_set_in_any_case_and_answered_in_capitals(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    for given, priority in {"HIGH": "HIGH", "low": "LOW", "Medium": "MEDIUM", "none": "NONE"}.items():
        answer = await client.as_support.post(f"{MC}/{uid}/priority?messageConversationPriority={given}")

        assert (answer.status, answer.json) == (200, {priority: [uid]})
        state = await client.state(uid)
        assert state is not None
        assert state.priority is Priority(priority)


async def test_a_status_is_set_in_any_case_and_answered_in_capitals(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    for given, status in {
        "SOLVED": "SOLVED",
        "open": "OPEN",
        "Pending": "PENDING",
        "invalid": "INVALID",
        "NONE": "NONE",
    }.items():
        answer = await client.as_mobile.post(f"{MC}/{uid}/status?messageConversationStatus={given}")

        assert (answer.status, answer.json) == (200, {status: [uid]})
        state = await client.state(uid)
        assert state is not None
        assert state.status is Status(status)


async def test_the_same_value_again_is_answered_the_same_and_stored_once(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    first = await client.as_mobile.post(f"{MC}/{uid}/status?messageConversationStatus=SOLVED")
    before = await client.events()

    again = await client.as_mobile.post(f"{MC}/{uid}/status?messageConversationStatus=SOLVED")

    assert again.json == first.json
    assert await client.events() == before


async def test_in_xml_the_uid_stands_in_the_root(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    for path in ("status?messageConversationStatus=SOLVED", "priority?messageConversationPriority=HIGH"):
        answer = await client.as_support.post(f"{MC}/{uid}/{path}", headers=XML)

        assert answer.xml.tag == "response"
        assert [(each.tag, each.text) for each in answer.xml] == [("uid", uid)]


async def test_the_suffix_chooses_the_format(client: Client) -> None:
    uid = await client.as_mobile.ticket()

    answer = await client.as_support.post(f"{MC}/{uid}/status.xml?messageConversationStatus=SOLVED")

    assert answer.xml.tag == "response"


async def test_bodies_are_ignored_whatever_they_claim_to_be(client: Client) -> None:
    uid = await client.as_mobile.ticket()
    for path in (
        "status?messageConversationStatus=OPEN",
        "priority?messageConversationPriority=LOW",
        f"assign?userId={SUPPORT}",
    ):
        for content_type, data in (("application/json", b""), ("application/json", b"null"), ("text/plain", b"x")):
            answer = await client.as_support.post(
                f"{MC}/{uid}/{path}", data=data, headers={"Content-Type": content_type}
            )

            assert answer.status == 200


async def test_status_and_priority_that_are_refused(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    before = await client.events()
    for what, name, valid in (
        ("status", "messageConversationStatus", "NONE, OPEN, PENDING, INVALID, SOLVED"),
        ("priority", "messageConversationPriority", "NONE, LOW, MEDIUM, HIGH"),
    ):
        good = list(Status)[1] if what == "status" else list(Priority)[1]
        missing = (400, f"Required request parameter '{name}' is not present")
        bad = (400, f"Value 'x' is not valid for parameter {name}. Valid values are: [{valid}]")
        denied = (403, f"Not authorized to change {what} in this conversation.")
        for caller, of, query, expected, code in (
            ("mobile", uid, "", missing, "E1003"),
            ("mobile", uid, f"?{name}=", missing, "E1003"),
            ("mobile", NO_CONVERSATION, f"?{name}=x", bad, "E1003"),
            ("mobile", NO_CONVERSATION, f"?{name}={good}", MISSING, "E1005"),
            ("mobile", "xyz", f"?{name}={good}", MISSING, "E1005"),
            ("clerk", uid, f"?{name}={good}", denied, "E1006"),
            ("support", uid, f"?{name}={good}", denied, "E1006"),
        ):
            answer = await client.by(caller).post(f"{MC}/{of}/{what}{query}")
            assert (answer.message, answer.json["errorCode"]) == (expected, code)
            in_xml = await client.by(caller).post(f"{MC}/{of}/{what}{query}", headers=XML)
            assert (in_xml.message, in_xml.xml.get("errorCode")) == (expected, code)
    assert await client.events() == before


async def test_a_ticket_is_assigned_to_a_member_of_the_feedback_group_and_taken_back(client: Client) -> None:
    uid = await client.as_mobile.ticket()

    assigned = await client.as_admin.post(f"{MC}/{uid}/assign?userId={SUPPORT}")
    state = await client.state(uid)
    assert (assigned.status, assigned.json) == (200, {"message": "User Help Desk was assigned successfully"})
    assert state is not None
    assert state.assignee == SUPPORT

    taken_back = await client.as_support.delete(f"{MC}/{uid}/assign")
    state = await client.state(uid)
    assert (taken_back.status, taken_back.json) == (200, {"message": "Message is no longer assigned to user"})
    assert state is not None
    assert state.assignee is None


async def test_assigning_in_xml(client: Client) -> None:
    uid = await client.as_mobile.ticket()

    answer = await client.as_admin.post(f"{MC}/{uid}/assign?userId={SUPPORT}", headers=XML)

    assert answer.xml.tag == "response"
    assert answer.xml.findtext("message") == "User Help Desk was assigned successfully"


async def test_other_conversations_are_assigned_to_anybody_who_does_not_join_by_it(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    for assignee, name in ((CLERK, "Carla Clerk"), (DISABLED, "Dora Disabled")):
        answer = await client.as_mobile.post(f"{MC}/{uid}/assign?userId={assignee}")

        assert answer.json == {"message": f"User {name} was assigned successfully"}
    state = await client.state(uid)
    assert state is not None
    assert set(state.roster) == {ADMIN, MOBILE}


async def test_unassigning_nobody_is_answered_the_same(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    before = await client.events()

    answer = await client.as_mobile.delete(f"{MC}/{uid}/assign")

    assert answer.json == {"message": "Message is no longer assigned to user"}
    assert await client.events() == before


async def test_assignments_that_are_refused(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    ticket = await client.as_mobile.ticket()
    before = await client.events()

    def said(answer: Answer) -> tuple[int, str, str]:
        return *answer.message, answer.json["errorCode"]

    nobody = (404, "Could not find user to assign", "E1005")
    denied = (403, "Not authorized to assign a user to this conversation.", "E1006")
    outsider = (409, "User provided is not a member of the system's feedback recipient group", "E1004")
    for caller, of, query, expected in (
        ("mobile", NO_CONVERSATION, f"?userId={NOBODY}", (*MISSING, "E1005")),
        ("mobile", "xyz", "", (*MISSING, "E1005")),
        ("clerk", uid, f"?userId={NOBODY}", denied),
        ("clerk", uid, f"?userId={MOBILE}", denied),
        ("mobile", uid, f"?userId={NOBODY}", nobody),
        ("mobile", uid, "?userId=", nobody),
        ("mobile", uid, "", nobody),
        ("mobile", ticket, f"?userId={NOBODY}", nobody),
        ("mobile", ticket, f"?userId={CLERK}", outsider),
        # A superuser handles tickets, but is no member of the group.
        ("mobile", ticket, f"?userId={ADMIN}", outsider),
    ):
        assert said(await client.by(caller).post(f"{MC}/{of}/assign{query}")) == expected

    taken = "Not authorized to remove the assigned user to this conversation."
    assert said(await client.as_clerk.delete(f"{MC}/{uid}/assign")) == (403, taken, "E1006")
    assert said(await client.as_mobile.delete(f"{MC}/{NO_CONVERSATION}/assign")) == (*MISSING, "E1005")
    assert await client.events() == before
