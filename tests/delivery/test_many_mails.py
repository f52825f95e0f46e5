"""A message to very many: each person has exactly one final status, and none sees another's address.

500 by default; ``CONVSTORE_TEST_MAILS=10000`` for as many.
"""

import os
import re
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from mailroom import WRITER, add_people, address, mailing, process
from post import Post

from convstore.database import Pool
from eventually import eventually
from seeding import people

_MAILS = int(os.environ.get("CONVSTORE_TEST_MAILS", "500"))


@pytest.mark.slow
async def test_each_of_very_many_has_one_final_status(dsn: str, pool: Pool, post: Post, tmp_path: Path) -> None:
    staff = people(_MAILS)
    await add_people(pool, staff)
    await add_people(pool, [WRITER], wanting=())
    refused, busy = set(staff[::97]), set(staff[5::101]) - set(staff[::97])
    post.refuse |= {address(person): "550 5.1.1 no such user" for person in refused}
    came: set[str] = set()

    async def busy_once(_server: SMTP, envelope: Envelope) -> str | None:
        (recipient,) = envelope.rcpt_tos
        if recipient in later and recipient not in came:
            came.add(recipient)
            return "452 4.2.2 full"
        return None

    later = {address(person) for person in busy}
    post.script += [busy_once] * (_MAILS * 2)

    async with process(dsn, mailing(post, mail_connections=4), tmp_path) as room:
        await room.send(*staff)
        await eventually(room.settled, within=110)
        assert {"sent": _MAILS - len(refused), "failed": len(refused)} == await room.states()
        assert set(staff) == set(await room.reasons())

    assert {address(person): 1 for person in staff if person not in refused} == post.by_recipient
    for mail in post.mails:
        (recipient,) = mail.recipients
        seen = set(re.findall(r"u\d{10}@example\.org", mail.raw.decode().lower()))
        assert {recipient} == seen
