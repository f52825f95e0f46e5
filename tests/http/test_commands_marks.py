"""Rows 12 to 16 of contract section 1.5: read, unread, follow-up; in JSON and XML."""

import pytest
from people import ADMIN, CLERK, FEEDBACK, MC, MOBILE, NO_CONVERSATION, NOBODY, SUPPORT, Client, MakeClient

from convstore.domain.events import ConversationRead, ConversationUnread, FollowUpCleared, FollowUpFlagged
from convstore.domain.uid import new_uid

READ_MISSING = (404, "No MessageConversations found for the given IDs.")
FLAG_MISSING = (404, "No MessageConversations found for the given UIDs")
KINDS = {
    "read": ("markedRead", READ_MISSING, "Not authorized to change read property of this conversation."),
    "unread": ("markedUnread", READ_MISSING, "Not authorized to change read property of this conversation."),
    "followup": ("markedFollowup", FLAG_MISSING, "Not authorized to change followups in this conversation."),
    "unfollowup": ("unmarkedFollowup", FLAG_MISSING, "Not authorized to change unfollowups in this conversation."),
}
XML = {"Accept": "application/xml"}


async def test_only_those_that_changed_are_listed_as_read_and_unread(client: Client) -> None:
    first, second, third = [await client.as_admin.send(MOBILE) for _ in range(3)]
    mark = client.as_mobile.post

    assert (await mark(f"{MC}/read", json=[first, second])).json == {"markedRead": [first, second]}
    assert (await mark(f"{MC}/read", json=[third, second, third])).json == {"markedRead": [third]}
    assert (await mark(f"{MC}/read", json=[first])).json == {"markedRead": []}
    assert (await mark(f"{MC}/unread", json=[second, NO_CONVERSATION, "xyz", ""])).json == {"markedUnread": [second]}
    assert (await mark(f"{MC}/unread", json=[second])).json == {"markedUnread": []}

    history = await client.history(second)
    assert history[-2:] == [ConversationRead(reader=MOBILE, up_to=3), ConversationUnread(reader=MOBILE)]


async def test_all_that_were_found_are_listed_as_flagged_or_not(client: Client) -> None:
    first, second = [await client.as_admin.send(MOBILE) for _ in range(2)]
    mark = client.as_mobile.post

    assert (await mark(f"{MC}/followup", json=[first])).json == {"markedFollowup": [first]}
    assert (await mark(f"{MC}/followup", json=[second, first])).json == {"markedFollowup": [second, first]}
    assert (await mark(f"{MC}/unfollowup", json=[first, "xyz"])).json == {"unmarkedFollowup": [first]}
    assert (await mark(f"{MC}/unfollowup", json=[first])).json == {"unmarkedFollowup": [first]}

    history = await client.history(first)
    assert history[-2:] == [FollowUpFlagged(participant=MOBILE), FollowUpCleared(participant=MOBILE)]


async def test_one_is_marked_by_its_own_path_whatever_the_body(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    assert (await client.as_mobile.post(f"{MC}/{uid}/read", json={})).json == {"markedRead": [uid]}
    assert (await client.as_mobile.post(f"{MC}/{uid}/read")).json == {"markedRead": []}
    assert (
        await client.as_mobile.post(f"{MC}/{uid}/unread", data=b"{", headers={"Content-Type": "text/plain"})
    ).json == {"markedUnread": [uid]}


@pytest.mark.parametrize("kind", KINDS)
async def test_in_xml_the_uids_stand_in_the_root(client: Client, kind: str) -> None:
    uids = [await client.as_admin.send(MOBILE) for _ in range(2)]
    if kind == "unread":
        await client.as_mobile.post(f"{MC}/read", json=uids)

    answer = await client.as_mobile.post(f"{MC}/{kind}", json=uids, headers=XML)

    assert answer.xml.tag == "response"
    assert [(each.tag, each.text) for each in answer.xml] == [("uid", uid) for uid in uids]


async def test_nothing_that_changed_is_an_empty_root_in_xml(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    answer = await client.as_admin.post(f"{MC}/read.xml", json=[uid])

    assert (answer.xml.tag, len(answer.xml), answer.xml.text) == ("response", 0, None)


async def test_a_superuser_marks_for_others(client: Client) -> None:
    uid = await client.as_clerk.send(MOBILE)
    mark = client.as_admin.post

    assert (await mark(f"{MC}/read?user={MOBILE}", json=[uid])).json == {"markedRead": [uid]}
    assert (await mark(f"{MC}/{uid}/unread?userUid={MOBILE}")).json == {"markedUnread": [uid]}
    assert (await mark(f"{MC}/followup?user={MOBILE}", json=[uid])).json == {"markedFollowup": [uid]}
    assert (await mark(f"{MC}/unfollowup?user={MOBILE}", json=[uid])).json == {"unmarkedFollowup": [uid]}
    # 'user' is another parameter than 'userUid', and the superuser has no copy of his own.
    assert (await mark(f"{MC}/{uid}/read?user={MOBILE}")).json == {"markedRead": []}
    assert (await client.history(uid))[-1] == FollowUpCleared(participant=MOBILE)


async def test_whoever_names_himself_acts_for_himself(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    assert (await client.as_mobile.post(f"{MC}/read?user={MOBILE}", json=[uid])).json == {"markedRead": [uid]}
    assert (await client.as_mobile.post(f"{MC}/unread?user=", json=[uid])).json == {"markedUnread": [uid]}


async def test_a_ticket_manager_may_try_on_tickets_that_he_has_no_copy_of(client: Client) -> None:
    await client.backend.directory.set_feedback_group(None)
    uid = await client.as_mobile.ticket()
    await client.backend.directory.set_feedback_group(FEEDBACK)

    assert (await client.as_support.post(f"{MC}/read", json=[uid])).json == {"markedRead": []}
    assert (await client.as_support.post(f"{MC}/followup", json=[uid])).json == {"markedFollowup": [uid]}


async def test_marks_that_are_refused(client: Client) -> None:
    own = await client.as_admin.send(MOBILE)
    others = await client.as_admin.send(CLERK)
    before = await client.events()
    for kind, (_, missing, denied) in KINDS.items():
        for caller, query, uids, expected, code in (
            ("mobile", f"?user={NOBODY}", [NO_CONVERSATION], (404, f"No user with uid: {NOBODY}"), "E1005"),
            ("mobile", "?user=xyz", [own], (404, "No user with uid: xyz"), "E1005"),
            ("mobile", "", [], missing, "E1005"),
            ("mobile", "", [NO_CONVERSATION, "xyz"], missing, "E1005"),
            ("mobile", f"?user={ADMIN}", [NO_CONVERSATION], missing, "E1005"),
            # One that is not his stops everything, first or last.
            ("mobile", "", [own, others], (403, denied), "E1006"),
            ("mobile", "", [others, own], (403, denied), "E1006"),
            ("mobile", f"?user={ADMIN}", [own], (403, denied), "E1006"),
            ("support", f"?user={MOBILE}", [own], (403, denied), "E1006"),
        ):
            answer = await client.by(caller).post(f"{MC}/{kind}{query}", json=uids)
            assert (answer.message, answer.json["errorCode"]) == (expected, code)
            in_xml = await client.by(caller).post(f"{MC}/{kind}{query}", json=uids, headers=XML)
            assert (in_xml.message, in_xml.xml.get("errorCode")) == (expected, code)
    assert await client.events() == before


@pytest.mark.parametrize("kind", ["read", "unread"])
async def test_single_marks_that_are_refused(client: Client, kind: str) -> None:
    uid = await client.as_admin.send(MOBILE)
    denied = (403, KINDS[kind][2])

    async def refused(caller: str, path: str) -> tuple[int, str]:
        return (await client.by(caller).post(f"{MC}/{path}")).message

    assert await refused("mobile", f"{uid}/{kind}?userUid={NOBODY}") == (404, f"No user with uid: {NOBODY}")
    assert await refused("mobile", f"{NO_CONVERSATION}/{kind}") == READ_MISSING
    assert await refused("mobile", f"xyz/{kind}") == READ_MISSING
    assert await refused("clerk", f"{uid}/{kind}") == denied
    assert await refused("mobile", f"{uid}/{kind}?userUid={ADMIN}") == denied


async def test_lists_that_cannot_be_read_are_a_bad_request(client: Client) -> None:
    for body, text in (
        (b"[", "JSON parse error: Input data was truncated"),
        (b'{"a": 1}', "JSON parse error: Expected `array | null`, got `object`"),
        (b"[1]", "JSON parse error: Expected `str | null`, got `int` - at `$[0]`"),
        (b'"ZrKML5WiyFm"', "JSON parse error: Expected `array | null`, got `str`"),
        (b"", "Required request body is missing"),
    ):
        for kind in KINDS:
            answer = await client.as_mobile.post(
                f"{MC}/{kind}", data=body, headers={"Content-Type": "application/json"}
            )

            assert answer.message == (400, text)


async def test_null_is_an_empty_list(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.post(f"{MC}/read", data=b"null", headers={"Content-Type": "application/json"})

    assert answer.message == READ_MISSING
    assert (await client.as_mobile.post(f"{MC}/read", json=[None, uid])).json == {"markedRead": [uid]}


async def test_lists_in_another_format_are_not_taken(client: Client) -> None:
    for kind in KINDS:
        answer = await client.as_mobile.post(f"{MC}/{kind}", data=b"[]", headers={"Content-Type": "text/plain"})

        assert answer.message == (415, "Content-Type 'text/plain' is not supported")


async def test_a_batch_has_a_limit_and_works_up_to_it(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    unknown = [new_uid() for _ in range(10_000)]

    refused = await client.as_mobile.post(f"{MC}/read", json=[uid, *unknown])
    taken = await client.as_mobile.post(f"{MC}/read", json=[uid, *unknown[:-1], *unknown[:-1]])

    assert refused.message == (413, "At most 10000 message conversations can be named in one request")
    assert taken.json == {"markedRead": [uid]}


async def test_a_batch_over_several_partitions_keeps_its_order(make_client: MakeClient) -> None:
    client = await make_client(partitions=4)
    uids = [await client.as_admin.send(MOBILE) for _ in range(12)]
    assert len({client.backend.store.partition_of(uid) for uid in uids}) > 1

    answer = await client.as_mobile.post(f"{MC}/read", json=uids)

    assert answer.json == {"markedRead": uids}


async def test_who_acted_for_whom_is_recorded(client: Client) -> None:
    uid = await client.as_clerk.send(MOBILE)
    await client.as_admin.post(f"{MC}/read?user={MOBILE}", json=[uid], headers={"X-Request-ID": "my-request"})

    meta = (await client.records(uid))[-1].meta

    assert (meta.actor, meta.on_behalf_of, meta.request_id) == (ADMIN, MOBILE, "my-request")
    assert meta.user_agent is not None
    assert SUPPORT not in {meta.actor, meta.on_behalf_of}
