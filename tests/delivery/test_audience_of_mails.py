"""Who is told of a message by mail: contract section 6, on a real store."""

from dataclasses import dataclass
from pathlib import Path

from mailroom import WRITER, Process, add_people, address, mailing, process
from post import Post

from convstore.domain.commands import (
    AddParticipants,
    DeleteConversation,
    RemoveParticipant,
    Reply,
    SendSystemMessage,
    SendTicket,
)
from convstore.domain.types import Actor, Addressed
from convstore.domain.uid import Uid, UserId, new_uid
from eventually import eventually
from seeding import people

Staff = tuple[UserId, ...]


@dataclass
class Told:
    """Who was told since the last time."""

    room: Process
    post: Post

    async def now(self) -> set[str]:
        await eventually(self.room.settled)
        told = {address for mail in self.post.mails for address in mail.recipients}
        self.post.mails.clear()
        return told


def _of(*persons: UserId) -> set[str]:
    return {address(person) for person in persons}


async def test_the_recipients_are_told_and_the_sender_only_if_he_wrote_to_himself(
    room: Process, staff: Staff, post: Post
) -> None:
    told = Told(room, post)
    await room.send(staff[1], by=staff[0])
    assert _of(staff[1]) == await told.now()
    await room.send(staff[0], staff[1], by=staff[0])
    assert _of(staff[0], staff[1]) == await told.now()


async def test_whoever_has_not_turned_mails_on_is_not_told(room: Process, staff: Staff, post: Post) -> None:
    await room.send(WRITER, staff[0], by=staff[1])
    assert _of(staff[0]) == await Told(room, post).now()
    assert {staff[0]} == set(await room.reasons())


async def test_the_systems_setting_holds_for_whoever_has_none_of_his_own(
    room: Process, staff: Staff, post: Post
) -> None:
    await room.pool.execute("INSERT INTO setting VALUES ('keyMessageEmailNotification', 'true')")
    await room.pool.execute("UPDATE user_setting SET value = 'false' WHERE user_id = $1", staff[0])
    await room.send(WRITER, staff[0], by=staff[1])
    assert _of(WRITER) == await Told(room, post).now()


async def test_a_reply_is_told_to_all_but_the_replier(room: Process, staff: Staff, post: Post) -> None:
    told = Told(room, post)
    uid = await room.send(*staff[:3], by=WRITER)
    await told.now()
    await room.reply(uid, by=staff[0])
    assert _of(staff[1], staff[2]) == await told.now()


async def test_who_came_later_is_not_told_of_what_was_said_before_and_who_left_of_nothing(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    """The log is only read when all of this has happened."""
    async with process(dsn, mailing(post), tmp_path):
        pass  # from here on it is delivered
    await post.shut()
    async with process(dsn, mailing(post), tmp_path) as room:
        hold = await room.pool.acquire()
        await hold.execute("BEGIN")
        await hold.execute("SELECT FROM delivery_checkpoint FOR UPDATE")
        uid = await room.send(staff[0], staff[1], staff[2], by=WRITER)
        await room.do(RemoveParticipant(conversation_id=uid, actor=Actor(id=staff[1]), participant=staff[1]))
        await room.do(RemoveParticipant(conversation_id=uid, actor=Actor(id=staff[2]), participant=staff[2]))
        await room.do(AddParticipants(conversation_id=uid, actor=Actor(id=WRITER), participants=(staff[2], staff[3])))
        await room.reply(uid, by=WRITER)
        await hold.execute("COMMIT")
        await room.pool.release(hold)
        await post.open()
        await eventually(room.settled)
    assert {address(staff[0]): 2, address(staff[2]): 2, address(staff[3]): 1} == post.by_recipient


async def test_adding_people_tells_nobody(room: Process, staff: Staff, post: Post) -> None:
    told = Told(room, post)
    uid = await room.send(staff[0], by=WRITER)
    await told.now()
    await room.do(AddParticipants(conversation_id=uid, actor=Actor(id=WRITER), participants=staff[1:]))
    assert set() == await told.now()


async def test_an_internal_message_is_told_to_ticket_managers_only(room: Process, staff: Staff, post: Post) -> None:
    told = Told(room, post)
    group = Uid("FeedbackGr1")
    await room.pool.execute("INSERT INTO user_group (id, name) VALUES ($1, 'Help')", group)
    await room.pool.execute(
        "INSERT INTO user_group_member (group_id, user_id) SELECT $1, m FROM unnest($2::text[]) AS m", group, staff[:2]
    )
    await room.directory.set_feedback_group(group)
    uid = new_uid()
    # A member of the group who sends feedback himself is told of it too.
    await room.do(
        SendTicket(
            conversation_id=uid,
            actor=Actor(id=staff[0]),
            message_id=new_uid(),
            subject="Tablet",
            text="It does not start.",
            recipients=(*staff[:2], staff[4]),
        )
    )
    assert _of(staff[0], staff[1], staff[4]) == await told.now()
    managers = frozenset(staff[:2])
    actor = Actor(id=staff[0], ticket_manager=True)
    await room.do(
        Reply(
            conversation_id=uid,
            actor=actor,
            message_id=new_uid(),
            text="Is it insured?",
            internal=True,
            ticket_managers=managers,
        )
    )
    assert _of(staff[1]) == await told.now()


async def test_a_forced_notice_reaches_whoever_turned_mails_off(room: Process, staff: Staff, post: Post) -> None:
    told = Told(room, post)
    uid = new_uid()
    await room.do(
        SendSystemMessage(
            conversation_id=uid,
            actor=Actor(id=WRITER, may_send_system=True),
            message_id=new_uid(),
            subject="Recall",
            text="Batch 7 is recalled.",
            recipients=(WRITER, staff[0]),
            addressed=Addressed(users=(WRITER, staff[0])),
            forced=True,
        )
    )
    await eventually(room.settled)
    # Turning mails off would not stop it, so it offers no such link.
    assert [None, None] == [mail.message["List-Unsubscribe"] for mail in post.mails]
    assert _of(WRITER, staff[0]) == await told.now()
    await room.reply(uid, by=staff[0])
    assert set() == await told.now()


async def test_what_happened_meanwhile_is_asked_again_when_it_is_sent(room: Process, staff: Staff, post: Post) -> None:
    await post.shut()
    uid = await room.send(*staff, by=WRITER)
    gone = await room.send(staff[0], by=WRITER)

    async def queued() -> bool:
        return (await room.states())["waiting"] == 6

    await eventually(queued)
    await room.pool.execute("UPDATE user_setting SET value = 'false' WHERE user_id = $1", staff[0])
    await room.pool.execute("UPDATE account SET disabled = true WHERE id = $1", staff[1])
    await room.pool.execute("UPDATE account SET email = 'no address' WHERE id = $1", staff[2])
    await room.do(RemoveParticipant(conversation_id=uid, actor=Actor(id=staff[3]), participant=staff[3]))
    await room.do(DeleteConversation(conversation_id=gone, actor=Actor(id=WRITER, superuser=True, may_delete=True)))
    await post.open()
    await eventually(room.settled)
    assert {address(staff[4]): 1} == post.by_recipient
    reasons = {reason for _, reason, _ in (await room.reasons()).values()}
    assert {"account closed", "invalid address", "not in the conversation", None} <= reasons
    assert {"sent": 1, "skipped": 5} == await room.states()


async def test_every_partition_is_delivered(make_store, post: Post, tmp_path: Path) -> None:  # noqa: ANN001 - the root's
    dsn = await make_store(partitions=3)
    async with process(dsn, mailing(post), tmp_path) as room:
        staff = people(3)
        await add_people(room.pool, [WRITER, *staff])
        for _ in range(9):
            await room.send(*staff)
        await eventually(room.settled)
        assert {address(person): 9 for person in staff} == post.by_recipient
