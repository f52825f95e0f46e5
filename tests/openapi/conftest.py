"""A server with the demo, as an operator runs it: its mails, and the events that it pushes, go to this machine."""

from collections.abc import Iterator

import pytest
from neighbours import Demo, Mailbox, receiving_events, receiving_mails

from served import Served, serving


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    mailbox = Mailbox()
    with receiving_mails(mailbox) as port, receiving_events() as receiver:
        options = {
            "mail-server": f"localhost:{port}",
            "mail-security": "none",
            "mail-from": "messages@health.example",
            "base-url": "https://health.example",
            "webhook-networks": "127.0.0.0/8",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        with serving(tmp_path_factory.mktemp("described"), "--demo", *arguments) as served:
            yield Demo(served, mailbox, receiver)


@pytest.fixture
def demo(whole: Demo) -> Served:
    return whole.served
