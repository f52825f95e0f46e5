"""Where the bytes of files lie: a folder, or a bucket of S3, Google Cloud Storage or Azure, by one library (obstore).

Bytes are written once, under a key that nobody else writes, whole or not at all, and never changed.

The library is called in threads, not by its asynchronous functions: after one of those, about every fourth process was
aborted while it ended (obstore 0.12; https://github.com/PyO3/pyo3-async-runtimes/issues/40).
"""

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from convstore.config import without_secrets
from convstore.errors import ConfigError, StorageUnreachable

if TYPE_CHECKING:
    from obstore.store import ObjectStore  # for the checker only, as obstore says

T = TypeVar("T")

log = structlog.get_logger(__name__)

# Schemes of buckets; credentials and regions come from the environment, as each provider's own tools have them.
_BUCKETS: Final = frozenset({"s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss"})
# No part of a multipart upload to S3 may be smaller, but for the last.
_BUCKET_PART: Final = 5 * 1024 * 1024
_FOLDER_PART: Final = 256 * 1024
_READ_AT_ONCE: Final = 128 * 1024
# Files that one process reads and writes at the same moment; an upload has its thread until it ends, a download only
# while a piece is fetched. Slow clients must not keep others from reading: writers have threads of their own.
_WRITERS: Final = 32
_READERS: Final = 8

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class Storage:
    """One folder or one place in a bucket. All server processes of a store are told the same one."""

    def __init__(self, store: "ObjectStore", folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self._writers = ThreadPoolExecutor(_WRITERS, "attachments written")
        self._readers = ThreadPoolExecutor(_READERS, "attachments read")

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Write bytes as they come; when ``chunks`` raises, nothing is there, and it is raised here.

        At most two parts are in memory, of 5 MiB for a bucket and 256 KiB for a folder.

        Raises:
            StorageUnreachable: it cannot be done.
        """
        part = _BUCKET_PART if self._folder is None else _FOLDER_PART
        feed = _Feed(chunks)
        put = partial(obstore.put, self._store, key, iter(feed), chunk_size=part, max_concurrency=1)
        writing = asyncio.get_running_loop().run_in_executor(self._writers, put)
        with _retold():
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                feed.stop()
                # What is half written is removed by the thread.
                await asyncio.gather(writing, return_exceptions=True)
                raise

    async def read(self, key: str, start: int, stop: int) -> AsyncIterator[bytes] | None:
        """Give the bytes from ``start`` up to and without ``stop``, piece by piece; None when there are none.

        They are there when this returns; a storage that fails later ends the iteration with an error.

        Raises:
            StorageUnreachable: it cannot be done.
        """
        with _retold():
            try:
                found = await self._in_thread(partial(obstore.get, self._store, key, options={"range": (start, stop)}))
            except FileNotFoundError:
                return None
        return self._pieces(found)

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove bytes; those that are not there are no error.

        Raises:
            StorageUnreachable: it cannot be done; some may be gone.
        """
        for key in keys:
            with _retold(), contextlib.suppress(FileNotFoundError):
                await self._in_thread(partial(obstore.delete, self._store, key))
            await self._in_thread(partial(self._delete_remains, key))

    async def _pieces(self, found: "obstore.GetResult") -> AsyncIterator[bytes]:
        pieces = iter(found.stream(min_chunk_size=_READ_AT_ONCE))
        with _retold():
            while (piece := await self._in_thread(partial(next, pieces, None))) is not None:
                yield bytes(piece)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    def _delete_remains(self, key: str) -> None:
        """Remove what a process that was killed amid an upload left in a folder: ``key#1``, which is never listed."""
        if self._folder is not None:
            file = self._folder / key
            for remains in file.parent.glob(f"{file.name}#*"):
                remains.unlink(missing_ok=True)


def new_key() -> str:
    """Make a key that nobody can guess, in one of 256 folders."""
    name = secrets.token_hex(20)
    return f"{name[:2]}/{name}"


def open_storage(place: str, default: Path) -> Storage:
    """Open the storage that a setting names: an address of a bucket, a folder, or nothing, which is the default folder.

    A folder is made when it is not there, for this account alone. A bucket is not asked for anything yet.

    Raises:
        ConfigError: there is no such kind of storage, or the folder cannot be made.
    """
    if (scheme := urlsplit(place).scheme.lower()) in _BUCKETS:
        try:
            return Storage(from_url(place))
        except (BaseError, ValueError) as error:
            raise ConfigError(f"attachments {without_secrets(place)}: {_first_line(error)}") from error
    if _SCHEME.match(place) and scheme != "file":
        raise ConfigError(f"attachments {without_secrets(place)}: say a folder, or s3://…, gs://… or az://….")
    folder = Path(place.removeprefix("file://")).expanduser() if place else default
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Storage(LocalStore(folder.resolve()), folder.resolve())
    except (OSError, BaseError) as error:
        raise ConfigError(f"attachments {folder}: the folder cannot be made: {_first_line(error)}") from error


class _Feed:
    """Gives a thread what an asynchronous iterator gives, each time it asks. Made in the loop that has the iterator."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._loop = asyncio.get_running_loop()
        self._asked: Future[bytes | None] | None = None
        self._stopped = False

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._next()) is not None:
            yield chunk

    def stop(self) -> None:
        """Let the thread's next step raise, and the one that it waits in. Called in the loop."""
        self._stopped = True
        if self._asked is not None:
            self._asked.cancel()

    def _next(self) -> bytes | None:
        # Asked before it is looked at whether to stop: whichever of stop() and this comes second sees the other.
        self._asked = asyncio.run_coroutine_threadsafe(self._one(), self._loop)
        if self._stopped:
            self._asked.cancel()
        return self._asked.result()

    async def _one(self) -> bytes | None:
        return await anext(self._chunks, None)


@contextlib.contextmanager
def _retold() -> Iterator[None]:
    """Turn what the storage says into ours; its own words, with keys and addresses, are for the log only."""
    try:
        yield
    except (BaseError, PermissionError) as error:
        log.warning("storage.failed", error=type(error).__name__, reason=_first_line(error))
        raise StorageUnreachable from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
