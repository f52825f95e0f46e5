"""A mail server, a store whose people want mails, and a server process that delivers to them."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mailroom import WRITER, Process, add_people, mailing, process
from post import Post, post_office

from convstore.database import Pool
from convstore.domain.uid import UserId
from seeding import people


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with post_office() as post:
        yield post


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a certificate for 127.0.0.1, with its key beside it."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=post",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


@pytest.fixture
async def staff(pool: Pool) -> tuple[UserId, ...]:
    """Give five people who want mails, beside the writer, who does not."""
    staff = people(5)
    await add_people(pool, staff)
    await add_people(pool, [WRITER], wanting=())
    return staff


@pytest.fixture
async def room(dsn: str, staff: tuple[UserId, ...], post: Post, tmp_path: Path) -> AsyncIterator[Process]:
    async with process(dsn, mailing(post), tmp_path) as room:
        yield room
