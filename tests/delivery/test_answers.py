"""Answers by mail become replies: whose, to what, once, without what they quote; and what is refused."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from mailroom import Process, address, mailing, process
from post import Delivered, Post

from convstore.config import Settings
from convstore.delivery.answering import Answering
from convstore.delivery.inbound import html_text
from convstore.delivery.listener import Listener, longest_mail
from convstore.delivery.plan import listen
from convstore.delivery.signed import Purpose, Signer
from convstore.delivery.unquote import above, named, unquoted
from convstore.domain.commands import RemoveParticipant, Reply
from convstore.domain.events import MessagePosted
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.log import read
from eventually import eventually

Staff = tuple[UserId, ...]

_DOMAIN = "dhis.example.org"


def listening(room: Process, settings: Settings) -> Listener:
    where = listen(settings)
    assert where is not None
    answering = Answering(
        room.pool, room.store, room.engine, room.directory, room.files, settings=settings, longest_text=10_000
    )
    return Listener(where, answering, room.delivery.answers, longest=longest_mail(10_000, settings.max_attachment))


by_both = pytest.mark.parametrize("settings", ["smtp", "lmtp"], indirect=True)


@pytest.fixture
def settings(post: Post, request: pytest.FixtureRequest) -> Settings:
    """Give settings that listen by LMTP, or by what ``by_both`` says."""
    return mailing(
        post,
        mail_reply_address=f"reply@{_DOMAIN}",
        mail_listen=f"{getattr(request, 'param', 'lmtp')}://127.0.0.1:0",
        max_attachment=1_000,
    )


class Desk:
    """Somebody's mail program, and the listener that it reaches by way of mail servers."""

    def __init__(self, room: Process, post: Post, listener: Listener, *, lmtp: bool) -> None:
        self.room = room
        self.post = post
        self._listener = listener
        self._lmtp = lmtp

    async def asked(self, person: UserId, **more: Any) -> Delivered:
        """Let somebody be asked something, and give the mail."""
        await self.room.send(person, **more)
        await eventually(self.room.settled)
        return self.post.to(address(person))[-1]

    async def hand_in(self, to: str, mail: EmailMessage | bytes, *, sender: str) -> tuple[int, str]:
        """Hand a mail in, and give what is said to it."""
        raw = mail if isinstance(mail, bytes) else mail.as_bytes()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._listener.port)

        async def say(line: str) -> tuple[int, str]:
            if line:
                writer.write(line.encode() + b"\r\n")
            while (told := (await reader.readline()).decode())[3:4] == "-":
                pass
            return int(told[:3]), told[4:].strip()

        try:
            await say("")
            await say(f"{'LHLO' if self._lmtp else 'EHLO'} mx.{_DOMAIN}")
            for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"):
                said = await say(line)
                if said[0] >= 400:
                    return said
            body = b"\r\n".join(
                b"." + line if line.startswith(b".") else line for line in raw.replace(b"\r\n", b"\n").split(b"\n")
            )
            return await say(body.decode() + "\r\n.")
        finally:
            writer.close()
            await writer.wait_closed()

    async def thread(self, uid: Uid) -> list[MessagePosted]:
        """Give the messages of a conversation."""
        async with self.room.pool.acquire() as conn:
            events = await read.read_stream(conn, self.room.store.partition_of(uid), uid)
        return [recorded.event for recorded in events if isinstance(recorded.event, MessagePosted)]


@pytest.fixture
async def desk(dsn: str, staff: Staff, post: Post, settings: Settings, tmp_path: Path) -> AsyncIterator[Desk]:
    async with process(dsn, settings, tmp_path) as room:
        listener = listening(room, settings)
        await listener.start()
        try:
            yield Desk(room, post, listener, lmtp=settings.mail_listen.startswith("lmtp"))
        finally:
            await listener.stop()


def answering(mail: Delivered, person: UserId, text: str = "Yes, it was.", **headers: str) -> EmailMessage:
    """Write an answer as a mail program does, with the mail quoted below."""
    answer = EmailMessage()
    answer["From"] = f"Somebody <{address(person)}>"
    answer["To"] = mail.message["Reply-To"]
    answer["Subject"] = "Re: " + mail.message["Subject"]
    answer["Message-ID"] = headers.pop("message_id", "<answer-1@phone.example>")
    for name, value in headers.items():
        answer[name.replace("_", "-")] = value
    quoted = "\n".join(f"> {line}" for line in mail.body().splitlines())
    answer.set_content(
        f"{text}\n\nOn Mon, 23 Nov 2026 at 13:00, DHIS 2 message\n<{mail.message['Reply-To']}> wrote:\n\n{quoted}\n"
    )
    return answer


def _conversation(mail: Delivered) -> Uid:
    return Uid(mail.message["Message-ID"][1:12])


async def test_an_answer_becomes_a_reply_without_what_it_quotes(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    answer = answering(mail, staff[0], "Yes, it was.\n\nAll of them.")

    assert 250 == (await desk.hand_in(mail.message["Reply-To"], answer, sender=address(staff[0])))[0]

    _, reply = await desk.thread(_conversation(mail))
    assert (staff[0], "Yes, it was.\n\nAll of them.", False) == (reply.sender, reply.text, reply.internal)
    assert 1 == desk.room.delivery.answers["posted"]


@by_both
async def test_handed_in_again_it_is_one_reply(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    answer = answering(mail, staff[0])
    said = await asyncio.gather(
        *(desk.hand_in(mail.message["Reply-To"], answer, sender=address(staff[0])) for _ in range(3))
    )
    assert [250] * 3 == [code for code, _ in said]
    assert 2 == len(await desk.thread(_conversation(mail)))
    other = answering(mail, staff[0], "One more thing.", message_id="<answer-2@phone.example>")
    assert 250 == (await desk.hand_in(mail.message["Reply-To"], other, sender=address(staff[0])))[0]
    assert 3 == len(await desk.thread(_conversation(mail)))


@by_both
async def test_files_come_with_it_within_the_usual_limit(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    answer = answering(mail, staff[0], "See the list.")
    answer.add_attachment(b"a,b\r\n1,2\r\n", maintype="text", subtype="csv", filename="../etc/l\u202egpj.csv")
    assert 250 == (await desk.hand_in(mail.message["Reply-To"], answer, sender=address(staff[0])))[0]
    _, reply = await desk.thread(_conversation(mail))
    (file,) = reply.attachments
    assert ("lgpj.csv", "text/csv") == (file.name, file.content_type)
    found = await desk.room.files.find(file.id)
    assert found is not None
    assert (staff[0], True) == (found.owner, found.taken)

    large = answering(mail, staff[0], message_id="<large@phone.example>")
    large.add_attachment(b"x" * 1_001, maintype="application", subtype="x-thing", filename="large")
    code, said = await desk.hand_in(mail.message["Reply-To"], large, sender=address(staff[0]))
    assert (550, "5.7.1 File size can't be bigger than 1000, current file size 1001") == (code, said)
    assert 2 == len(await desk.thread(_conversation(mail)))


async def test_an_answer_to_an_internal_message_stays_internal(desk: Desk, staff: Staff) -> None:
    pool, group = desk.room.pool, Uid("FeedbackGr1")
    await pool.execute("INSERT INTO user_group (id, name) VALUES ($1, 'Help')", group)
    await pool.execute(
        "INSERT INTO user_group_member (group_id, user_id) SELECT $1, m FROM unnest($2::text[]) AS m", group, staff[:2]
    )
    await desk.room.directory.set_feedback_group(group)
    uid = await desk.room.send(*staff[:3])
    await desk.room.do(
        Reply(
            conversation_id=uid,
            actor=Actor(id=staff[0], ticket_manager=True),
            message_id=new_uid(),
            text="Is it insured?",
            internal=True,
            ticket_managers=frozenset(staff[:2]),
        )
    )
    await eventually(desk.room.settled)
    mail = desk.post.to(address(staff[1]))[-1]
    assert "Is it insured?" in mail.body()
    assert (
        250
        == (await desk.hand_in(mail.message["Reply-To"], answering(mail, staff[1], "No."), sender=address(staff[1])))[0]
    )
    assert [False, True, True] == [message.internal for message in await desk.thread(uid)]
    await eventually(desk.room.settled)
    assert 1 == len(desk.post.to(address(staff[2])))
    # Who manages tickets no more cannot answer one of then.
    await desk.room.directory.set_feedback_group(None)
    later = answering(mail, staff[1], "Yes.", message_id="<later@phone.example>")
    assert 550 == (await desk.hand_in(mail.message["Reply-To"], later, sender=address(staff[1])))[0]


async def test_a_forged_address_is_refused(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    local, _, domain = str(mail.message["Reply-To"]).partition("@")
    for letter in (5, 20, 40, 54):
        at = len("reply+") + letter - 1
        forged = f"{local[:at]}{'a' if local[at] != 'a' else 'b'}{local[at + 1 :]}@{domain}"
        assert 550 == (await desk.hand_in(forged, answering(mail, staff[0]), sender=address(staff[0])))[0], letter
    assert 1 == len(await desk.thread(_conversation(mail)))
    assert 4 == desk.room.delivery.answers["forged"]


@by_both
async def test_addresses_of_others_and_of_nobody_are_refused(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    answer = answering(mail, staff[0])
    token = str(mail.message["Reply-To"]).partition("@")[0]
    unsubscribe = str(mail.message["List-Unsubscribe"]).rpartition("/")[2].rstrip(">")
    for to in (
        f"{token}@elsewhere.example.org",
        f"reply@{_DOMAIN}",
        f"reply+@{_DOMAIN}",
        f"reply+{unsubscribe}@{_DOMAIN}",
    ):
        assert 550 == (await desk.hand_in(to, answer, sender=address(staff[0])))[0]
    assert 1 == len(await desk.thread(_conversation(mail)))


async def test_only_the_person_himself_can_answer(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    him, other = map(address, staff[:2])
    for sender, written in (
        (other, him),
        (him, f'"{him}" <{other}>'),
        (other, other),
        (him, f"{him}, {other}"),
    ):
        answer = answering(mail, staff[0])
        answer.replace_header("From", written)
        code, said = await desk.hand_in(mail.message["Reply-To"], answer, sender=sender)
        assert (550, "5.7.1 Only the person whom a message was sent to can answer it") == (code, said), written
    assert 1 == len(await desk.thread(_conversation(mail)))
    assert 4 == desk.room.delivery.answers["foreign"]


async def test_machines_are_not_answered_to(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    machines: list[dict[str, str]] = [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; owner=x"},
        {"Precedence": "bulk"},
        {"Precedence": "Auto_Reply"},
        {"X_Autoreply": "yes"},
        {"List_Id": "<list.example.org>"},
        {},
    ]
    for headers in machines:
        answer = answering(mail, staff[0], **headers)
        # Without a header of its kind, it is the empty return path that gives it away.
        sender = address(staff[0]) if headers else ""
        assert 550 == (await desk.hand_in(mail.message["Reply-To"], answer, sender=sender))[0], headers
    assert 1 == len(await desk.thread(_conversation(mail)))
    assert len(machines) == desk.room.delivery.answers["automatic"]


async def test_our_own_mails_do_not_come_back_as_answers(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    await desk.room.pool.execute("UPDATE account SET email = $2 WHERE id = $1", staff[0], f"dhis@{_DOMAIN}")
    code, _ = await desk.hand_in(mail.message["Reply-To"], mail.raw, sender=f"dhis@{_DOMAIN}")
    assert 550 == code
    assert 1 == len(await desk.thread(_conversation(mail)))


async def test_who_may_not_reply_may_not_by_mail_either(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    uid = _conversation(mail)
    await desk.room.do(RemoveParticipant(conversation_id=uid, actor=Actor(id=staff[0]), participant=staff[0]))
    assert 550 == (await desk.hand_in(mail.message["Reply-To"], answering(mail, staff[0]), sender=address(staff[0])))[0]
    assert 1 == len(await desk.thread(uid))


async def test_nothing_but_a_quotation_is_no_answer(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    code, said = await desk.hand_in(
        mail.message["Reply-To"], answering(mail, staff[0], text=""), sender=address(staff[0])
    )
    assert (550, "5.6.0 There is no answer above what is quoted") == (code, said)


@by_both
async def test_a_mail_that_came_back_marks_what_was_sent(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    assert mail.sender.startswith("reply+")
    report = (
        f"From: MAILER-DAEMON@mx\r\nTo: {mail.sender}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt is full.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
        f"Final-Recipient: rfc822; {address(staff[0])}\r\nAction: {{action}}\r\nStatus: 5.2.2\r\n\r\n--b--\r\n"
    )
    delayed = report.format(action="delayed").encode()
    assert 550 == (await desk.hand_in(mail.sender, delayed, sender=""))[0]
    assert {"sent": 1} == await desk.room.states()
    assert 250 == (await desk.hand_in(mail.sender, report.format(action="failed").encode(), sender=""))[0]
    assert ("bounced", "bounced, 5.2.2", 1) == (await desk.room.reasons())[staff[0]]


async def test_addresses_run_out_and_can_be_made_worthless(dsn: str, staff: Staff, post: Post, tmp_path: Path) -> None:
    settings = mailing(post, mail_reply_address=f"reply@{_DOMAIN}", mail_listen="smtp://127.0.0.1:0", mail_key=1)
    async with process(dsn, settings, tmp_path) as room:
        signer = Signer(room.store.secret, 1)
        token = signer.sign(Purpose.REPLY, Uid("Conversatio"), staff[0], 7)
        said = signer.read(token.upper())
        assert said is not None
        assert ("Conversatio", staff[0], 7) == (said.conversation_id, said.user_id, said.version)
        assert Signer(room.store.secret, 0).read(token) is None
        assert Signer(b"another store" * 3, 1).read(token) is None
        assert signer.read(token, valid=timedelta(days=-3)) is None
        listener = listening(room, settings)
        await listener.start()
        try:
            desk = Desk(room, post, listener, lmtp=False)
            mail = await desk.asked(staff[0])
            old = Signer(room.store.secret, 0).sign(Purpose.REPLY, _conversation(mail), staff[0], 3)
            answer = answering(mail, staff[0])
            assert 550 == (await desk.hand_in(f"reply+{old}@{_DOMAIN}", answer, sender=address(staff[0])))[0]
            # One token has one form, whatever its last, half-used character is.
            others = (token[:-1] + last for last in "abcdefghijklmnopqrstuvwxyz234567" if last != token[-1])
            assert not any(map(signer.read, others))
        finally:
            await listener.stop()


async def test_with_a_certificate_mails_are_handed_in_over_tls_only(
    dsn: str, staff: Staff, post: Post, certificate: Path, tmp_path: Path
) -> None:
    settings = mailing(
        post,
        mail_reply_address=f"reply@{_DOMAIN}",
        mail_listen="smtp://127.0.0.1:0",
        mail_listen_certificate=certificate,
        mail_listen_key=certificate.with_name("key.pem"),
    )
    async with process(dsn, settings, tmp_path) as room:
        listener = listening(room, settings)
        await listener.start()
        try:
            desk = Desk(room, post, listener, lmtp=False)
            mail = await desk.asked(staff[0])
            answer = answering(mail, staff[0])
            to, sender = str(mail.message["Reply-To"]), address(staff[0])
            assert (530, "Must issue a STARTTLS command first") == await desk.hand_in(to, answer, sender=sender)
            await aiosmtplib.send(
                answer, hostname="127.0.0.1", port=listener.port, sender=sender, recipients=[to],
                start_tls=True, tls_context=ssl.create_default_context(cafile=str(certificate)),
            )  # fmt: skip
            assert 2 == len(await desk.thread(_conversation(mail)))
        finally:
            await listener.stop()


async def test_the_signed_addresses_are_as_long_as_addresses_may_be(desk: Desk, staff: Staff) -> None:
    mail = await desk.asked(staff[0])
    for signed in (str(mail.message["Reply-To"]), mail.sender):
        assert len(signed.partition("@")[0]) <= 64
        assert signed == signed.lower()
    assert "DHIS 2 message" == mail.message["From"].addresses[0].display_name


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Oui.\n\nLe lun. 23 nov. 2026 à 13:00, DHIS 2 <reply+a@x.org> a écrit :\n\n> Ça va ?\n", "Oui."),
        ("Fait.\n\nDe : DHIS 2 <a@x.org>\nEnvoyé : lundi\nÀ : Ann\nObjet : Rougeole\n\nÇa va ?\n", "Fait."),
        ("Done.\n\n-----Original Message-----\nFrom: x\nSent: y\n\nold", "Done."),
        ("From: the depot we got nothing.\nBest regards", "From: the depot we got nothing.\nBest regards"),
    ],
)
async def test_what_is_quoted_is_known_in_english_and_french(text: str, answer: str) -> None:
    assert answer == await unquoted(text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Sim.\n\nEm seg., 23 de nov. de 2026, DHIS 2 <reply+a2@x.org> escreveu:\n\n> Sim?\n", "Sim.\n"),
        ("Ndiyo.\nTar 23 Nov 2026, DHIS 2 message\n<reply+a2@x.org> aliandika:\n> Je?\n", "Ndiyo."),
        ("Sim.\n\nDe: DHIS 2 message <from@x.org>\nEnviado: segunda\n\nSim?\n", "Sim.\n"),
        ("Write to from@x.org or <other@x.org>.\nBye", "Write to from@x.org or <other@x.org>.\nBye"),
    ],
)
def test_in_any_language_a_quotation_begins_where_our_address_stands(text: str, answer: str) -> None:
    assert answer == above(text, named(r"reply\+[a-z2-7]+@x\.org", r"from@x\.org"))


def test_an_html_mail_is_read_as_text() -> None:
    page = (
        "<html><head><style>p{}</style></head><body><p>Yes,&nbsp;<b>it</b> was.</p><div>All<br>of them.</div>"
        "<div class='gmail_quote'>On Monday you wrote:<blockquote>Was it?</blockquote></div></body></html>"
    )
    assert "Yes, it was.\nAll\nof them." == html_text(page)
