"""A file is taken by one message, once, whatever dies meanwhile; and what nobody needs goes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from convstore.database import Pool
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.engine import Engine
from convstore.errors import (
    AttachmentUsed,
    Busy,
    ConversationNotFound,
    StorageUnreachable,
    SubjectRequired,
    UnknownAttachment,
)
from convstore.files.service import Files, Upload
from convstore.files.storage import open_storage
from convstore.files.sweep import Swept, keep_sweeping, sweep
from convstore.log.recorded import Meta
from convstore.log.store import Store
from eventually import eventually
from words import (
    ANN,
    ANOTHER_MESSAGE,
    BOB,
    CONVERSATION,
    MESSAGE,
    OTHER_CONVERSATION,
    delete_conversation,
    send_message,
)

CONTENT = b"some bytes"
HOUR = timedelta(hours=1)


class Place:
    """A store with its files."""

    def __init__(self, dsn: str, pool: Pool, store: Store, engine: Engine, folder: Path) -> None:
        self.dsn = dsn
        self.pool = pool
        self.store = store
        self.engine = engine
        self.folder = folder
        self.files = Files(pool, open_storage("", folder), limit=1_000, partition_of=store.partition_of)

    async def upload(self, owner: UserId = ANN) -> Uid:
        """Upload a file and give its uid."""
        return (await self.files.upload(Upload(owner=owner, name="a", content_type="t/x"), _once(CONTENT))).id

    async def send(self, file: Uid, conversation: Uid = OTHER_CONVERSATION, message: Uid = ANOTHER_MESSAGE) -> None:
        """Send a message with a file, as the server does."""
        async with self.files.attaching(
            [file], owner=ANN, conversation_id=conversation, message_id=message
        ) as attachments:
            command = send_message(BOB, conversation=conversation, message=message, attachments=attachments)
            await self.submit(command)

    async def submit(self, command: object) -> None:
        """Carry a command out, and wait until lists show it."""
        done = await self.store.submit([command], Meta(actor=ANN))  # type: ignore[list-item]  # one of the words
        assert await self.engine.wait(done.partition, done.position, 20)

    async def pass_time(self, file: Uid, time: timedelta) -> None:
        """Let a file be older than it is."""
        await self.pool.execute(
            "UPDATE file_resource SET created = created - $2::interval, stored = stored - $2::interval,"
            " reserved = reserved - $2::interval WHERE id = $1",
            file,
            time,
        )

    async def sweep(self) -> Swept:
        """Sweep, as the server does."""
        return await sweep(self.files)

    def stored(self) -> int:
        """Say how many files' bytes there are."""
        return sum(file.is_file() for file in self.folder.rglob("*"))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@pytest.fixture
async def place(dsn: str, pool: Pool, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(await Store.open(pool))
        engine = Engine(pool, dsn, store)
        await engine.start()
        stack.push_async_callback(engine.stop)
        yield Place(dsn, pool, store, engine, tmp_path / "attachments")


async def kill_amid_a_message(place: Place, file: Uid, when: str) -> None:
    """Let another process take a file for a message, and kill it before the message is posted, or right after."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("taker.py")),
        place.dsn,
        str(place.folder),
        file,
        when,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    assert b"here\n" == await process.stdout.readline()
    process.kill()
    await process.wait()


async def test_a_file_whose_message_was_never_posted_is_free_again_after_a_while(place: Place) -> None:
    file = await place.upload()
    await kill_amid_a_message(place, file, "reserved")

    with pytest.raises(AttachmentUsed):
        await place.send(file)
    await place.pass_time(file, timedelta(minutes=16))
    await place.send(file)

    found = await place.files.find(file)
    assert found is not None
    assert (OTHER_CONVERSATION, ANOTHER_MESSAGE, True) == (found.conversation_id, found.message_id, found.taken)


async def test_a_file_whose_message_was_posted_stays_taken_whoever_died(place: Place) -> None:
    file = await place.upload()
    await kill_amid_a_message(place, file, "posted")
    await place.pass_time(file, timedelta(days=2))

    with pytest.raises(AttachmentUsed):
        await place.send(file)
    assert Swept(settled=1) == await place.sweep()
    found = await place.files.find(file)
    assert found is not None
    assert (CONVERSATION, MESSAGE, True) == (found.conversation_id, found.message_id, found.taken)
    assert 1 == place.stored()


async def test_the_sweep_settles_what_was_never_posted(place: Place) -> None:
    file = await place.upload()
    await kill_amid_a_message(place, file, "reserved")

    assert Swept() == await place.sweep()
    await place.pass_time(file, timedelta(minutes=16))
    assert Swept(settled=1) == await place.sweep()
    await place.send(file)


async def test_a_message_that_is_refused_gives_its_files_back(place: Place) -> None:
    file = await place.upload()
    for error in (SubjectRequired(), ConversationNotFound("a")):
        with pytest.raises(type(error)):
            async with place.files.attaching([file], owner=ANN, conversation_id=CONVERSATION, message_id=MESSAGE):
                raise error

    await place.send(file)


async def test_a_message_of_which_nobody_knows_keeps_its_files(place: Place) -> None:
    file = await place.upload()
    with pytest.raises(Busy):
        async with place.files.attaching([file], owner=ANN, conversation_id=CONVERSATION, message_id=MESSAGE):
            raise Busy

    with pytest.raises(AttachmentUsed):
        await place.send(file)
    # But the message that it was kept for may have it.
    await place.send(file, CONVERSATION, MESSAGE)


async def test_a_refused_request_that_may_be_under_way_twice_gives_nothing_back(place: Place) -> None:
    file = await place.upload()
    with pytest.raises(SubjectRequired):
        async with place.files.attaching(
            [file], owner=ANN, conversation_id=CONVERSATION, message_id=MESSAGE, repeatable=True
        ):
            raise SubjectRequired

    with pytest.raises(AttachmentUsed):
        await place.send(file)


async def test_none_of_several_files_is_taken_when_one_cannot_be(place: Place) -> None:
    mine, others = await place.upload(), await place.upload(BOB)

    with pytest.raises(UnknownAttachment):
        async with place.files.attaching([mine, others], owner=ANN, conversation_id=CONVERSATION, message_id=MESSAGE):
            raise AssertionError("never inside")

    await place.send(mine)


async def test_messages_that_ask_for_the_same_files_in_other_orders_do_not_block_each_other(place: Place) -> None:
    files = [await place.upload() for _ in range(5)]

    async def take(wanted: list[Uid]) -> bool:
        try:
            async with place.files.attaching(wanted, owner=ANN, conversation_id=new_uid(), message_id=new_uid()):
                await asyncio.sleep(0)
        except AttachmentUsed:
            return False
        return True

    taken = await asyncio.gather(*(take(files if n % 2 else files[::-1]) for n in range(20)))

    assert 1 == sum(taken)


async def test_what_no_message_took_goes_after_a_day(place: Place) -> None:
    old, young, used = [await place.upload() for _ in range(3)]
    await place.send(used)
    for file in (old, used):
        await place.pass_time(file, 25 * HOUR)

    assert Swept(unused=1) == await place.sweep()

    assert [None, young, used] == [
        found and found.id for found in [await place.files.find(file) for file in (old, young, used)]
    ]
    assert 2 == place.stored()
    assert Swept() == await place.sweep()


async def test_uploads_that_broke_off_go(place: Place) -> None:
    begun = "INSERT INTO file_resource (id, owner, name, content_type, storage_key) VALUES ($1, 'o', 'n', 't', $1)"
    for file in (young := new_uid(), old := new_uid()):
        await place.pool.execute(begun, file)
    await place.pass_time(old, 3 * HOUR)

    assert Swept(unused=1) == await place.sweep()
    assert young == await place.pool.fetchval("SELECT id FROM file_resource")


async def test_files_go_with_their_conversation_and_no_others(place: Place) -> None:
    gone, stays = await place.upload(), await place.upload()
    await place.send(gone, CONVERSATION, MESSAGE)
    await place.send(stays)
    assert Swept() == await place.sweep()

    await place.submit(delete_conversation(by=Actor(id=ANN, may_delete=True)))

    assert Swept(deleted=1) == await place.sweep()
    assert None is await place.files.find(gone)
    assert 1 == place.stored()


async def test_a_read_model_that_is_being_rebuilt_costs_no_file(place: Place) -> None:
    file = await place.upload()
    await place.send(file)
    await place.pool.execute("DELETE FROM inbox_conversation_v1")

    assert Swept() == await place.sweep()
    assert file == getattr(await place.files.find(file), "id", None)


async def test_a_sweep_that_broke_off_is_finished_by_the_next(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    unused, of_deleted = await place.upload(), await place.upload()
    await place.pass_time(unused, 25 * HOUR)
    await place.send(of_deleted, CONVERSATION, MESSAGE)
    await place.submit(delete_conversation(by=Actor(id=ANN, may_delete=True)))

    async def fails(_keys: object) -> None:
        raise StorageUnreachable

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(place.files.storage, "delete", fails)
            with pytest.raises(StorageUnreachable):
                await place.sweep()
    # Nobody can take what is about to go.
    with pytest.raises(UnknownAttachment):
        await place.send(unused)

    assert Swept(unused=1, deleted=1) == await place.sweep()
    assert 0 == place.stored()


async def test_of_many_processes_one_sweeps(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    file = await place.upload()
    await place.pass_time(file, 25 * HOUR)
    monkeypatch.setattr("convstore.files.sweep._LOOK", 0.001)
    swept = []

    async def counted(*arguments: object) -> Swept:
        swept.append(arguments)
        return await sweep(place.files)

    monkeypatch.setattr("convstore.files.sweep.sweep", counted)
    processes = [asyncio.create_task(keep_sweeping(place.files)) for _ in range(3)]

    async def gone() -> bool:
        return await place.files.find(file) is None

    await eventually(gone)
    for process in processes:
        process.cancel()
    await asyncio.gather(*processes, return_exceptions=True)
    assert 1 == len(swept)
