"""The client: what a program does with convstore, in the name of one account.

Whatever changes something carries an ``Idempotency-Key``, so that what is tried again happens once. A program that may
die between two tries chooses the ``key`` itself, and keeps it.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote
from uuid import uuid4

import msgspec
from aiohttp import MultipartWriter
from msgspec import Struct

from convstore.client.conversations import (
    LISTED,
    WHOLE,
    Changes,
    Conversation,
    ConversationPage,
    Counts,
    InboxChange,
    InboxEvent,
)
from convstore.client.errors import Unreadable
from convstore.client.events import START, By, Event, Page, Wanted, follow, listen, read_page
from convstore.client.subscription import Subscription
from convstore.client.transport import Answer, Retries, Transport, authorization_of, encoded
from convstore.domain.types import Priority, Status

_MC: Final = "messageConversations"
_TEXT: Final = "text/plain; charset=utf-8"


class _Pager(Struct, frozen=True, rename="camel"):
    next_cursor: str | None = None


class _List(Struct, frozen=True, rename="camel"):
    pager: _Pager
    message_conversations: tuple[Conversation, ...]


class _File(Struct, frozen=True):
    id: str


class _Told(Struct, frozen=True):
    unread: int
    conversation: str | None = None


class Client:
    """A convstore server, in the name of the account that a token, or a user's name and password, stand for.

    ``url`` is the server's address, with or without ``/api``. ``timeout``: seconds that one try may take.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
        timeout: float = 30.0,
        retries: Retries | None = None,
    ) -> None:
        authorization = authorization_of(token, user, password)
        self._transport = Transport(url, authorization, timeout=timeout, retries=retries or Retries())

    async def __aenter__(self) -> Self:
        """Make ready; nothing is asked yet."""
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._transport.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Iterable[tuple[str, str]] = (),
        json: Any = msgspec.UNSET,
        key: str | None = None,
    ) -> Answer:
        """Call what this class has no method for; ``path`` is what follows ``/api/``.

        Raises:
            Unreachable, Refused: as every call.
        """
        body = None if json is msgspec.UNSET else encoded(json)
        return await self._transport.call(method, path, params=params, body=body, key=key)

    # Reading an inbox.

    async def pages(
        self, *, filters: Sequence[str] = (), query: str | None = None, page_size: int = 50
    ) -> AsyncGenerator[ConversationPage, None]:
        """Give one's conversations page by page, newest first, each once: what comes meanwhile repeats and hides none.

        ``filters`` as the API has them: ``messageType:eq:TICKET``. ``query``: words to search for.
        """
        place, first = "", None
        asked = [("filter", each) for each in filters] + ([("query", query)] if query is not None else [])
        while True:
            params = [("fields", LISTED), ("pageSize", str(page_size)), ("cursor", place), *asked]
            answer = await self._transport.call("GET", _MC, params=params)
            found = answer.read(_List)
            first = first or answer.header("Convstore-Cursor")
            yield ConversationPage(conversations=found.message_conversations, cursor=first)
            if found.pager.next_cursor is None:
                return
            place = found.pager.next_cursor

    async def conversations(
        self, *, filters: Sequence[str] = (), query: str | None = None, page_size: int = 50
    ) -> AsyncGenerator[Conversation, None]:
        """Give one's conversations, newest first; as ``pages``."""
        async with aclosing(self.pages(filters=filters, query=query, page_size=page_size)) as pages:
            async for page in pages:
                for each in page.conversations:
                    yield each

    async def conversation(self, uid: str) -> Conversation:
        """Give one conversation with its messages.

        Raises:
            NotFound: there is none.
            Forbidden: it is not the caller's.
        """
        return (await self._transport.call("GET", _one(uid), params=[("fields", WHOLE)])).read(Conversation)

    async def counts(self) -> Counts:
        """Give how many conversations one has, and how many unread ones, by type."""
        return (await self._transport.call("GET", f"{_MC}/counts")).read(Counts)

    async def changes(self, since: str = "", *, page_size: int = 50) -> Changes:
        """Give what changed in one's inbox after a place: a list's ``cursor``, or that of the last changes.

        Without a place: where things are now, and nothing else.

        Raises:
            Expired: it is too long ago; begin with a list again.
        """
        params = [("since", since), ("fields", LISTED), ("pageSize", str(page_size))]
        return (await self._transport.call("GET", f"{_MC}/changes", params=params)).read(Changes)

    async def inbox(self, since: str = "") -> AsyncGenerator[InboxChange, None]:
        """Tell what changes in one's inbox, as it does, and first what changed since a place; for ever.

        It begins with ``READY``, or with what was missed; comes again by itself, where it was, when it breaks off; and
        says ``RESET`` when that is too long ago.
        """
        async with aclosing(listen(self._transport, "me/events", (), since)) as stream:
            async for heard in stream:
                try:
                    kind, told = InboxEvent(heard.event), msgspec.json.decode(heard.data, type=_Told)
                except (ValueError, msgspec.DecodeError) as error:
                    raise Unreadable(f"This is nothing that an inbox tells: {error}") from error
                yield InboxChange(event=kind, unread=told.unread, cursor=heard.place, conversation=told.conversation)

    # Writing.

    async def send(
        self,
        subject: str,
        text: str,
        *,
        users: Iterable[str] = (),
        groups: Iterable[str] = (),
        units: Iterable[str] = (),
        attachments: Iterable[str] = (),
        key: str | None = None,
    ) -> str:
        """Start a private conversation with people, groups and units, by their uids; give its uid.

        Raises:
            Conflict: there is no such recipient, none at all, or no subject.
        """
        document = {
            "subject": subject,
            "text": text,
            "users": _references(users),
            "userGroups": _references(groups),
            "organisationUnits": _references(units),
            "attachments": _references(attachments),
        }
        return _created(await self._write("POST", _MC, body=encoded(document), key=key))

    async def feedback(self, subject: str, text: str, *, key: str | None = None) -> str:
        """Open a ticket with those who look after them; give its uid."""
        path, body = f"{_MC}/feedback", text.encode()
        params = [("subject", subject)]
        return _created(await self._write("POST", path, params=params, body=body, content_type=_TEXT, key=key))

    async def reply(
        self,
        uid: str,
        text: str,
        *,
        internal: bool = False,
        attachments: Iterable[str] = (),
        key: str | None = None,
    ) -> None:
        """Add a message to a conversation; ``internal``: for those who look after tickets only.

        Raises:
            NotFound: there is no such conversation.
            Forbidden: it is not the caller's, or internal messages are not for him.
        """
        params = [("internal", "true")] if internal else []
        params += [("attachments", each) for each in attachments]
        await self._write("POST", _one(uid), params=params, body=text.encode(), content_type=_TEXT, key=key)

    async def upload(
        self, name: str, content: bytes, *, content_type: str = "application/octet-stream", key: str | None = None
    ) -> str:
        """Upload a file for a message that is still to be sent; give its uid.

        Raises:
            ValueError: a file cannot be called so.
            Conflict: it is empty or too large, or too many of the account's wait for a message.
        """
        if not name.isprintable():
            raise ValueError("The name of a file has control characters.")
        with MultipartWriter("form-data") as writer:
            part = writer.append(content, {"Content-Type": content_type})
            part.set_content_disposition("form-data", quote_fields=False, name="file", filename=name)
            # The same bytes each time: a try with another boundary would be another request.
            body = await writer.as_bytes()
        answer = await self._write("POST", f"{_MC}/attachments", body=body, content_type=writer.content_type, key=key)
        return answer.read(_File).id

    async def mark_read(self, *uids: str) -> None:
        """Mark conversations read.

        Raises:
            NotFound: none of them exists.
        """
        await self._mark("read", uids)

    async def mark_unread(self, *uids: str) -> None:
        """Mark conversations unread; as ``mark_read``."""
        await self._mark("unread", uids)

    async def mark_all_read(self, up_to: str | None = None) -> None:
        """Mark everything read; ``up_to``: as far as a list with this ``cursor`` showed it."""
        params = [("all", "true")] + ([("upTo", up_to)] if up_to is not None else [])
        await self._write("POST", f"{_MC}/read", params=params)

    async def follow_up(self, *uids: str) -> None:
        """Flag conversations for follow-up; as ``mark_read``."""
        await self._mark("followup", uids)

    async def unfollow(self, *uids: str) -> None:
        """Take the flags away again; as ``mark_read``."""
        await self._mark("unfollowup", uids)

    async def set_status(self, uid: str, status: Status) -> None:
        """Set the status of a ticket.

        Raises:
            NotFound, Forbidden: there is no such conversation, or it is not the caller's to change.
        """
        await self._write("POST", f"{_one(uid)}/status", params=[("messageConversationStatus", status)])

    async def set_priority(self, uid: str, priority: Priority) -> None:
        """Set the priority of a ticket; as ``set_status``."""
        await self._write("POST", f"{_one(uid)}/priority", params=[("messageConversationPriority", priority)])

    async def assign(self, uid: str, user: str | None) -> None:
        """Make somebody responsible for a ticket, or nobody; as ``set_status``."""
        if user is None:
            await self._write("DELETE", f"{_one(uid)}/assign")
        else:
            await self._write("POST", f"{_one(uid)}/assign", params=[("userId", user)])

    # Following events.

    async def page(
        self,
        after: str = START,
        *,
        types: Sequence[str] = (),
        conversation: str | None = None,
        own: bool = False,
        limit: int = 100,
    ) -> Page:
        """Give the next events after a place: a cursor, ``start`` or ``latest``; at most 1,000.

        Raises:
            Forbidden: they are not for the caller.
            Conflict: the cursor is ahead of the log, which was restored perhaps.
        """
        return await read_page(self._transport, Wanted(types=types, conversation=conversation, own=own), after, limit)

    def events(
        self,
        after: str = START,
        *,
        types: Sequence[str] = (),
        conversation: str | None = None,
        own: bool = False,
        by: By = By.STREAM,
        poll: float = 1.0,
    ) -> AsyncGenerator[Event, None]:
        """Give the events after a place, and all that come, for ever; as ``page``.

        When the connection fails it comes again by itself, after the last event that it gave: none is missed, none
        comes twice. It ends by what cannot be mended so: a right, a token or an account that ended. ``poll``: seconds
        between pages when there is nothing new.
        """
        wanted = Wanted(types=types, conversation=conversation, own=own)
        return follow(self._transport, wanted, after, By(by), poll)

    def subscription(
        self, name: str, *, consumer: str | None = None, auto: bool = True, limit: int = 100
    ) -> Subscription:
        """Take part in a durable subscription that there is; see ``Subscription``.

        ``consumer``: this worker's name, its own among those of the subscription; by default one that nobody has.
        """
        return Subscription(self._transport, name, consumer or f"client-{uuid4().hex}", auto=auto, limit=limit)

    async def subscribe(
        self,
        name: str,
        *,
        after: str = "latest",
        types: Sequence[str] | None = None,
        conversation: str | None = None,
        own: bool = False,
        lease: float = 15.0,
    ) -> None:
        """Make a durable subscription, which begins after a place.

        ``lease``: seconds, from 2 to 300, after which a consumer that says nothing counts as dead.

        Raises:
            Invalid: it cannot be called so, or there are no such events.
            Conflict: there is one of this name.
            Forbidden: the events are not for the caller.
        """
        asked = {"name": name, "after": after, "types": types, "conversation": conversation, "own": own, "lease": lease}
        await self._transport.call("POST", "subscriptions", body=encoded(asked))

    async def unsubscribe(self, name: str) -> None:
        """End a subscription, with its dead letters."""
        await self._transport.call("DELETE", f"subscriptions/{quote(name, safe='')}")

    async def _mark(self, how: str, uids: Sequence[str]) -> None:
        await self._write("POST", f"{_MC}/{how}", body=encoded(uids))

    async def _write(
        self,
        method: str,
        path: str,
        *,
        params: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        content_type: str = "application/json",
        key: str | None = None,
    ) -> Answer:
        return await self._transport.call(
            method, path, params=list(params), body=body, content_type=content_type, key=key or uuid4().hex
        )


def _one(uid: str) -> str:
    return f"{_MC}/{quote(uid, safe='')}"


def _references(uids: Iterable[str]) -> list[dict[str, str]]:
    return [{"id": uid} for uid in uids]


def _created(answer: Answer) -> str:
    return answer.header("Location").rpartition("/")[2]
