"""Messages become mails: who gets one, once, whatever the mail server does."""

from aiosmtpd.smtp import SMTP, Envelope
from mailroom import Process, address
from post import Post, answer, hang_up

from convstore.domain.uid import UserId
from eventually import eventually

Staff = tuple[UserId, ...]


async def test_each_recipient_gets_a_mail_of_his_own(room: Process, staff: Staff, post: Post) -> None:
    await room.send(*staff)
    await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient
    for mail in post.mails:
        assert 1 == len(mail.recipients)
        assert [mail.recipients[0]] == [to.addr_spec for to in mail.message["To"].addresses]
        others = {address(person) for person in staff} - set(mail.recipients)
        assert not any(other.encode() in mail.raw.lower() for other in others)
    assert {"sent": 5} == await room.states()


async def test_one_refused_address_stops_nobody_elses_mail(room: Process, staff: Staff, post: Post) -> None:
    post.refuse[address(staff[2])] = f"550 5.1.1 <{address(staff[2])}>: no such user"
    await room.send(*staff)
    await eventually(room.settled)
    assert {address(person) for person in staff if person != staff[2]} == set(post.by_recipient)
    assert ("failed", "550 5.1.1", 1) == (await room.reasons())[staff[2]]


async def test_what_is_refused_for_now_is_sent_later(room: Process, staff: Staff, post: Post) -> None:
    post.script += [answer("451 4.3.0 later"), answer("452 4.2.2 full")]
    await room.send(*staff)
    await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient


async def test_a_connection_that_breaks_off_in_the_dialogue_loses_nothing(
    room: Process, staff: Staff, post: Post
) -> None:
    post.script += [hang_up, hang_up]
    await room.send(*staff)
    await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient


async def test_what_may_have_been_taken_is_sent_once_more_and_no_third_time(
    room: Process, staff: Staff, post: Post
) -> None:
    async def take_without_a_word(server: SMTP, envelope: Envelope) -> str | None:
        post.take(envelope)
        return await hang_up(server, envelope)

    post.script += [take_without_a_word] * 2
    await room.send(staff[0])
    await eventually(room.settled)
    assert ("uncertain", "connection lost", 2) == (await room.reasons())[staff[0]]
    first, second = post.to(address(staff[0]))
    assert first.message["Message-ID"] == second.message["Message-ID"]


async def test_a_mail_server_that_is_down_for_a_while_is_waited_for(room: Process, staff: Staff, post: Post) -> None:
    await post.shut()
    await room.send(*staff)

    async def troubled() -> bool:
        return await room.pool.fetchval("SELECT trouble FROM delivery_leader") == "connection refused"

    await eventually(troubled)
    await eventually(lambda: room.held(5))
    await post.open()
    await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient

    async def over() -> bool:
        return await room.pool.fetchval("SELECT trouble FROM delivery_leader") is None

    await eventually(over)
