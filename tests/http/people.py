"""The people of the tests' directory (directory.json), and clients that speak for them."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from aiohttp import encode_basic_auth
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from lxml import etree
from yarl import URL

from convstore.backend import Backend
from convstore.directory.importing import import_files
from convstore.domain.conversation import Conversation
from convstore.domain.events import ConversationEvent
from convstore.domain.uid import Uid, UserId
from convstore.log import read
from convstore.log.recorded import Recorded

PASSWORD = "district"

ADMIN = UserId("xE7jOejl9FI")  # a superuser
MOBILE = UserId("PhzytPW3g2J")  # in HOSPITAL, FRIENDS and SECRET
SUPPORT = UserId("SupportUs01")  # in FEEDBACK, without other rights
CLERK = UserId("ClerkClerk1")  # in HOSPITAL and FRIENDS
IMPORTER = UserId("ImporterUs1")  # may delete conversations
DISABLED = UserId("DisabledUs1")

FEEDBACK = Uid("FeedbackGr1")
FRIENDS = Uid("FriendsGrp1")
SECRET = Uid("SecretGrp01")  # shared with nobody
EMPTY_GROUP = Uid("EmptyGroup1")
HOSPITAL = Uid("DiszpKrYNg8")
EMPTY_UNIT = Uid("EmptyUnit01")

NOBODY = UserId("dMV6G0tPAEa")
NO_CONVERSATION = Uid("AAAAAAAAAAA")

MC = "/api/messageConversations"


class Answer:
    """What a server answered, read whole."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @cached_property
    def json(self) -> Any:
        """The body, which is JSON."""
        assert "application/json" == self.headers["Content-Type"].partition(";")[0]
        return json.loads(self.body)

    @cached_property
    def xml(self) -> Any:
        """The root element of the body, which is XML."""
        assert "application/xml" == self.headers["Content-Type"].partition(";")[0]
        return etree.fromstring(self.body)

    @property
    def message(self) -> tuple[int, str]:
        """Status and message of a WebMessage, which says the same status itself."""
        if "json" in self.headers["Content-Type"]:
            said, text = self.json["httpStatusCode"], self.json.get("message")
        else:
            said = int(self.xml.get("httpStatusCode"))
            text = self.xml.findtext("{http://dhis2.org/schema/dxf/2.0}message")
        assert self.status == said
        return said, text

    @property
    def uid(self) -> Uid:
        """The conversation that the Location header leads to."""
        return Uid(self.headers["Location"].rpartition("/")[2])


class Caller:
    """A client that sends one person's credentials, or none."""

    def __init__(self, client: "TestClient[Request, Application]", username: str | None) -> None:
        self._client = client
        self._headers = {} if username is None else {"Authorization": encode_basic_auth(username, PASSWORD)}

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request; ``options`` are aiohttp's."""
        # As it stands: aiohttp would write some characters in its own way.
        url = URL(path, encoded=True)
        if isinstance(body := options.get("data"), bytes):
            options["data"] = io.BytesIO(body)  # aiohttp warns of large bodies otherwise
        headers = {**self._headers, **options.pop("headers", {})}
        async with self._client.request(method, url, headers=headers, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return await self("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        """POST."""
        return await self("POST", path, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        """DELETE."""
        return await self("DELETE", path, **options)

    async def send(self, *users: str, subject: str = "Hey", text: str = "How are you?", **more: Any) -> Uid:
        """Start a conversation with these people and give its uid."""
        document = {"subject": subject, "text": text, "users": [{"id": user} for user in users], **more}
        answer = await self.post(MC, json=document)
        assert 201 == answer.status, answer.body
        return answer.uid

    async def ticket(self, subject: str = "Tablet", text: str = "It does not start.") -> Uid:
        """Send feedback and give the ticket's uid."""
        answer = await self.post(f"{MC}/feedback", params={"subject": subject}, data=text)
        assert 201 == answer.status, answer.body
        return answer.uid

    async def reply(self, uid: str, text: str = "Fine.", *, internal: bool = False) -> Answer:
        """Reply."""
        return await self.post(
            f"{MC}/{uid}", params={"internal": str(internal).lower()}, data=text, headers={"Content-Type": "text/plain"}
        )


class Client:
    """Clients for everybody, and a look behind the server."""

    def __init__(self, client: "TestClient[Request, Application]", backend: Backend, dsn: str) -> None:
        self._client = client
        self.backend = backend
        self.dsn = dsn
        self.as_admin = self.by("admin")
        self.as_mobile = self.by("mobile")
        self.as_support = self.by("support")
        self.as_clerk = self.by("clerk")
        self.as_importer = self.by("importer")
        self.as_nobody = self.by(None)

    def by(self, username: str | None) -> Caller:
        """Give a client that speaks for this account."""
        return Caller(self._client, username)

    @property
    def url(self) -> str:
        """Scheme, host and port of the server."""
        return str(self._client.make_url("/")).rstrip("/")

    @property
    def port(self) -> int:
        """The server's port, on the loopback address."""
        port = self._client.port
        assert port is not None
        return port

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are, and give all that comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    async def state(self, uid: str) -> Conversation | None:
        """Give the state of a conversation, as the log has it; None when there is none, or none any more."""
        return (await self.backend.store.states([Uid(uid)])).get(Uid(uid))

    async def first_line(self, request: bytes) -> bytes:
        """Send bytes as they are, and give the first line that comes back; then go away."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(20):
                return await reader.readline()
        finally:
            writer.close()
            await writer.wait_closed()

    async def records(self, uid: str) -> Sequence[Recorded]:
        """Give what the log holds of a conversation."""
        async with self.backend.pool.acquire() as conn:
            return await read.read_stream(conn, self.backend.store.partition_of(Uid(uid)), Uid(uid))

    async def history(self, uid: str) -> Sequence[ConversationEvent]:
        """Give the events of a conversation."""
        return [recorded.event for recorded in await self.records(uid)]

    async def events(self) -> int:
        """Say how many events the log has."""
        count: int = await self.backend.pool.fetchval("SELECT count(*) FROM event")
        return count


async def add_accounts(
    client: Client, folder: Path, password_hash: str, **accounts: Sequence[str]
) -> dict[str, UserId]:
    """Add accounts to the directory, each with authorities of its own, and give their uids by username."""
    uids = {username: UserId(f"{username.title():0<11}"[:11]) for username in accounts}
    roles = {username: f"Urole{uid[:6]}" for username, uid in uids.items()}
    file = folder / "accounts.json"
    document = {
        "userRoles": [
            {"id": roles[username], "name": f"Role of {username}", "authorities": list(authorities)}
            for username, authorities in accounts.items()
        ],
        "users": [
            {
                "id": uid,
                "username": username,
                "firstName": username.title(),
                "surname": "Added",
                "userRoles": [{"id": roles[username]}],
            }
            for username, uid in uids.items()
        ],
    }
    file.write_text(json.dumps(document))
    await import_files(client.backend.pool, [file])
    pool = client.backend.pool
    await pool.execute("UPDATE account SET password_hash = $1 WHERE id = ANY ($2)", password_hash, list(uids.values()))
    return uids


# Starts a server with these settings, and with so many partitions, or beside another.
MakeClient = Callable[..., Awaitable[Client]]
