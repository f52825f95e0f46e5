"""How a message looks as a mail: parts, headers, threads, languages; and what nobody can smuggle in."""

import re

import pytest
from mailroom import BASE, WRITER, Process, address
from post import Post

from convstore.delivery.mail import address_of, one_line
from convstore.delivery.phrases import languages, phrases
from convstore.delivery.verdict import Skipped
from convstore.domain.commands import SendSystemMessage
from convstore.domain.types import Actor
from convstore.domain.uid import UserId, new_uid
from eventually import eventually

Staff = tuple[UserId, ...]

_TEXT = "Please report <b>today</b> & tomorrow.\nOr call me.\n.\nEnd"


async def test_both_parts_say_what_the_contract_says(room: Process, staff: Staff, post: Post) -> None:
    await room.pool.execute(
        "INSERT INTO organisation_unit (id, name, path, level) VALUES ('DiszpKrYNg8', 'Ngelehun', '/x', 1)"
    )
    await room.pool.execute("INSERT INTO organisation_unit_member VALUES ('DiszpKrYNg8', $1)", WRITER)
    uid = await room.send(staff[0], subject="Measles", text=_TEXT)
    await eventually(room.settled)
    (mail,) = post.mails
    signature = ["Person Writer00001", "Ngelehun", "writer00001@example.org", "+255 700 r00001"]
    assert "\n".join([_TEXT, "", *signature]) == mail.body("plain").strip()
    link = f"{BASE}/dhis-web-messaging/#/PRIVATE/{uid}"
    assert (
        '<!DOCTYPE HTML><html dir="ltr"><body>Please report &lt;b&gt;today&lt;/b&gt; &amp; tomorrow.<br>'
        "Or call me.<br>.<br>End<br><br>"
        + "".join(f"{line}<br>" for line in signature)
        + f'<br><a href="{link}" target="_top">Respond to this message</a><br>Host: {BASE}</body></html>'
    ) == mail.body("html").strip()
    assert "[DHIS 2] Measles" == mail.message["Subject"]
    (sender,) = mail.message["From"].addresses
    assert ("DHIS 2 message [No reply]", "dhis@dhis.example.org") == (sender.display_name, sender.addr_spec)
    assert f"Person {staff[0]} <{address(staff[0])}>" == mail.message["To"]
    assert "dhis@dhis.example.org" == mail.sender
    assert "auto-generated" == mail.message["Auto-Submitted"]
    assert all(line.isascii() for line in mail.raw.split(b"\r\n"))


async def test_the_footer_is_in_the_language_of_whoever_began_the_conversation(
    room: Process, staff: Staff, post: Post
) -> None:
    for person, locale in zip(staff, ("fr", "fr_CA", "en", "sw"), strict=False):
        await room.pool.execute("INSERT INTO user_setting VALUES ($1, 'keyUiLocale', $2)", person, locale)
    await room.pool.execute("INSERT INTO setting VALUES ('keyUiLocale', 'fr')")
    for writer in staff:
        await room.send(staff[-1], by=writer, subject=writer)
    await eventually(room.settled)
    said = {}
    for mail in post.mails:
        found = re.search(r'target="_top">(.*?)<', mail.body("html"))
        said[mail.message["Subject"].removeprefix("[DHIS 2] ")] = found and found[1]
    french, english = "Répondre à ce message", "Respond to this message"
    # The last one has chosen none: the system's.
    assert dict(zip(staff, (french, french, english, english, french), strict=True)) == said


def test_every_language_has_every_phrase() -> None:
    assert {"en", "fr"} <= languages()
    for language in languages():
        assert phrases("en").keys() == phrases(language).keys()
        assert language == phrases(language)["language"]


async def test_mail_programs_can_thread_a_conversation(room: Process, staff: Staff, post: Post) -> None:
    uid = await room.send(*staff[:2])
    await eventually(room.settled)
    await room.reply(uid, by=staff[1])
    await eventually(room.settled)
    await room.reply(uid, by=WRITER)
    await eventually(room.settled)
    first, second, third = (mail.message for mail in post.to(address(staff[0])))
    assert first["In-Reply-To"] is None
    assert first["References"] is None
    assert first["Message-ID"] == second["In-Reply-To"] == second["References"]
    assert second["Message-ID"] == third["In-Reply-To"]
    assert f"{first['Message-ID']} {second['Message-ID']}" == third["References"]
    # A thread of his own: nobody learns from an identifier who else got a mail, nor his uid.
    other = post.to(address(staff[1]))[0].message
    assert other["Message-ID"] != first["Message-ID"]
    assert staff[0] not in first["Message-ID"]


async def test_nobody_smuggles_a_header_in(room: Process, staff: Staff, post: Post) -> None:
    await room.pool.execute(
        "UPDATE account SET first_name = $2, surname = $3 WHERE id = $1",
        staff[0],
        "Ann\r\nBcc: all@example.org",
        'B"ob" <evil@example.org>, ',
    )
    await room.pool.execute("INSERT INTO setting VALUES ('applicationTitle', E'Title\\nX-Title: 1')")
    await room.send(
        staff[0],
        subject="Hello\r\nBcc: all@example.org\r\n\r\nBody\u2028Sender: evil@example.org \u202egpj",
        text="\r\n.\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<all@example.org>\r\nDATA\r\nX",
    )
    await eventually(room.settled)
    (mail,) = post.mails
    assert [address(staff[0])] == mail.recipients
    message = mail.message
    assert [address(staff[0])] == [to.addr_spec for to in message["To"].addresses]
    allowed = {
        *("message-id", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted", "x-auto-response-suppress"),
        *("subject", "from", "to", "date", "mime-version", "content-type"),
    }
    assert set() == {name.lower() for name in message.keys()} - allowed  # noqa: SIM118 - each header, not each name
    assert "[Title X-Title: 1] Hello Bcc: all@example.org Body Sender: evil@example.org gpj" == message["Subject"]
    assert "MAIL FROM:<evil@example.org>" in mail.body("plain")


async def test_long_and_foreign_texts_arrive_whole(room: Process, staff: Staff, post: Post) -> None:
    await room.pool.execute("INSERT INTO setting VALUES ('applicationTitle', repeat('Health ', 200))")
    subject = "Rapport sur l'épidémie — " + "ሰላም " * 40
    text = "መልእክት " * 2_000 + "\n" + "x" * 5_000
    await room.send(staff[0], subject=subject[:255], text=text)
    await eventually(room.settled)
    (mail,) = post.mails
    title = one_line("Health " * 200)
    assert f"[{title}] {one_line(subject[:255])}" == mail.message["Subject"]
    assert "dhis@dhis.example.org" == mail.message["From"].addresses[0].addr_spec
    # RFC 2047 section 2.
    assert max(len(line) for line in mail.raw.split(b"\r\n\r\n")[0].split(b"\r\n") if b"=?" in line) <= 76
    assert mail.body("plain").startswith(text)
    assert max(map(len, mail.raw.split(b"\r\n"))) <= 998


async def test_replies_and_completeness_notices_have_no_footer(room: Process, staff: Staff, post: Post) -> None:
    uid = await room.send(staff[0])
    await room.reply(uid, by=WRITER)
    await room.do(
        SendSystemMessage(
            conversation_id=new_uid(),
            actor=Actor(id=WRITER, may_send_system=True),
            message_id=new_uid(),
            subject="Form registered as complete",
            text="It is.",
            recipients=(staff[0],),
        )
    )
    await eventually(room.settled)
    assert [1, 0, 0] == [mail.body("html").count("<a href") for mail in post.mails]
    assert [1, 1, 1] == [mail.body("html").count(f"Host: {BASE}") for mail in post.mails]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "no address"),
        ("  ", "no address"),
        ("ann", "invalid address"),
        ("ann@example.org, bob@example.org", "invalid address"),
        ("ann@example.org\r\nRCPT TO:<bob@example.org>", "invalid address"),
        ("<ann@example.org>", "invalid address"),
        ("ann@-example.org", "invalid address"),
        ("a" * 65 + "@example.org", "invalid address"),
        ("änn@example.org", "invalid address"),
    ],
)
def test_what_is_no_address_gets_no_mail(given: str | None, reason: str) -> None:
    with pytest.raises(Skipped, match=reason):
        address_of(given)


def test_a_domain_in_other_letters_is_written_as_servers_know_it() -> None:
    assert "ann@xn--bcher-kva.example" == address_of(" ann@bücher.example ")
