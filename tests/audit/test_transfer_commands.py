"""``convstore log export`` and ``log import``, as an operator runs them, and kills them."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from operating import convstore

from convstore.database import connect
from eventually import eventually
from seeding import tell
from words import ANN, SUBJECT, posted

MakeStore = Callable[..., Awaitable[str]]
CHECKSUM = "SELECT count(*), md5(string_agg(e::text, '' ORDER BY partition, position)) FROM event e"


async def checksum(dsn: str) -> tuple[int, str]:
    conn = await connect(dsn, role=None)
    try:
        row = await conn.fetchrow(CHECKSUM)
    finally:
        await conn.close()
    assert row is not None
    return row[0], row[1]


async def test_the_log_goes_through_a_file_or_a_pipe(told: str, make_store: MakeStore, tmp_path: Path) -> None:
    file, target = tmp_path / "log.ndjson.zst", await make_store()

    done = convstore("log", "export", str(file), dsn=told)
    piped = convstore("log", "export", "-", dsn=told)
    assert (0, "", "7 events exported\n") == (done.returncode, done.stdout, done.stderr)
    assert 0o600 == file.stat().st_mode & 0o777
    assert 9 == len(piped.stdout.splitlines())
    broken = convstore("log", "import", "-", dsn=target, stdin=piped.stdout.encode()[:-400])
    assert (1, "") == (broken.returncode, broken.stdout)
    assert "convstore: Line " in broken.stderr
    imported = convstore("log", "import", str(file), dsn=target)
    assert (0, "7 events in the file\n") == (imported.returncode, imported.stderr)

    assert await checksum(told) == await checksum(target)


async def test_what_contradicts_itself_is_refused(told: str, tmp_path: Path) -> None:
    file = tmp_path / "log.ndjson"
    assert SUBJECT in convstore("log", "export", "-", dsn=told).stdout
    disguised = convstore("log", "export", "-", "--pseudonymise", dsn=told).stdout
    assert 9 == len(disguised.splitlines())
    assert SUBJECT not in disguised
    assert 0 == convstore("log", "export", str(file), dsn=told).returncode
    for arguments, code, says in (
        (("export", str(file), "--pseudonymise"), 2, "is there already"),
        (("export", str(file), "--pseudonymise", "--with-secret"), 2, "contradict each other"),
        (("import", str(tmp_path / "none")), 2, "There is no file"),
    ):
        refused = convstore("log", *arguments, dsn=told)
        assert code == refused.returncode
        assert says in refused.stderr


@pytest.mark.slow
async def test_an_import_that_is_killed_goes_on(told: str, make_store: MakeStore) -> None:
    target = await make_store()
    conn = await connect(told, role=None)
    try:
        await tell(conn, *(posted(by=ANN) for _ in range(6_000)))
    finally:
        await conn.close()
    raw = convstore("log", "export", "-", dsn=told).stdout.encode()
    process = subprocess.Popen(  # noqa: ASYNC220 - the test feeds it
        [sys.executable, "-m", "convstore", "log", "import", "-", "--dsn", target], stdin=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        process.stdin.write(raw[:-10_000])
        process.stdin.flush()

        async def begun() -> bool:
            return (await checksum(target))[0] > 0

        await eventually(begun)
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    done = convstore("log", "import", "-", dsn=target, stdin=raw)

    assert "5,000 of them were there already" in done.stderr
    assert await checksum(told) == await checksum(target)
