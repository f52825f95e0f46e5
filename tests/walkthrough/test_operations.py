"""docs/operations.md: its commands run as they are printed, its metrics and log lines are those that there are."""

import asyncio
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiohttp import encode_basic_auth
from printed import check, free_port, serving, steps
from prometheus_client.parser import text_string_to_metric_families

import convstore

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
_PRINTED_METRICS_PORT = "9464"
_SUFFIX = re.compile(r"_(bucket|count|sum)$")
# Roles and schemas, whose names begin like those of metrics.
_IN_DATABASE = re.compile(r"convstore_(auditor$|rebuild_|old_)")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def metrics_port() -> str:
    return str(free_port())


@pytest.fixture(scope="module")
def text(metrics_port: str) -> str:
    """Give the document, with a free port for the metrics."""
    return DOCUMENT.read_text("utf-8").replace(_PRINTED_METRICS_PORT, metrics_port)


@pytest.fixture(scope="module")
def operated(folder: Path, text: str) -> Iterator[str]:
    """Run the document's server; give the address."""
    (serve, _), *_ = steps(text)
    with serving(folder, command=serve.split()) as served:
        yield served.address


def _stand_still(address: str, folder: Path) -> int:
    """Let thread_v1 of the running demo meet an event that it cannot take in, and give its position."""

    async def work() -> int:
        conn = await asyncpg.connect(
            (folder / "demo" / "convstore.dsn").read_text().strip(), server_settings={"search_path": "convstore"}
        )
        try:
            await conn.execute("ALTER TABLE thread_v1 ADD CONSTRAINT no_poison CHECK (text <> 'poison')")
            reply = f"http://{address}/api/messageConversations/ZjHHSjyyeJ2"
            await asyncio.to_thread(_send, "POST", reply, b"poison", "text/plain")
            async with asyncio.timeout(30):
                while not await conn.fetchval("SELECT stopped FROM checkpoint WHERE projection = 'thread_v1'"):
                    await asyncio.sleep(0.05)
            position: int = await conn.fetchval("SELECT position + 1 FROM checkpoint WHERE projection = 'thread_v1'")
            return position
        finally:
            await conn.close()

    return asyncio.run(work())


def _send(method: str, url: str, body: bytes, content_type: str) -> None:
    headers = {"Authorization": encode_basic_auth("admin", "district"), "Content-Type": content_type}
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=30).close()


def _series(metrics_port: str) -> dict[str, set[str]]:
    """Give the metrics that there are, each with its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        _SUFFIX.sub("", sample.name): set(sample.labels) - {"worker", "le"}
        for family in families
        for sample in family.samples
    }


def test_every_line_answers_what_the_document_says(
    operated: str, folder: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, heading, trouble = text.partition("## When a read model stands still")
    assert heading
    check(steps(before)[1:], operated, folder)

    monkeypatch.setenv("POSITION", str(_stand_still(operated, folder)))
    check(steps(trouble), operated, folder)


def test_the_metrics_and_labels_of_the_document_are_those_that_there_are(
    operated: str, text: str, metrics_port: str
) -> None:
    # A subscription has series of its own, and so has a webhook once something was pushed.
    _send("POST", f"http://{operated}/api/subscriptions", b'{"name": "warehouse"}', "application/json")
    _send(
        "PUT",
        f"http://{operated}/api/subscriptions/warehouse/webhook",
        b'{"url": "https://receiver.invalid/"}',
        "application/json",
    )
    _send("POST", f"http://{operated}/api/messageConversations/ZjHHSjyyeJ2", b"Pushed.", "text/plain")
    while not {"convstore_webhook_state", "convstore_webhook_requests_total"} <= set(there := _series(metrics_port)):
        time.sleep(0.1)
    rows = re.findall(r"^\| `((?:convstore|process|python)_\w+)` \|([\w, ]*)\|", text, re.MULTILINE)
    tabled = {name: set(re.findall(r"\w+", labels)) for name, labels in rows}
    if sys.platform != "linux":  # the library knows no other system's processes
        tabled = {name: labels for name, labels in tabled.items() if not name.startswith("process_")}

    assert there == tabled
    mentioned = {_SUFFIX.sub("", name) for name in re.findall(r"\bconvstore_\w+", text) if not _IN_DATABASE.match(name)}
    assert set() == mentioned - set(there)


def test_the_log_lines_of_the_document_are_those_that_there_are(text: str) -> None:
    source = Path(convstore.__file__).parent
    said = {
        (name, level.replace("exception", "error"))
        for file in source.rglob("*.py")
        if "client" not in file.relative_to(source).parts  # it speaks in its user's log, not in a server's
        for level, name in re.findall(
            r"(?:\b|_)log\.(debug|info|warning|error|critical|exception)\(\s*\"([\w.]+)\"", file.read_text("utf-8")
        )
    }
    rows = re.findall(r"^\| (`[^|]+`) \| (debug|info|warning|error|critical) \|", text, re.MULTILINE)

    assert sorted(said) == sorted((name, level) for names, level in rows for name in re.findall(r"`([\w.]+)`", names))
