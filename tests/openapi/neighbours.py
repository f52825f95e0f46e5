"""What lies around a server that is described: a mailbox, and a receiver of webhooks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from served import Served, free_port


class Mailbox:
    """Takes all mails; ``unsubscribe`` has the signed part of the link in each that turns mails off."""

    def __init__(self) -> None:
        self.unsubscribe: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        assert envelope.content is not None
        self.unsubscribe += re.findall(r"List-Unsubscribe: <\S+/unsubscribe/(\S+)>", bytes(envelope.content).decode())
        return "250 OK"


class Demo(NamedTuple):
    """The server, where its mails arrive, and the address of a receiver of webhooks."""

    served: Served
    mailbox: Mailbox
    receiver: str


@contextmanager
def receiving_mails(mailbox: Mailbox) -> Iterator[int]:
    """Run a mail server in a thread of its own; give its port."""
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@contextmanager
def receiving_events() -> Iterator[str]:
    """Run a receiver of webhooks that takes everything, in threads of its own; give its address."""
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    thread = Thread(target=receiver.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{receiver.server_port}/hook"
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
