"""docs/delivery.md: its commands run as they are printed, against the demo and a mail server on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from printed import check, steps

from convstore.delivery.verdict import State
from served import free_port, serving

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
    taker, port = _Taker(), free_port()
    controller = Controller(taker, hostname="127.0.0.1", port=port)
    controller.start()
    yield port, taker
    controller.stop()


def test_every_line_answers_what_the_document_says(folder: Path, mail_server: tuple[int, _Taker]) -> None:
    port, taker = mail_server
    command = (
        f"{folder}/.venv/bin/convstore serve --demo --data-dir demo --mail-server localhost:{port} "
        "--mail-security none --mail-from messages@health.example --base-url https://health.example/messages"
    )
    text = DOCUMENT.read_text("utf-8").replace("localhost:2525", f"localhost:{port}")
    with serving(folder, command=command.split()) as served:
        check(steps(text), served.address, folder)
    assert ["you@health.example", "mobile@health.example"] == taker.recipients


def test_every_status_is_explained() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert [] == [state for state in State if f"| `{state}` |" not in text]
