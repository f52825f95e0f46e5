"""Schemathesis against a real server: no operation left out, as a superuser and as an ordinary person."""

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import requests

from convstore.demo import HELP_DESK
from convstore.http.me import USER_SETTINGS
from convstore.http.routes import API, OUTSIDE
from served import Served

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("CONVSTORE_TEST_SCHEMATHESIS_EXAMPLES", "3")  # of each operation, found by chance
_AT_MOST = 90.0 * max(1, int(EXAMPLES) / 10)  # seconds, of which it needs a third on a quiet machine

CONVERSATIONS = ["ZjHHSjyyeJ2", "HeLpDeskT01", "HeLpDeskT02"]
ADMIN, MOBILE = "xE7jOejl9FI", "PhzytPW3g2J"

BUILT = files("convstore.http") / "built"  # the web page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(_AT_MOST + 120)]


def known(api: str, username: str) -> dict[str, object]:
    """Make a file, a message that holds one, and a token; give their ids, with those that the demo has."""
    with requests.Session() as session:
        session.auth = (username, "district")

        def uploaded() -> str:
            answer = session.post(f"{api}/fileResources", files={"file": ("a.txt", b"Hello")}, timeout=30)
            return str(answer.json()["response"]["fileResource"]["id"])

        document = {
            "subject": "With a file",
            "text": "Here it is.",
            "users": [{"id": MOBILE}],
            "attachments": [{"id": uploaded()}],
        }
        started = session.post(f"{api}/messageConversations", json=document, timeout=30)
        uid = started.headers["Location"].rpartition("/")[2]
        fields = {"fields": "messages[id,attachments]"}
        (message,) = session.get(f"{api}/messageConversations/{uid}", params=fields, timeout=30).json()["messages"]
        token = session.post(f"{api}/apiToken", json={"name": "for Schemathesis"}, timeout=30)
        return {
            "api": api,
            "login": session.auth,
            "conversations": [*CONVERSATIONS, uid],
            "properties": ["messages", "userMessages", "subject", "lastSender", "messageCount", "user"],
            "users": [MOBILE, ADMIN],
            "userGroups": ["ZoHNWQajIoe"],
            "organisationUnits": ["DiszpKrYNg8"],
            "files": [uploaded()],
            "download": {"uid": uid, "messageUid": message["id"], "fileUid": message["attachments"][0]["id"]},
            "tokens": [token.json()["response"]["uid"]],
            "authorities": ["ALL"],
            "schemas": ["messageConversation"],
            "assets": ["start.js", "swagger-ui.css", "favicon-32x32.png", *(each.name for each in BUILT.iterdir())],
            "bodies": {
                "/api/auth/login": {"username": username, "password": "district"},
                "/dhis-web-commons-security/login.action": {"j_username": username, "j_password": "district"},
                "/api/configuration/feedbackRecipients": HELP_DESK,
            },
            "userSettings": list(USER_SETTINGS),
            "systemSettings": ["applicationTitle"],
        }


@pytest.mark.parametrize("username", ["mobile", "admin"])
def test_every_operation_does_what_the_document_says(demo: Served, tmp_path: Path, username: str) -> None:
    (tmp_path / "known.json").write_text(json.dumps(known(demo.url, username)))
    # From a file: the operation that gives the document is one to be called as well.
    document = requests.get(f"{demo.url}/openapi.json", auth=(username, "district"), timeout=30)
    (tmp_path / "openapi.json").write_bytes(document.content)
    failed = len([line for line in demo.lines() if line["event"] == "request.failed"])

    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml"),
            *("run", tmp_path / "openapi.json", "--url", demo.url.removesuffix("/api")),
            *("--auth", f"{username}:district", "--max-examples", EXAMPLES),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(HERE / "known_to_schemathesis.py"),
            "CONVSTORE_KNOWN": str(tmp_path / "known.json"),
        },
        timeout=_AT_MOST,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    everything = len((*API, *OUTSIDE))
    assert re.search(rf"Selected: {everything}/{everything}\s+Tested: {everything}\n", done.stdout), done.stdout
    assert failed == len([line for line in demo.lines() if line["event"] == "request.failed"])
