"""Whom an import deletes: his copies go, his texts stay for the others."""

import json
from pathlib import Path

from convstore.database import Pool
from convstore.departures import copies_remover
from convstore.directory.importing import departed, import_files, remove_departed
from convstore.domain.commands import Reply, SendMessage
from convstore.domain.types import Actor
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.log.recorded import Meta
from convstore.log.store import Store

ANN, BOB = UserId("annAnnAnnA1"), UserId("bobBobBobB1")


def _file(folder: Path, *people: UserId) -> Path:
    file = folder / "users.json"
    users = [{"id": person, "username": person, "firstName": "F", "surname": "S"} for person in people]
    file.write_text(json.dumps({"users": users}))
    return file


async def test_his_copies_go_and_his_texts_stay(pool: Pool, dsn: str, tmp_path: Path) -> None:
    await import_files(pool, [_file(tmp_path, ANN, BOB)])
    both, left_by_ann = Uid("convBothOne"), Uid("convBothTwo")
    async with await Store.open(pool) as store:
        for uid in (both, left_by_ann):
            await store.submit(
                [
                    SendMessage(
                        conversation_id=uid,
                        actor=Actor(id=ANN),
                        message_id=new_uid(),
                        subject="Hello",
                        text="From Ann",
                        recipients=(BOB,),
                    )
                ],
                Meta(actor=ANN),
            )
        await store.submit(
            [Reply(conversation_id=both, actor=Actor(id=BOB), message_id=new_uid(), text="From Bob")], Meta(actor=BOB)
        )
    await import_files(pool, [_file(tmp_path, ANN)], delete_missing=True)
    assert [BOB] == await departed(pool)

    async with copies_remover(pool, dsn) as remove:
        await remove_departed(pool, remove)

    assert [] == await departed(pool)
    async with await Store.open(pool) as store:
        states = await store.states([both, left_by_ann])
    assert {both: {ANN}, left_by_ann: {ANN}} == {uid: set(state.roster) for uid, state in states.items()}
    texts = await pool.fetch("SELECT text FROM thread_v1 WHERE conversation_id = $1 ORDER BY version", both)
    assert ["From Ann", "From Bob"] == [row["text"] for row in texts]


async def test_nothing_happens_twice(pool: Pool, dsn: str, tmp_path: Path) -> None:
    await import_files(pool, [_file(tmp_path, ANN, BOB)])
    await import_files(pool, [_file(tmp_path, ANN)], delete_missing=True)

    for _ in range(2):
        async with copies_remover(pool, dsn) as remove:
            await remove_departed(pool, remove)

    assert 0 == await pool.fetchval("SELECT count(*) FROM event")
