"""``convstore serve`` with two workers that deliver, its commands, and its log: no address, subject or text in it."""

import asyncio
import json
import re
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from mailroom import WRITER, add_people, address
from post import Post, sms_gateway

from convstore.database import Pool
from convstore.directory.passwords import hash_now
from convstore.domain.uid import UserId
from eventually import eventually
from served import convstore, environment, free_port

Staff = tuple[UserId, ...]


@pytest.mark.slow
async def test_a_whole_run_with_two_workers_leaves_no_words_in_the_log(
    dsn: str, pool: Pool, staff: Staff, post: Post, tmp_path: Path
) -> None:
    await pool.execute("UPDATE account SET password_hash = $1 WHERE id = $2", hash_now("secret"), WRITER)
    await pool.execute("UPDATE account SET disabled = false")
    port, mail_port = free_port(), free_port()
    post.refuse[address(staff[0])] = f"550 5.1.1 <{address(staff[0])}> unknown"
    async with sms_gateway() as gateway:
        await add_people(pool, [UserId("U0000000099")], wanting=("Sms",))
        options = [
            *("--dsn", dsn, "--port", str(port), "--workers", "2", "--mail-server", f"127.0.0.1:{post.port}"),
            *("--mail-security", "none", "--mail-from", "dhis@dhis.example.org", "--base-url", "https://x.example.org"),
            *("--mail-reply-address", "reply@dhis.example.org", "--mail-listen", f"smtp://127.0.0.1:{mail_port}"),
            *("--sms-gateway", gateway.url + "?to=${recipient}&text=${text}", "--sms-method", "GET"),
            *("--delivery-retry-seconds", "0.1", "--mail-rate", "1000"),
        ]
        log = tmp_path / "serve.log"
        with log.open("wb") as stderr:
            server = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "convstore", "serve", *options, stderr=stderr, env=environment(), cwd=tmp_path
            )
        try:
            await eventually(lambda: log.read_text().count('"server.ready"') == 2, within=60)
            sent = await asyncio.to_thread(
                subprocess.run,
                ["curl", "-sf", "-u", f"{WRITER}:secret", "-H", "Content-Type: application/json",
                 f"http://127.0.0.1:{port}/api/messageConversations", "-d",
                 json.dumps({"subject": "Whispered subject", "text": "Whispered text",
                             "users": [{"id": person} for person in (*staff, "U0000000099")]})],
                capture_output=True, check=True,
            )  # fmt: skip
            assert b"Created" in sent.stdout

            async def done(number: int) -> bool:
                rows = await pool.fetch("SELECT state FROM delivery")
                return len(rows) == number and not {"waiting", "sending"} & {row["state"] for row in rows}

            await eventually(lambda: done(6), within=60)
            mail = post.to(address(staff[1]))[0]
            answer = EmailMessage()
            answer["From"], answer["To"] = address(staff[1]), mail.message["Reply-To"]
            answer["Message-ID"] = "<whispered-id@phone.example>"
            answer.set_content("Whispered answer\n")
            await aiosmtplib.send(
                answer, hostname="127.0.0.1", port=mail_port, sender=address(staff[1]), start_tls=False
            )
            # To the four others who want mails, and to the one who wants SMS.
            await eventually(lambda: done(11), within=60)
            listed = await asyncio.to_thread(convstore, "deliveries", "list", "--dsn", dsn)
            status = await asyncio.to_thread(convstore, "status", "--dsn", dsn, "--over", "0")
            post.refuse.clear()
            retried = await asyncio.to_thread(convstore, "deliveries", "retry", "--all", "--dsn", dsn)

            async def retried_one() -> bool:
                return address(staff[0]) in post.by_recipient

            await eventually(retried_one, within=30)
        finally:
            server.terminate()
            assert 0 == await asyncio.wait_for(server.wait(), 40)

    assert [("email", "failed", "550 5.1.1", staff[0])] * 2 == [
        (row[1], row[2], row[3], row[7]) for row in (line.split("\t") for line in listed.stdout.splitlines())
    ]
    assert "email: 0 to be sent, 2 never arrived" in status.stdout
    assert "sms: 0 to be sent, 0 never arrived" in status.stdout
    assert "2 to be sent again\n" == retried.stdout
    assert ["Whispered text", "Whispered answer"] == [request["query"]["text"] for request in gateway.requests]
    said = log.read_text()
    events = {json.loads(line)["event"] for line in said.splitlines() if line.startswith("{")}
    assert {"delivery.queued", "delivery.sent", "answer.handled", "delivery.leading"} <= events
    assert not re.search(r"[Ww]hisper|example\.org|\+?255 ?700|reply\+", said.replace("x.example.org", ""))


@pytest.mark.slow
async def test_the_test_mail_and_the_test_sms_say_what_was_answered(post: Post) -> None:
    mail = [
        *("--mail-server", f"127.0.0.1:{post.port}", "--mail-security", "none", "--mail-from", "dhis@example.org"),
        *("--email", "ann@example.org"),
    ]
    async with sms_gateway() as gateway:
        url = gateway.url + "?to=${recipient}&text=${text}"
        text = ["--sms", "+255 700 000001", "--sms-gateway", url, "--sms-method", "GET"]
        done = await asyncio.to_thread(convstore, "delivery", "test", *mail, *text)
        assert (0, "the mail server took the mail\nthe gateway took the SMS\n") == (done.returncode, done.stdout)
        assert ["255700000001"] == [request["query"]["to"] for request in gateway.requests]
    assert ["ann@example.org"] == post.mails[0].recipients
    post.refuse["ann@example.org"] = "550 5.1.1 <ann@example.org> no such user"
    refused = await asyncio.to_thread(convstore, "delivery", "test", *mail)
    assert (1, "convstore: It was not sent: 550 5.1.1.\n") == (refused.returncode, refused.stderr)
    await post.shut()
    away = await asyncio.to_thread(convstore, "delivery", "test", *mail)
    await post.open()
    assert away.stderr.startswith("convstore: It was not sent: connection refused. Nothing listens there:")
    nothing = await asyncio.to_thread(convstore, "delivery", "test", "--email", "ann@example.org")
    assert 2 == nothing.returncode
    assert "--mail-server" in nothing.stderr
