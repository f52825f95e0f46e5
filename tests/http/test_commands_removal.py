"""Rows 17 to 19 of contract section 1.5: remove copies, delete a conversation; in JSON and XML."""

from people import ADMIN, CLERK, IMPORTER, MC, MOBILE, NO_CONVERSATION, NOBODY, Client

from convstore.domain.events import ConversationDeleted, ParticipantRemoved

DENIED = (403, "Not authorized to remove assigned users to this conversation.")
XML = {"Accept": "application/xml"}


async def test_removing_one_person_answers_that_persons_uid(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.delete(f"/api/26/messageConversations/{uid}/{MOBILE}")

    assert (answer.status, answer.json) == (200, {"removed": [MOBILE]})
    assert (await client.history(uid))[-1] == ParticipantRemoved(participant=MOBILE)


async def test_removing_one_person_in_xml(client: Client) -> None:
    uid = await client.as_clerk.send(MOBILE)
    path = f"{MC}/{uid}/{MOBILE}"

    answer = await client.as_admin.delete(path, headers=XML)
    again = await client.as_admin.delete(path, headers=XML)

    assert answer.xml.tag == "reply"
    assert [(each.tag, each.text) for each in answer.xml.find("removed")] == [("uid", MOBILE)]
    assert (again.xml.tag, len(again.xml)) == ("reply", 0)


async def test_removing_who_is_not_in_it_removes_nobody(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    assert (await client.as_admin.delete(f"{MC}/{uid}/{CLERK}")).json == {"removed": []}


async def test_a_body_and_its_type_are_ignored(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.delete(f"{MC}/{uid}/{MOBILE}", data=b"{", headers={"Content-Type": "image/png"})

    assert answer.json == {"removed": [MOBILE]}


async def test_single_removals_that_are_refused(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    before = await client.events()
    for caller, path, expected, code in (
        ("mobile", f"{NO_CONVERSATION}/{NOBODY}", (404, f"No user with uid: {NOBODY}"), "E1005"),
        ("mobile", f"{uid}/xyz", (404, "No user with uid: xyz"), "E1005"),
        ("mobile", f"{uid}/status", (404, "No user with uid: status"), "E1005"),
        (
            "mobile",
            f"{NO_CONVERSATION}/{MOBILE}",
            (404, f"No messageConversation with uid: {NO_CONVERSATION}"),
            "E1005",
        ),
        ("mobile", f"xyz/{MOBILE}", (404, "No messageConversation with uid: xyz"), "E1005"),
        ("mobile", f"{uid}/{ADMIN}", DENIED, "E1006"),
        ("clerk", f"{uid}/{CLERK}", DENIED, "E1006"),
    ):
        answer = await client.by(caller).delete(f"{MC}/{path}")
        assert (answer.message, answer.json["errorCode"]) == (expected, code)
        in_xml = await client.by(caller).delete(f"{MC}/{path}", headers=XML)
        assert (in_xml.message, in_xml.xml.get("errorCode")) == (expected, code)
    assert await client.events() == before


async def test_a_batch_answers_the_conversations_and_skips_unknown_ones(client: Client) -> None:
    first, second, third = [await client.as_admin.send(MOBILE) for _ in range(3)]

    repeated = await client.as_mobile.delete(f"{MC}?mc={first}&mc={second}&mc={NO_CONVERSATION}&mc={first}&mc=xyz")
    joined = await client.as_admin.delete(f"{MC}?mc={third},{first}&user={MOBILE}")

    assert repeated.json == {"removed": [first, second]}
    # He is not in the first any more.
    assert joined.json == {"removed": [third]}


async def test_a_batch_in_xml(client: Client) -> None:
    uids = [await client.as_admin.send(MOBILE) for _ in range(2)]

    answer = await client.as_mobile.delete(f"{MC}.xml?mc={','.join(uids)}")

    assert answer.xml.tag == "response"
    assert [(each.tag, each.text) for each in answer.xml.find("removed")] == [("uid", uid) for uid in uids]


async def test_batches_that_are_refused(client: Client) -> None:
    own = await client.as_admin.send(MOBILE)
    others = await client.as_admin.send(CLERK)
    before = await client.events()
    missing = (404, "No MessageConversations found for the given UIDs.")
    no_list = (400, "Required request parameter 'mc' is not present")
    for caller, query, expected, code in (
        ("mobile", "", no_list, "E1003"),
        ("mobile", "?mc=&mc=,", no_list, "E1003"),
        ("mobile", f"?mc={NO_CONVERSATION}&user={NOBODY}", (404, f"User does not exist: {NOBODY}"), "E1005"),
        ("mobile", f"?mc={NO_CONVERSATION}&mc=xyz", missing, "E1005"),
        ("mobile", f"?mc={own}&mc={others}", DENIED, "E1006"),
        ("mobile", f"?mc={own}&user={ADMIN}", DENIED, "E1006"),
    ):
        answer = await client.by(caller).delete(f"{MC}{query}")
        assert (answer.message, answer.json["errorCode"]) == (expected, code)
        in_xml = await client.by(caller).delete(f"{MC}{query}", headers=XML)
        assert (in_xml.message, in_xml.xml.get("errorCode")) == (expected, code)
    assert await client.events() == before


async def test_a_superuser_deletes_for_everybody(client: Client) -> None:
    uid = await client.as_clerk.send(MOBILE)

    answer = await client.as_admin.delete(f"{MC}/{uid}")

    assert (answer.status, answer.json) == (200, {"httpStatus": "OK", "httpStatusCode": 200, "status": "OK"})
    assert (await client.history(uid))[-1] == ConversationDeleted()
    gone = (404, f"Message conversation does not exist: {uid}")
    assert (await client.as_mobile.reply(uid)).message == gone
    assert (await client.as_admin.delete(f"{MC}/{uid}")).message == gone
    assert (await client.as_mobile.post(f"{MC}/{uid}/read")).status == 404


async def test_deleting_in_xml(client: Client) -> None:
    uid = await client.as_clerk.send(IMPORTER)

    answer = await client.as_importer.delete(f"{MC}/{uid}", headers=XML)

    assert answer.xml.attrib == {"httpStatus": "OK", "httpStatusCode": "200", "status": "OK"}
    assert len(answer.xml) == 0


async def test_deletions_that_are_refused(client: Client) -> None:
    uid = await client.as_clerk.send(MOBILE)
    before = await client.events()
    authority = (403, "Access is denied, requires one Authority from [F_METADATA_IMPORT]")
    bad = "UID must be an alphanumeric string of 11 characters starting with a letter, but was: "
    for caller, of, expected, code in (
        ("mobile", uid, authority, None),
        ("mobile", "0abcdefghij", authority, None),
        (
            "importer",
            "0abcdefghij",
            (400, f"Value '0abcdefghij' is not valid for path parameter uid. {bad}0abcdefghij"),
            "E1003",
        ),
        ("importer", NO_CONVERSATION, (404, f"Message conversation does not exist: {NO_CONVERSATION}"), None),
        ("importer", uid, (403, "Not authorized to delete this conversation."), "E1006"),
    ):
        answer = await client.by(caller).delete(f"{MC}/{of}")
        assert (answer.message, answer.json.get("errorCode")) == (expected, code)
        in_xml = await client.by(caller).delete(f"{MC}/{of}", headers=XML)
        assert (in_xml.message, in_xml.xml.get("errorCode")) == (expected, code)
    assert await client.events() == before
