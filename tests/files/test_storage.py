"""Where bytes lie: a folder, and a bucket of S3 (a server on loopback)."""

import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from convstore.errors import ConfigError, StorageUnreachable
from convstore.files.storage import Storage, new_key, open_storage
from served import free_port

PIECE = b"0123456789abcdef" * 4_096


async def pieces(number: int, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for _ in range(number):
        await asyncio.sleep(0)
        yield PIECE
    if error is not None:
        raise error


async def read(storage: Storage, key: str, start: int, stop: int) -> bytes | None:
    found = await storage.read(key, start, stop)
    return None if found is None else b"".join([piece async for piece in found])


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """Give the address of a place in a bucket of a server that speaks S3, its credentials in the environment."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    before = dict(os.environ)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
    }
    try:
        while True:
            assert server.poll() is None
            try:
                urllib.request.urlopen(urllib.request.Request(f"{address}/files", method="PUT"), timeout=20).close()
                break
            except OSError:
                continue
        yield "s3://files/of/messages"
    finally:
        os.environ.clear()
        os.environ |= before
        server.terminate()
        server.wait(10)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    place = "" if request.param == "folder" else request.getfixturevalue("bucket")
    return open_storage(place, tmp_path / "attachments")


async def test_what_was_written_is_read_whole_and_in_parts(storage: Storage) -> None:
    for number in (1, 200):
        key, size = new_key(), number * len(PIECE)

        await storage.write(key, pieces(number))

        assert PIECE * number == await read(storage, key, 0, size)
        assert (PIECE * number)[5:-5] == await read(storage, key, 5, size - 5)


async def test_what_breaks_off_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    key = new_key()
    for error in (ValueError("broken off"), ConnectionResetError("gone"), OSError("other")):
        with pytest.raises(type(error), match=str(error)):
            await storage.write(key, pieces(100, error))

    assert None is await read(storage, key, 0, 1)
    assert [] == [file for file in tmp_path.rglob("*") if file.is_file()]


async def test_a_writer_that_is_cancelled_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    key = new_key()
    stuck = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for piece in pieces(50):
            yield piece
        stuck.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(storage.write(key, endless()))
    await stuck.wait()
    writing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await writing
    assert None is await read(storage, key, 0, 1)
    assert [] == [file for file in tmp_path.rglob("*") if file.is_file()]


async def test_deleting_twice_is_deleting_once(storage: Storage) -> None:
    one, two = new_key(), new_key()
    for key in (one, two):
        await storage.write(key, pieces(1))

    await storage.delete([one, new_key(), one])

    assert None is await read(storage, one, 0, 1)
    assert PIECE == await read(storage, two, 0, len(PIECE))


def test_what_a_killed_process_left_half_written_goes_as_well(tmp_path: Path) -> None:
    writer = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from convstore.files.storage import open_storage\n"
        "async def endless():\n"
        "    while True:\n"
        "        yield b'x' * 1_000_000\n"
        "        await asyncio.sleep(0)\n"
        "asyncio.run(open_storage('', Path(sys.argv[1])).write('ab/key', endless()))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", writer, str(tmp_path)])
    while not list(tmp_path.rglob("key#*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()

    asyncio.run(open_storage("", tmp_path).delete(["ab/key"]))

    assert [] == [file for file in tmp_path.rglob("*") if file.is_file()]


@pytest.mark.parametrize("attempt", range(4))
def test_a_process_that_used_the_storage_ends_in_peace(tmp_path: Path, attempt: int) -> None:
    worker = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from convstore.files.storage import open_storage\n"
        "async def some():\n"
        "    for _ in range(9):\n"
        "        yield b'x' * 65_536\n"
        "async def work():\n"
        "    storage = open_storage('', Path(sys.argv[1]))\n"
        "    for key in 'abc':\n"
        "        await storage.write(key, some())\n"
        "        async for _ in await storage.read(key, 0, 9 * 65_536):\n"
        "            pass\n"
        "        await storage.delete([key])\n"
        "asyncio.run(work())\n"
    )

    done = subprocess.run([sys.executable, "-c", worker, str(tmp_path)], capture_output=True, check=False)

    assert (0, b"") == (done.returncode, done.stderr)


async def test_a_storage_that_cannot_be_reached_is_told_so(tmp_path: Path) -> None:
    storage = open_storage("", tmp_path / "attachments")
    (tmp_path / "attachments" / "ab").write_text("a file where a folder must be")

    with pytest.raises(StorageUnreachable):
        await storage.write("ab/key", pieces(1))


def test_the_folder_is_for_the_server_alone(tmp_path: Path) -> None:
    open_storage("", tmp_path / "attachments")
    open_storage(f"file://{tmp_path}/more", tmp_path)

    assert [0o700, 0o700] == [(tmp_path / name).stat().st_mode & 0o777 for name in ("attachments", "more")]


@pytest.mark.parametrize("place", ["http://host/x", "memory:///", "ftp://host", "s3:///"])
def test_a_place_of_no_known_kind_is_refused(place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="attachments"):
        open_storage(place, tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be made"):
        open_storage(str(tmp_path / "file" / "folder"), tmp_path)
