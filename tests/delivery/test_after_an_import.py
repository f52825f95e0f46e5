"""A store into which a log was imported, served with delivery and a webhook: nothing that was imported is ever sent."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mailroom import WRITER, add_people, address
from post import Post, sms_gateway

from convstore.database import open_pool
from convstore.directory.passwords import hash_now
from convstore.domain.uid import UserId, new_uid
from convstore.log.recorded import Meta
from convstore.log.store import Store
from eventually import eventually
from seeding import people
from served import convstore, environment, free_port
from words import reply, send_message

MakeStore = Callable[..., Awaitable[str]]


@asynccontextmanager
async def _serving(dsn: str, post: Post, folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    port = free_port()
    options = [
        *("--dsn", dsn, "--port", str(port), "--mail-server", f"127.0.0.1:{post.port}", "--mail-security", "none"),
        *("--mail-from", "dhis@dhis.example.org", "--base-url", "https://x.example.org", "--mail-rate", "1000"),
        *("--webhook-networks", "127.0.0.0/8"),
    ]
    log = folder / f"serve-{port}.log"
    with log.open("wb") as stderr:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "convstore", "serve", *options, stderr=stderr, env=environment(), cwd=folder
        )
    try:
        await eventually(lambda: '"server.ready"' in log.read_text(), within=60)
        session = aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", headers={"Authorization": aiohttp.encode_basic_auth(WRITER, "secret")}
        )
        async with session:
            yield session
    finally:
        server.terminate()
        assert 0 == await asyncio.wait_for(server.wait(), 40)


async def _asked(session: aiohttp.ClientSession, method: str, path: str, document: object) -> Any:
    async with session.request(method, path, json=document) as answer:
        assert 201 == answer.status, await answer.text()
        return await answer.json()


async def _talked(dsn: str, staff: tuple[UserId, ...]) -> int:
    """Fill a store with letters to people who want mails, and say how many events it has."""
    async with await open_pool(dsn, size=4) as pool, await Store.open(pool) as store:
        for _ in range(4):
            uid = new_uid()
            start = send_message(WRITER, *staff, conversation=uid, subject="Once", text="Long ago")
            await store.submit([start, reply(by=staff[0], conversation=uid, text="And later")], Meta(actor=WRITER))
        return int(await pool.fetchval("SELECT sum(position)::int FROM head"))


@pytest.mark.slow
async def test_only_what_is_sent_after_an_import_is_mailed_and_pushed(
    make_store: MakeStore, post: Post, tmp_path: Path
) -> None:
    source, target = await make_store(), await make_store(partitions=2)
    staff = people(3)
    events = await _talked(source, staff)
    file = tmp_path / "log.ndjson.zst"
    assert 0 == (await asyncio.to_thread(convstore, "log", "export", str(file), "--dsn", source)).returncode
    async with await open_pool(target, size=2) as pool, sms_gateway() as receiver:
        await add_people(pool, staff)
        await add_people(pool, [WRITER], wanting=())
        await pool.execute("INSERT INTO user_role VALUES ('RoleRoleRo1', 'all', NULL, '{ALL}')")
        await pool.execute("INSERT INTO account_role VALUES ($1, 'RoleRoleRo1')", WRITER)
        await pool.execute("UPDATE account SET password_hash = $1 WHERE id = $2", hash_now("secret"), WRITER)
        # Both have begun with the empty log: nothing would keep them from what comes into it but the import itself.
        async with _serving(target, post, tmp_path) as session:
            await _asked(session, "POST", "/api/subscriptions", {"name": "hook", "after": "start"})
            await _asked(session, "PUT", "/api/subscriptions/hook/webhook", {"url": receiver.url})
            refused = await asyncio.to_thread(convstore, "log", "import", str(file), "--dsn", target)
            assert "A server, or another import, works on this store" in refused.stderr

        done = await asyncio.to_thread(convstore, "log", "import", str(file), "--dsn", target)

        assert f"{events} events in the file" in done.stderr
        async with _serving(target, post, tmp_path) as session:
            document = {"subject": "Now", "text": "Afterwards", "users": [{"id": person} for person in staff]}
            sent = await _asked(session, "POST", "/api/messageConversations", document)
            assert "Created" == sent["httpStatus"]
            uid = await pool.fetchval("SELECT stream FROM event ORDER BY recorded_at DESC LIMIT 1")
            await eventually(lambda: len(post.mails) >= len(staff) and len(receiver.requests) >= 3)

        # The consumers go through the log in order: had they begun earlier, this would have come after all the rest.
        assert {address(person): 1 for person in staff} == post.by_recipient
        assert {"Afterwards"} == {mail.body().split("\n")[0] for mail in post.mails}
        pushed = [json.loads(request["body"]) for request in receiver.requests]
        assert [(uid, 1), (uid, 2), (uid, 3)] == [(event["subject"], event["streamversion"]) for event in pushed]
        assert 0 == await pool.fetchval("SELECT count(*) FROM delivery WHERE state <> 'sent'")
