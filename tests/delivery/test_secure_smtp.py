"""The way to the mail server: TLS, STARTTLS, a login; and who is not let in, or not believed."""

import asyncio
import ssl
from pathlib import Path

import pytest
from mailroom import Process, address, mailing, process
from post import Post, answer, post_office

from convstore.delivery.outbox import figures
from convstore.delivery.plan import check, email
from convstore.delivery.signed import Signer
from convstore.delivery.verdict import Unavailable
from convstore.domain.uid import UserId
from convstore.errors import ConfigError
from eventually import eventually

Staff = tuple[UserId, ...]


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mails_go_over_tls_with_a_login(
    dsn: str, staff: Staff, certificate: Path, security: str, tmp_path: Path
) -> None:
    # aiosmtpd offers no login over TLS that it did not begin itself.
    users = {"dhis": "let me in"} if security == "starttls" else {}
    login = {"mail_username": "dhis", "mail_password": "let me in"} if users else {}
    async with post_office(tls=_context(certificate), implicit=security == "tls", users=users) as post:
        settings = mailing(post, mail_security=security, mail_ca=certificate, **login)
        async with process(dsn, settings, tmp_path) as room:
            await room.send(*staff)
            await eventually(room.settled)
        assert {address(person): 1 for person in staff} == post.by_recipient


@pytest.mark.parametrize(
    ("more", "trouble"),
    [
        ({"mail_password": "wrong"}, "login refused, 535 5.7.8"),
        ({"mail_ca": None}, "TLS failed: self-signed certificate"),
        ({"mail_security": "none", "mail_username": "", "mail_password": ""}, "sender refused, 530"),
    ],
)
async def test_who_is_not_let_in_or_not_believed_waits(  # noqa: PLR0917 - fixtures
    dsn: str, staff: Staff, certificate: Path, more: dict[str, str], trouble: str, tmp_path: Path
) -> None:
    async with post_office(tls=_context(certificate), users={"dhis": "let me in"}) as post:
        given = {
            "mail_security": "starttls",
            "mail_ca": certificate,
            "mail_username": "dhis",
            "mail_password": "let me in",
        }
        async with process(dsn, mailing(post, **{**given, **more}), tmp_path) as room:
            await room.send(*staff)

            async def troubled() -> str | None:
                return (await figures(room.pool))[0].trouble

            assert trouble == await eventually(troubled)
            await eventually(lambda: room.held(5))
        assert [] == post.mails


async def test_each_trouble_says_what_to_look_at(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    # aiosmtpd tells of clients that break a handshake off.
    caplog.set_level("CRITICAL")
    login = {"mail_username": "dhis", "mail_password": "let me in"}
    heard: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 post.example\r\n")
        while line := await reader.readline():
            heard.append(line)
            writer.write(
                b"221 bye\r\n" if line.startswith(b"QUIT") else b"250-post.example\r\n250 AUTH PLAIN LOGIN\r\n"
            )
        writer.close()

    clear = await asyncio.start_server(keep, "127.0.0.1", 0)
    async with post_office() as plain, post_office(tls=_context(certificate), implicit=True) as tls, clear:
        port: int = clear.sockets[0].getsockname()[1]
        for reason, given in {
            "unknown host": {"mail_server": "nowhere.invalid"},
            "connection refused": {"mail_server": "127.0.0.1:1"},
            # A password is not said to a server that does not offer to keep it secret.
            "STARTTLS not offered": {"mail_server": f"127.0.0.1:{port}", "mail_security": "starttls", **login},
            "TLS failed: wrong version number": {"mail_server": f"127.0.0.1:{plain.port}", "mail_security": "tls"},
            "TLS failed: Hostname mismatch, certificate is not valid for 'localhost'": {
                "mail_server": f"localhost:{tls.port}",
                "mail_security": "tls",
            },
            "no login offered": {"mail_server": f"127.0.0.1:{tls.port}", "mail_security": "tls", **login},
        }.items():
            channel = email(mailing(plain, **{"mail_ca": certificate, **given}), Signer(b"", 0))
            assert channel is not None
            with pytest.raises(Unavailable) as why:
                await channel.send_test("ann@example.org")
            assert reason == why.value.reason
    assert heard
    assert not any(b"AUTH" in line for line in heard)


async def test_connections_are_used_again_and_not_for_ever(room: Process, staff: Staff, post: Post) -> None:
    for _ in range(20):
        await room.send(*staff)
    await eventually(room.settled)
    assert 100 == len(post.mails)
    assert post.sessions < 20


async def test_a_slow_server_is_waited_for_and_a_silent_one_is_asked_again(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    from aiosmtpd.smtp import SMTP, Envelope

    async def silent(_server: SMTP, _envelope: Envelope) -> str | None:
        await asyncio.Event().wait()
        return "451 nobody waits for this"

    async def slow(_server: SMTP, _envelope: Envelope) -> str | None:
        await asyncio.sleep(0.1)
        return None

    post.script += [silent, slow, slow]
    async with process(dsn, mailing(post, mail_timeout=1.5), tmp_path) as room:
        await room.send(*staff)
        await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient


async def test_a_server_that_goes_down_for_maintenance_is_left_alone(room: Process, staff: Staff, post: Post) -> None:
    post.script.append(answer("421 4.3.2 shutting down"))
    await room.send(*staff)
    await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient
    assert {1} == {attempts for _, _, attempts in (await room.reasons()).values()}


async def test_what_would_be_tried_again_too_late_is_given_up(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    post.refuse[address(staff[0])] = "450 4.2.1 mailbox busy"
    # The next attempt would be in 75 seconds at the earliest, and after a minute it is given up.
    settings = mailing(post, delivery_retry_seconds=100, delivery_give_up_hours=1 / 60)
    async with process(dsn, settings, tmp_path) as room:
        await room.send(*staff)
        await eventually(room.settled)
        assert ("expired", "450 4.2.1", 1) == (await room.reasons())[staff[0]]
    assert 4 == len(post.mails)


async def test_no_more_are_sent_a_second_than_may_be(dsn: str, staff: Staff, post: Post, tmp_path: Path) -> None:
    import time

    async with process(dsn, mailing(post, mail_rate=10), tmp_path) as room:
        started = time.monotonic()
        await room.send(*staff)
        await room.send(*staff)
        await eventually(room.settled)
    # Ten mails, nine pauses of a tenth of a second: never less, however fast the machine.
    assert time.monotonic() - started >= 0.9


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"mail_from": ""}, "mail-from '': no address"),
        ({"mail_from": "nobody"}, "mail-from 'nobody': invalid address"),
        ({"mail_reply_address": "messages-to-us@example.org"}, "at most 7 characters"),
        ({"mail_security": "none", "mail_password": "secret"}, "in the clear"),
        ({"mail_server": "a:b"}, "host:port"),
        ({"mail_ca": Path("/nowhere")}, "mail-ca"),
        ({"mail_listen": "smtp://127.0.0.1:8025"}, "mail-reply-address"),
        (
            {"mail_listen_key": Path("/nowhere"), "mail_listen": "lmtp://127.0.0.1:1", "mail_reply_address": "r@x.org"},
            "-certificate",
        ),
        (
            {
                "mail_listen_certificate": Path("/nowhere"),
                "mail_listen": "lmtp://127.0.0.1:1",
                "mail_reply_address": "r@x.org",
            },
            "mail-listen-certificate /nowhere",
        ),
        ({"mail_listen": "http://127.0.0.1:8025", "mail_reply_address": "r@example.org"}, "smtp://"),
        ({"sms_gateway": "ftp://x"}, "https://"),
        ({"sms_gateway": "https://x/?to=${recipient}"}, "${text}"),
        ({"sms_gateway": "https://x/?to=${recipient}&t=${text}", "sms_headers": ("Key secret",)}, "number 1"),
        ({"sms_gateway": "https://x/", "sms_body": "${recipient} ${text} secret"}, "Content-Type"),
        ({"base_url": "example.org"}, "base-url"),
        ({"base_url": "https://example.org/"}, "slash"),
        ({"mail_rate": 0}, "mail-rate"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_starts(more: dict[str, object], said: str) -> None:
    given: dict[str, object] = {"mail_security": "tls", **more}
    with pytest.raises(ConfigError) as refused:
        check(mailing(Post(port=25), **given))
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_is_shown_of_the_settings_has_no_secrets() -> None:
    settings = mailing(
        Post(port=25),
        mail_password="whispered",
        mail_security="tls",
        sms_gateway="https://x/?key=whispered&to=${recipient}",
        sms_body="${text} whispered",
        sms_headers=("Key: whispered",),
    )
    shown = settings.shown()
    assert "whispered" not in str(shown)
    assert "dhis@dhis.example.org" == shown["mail_from"]
