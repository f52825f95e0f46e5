"""``convstore attachments clean``, and what is said of the settings."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from convstore.config import Settings
from convstore.database import open_pool
from convstore.domain.uid import UserId
from convstore.errors import ConfigError
from convstore.files.service import Files, Upload
from convstore.files.storage import open_storage


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "convstore", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


async def test_the_operator_removes_what_nobody_needs(make_store: object, tmp_path: Path) -> None:
    dsn = await make_store(partitions=8)  # type: ignore[operator]  # a fixture's function
    folder = tmp_path / "attachments"

    async def content() -> object:
        yield b"some bytes"

    async with await open_pool(dsn) as pool:
        files = Files(pool, open_storage(str(folder), tmp_path), limit=100, partition_of=lambda _: 0)
        await files.upload(Upload(owner=UserId("o"), name="a", content_type="t/x"), content())  # type: ignore[arg-type]
        arguments = ("attachments", "clean", "--dsn", dsn, "--attachments", folder)

        kept = await asyncio.to_thread(run, *arguments)
        removed = await asyncio.to_thread(run, *arguments, "--older-than", "0")

        assert (0, "removed 0 unused and 0 of deleted conversations; 0 settled\n") == (kept.returncode, kept.stdout)
        assert (0, "removed 1 unused and 0 of deleted conversations; 0 settled\n") == (
            removed.returncode,
            removed.stdout,
        )
        assert 0 == await pool.fetchval("SELECT count(*) FROM file_resource")
    assert [] == [file for file in folder.rglob("*") if file.is_file()]


def test_a_place_that_cannot_be_used_is_a_wrong_configuration(tmp_path: Path) -> None:
    for command in (["attachments", "clean"], ["serve"]):
        done = run(*command, "--data-dir", tmp_path / "data", "--attachments", "ftp://host/x")

        assert (2, "convstore: attachments ftp://host/x: say a folder, or s3://…, gs://… or az://….\n") == (
            done.returncode,
            done.stderr,
        )
    assert not (tmp_path / "data").exists()


def test_attachments_lie_in_the_data_folder_unless_said(tmp_path: Path) -> None:
    assert str(tmp_path / "attachments") == Settings(data_dir=tmp_path).shown()["attachments"]
    assert "s3://bucket/prefix" == Settings(attachments="s3://key:secret@bucket/prefix?token=x").shown()["attachments"]


def test_a_limit_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="max-attachment 0"):
        Settings(max_attachment=0)
