"""A request with an Idempotency-Key has the effect of one, however often it is sent (design section 3)."""

import asyncio
from collections.abc import Callable

import pytest
from people import ADMIN, CLERK, MC, MOBILE, SUPPORT, Answer, Client, MakeClient

from convstore.database import connect

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
REUSED = (422, "This Idempotency-Key was used before, with another request.")


def document(*users: str, subject: str = "Hey") -> dict[str, object]:
    return {"subject": subject, "text": "a", "users": [{"id": user} for user in users]}


async def test_a_message_sent_twice_is_sent_once_and_answered_the_same(client: Client) -> None:
    first = await client.as_admin.post(MC, json=document(MOBILE), headers=KEY)
    before = await client.events()

    again = await client.as_admin.post(MC, json=document(MOBILE), headers=KEY)

    assert _answer(first) == _answer(again)
    assert first.status == 201
    assert await client.events() == before


async def test_fifty_at_once_are_one(client: Client) -> None:
    answers = await asyncio.gather(*(client.as_admin.post(MC, json=document(MOBILE), headers=KEY) for _ in range(50)))

    assert {_answer(answer) for answer in answers} == {_answer(answers[0])}
    assert answers[0].status == 201
    assert await client.events() == 3


async def test_a_key_is_the_same_with_and_without_quotes_and_another_account_has_its_own(client: Client) -> None:
    quoted = await client.as_admin.post(MC, json=document(MOBILE), headers={"Idempotency-Key": '"k"'})
    bare = await client.as_admin.post(MC, json=document(MOBILE), headers={"Idempotency-Key": "k"})
    other = await client.as_clerk.post(MC, json=document(MOBILE), headers={"Idempotency-Key": "k"})

    assert quoted.uid == bare.uid
    assert (other.status, other.uid != quoted.uid) == (201, True)


async def test_another_request_with_the_same_key_is_refused(client: Client) -> None:
    uid = (await client.as_admin.post(MC, json=document(MOBILE), headers=KEY)).uid
    before = await client.events()

    for answer in (
        await client.as_admin.post(MC, json=document(MOBILE, subject="Ho"), headers=KEY),
        await client.as_admin.post(f"{MC}?a=b", json=document(MOBILE), headers=KEY),
        await client.as_admin.post(f"/api/26{MC[4:]}", json=document(MOBILE), headers=KEY),
        await client.as_admin.post(f"{MC}/{uid}", data=b"a", headers=KEY),
        await client.as_admin.post(f"{MC}/read", json=[uid], headers=KEY),
        await client.as_admin.delete(f"{MC}/{uid}", headers=KEY),
    ):
        assert answer.message == REUSED
    assert (await client.as_admin.post(f"{MC}.xml", json=document(MOBILE), headers=KEY)).xml.get(
        "httpStatusCode"
    ) == "422"
    assert await client.events() == before


async def test_a_new_conversation_does_not_come_twice_though_its_key_is_forgotten(client: Client) -> None:
    """After a week, or in the store that the log has moved to (``convstore log export --with-secret``)."""
    uid = (await client.as_admin.post(MC, json=document(MOBILE), headers=KEY)).uid
    before = await client.events()
    owner = await connect(client.dsn, role=None)
    try:
        await owner.execute("DELETE FROM idempotency_key")
    finally:
        await owner.close()

    assert (await client.as_admin.post(MC, json=document(MOBILE), headers=KEY)).message == REUSED
    assert await client.events() == before
    assert (await client.as_admin.get(f"{MC}/{uid}")).status == 200


async def test_a_refused_request_leaves_its_key_free(client: Client) -> None:
    refused = await client.as_admin.post(MC, json=document(), headers=KEY)
    taken = await client.as_admin.post(MC, json=document(MOBILE), headers=KEY)

    assert (refused.status, taken.status) == (409, 201)


async def test_every_command_is_answered_the_same_again_whatever_it_left_behind(client: Client) -> None:
    """Most of these could not be carried out a second time, or would say that nothing changed."""
    uids = [await client.as_clerk.send(MOBILE) for _ in range(3)]
    ticket = await client.as_mobile.ticket()
    uid = uids[0]
    commands = [
        ("clerk", "POST", f"{MC}/{uid}", {"data": b"a"}),
        ("clerk", "POST", f"{MC}/{uid}/recipients", {"json": {"users": [{"id": SUPPORT}]}}),
        ("clerk", "POST", f"{MC}/{uid}/priority?messageConversationPriority=LOW", {}),
        ("clerk", "POST", f"{MC}/{uid}/status?messageConversationStatus=OPEN", {}),
        ("mobile", "POST", f"{MC}/{ticket}/assign?userId={SUPPORT}", {}),
        ("mobile", "DELETE", f"{MC}/{ticket}/assign", {}),
        ("mobile", "POST", f"{MC}/read", {"json": uids}),
        ("mobile", "POST", f"{MC}/{uid}/unread", {}),
        ("mobile", "POST", f"{MC}/followup", {"json": uids}),
        ("mobile", "POST", f"{MC}/unfollowup", {"json": uids}),
        ("mobile", "DELETE", f"{MC}/{uid}/{MOBILE}", {}),
        ("mobile", "DELETE", f"{MC}?mc={uids[1]}&mc={uids[2]}", {}),
        ("admin", "DELETE", f"{MC}/{uids[2]}", {}),
        ("mobile", "POST", f"{MC}/feedback?subject=a", {"data": b"a"}),
    ]
    for number, (caller, method, path, options) in enumerate(commands):
        headers = {"Idempotency-Key": f"key-{number}"}
        first = await client.by(caller)(method, path, headers=headers, **options)
        before = await client.events()
        again = await client.by(caller)(method, path, headers=headers, **options)

        assert first.status < 300, first.body
        assert _answer(first) == _answer(again), path
        assert await client.events() == before, path


async def test_a_batch_over_several_partitions_has_the_effect_of_one(make_client: MakeClient) -> None:
    client = await make_client(partitions=4)
    uids = [await client.as_clerk.send(MOBILE) for _ in range(8)]
    path = f"{MC}?mc={','.join(uids)}"

    first, again = [await client.as_mobile.delete(path, headers=KEY) for _ in range(2)]
    other = await client.as_mobile.delete(f"{path},a", headers=KEY)

    assert first.json == again.json == {"removed": uids}
    assert other.message == REUSED


async def test_what_was_done_half_is_finished_the_second_time(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that died between two partitions, say: what is done is not checked again, what is not is done."""
    client = await make_client(partitions=4)
    uids = [await client.as_clerk.send(MOBILE) for _ in range(8)]
    path = f"{MC}?mc={','.join(uids)}"
    store = client.backend.store
    last = store.partition_of(uids[-1])
    submit = type(store).submit

    async def fails_in_one(self, commands, meta, key=None):  # noqa: ANN001, ANN202 - as Store.submit
        if self.partition_of(commands[0].conversation_id) == last:
            raise ConnectionResetError
        return await submit(self, commands, meta, key)

    with monkeypatch.context() as broken:
        broken.setattr(type(store), "submit", fails_in_one)
        assert (await client.as_mobile.delete(path, headers=KEY)).status == 503

    assert (await client.as_mobile.delete(path, headers=KEY)).json == {"removed": uids}
    assert all(MOBILE not in state.roster for state in (await store.states(uids)).values())


async def test_a_recipient_who_is_gone_does_not_spoil_the_answer(client: Client) -> None:
    first = await client.as_admin.post(MC, json=document(CLERK), headers=KEY)
    await client.backend.pool.execute("DELETE FROM account WHERE id = $1", CLERK)

    again = await client.as_admin.post(MC, json=document(CLERK), headers=KEY)

    assert _answer(first) == _answer(again)


async def test_an_answer_reflects_the_command_and_says_its_place(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    answer = await client.as_mobile.reply(uid)

    assert client.backend.store.positions(answer.headers["Convstore-Cursor"]) == (await client.events(),)
    assert "Convstore-Reflected" not in answer.headers
    assert min(map(min, client.backend.engine.positions().values())) == await client.events()


async def test_whoever_does_not_want_to_wait_is_told_that_lists_may_not_show_it(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)

    for prefer in ("respond-async", "return=minimal, Respond-Async; a=b"):
        answer = await client.as_mobile.post(f"{MC}/{uid}", data=b"a", headers={"Prefer": prefer})

        assert answer.status == 200
        assert answer.headers["Preference-Applied"] == "respond-async"
        assert answer.headers["Convstore-Reflected"] == "false"


async def test_a_read_model_that_stands_still_is_not_waited_for(
    client: Client, patience: Callable[[float], None]
) -> None:
    uid = await client.as_admin.send(MOBILE)
    patience(0.2)
    await client.backend.engine.stop()

    answer = await client.as_mobile.reply(uid)

    assert answer.status == 200
    assert answer.headers["Convstore-Reflected"] == "false"
    assert client.backend.store.positions(answer.headers["Convstore-Cursor"]) == (await client.events(),)
    assert ADMIN in (await client.backend.store.states([uid]))[uid].roster


def _answer(answer: Answer) -> tuple[int, bytes, str | None]:
    return answer.status, answer.body, answer.headers.get("Location")
