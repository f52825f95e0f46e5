"""Files from their upload to the message that takes them.

**One message takes a file, once.** The event is the truth: ``message-posted`` names its attachments, with all that is
shown of them. A row of ``file_resource`` only keeps others away, in three steps that no transaction spans, because an
append is one of many in a batch:

1. *reserve*: all files of a message are locked, looked at, and marked with its id, or none is;
2. the command goes to the log;
3. *confirm* marks them as taken; when a rule said no, *release* takes the marks off.

Two messages that race for one file meet in step 1, and the second is refused. A process that dies between 1 and 3
leaves a reservation. Whether its message was posted is then asked of the log, by whoever wants the file next and by the
sweep, but only after ``RESERVED_FOR``: until then the command may still be on its way. The same holds when the database
went away amid an append (Busy): nobody knows, so nothing is released.

A request that has an idempotency key may be under way twice, with the same message id (derived from the key). What is
refused of it is never released, for the other one may just have been posted: the log is asked later.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Final

import asyncpg
import structlog
from msgspec import Struct

from convstore.database import Conn, Pool
from convstore.domain.types import Attachment
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.errors import (
    AttachmentUsed,
    Busy,
    ConvstoreError,
    FileEmpty,
    FileTooLarge,
    KeyReused,
    LogCorrupt,
    TooManyFiles,
    UidTaken,
    UnknownAttachment,
)
from convstore.faults import DATABASE_ERRORS
from convstore.files.storage import Storage, new_key
from convstore.sql import Statements

log = structlog.get_logger(__name__)

RESERVED_FOR: Final = timedelta(minutes=15)
"""How long a command may be on its way to the log: an append is tried for seconds, ten times at most (log/appender)."""

MOST_WAITING: Final = 100
"""How many files of one account may wait for a message."""

SQL: Final = Statements(files(__package__) / "statements.sql")


class StoredFile(Struct, frozen=True, kw_only=True):
    """A file whose bytes are all there; ``length`` in bytes. ``message_id``: of the message that asked for it."""

    id: Uid
    owner: UserId
    name: str
    content_type: str
    storage_key: str
    stored: datetime
    length: int
    md5: bytes
    sha256: bytes
    conversation_id: Uid | None
    message_id: Uid | None
    taken: bool

    def as_attachment(self) -> Attachment:
        """Give what a message keeps of it."""
        return Attachment(id=self.id, name=self.name, content_type=self.content_type, length=self.length)


class Upload(Struct, frozen=True, kw_only=True):
    """A file that comes. ``uid``: the one it is to have, if not any.

    ``repeatable``: the uid stands for this very request, which may have come before; then the same file is given again.
    """

    owner: UserId
    name: str
    content_type: str
    uid: Uid | None = None
    repeatable: bool = False


class Files:
    """The files of one store. ``limit``: the largest file, in bytes; ``partition_of`` is the store's."""

    def __init__(self, pool: Pool, storage: Storage, *, limit: int, partition_of: Callable[[Uid], int]) -> None:
        self.pool = pool
        self.storage = storage
        self._limit = limit
        self.partition_of = partition_of

    async def upload(self, upload: Upload, chunks: AsyncIterator[bytes]) -> StoredFile:
        """Take a file in, as its bytes come.

        Raises:
            FileEmpty, FileTooLarge: it is; of the latter all bytes are read, to say how many there are.
            UidTaken: there is a file of this uid.
            TooManyFiles: too many of this account's wait for a message.
            KeyReused: this request is not the same as the one that came before.
            Busy: this very request is being worked at.
            StorageUnreachable: the bytes cannot be stored.
        """
        chunks = _without_empty(chunks)
        first = await anext(chunks, None)
        if first is None:
            raise FileEmpty
        uid, key = upload.uid or new_uid(), new_key()
        begun = await self.pool.fetchval(
            SQL.begin, uid, upload.owner, upload.name, upload.content_type, key, MOST_WAITING
        )
        bytes_read = _Counted(first, chunks, self._limit)
        if begun is None:
            return await self._again(upload, uid, bytes_read)
        try:
            await self.storage.write(key, bytes_read.within_limit())
        except _OverLimit:
            await self._abandon(uid, key)
            await bytes_read.drain()
            raise FileTooLarge(self._limit, bytes_read.length) from None
        except BaseException:  # a client that goes away cancels it
            await self._abandon(uid, key)
            raise
        row = await self.pool.fetchrow(
            SQL.complete, uid, key, bytes_read.length, bytes_read.md5.digest(), bytes_read.sha256.digest()
        )
        if row is None:
            raise Busy("The upload took too long.")
        return stored_file(row)

    async def find(self, uid: str) -> StoredFile | None:
        """Give a file; None when there is none, or not all of it yet."""
        row = await self.pool.fetchrow(SQL.find, [uid])
        return None if row is None else stored_file(row)

    @asynccontextmanager
    async def attaching(
        self,
        uids: Sequence[str | None],
        *,
        owner: UserId,
        conversation_id: Uid,
        message_id: Uid,
        repeatable: bool = False,
    ) -> AsyncIterator[tuple[Attachment, ...]]:
        """Keep files for a message while it is posted inside; each is named once, in the order given.

        ``repeatable``: the message id stands for this very request, which may be under way twice.

        Raises:
            UnknownAttachment: one is not there, or not the sender's own.
            AttachmentUsed: another message has one, or is about to have it.
        """
        if not uids:
            yield ()
            return
        attachments = await self._reserve(uids, owner, conversation_id, message_id)
        ids = [attachment.id for attachment in attachments]
        try:
            yield attachments
        except ConvstoreError as error:
            # After these two, nobody knows whether it was posted.
            if not repeatable and not isinstance(error, Busy | LogCorrupt):
                await self._note(SQL.release, ids, message_id)
            raise
        await self._note(SQL.confirm, ids, message_id)

    async def was_posted(self, conn: Conn, uid: Uid, conversation_id: Uid, message_id: Uid) -> bool:
        """Tell whether the log has this message with this file."""
        posted: bool = await conn.fetchval(
            SQL.posted, self.partition_of(conversation_id), conversation_id, message_id, uid
        )
        return posted

    async def _reserve(
        self, uids: Sequence[str | None], owner: UserId, conversation_id: Uid, message_id: Uid
    ) -> tuple[Attachment, ...]:
        wanted = list(dict.fromkeys(uids))
        async with self.pool.acquire() as conn, conn.transaction():
            named = [uid for uid in wanted if uid is not None]
            rows = {row["id"]: row for row in await conn.fetch(SQL.lock, named, RESERVED_FOR)}
            for uid in wanted:
                row = rows.get(uid)
                # Somebody else's is not there for him: who guesses uids learns nothing.
                if uid is None or row is None or row["owner"] != owner:
                    raise UnknownAttachment(uid)
                if row["message_id"] not in (None, message_id) and not await self._is_free_again(conn, row):
                    raise AttachmentUsed(uid)
            await conn.execute(SQL.reserve, named, conversation_id, message_id)
        return tuple(stored_file(rows[uid]).as_attachment() for uid in named)

    async def _is_free_again(self, conn: Conn, row: asyncpg.Record) -> bool:
        """Tell whether a file that a message asked for was left over, because that message never came to be."""
        if row["taken"] or not row["lapsed"]:
            return False
        return not await self.was_posted(conn, row["id"], row["conversation_id"], row["message_id"])

    async def _note(self, statement: str, ids: Sequence[Uid], message_id: Uid) -> None:
        """Write down what became of a message. It is decided already: whoever cannot read it here asks the log."""
        try:
            await self.pool.execute(statement, ids, message_id)
        except DATABASE_ERRORS as error:
            log.warning("attachments.not_noted", files=len(ids), message=message_id, error=type(error).__name__)

    async def _abandon(self, uid: Uid, key: str) -> None:
        """Forget an upload that broke off; if that fails too, the sweep does it."""
        try:
            await self.pool.execute(SQL.abandon, uid, key)
        except DATABASE_ERRORS as error:
            log.warning("attachments.not_abandoned", file=uid, error=type(error).__name__)

    async def _again(self, upload: Upload, uid: Uid, bytes_read: "_Counted") -> StoredFile:
        """Give the file that is there already, if this request brought it."""
        if not await self.pool.fetchval(SQL.exists, uid):
            raise TooManyFiles
        if not upload.repeatable:
            raise UidTaken(uid)
        await bytes_read.drain()
        found = await self.find(uid)
        if found is None:
            raise Busy
        same = (upload.owner, upload.name, upload.content_type, bytes_read.sha256.digest())
        if same != (found.owner, found.name, found.content_type, found.sha256):
            raise KeyReused
        return found


def stored_file(row: asyncpg.Record) -> StoredFile:
    """Make a file of its row."""
    values: dict[str, Any] = {name: row[name] for name in StoredFile.__struct_fields__}
    return StoredFile(**values)


class _OverLimit(Exception):
    """The file has more bytes than are taken."""


class _Counted:
    """The bytes of a file on their way, counted and hashed."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes], limit: int) -> None:
        self.length = 0
        self.md5 = hashlib.md5(usedforsecurity=False)  # DHIS2 shows it; nothing relies on it
        self.sha256 = hashlib.sha256()
        self._first: bytes | None = first
        self._rest = rest
        self._limit = limit

    async def within_limit(self) -> AsyncIterator[bytes]:
        """Give the bytes, once.

        Raises:
            _OverLimit: there are more than are taken.
        """
        while (chunk := await self._next()) is not None:
            if self.length > self._limit:
                raise _OverLimit
            yield chunk

    async def drain(self) -> None:
        """Read what is left."""
        while await self._next() is not None:
            pass

    async def _next(self) -> bytes | None:
        chunk, self._first = self._first, None
        if chunk is None:
            chunk = await anext(self._rest, None)
        if chunk is not None:
            self.length += len(chunk)
            self.md5.update(chunk)
            self.sha256.update(chunk)
        return chunk


async def _without_empty(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if chunk:
            yield chunk
