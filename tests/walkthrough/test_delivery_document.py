"""docs/delivery.md: its commands run as they are printed, against the demo and a mail server on this machine."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from printed import check, serving, steps

from convstore.delivery.verdict import State

DOCUMENT = Path(__file__).parents[2] / "docs" / "delivery.md"

pytestmark = pytest.mark.slow


class _Taker:
    def __init__(self) -> None:
        self.recipients: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.recipients += envelope.rcpt_tos
        return "250 OK"


@pytest.fixture
def mail_server() -> Iterator[tuple[int, _Taker]]:
    """Run a mail server that takes everything, in a thread of its own; give its port."""
    taker, loop, ready = _Taker(), asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        server = await loop.create_server(lambda: SMTP(taker, hostname="post.example"), "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(serve()), loop.run_forever()))
    thread.start()
    assert ready.wait(10)
    yield ports[0], taker
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_every_line_answers_what_the_document_says(folder: Path, mail_server: tuple[int, _Taker]) -> None:
    port, taker = mail_server
    options = (
        f"--mail-server localhost:{port} --mail-security none --mail-from messages@health.example "
        "--base-url https://health.example/messages"
    )
    text = DOCUMENT.read_text("utf-8").replace("localhost:2525", f"localhost:{port}")
    with serving(f"{folder}/.venv/bin/convstore serve --demo --data-dir demo {options}", folder) as server:
        check(steps(text), server, folder)
    assert ["you@health.example", "mobile@health.example"] == taker.recipients


def test_every_status_is_explained() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert [] == [state for state in State if f"| `{state}` |" not in text]
