"""Schemathesis against a real server: no operation left out, by a superuser and by an ordinary person."""

import json
import os
import re
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import requests
from neighbours import Demo

from convstore.demo import HELP_DESK
from convstore.http.me import USER_SETTINGS
from convstore.http.openapi.document import make_document
from convstore.http.routes import API, OUTSIDE

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("CONVSTORE_TEST_SCHEMATHESIS_EXAMPLES", "3")  # of each operation, found by chance
_THOROUGH = 10  # from so many on, none of the cases at the limits of what is described is left out
_AT_MOST = 240.0 * max(1, int(EXAMPLES) / 10)  # seconds; it takes a tenth of them on a quiet machine

CONVERSATIONS = ["HeLpDeskT01", "ZjHHSjyyeJ2", "HeLpDeskT02"]
ADMIN, MOBILE, SUPPORT = "xE7jOejl9FI", "PhzytPW3g2J", "zWu3VHOAJAz"

BUILT = files("convstore.http") / "built"  # the web page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(_AT_MOST + 120)]


def made(whole: Demo) -> dict[str, object]:
    """Make a file, a message that holds one, a token, a subscription with all that belongs to it; name what there is.

    The person whom the message is sent to gets a mail, whose link turns mails off.
    """
    api = whole.served.url
    with requests.Session() as session:
        session.auth = ("admin", "district")

        def ask(method: str, path: str, **options: Any) -> requests.Response:
            answer = session.request(method, f"{api}/{path}", timeout=30, **options)
            assert answer.ok, answer.text
            return answer

        def uploaded() -> str:
            answer = ask("POST", "fileResources", files={"file": ("a.txt", b"Hello")})
            return str(answer.json()["response"]["fileResource"]["id"])

        wants_mail = f"{api}/userSettings/keyMessageEmailNotification?value=true"
        assert requests.post(wants_mail, auth=("mobile", "district"), timeout=30).ok
        document = {
            "subject": "With a file",
            "text": "Here it is.",
            "users": [{"id": MOBILE}],
            "attachments": [{"id": uploaded()}],
        }
        uid = ask("POST", "messageConversations", json=document).headers["Location"].rpartition("/")[2]
        seen = ask("GET", f"messageConversations/{uid}?fields=messages[id,attachments]")
        (message,) = seen.json()["messages"]
        ask("POST", "subscriptions", json={"name": "followed", "after": "start"})
        first = ask("POST", "subscriptions/followed/events", json={"consumer": "one"}).json()["events"][0]
        rejected = {"consumer": "one", "ack": first["ack"], "reason": "not understood"}
        ask("POST", "subscriptions/followed/reject", json=rejected)
        # Now only: whoever pushes would be a consumer as well.
        ask("PUT", "subscriptions/followed/webhook", json={"url": whole.receiver})
        token = ask("POST", "apiToken", json={"name": "for Schemathesis"}).json()["response"]["uid"]
        until = time.monotonic() + 30
        while not whole.mailbox.unsubscribe:
            assert time.monotonic() < until, "no mail has come"
            time.sleep(0.05)
        return {
            "api": api,
            "receiver": whole.receiver,
            "conversations": [*CONVERSATIONS, uid],
            "properties": ["messages", "userMessages", "subject", "lastSender", "messageCount", "user"],
            "users": [MOBILE, ADMIN],
            "userGroups": ["ZoHNWQajIoe"],
            "organisationUnits": ["DiszpKrYNg8"],
            "files": [uploaded()],
            "download": {"uid": uid, "messageUid": message["id"], "fileUid": message["attachments"][0]["id"]},
            "token": token,
            "subscription": "followed",
            "unsubscribe": whole.mailbox.unsubscribe[0],
            "schemas": ["messageConversation"],
            "docs": ["start.js", "swagger-ui.css", "favicon-32x32.png"],
            "page": [each.name for each in BUILT.iterdir() if each.name.endswith((".js", ".css"))],
            "bodies": {
                "POST /api/auth/login": {"username": "mobile", "password": "district"},
                "POST /dhis-web-commons-security/login.action": {"j_username": "mobile", "j_password": "district"},
                "POST /api/configuration/feedbackRecipients": HELP_DESK,
                "POST /api/apiToken": {"name": "another"},
                "PUT /api/subscriptions/{name}/webhook": {"url": whole.receiver},
                "POST /api/subscriptions/{name}/reset": {"after": "start"},
                "POST /api/subscriptions/{name}/events": {"consumer": "two"},
                "POST /api/subscriptions/{name}/leave": {"consumer": "two"},
                "POST /api/subscriptions/{name}/deadLetters/redeliver": {},
                "POST /api/subscriptions/{name}/deadLetters/discard": {},
                "POST /api/messageConversations/{uid}": "As it stands.",
            },
            # What each parameter of a query is where a call can succeed; others are left out.
            "query": {
                "asOf": seen.headers["Convstore-Cursor"],
                "since": seen.headers["Convstore-Cursor"],
                "closeAfter": 0,
                "messageConversationPriority": "LOW",
                "messageConversationStatus": "OPEN",
                "query": "mobile",
                "subject": "Tablet",
                "userId": SUPPORT,
                "value": "true",
            },
            "userSettings": list(USER_SETTINGS),
            "systemSettings": ["applicationTitle"],
        }


def test_every_operation_does_what_the_document_says(whole: Demo, tmp_path: Path) -> None:
    demo = whole.served
    (tmp_path / "known.json").write_text(
        json.dumps(made(whole) | {"seen": str(tmp_path / "seen.jsonl"), "thorough": int(EXAMPLES) >= _THOROUGH})
    )
    # From a file: the operation that gives the document is one to be called as well.
    document = requests.get(f"{demo.url}/openapi.json", auth=("mobile", "district"), timeout=30)
    (tmp_path / "openapi.json").write_bytes(document.content)
    failed = len([line for line in demo.lines() if line["event"] == "request.failed"])

    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml"),
            *("run", tmp_path / "openapi.json", "--url", demo.url.removesuffix("/api")),
            *("--max-examples", EXAMPLES),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(HERE / "known_to_schemathesis.py"),
            "CONVSTORE_KNOWN": str(tmp_path / "known.json"),
            "PYTHONPATH": str(HERE),
        },
        timeout=_AT_MOST,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    everything = len((*API, *OUTSIDE))
    assert re.search(rf"Selected: {everything}/{everything}\s+Tested: {everything}\n", done.stdout), done.stdout
    assert failed == len([line for line in demo.lines() if line["event"] == "request.failed"])
    assert [] == unmet((tmp_path / "seen.jsonl").read_text())


def unmet(seen: str) -> list[str]:
    """Say which operations were never answered as those are that succeed; and in XML, where that is described."""
    answered = {tuple(json.loads(line)) for line in seen.splitlines()}
    found = []
    for path, item in make_document(API, OUTSIDE)["paths"].items():
        for method, operation in item.items():
            label = f"{method.upper()} {path}"
            succeeds = {status: answer for status, answer in operation["responses"].items() if status < "304"}
            reached = {(status, kind) for called, status, kind in answered if called == label}
            if not {str(status) for status, _ in reached} & succeeds.keys():
                found.append(f"{label}: only {sorted(reached)}")
            kinds = {int(status): answer.get("content", {}).keys() for status, answer in succeeds.items()}
            in_xml = {status for status, content in kinds.items() if "application/xml" in content}
            if in_xml and not any(kind == "application/xml" and status in in_xml for status, kind in reached):
                found.append(f"{label}: never in XML")
    return found
