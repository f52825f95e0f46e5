"""kill -9 between sending and recording: at most one repeat of what was in hand, and of nothing else."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from aiosmtpd.smtp import SMTP, Envelope
from mailroom import Process, address, mailing, process
from post import Post

from convstore.domain.uid import UserId
from eventually import eventually

Staff = tuple[UserId, ...]

_SCRIPT = Path(__file__).with_name("delivering_process.py")


@asynccontextmanager
async def _other(dsn: str, post: Post, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a server process of its own until the end of the block.

    It is killed when its first mail is here, and before it can have been told so.
    """
    pid = asyncio.get_running_loop().create_future()

    async def kill(_server: SMTP, envelope: Envelope) -> str | None:
        post.take(envelope)
        os.kill(await pid, signal.SIGKILL)
        return "250 nobody hears this"

    # Before it starts: it may find something to send at once.
    post.script.append(kill)
    paths = os.pathsep.join(path for path in sys.path if path)
    other = await asyncio.create_subprocess_exec(
        sys.executable, str(_SCRIPT), dsn, str(post.port), str(folder), env={**os.environ, "PYTHONPATH": paths},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert other.stdout is not None
    pid.set_result(other.pid)
    try:
        # Nothing more comes when it was killed already.
        while (line := await other.stdout.readline()) and b"ready" not in line:
            pass
        yield other
    finally:
        if other.returncode is None:
            other.kill()
        await other.wait()


@pytest.mark.slow
async def test_what_was_in_hand_is_sent_once_more_and_nothing_else_is(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    async with (
        _other(dsn, post, tmp_path) as other,
        process(dsn, mailing(Post(port=1), mail_server=""), tmp_path) as room,
    ):
        await room.send(*staff)
        await other.wait()
    killed_at = post.mails[0]

    async with process(dsn, mailing(post), tmp_path) as room:
        await eventually(room.settled)
        assert {"sent": 5} == await room.states()

    assert set(map(address, staff)) == set(post.by_recipient)
    repeated = {person for person, times in post.by_recipient.items() if times > 1}
    assert {2} == {post.by_recipient[person] for person in repeated}
    # It had two connections, so two mails may have been under way.
    assert set(killed_at.recipients) <= repeated
    assert len(repeated) <= 2
    for person in repeated:
        first, second = post.to(person)
        assert first.message["Message-ID"] == second.message["Message-ID"]


@pytest.mark.slow
async def test_a_mail_whose_sender_dies_twice_is_left_to_people(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    for times in (1, 2):
        async with _other(dsn, post, tmp_path) as other:
            if times == 1:
                async with process(dsn, mailing(post, mail_server=""), tmp_path) as room:
                    await room.send(staff[0])
                    await other.wait()
            await other.wait()
    async with process(dsn, mailing(post), tmp_path) as room:
        await eventually(room.settled)
        assert {"uncertain": 1} == await room.states()
        assert {address(staff[0]): 2} == post.by_recipient
        await _retry(room)
        await eventually(room.settled)
        assert {"sent": 1} == await room.states()


async def _retry(room: Process) -> None:
    from convstore.delivery.outbox import retry

    assert 1 == await retry(room.pool, conversation=None, user=None, channel="email")


async def test_of_two_processes_one_sends_and_the_other_takes_over(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    async with process(dsn, mailing(post), tmp_path) as second:
        async with process(dsn, mailing(post), tmp_path) as first:
            for _ in range(10):
                await second.send(*staff)
                await first.send(*staff)
            await eventually(first.settled)
            assert {address(person): 20 for person in staff} == post.by_recipient
        # The one that led is gone; the other one notices.
        await second.send(*staff)
        await eventually(second.settled)
    assert {address(person): 21 for person in staff} == post.by_recipient


async def test_one_that_was_outrun_sends_nothing_more(dsn: str, staff: Staff, post: Post, tmp_path: Path) -> None:
    """As if it had hung so long that its lease ran out, and another process took over."""
    async with process(dsn, mailing(post), tmp_path) as room:
        await room.pool.execute(
            "UPDATE delivery_leader SET epoch = epoch + 1, owner = 'elsewhere/1/x', lease_until = 'infinity'"
        )
        await room.send(*staff)
        # It finds out when it would send, at the latest.
        await eventually(lambda: not room.delivery.leads)
        assert [] == post.mails
        await room.pool.execute("UPDATE delivery_leader SET lease_until = '-infinity'")
        await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient


async def test_a_database_that_goes_away_while_mails_are_on_their_way_repeats_none(
    dsn: str, staff: Staff, post: Post, tmp_path: Path, server: str
) -> None:
    """The mail server has taken a mail, and its sender cannot write that down for a while."""
    name = dsn.partition("?")[0].rpartition("/")[2]
    conn = await asyncpg.connect(server)

    async def cut(smtp: SMTP, envelope: Envelope) -> str | None:
        post.take(envelope)
        await conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        return "250 taken"

    try:
        async with process(dsn, mailing(post, mail_connections=1), tmp_path) as room:
            post.script += [cut]
            await room.send(*staff)
            await eventually(lambda: room.delivery.counted["email"]["sent"] > 0)
            await conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

            async def settled() -> bool:
                # Of connections that were cut: whatever they say, the next one is asked.
                with contextlib.suppress(
                    asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError
                ):
                    return await room.settled() and (await room.states())["sent"] == 5
                return False

            await eventually(settled, within=40)
    finally:
        await conn.close()
    assert {address(person): 1 for person in staff} == post.by_recipient


async def test_one_that_cannot_be_read_holds_nobody_else_up(room: Process, staff: Staff, post: Post) -> None:
    await room.pool.execute(
        """
        INSERT INTO delivery (partition, conversation_id, user_id, channel, version, message_id, due)
        VALUES (0, 'NoSuchTalk1', $1, 'email', 9, 'NoSuchMessg', now() - interval '1 hour')
        """,
        staff[0],
    )
    await room.send(*staff)
    await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient
    assert {"sent": 5, "failed": 1} == await room.states()
