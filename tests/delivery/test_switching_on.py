"""Where delivery begins: nobody gets a mail about a message of long ago, whatever is switched, rebuilt or imported."""

from pathlib import Path

from mailroom import WRITER, address, mailing, process
from post import Post

from convstore.delivery.service import forget_channels_off
from convstore.domain.uid import UserId
from convstore.engine.rebuild import rebuild
from convstore.projections import discover
from eventually import eventually
from rebuilt import assert_rebuilt_equals_live

Staff = tuple[UserId, ...]


async def test_switched_on_later_it_begins_at_the_end_of_the_log(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    async with process(dsn, mailing(post, mail_server=""), tmp_path) as room:
        uid = await room.send(*staff, subject="Before")
    async with process(dsn, mailing(post), tmp_path) as room:
        await room.reply(uid, by=WRITER, text="After")
        await eventually(room.settled)
    assert {address(person): 1 for person in staff} == post.by_recipient
    assert {"After"} == {mail.body().partition("\n")[0] for mail in post.mails}


async def test_switched_off_and_on_again_it_leaves_out_what_was_said_meanwhile(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    on, off = mailing(post), mailing(post, mail_server="")
    async with process(dsn, on, tmp_path) as room:
        await post.shut()
        await room.send(*staff, subject="On its way")

        async def queued() -> bool:
            return (await room.states())["waiting"] == 5

        await eventually(queued)
    await forget_channels_off(dsn, off)
    async with process(dsn, off, tmp_path) as room:
        await room.send(*staff, subject="Meanwhile")
    await post.open()
    await forget_channels_off(dsn, on)
    async with process(dsn, on, tmp_path) as room:
        await room.send(*staff, subject="Again")
        await eventually(room.settled)
        assert {"sent": 5, "skipped": 5} == await room.states()
    assert {"[DHIS 2] Again"} == {mail.message["Subject"] for mail in post.mails}


async def test_a_restart_forgets_nothing(dsn: str, staff: Staff, post: Post, tmp_path: Path) -> None:
    on = mailing(post)
    async with process(dsn, on, tmp_path) as room:
        await room.send(staff[0])
        await eventually(room.settled)
    # Posted by a process that ended before anybody looked at the log.
    async with process(dsn, mailing(post, mail_server=""), tmp_path) as room:
        await room.send(staff[0], subject="Between")
    await forget_channels_off(dsn, on)
    async with process(dsn, on, tmp_path) as room:
        await eventually(room.settled)
    assert ["[DHIS 2] Measles", "[DHIS 2] Between"] == [mail.message["Subject"] for mail in post.mails]


async def test_messages_that_are_too_old_are_passed_over(dsn: str, staff: Staff, post: Post, tmp_path: Path) -> None:
    """As after an import into a store that delivers, or when delivery stood still for a week."""
    async with process(dsn, mailing(post), tmp_path):
        pass
    async with process(dsn, mailing(post, mail_server=""), tmp_path) as room:
        await room.send(*staff, subject="Old")
    settings = mailing(post)
    # Milliseconds; nobody may set that.
    object.__setattr__(settings, "delivery_give_up_hours", 1e-6)
    async with process(dsn, settings, tmp_path) as room:
        await eventually(room.settled)
        assert {} == await room.states()
    assert [] == post.mails


async def test_a_rebuild_of_the_read_models_mails_nothing(dsn: str, staff: Staff, post: Post, tmp_path: Path) -> None:
    async with process(dsn, mailing(post), tmp_path) as room:
        await room.send(*staff)
        await eventually(room.settled)
        before = await room.pool.fetch("SELECT * FROM delivery_checkpoint")
        for projection in discover():
            await rebuild(dsn, projection, grace=60)
        await assert_rebuilt_equals_live(dsn)
        assert before == await room.pool.fetch("SELECT * FROM delivery_checkpoint")
        await room.send(staff[0], subject="After")
        await eventually(room.settled)
    assert 6 == len(post.mails)


async def test_on_another_history_of_the_log_it_stands_still_until_told(
    dsn: str, staff: Staff, post: Post, tmp_path: Path
) -> None:
    from convstore.delivery.outbox import figures, resume

    async with process(dsn, mailing(post), tmp_path) as room:
        await room.send(staff[0])
        await eventually(room.settled)
        # As after a restore from a backup: another batch stands where the one was that it had seen.
        await room.pool.execute("UPDATE delivery_checkpoint SET hash = sha256('another')")
        await room.send(staff[0], subject="Lost")

        async def stopped() -> str | None:
            return (await figures(room.pool))[0].stopped

        assert "another history" in await eventually(stopped)
        assert not (await figures(room.pool))[0].well
        assert 1 == await resume(room.pool, at_end=True)
        await room.send(staff[0], subject="After")
        await eventually(room.settled)
    assert ["[DHIS 2] Measles", "[DHIS 2] After"] == [mail.message["Subject"] for mail in post.mails]
