"""A store whose people want mails, and server processes that deliver to them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from post import Post

from convstore.config import Settings
from convstore.database import Pool, open_pool
from convstore.delivery.service import Delivery
from convstore.directory import Directory
from convstore.domain.commands import ConversationCommand, Reply, SendMessage
from convstore.domain.types import Actor, Addressed
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.engine import Engine
from convstore.files.service import Files
from convstore.files.storage import open_storage
from convstore.handle import handle
from convstore.log.recorded import Meta
from convstore.log.store import Store

WRITER = UserId("Writer00001")
BASE = "https://dhis.example.org/demo"

_PEOPLE = """
INSERT INTO account (id, username, first_name, surname, email, phone_number, uuid)
SELECT id, lower(id), 'Person', id, lower(id) || '@example.org', '+255 700 ' || right(id, 6), gen_random_uuid()
  FROM unnest($1::text[]) AS n (id)
"""
_WANT = "INSERT INTO user_setting (user_id, name, value) SELECT id, $2, 'true' FROM unnest($1::text[]) AS n (id)"


def address(person: UserId) -> str:
    """Give a person's e-mail address."""
    return f"{person.lower()}@example.org"


async def add_people(pool: Pool, people: Sequence[UserId], *, wanting: Sequence[str] = ("Email",)) -> None:
    """Put people into the directory who want to be told by these channels."""
    await pool.execute(_PEOPLE, people)
    for channel in wanting:
        await pool.execute(_WANT, people, f"keyMessage{channel}Notification")


def mailing(post: Post, **more: Any) -> Settings:
    """Give settings that deliver to a mail server, without long pauses."""
    chosen: dict[str, Any] = {
        "mail_server": f"127.0.0.1:{post.port}",
        "mail_security": "none",
        "mail_from": "dhis@dhis.example.org",
        "mail_rate": 10_000,
        "base_url": BASE,
        "delivery_retry_seconds": 0.05,
        **more,
    }
    return Settings(**chosen)


@dataclass
class Process:
    """One server process, as far as it concerns delivery."""

    pool: Pool
    store: Store
    engine: Engine
    directory: Directory
    files: Files
    delivery: Delivery

    async def do(self, command: ConversationCommand) -> None:
        """Carry a command out."""
        await handle(self.store, self.engine, [command], Meta(actor=command.actor.id))

    async def send(
        self,
        *to: UserId,
        by: UserId = WRITER,
        subject: str = "Measles",
        text: str = "Please report.",
        addressed: Addressed | None = None,
    ) -> Uid:
        """Start a conversation and give its uid."""
        uid = new_uid()
        await self.do(
            SendMessage(
                conversation_id=uid,
                actor=Actor(id=by),
                message_id=new_uid(),
                subject=subject,
                text=text,
                recipients=to,
                addressed=addressed or Addressed(users=to),
            )
        )
        return uid

    async def reply(self, uid: Uid, by: UserId, text: str = "Done.", **more: Any) -> Uid:
        """Reply, and give the message's uid."""
        message = new_uid()
        await self.do(Reply(conversation_id=uid, actor=Actor(id=by), message_id=message, text=text, **more))
        return message

    async def states(self, *, channel: str = "email") -> Counter[str]:
        """Count what became of the mails."""
        rows = await self.pool.fetch(
            "SELECT state, count(*) AS number FROM delivery WHERE channel = $1 GROUP BY state", channel
        )
        return Counter({row["state"]: row["number"] for row in rows})

    async def reasons(self) -> dict[str, tuple[str, str | None, int]]:
        """Give state, reason and attempts by person."""
        rows = await self.pool.fetch("SELECT user_id, state, reason, attempts FROM delivery")
        return {row["user_id"]: (row["state"], row["reason"], row["attempts"]) for row in rows}

    async def held(self, number: int) -> bool:
        """Tell whether so many wait and none was tried: between two looks at a mail server that takes nothing."""
        found = [(state, attempts) for state, _, attempts in (await self.reasons()).values()]
        return [("waiting", 0)] * number == found

    async def settled(self) -> bool:
        """Tell whether there is nothing left to send: the log was read to its end, and every row is final."""
        behind: int = await self.pool.fetchval(
            "SELECT count(*) FROM delivery_checkpoint c JOIN head h USING (partition) WHERE c.position <> h.position"
        )
        states = await self.states() + await self.states(channel="sms")
        return not behind and not states["waiting"] and not states["sending"]


@asynccontextmanager
async def process(dsn: str, settings: Settings, folder: Path) -> AsyncIterator[Process]:
    """Run the parts of a server process until the end of the block."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await open_pool(dsn, size=6))
        store = await stack.enter_async_context(await Store.open(pool))
        directory = Directory(pool)
        await directory.start()
        stack.push_async_callback(directory.stop)
        engine = Engine(pool, dsn, store)
        await engine.start()
        stack.push_async_callback(engine.stop)
        files = Files(pool, open_storage("", folder), limit=settings.max_attachment, partition_of=store.partition_of)
        delivery = Delivery(dsn, store, directory, engine, settings)
        await delivery.start()
        stack.push_async_callback(delivery.stop)
        yield Process(pool, store, engine, directory, files, delivery)
        await asyncio.sleep(0)
