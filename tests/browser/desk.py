"""The page as somebody uses it, and the server's API beside it."""

import json
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

PASSWORD = "district"
ADMIN = "xE7jOejl9FI"
MOBILE = "PhzytPW3g2J"
ROSA = "zWu3VHOAJAz"
GRACE = "qR8IYiijkML"

MC = "api/messageConversations"


class Api:
    """Calls by name and password, to arrange something and to look behind the page."""

    def __init__(self, site: str) -> None:
        self._site = site

    def __call__(self, username: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Give the JSON of an answer, or the uid of what was made."""
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        kind = "text/plain" if isinstance(body, str) else "application/json"
        credentials = b64encode(f"{username}:{PASSWORD}".encode()).decode()
        headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": kind,
            "Accept": "application/json",
        } | headers
        request = urllib.request.Request(self._site + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            if location := response.headers["Location"]:
                return location.rpartition("/")[2]
            return json.load(response)

    def send(self, username: str, *users: str, subject: str, text: str = "How are you?") -> str:
        """Start a conversation and give its uid."""
        document = {"subject": subject, "text": text, "users": [{"id": user} for user in users]}
        return str(self(username, "POST", MC, document))

    def ticket(self, username: str, subject: str) -> str:
        """Ask the help desk and give the ticket's uid."""
        return str(self(username, "POST", f"{MC}/feedback?subject={quote(subject)}", "It does not start."))

    def reply(self, username: str, uid: str, text: str) -> None:
        """Reply."""
        self(username, "POST", f"{MC}/{uid}", text)

    def texts(self, username: str, uid: str) -> list[str]:
        """Give the texts of a conversation, as this person sees them."""
        found = self(username, "GET", f"{MC}/{uid}?fields=messages%5Btext%5D")
        return [message["text"] for message in found["messages"]]

    def subjects(self, username: str) -> list[str]:
        """Give the subjects of a person's conversations."""
        found = self(username, "GET", f"{MC}?fields=subject&paging=false")
        return [each["subject"] for each in found["messageConversations"]]


class Desk:
    """One person in front of the page."""

    def __init__(self, page: Page, site: str, troubles: list[str]) -> None:
        self.page = page
        self.site = site
        # What the browser's console calls errors; none may be left at a test's end.
        self.troubles = troubles

    def let_in(self, username: str) -> None:
        """Sign in without the form, as its answer would."""
        given = {"username": username, "password": PASSWORD}
        answer = self.page.request.post(f"{self.site}api/auth/login", data=given)
        assert 200 == answer.status

    def go(self, path: str = "") -> None:
        """Open the page, or a place in it: ``#/TICKET``."""
        self.page.goto(self.site + path)

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        """Sign in by the form."""
        self.field("Username").fill(username)
        self.field("Password").fill(password)
        self.button("Sign in").click()

    def button(self, name: str) -> Locator:
        """Give a button by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        """Give a link by a part of its name."""
        return self.page.get_by_role("link", name=name)

    def folder(self, name: str) -> Locator:
        """Give the link to a folder."""
        return self.page.get_by_role("navigation").get_by_role("link", name=name)

    def field(self, label: str) -> Locator:
        """Give a field by its whole label."""
        return self.page.get_by_label(label, exact=True)

    @property
    def rows(self) -> Locator:
        """The lines of the list."""
        return self.page.locator("a.row")

    def row(self, subject: str) -> Locator:
        """Give the line of a conversation."""
        return self.rows.filter(has_text=subject)

    def open(self, subject: str) -> None:
        """Open a conversation from the list."""
        self.row(subject).click()
        expect(self.heading(subject)).to_be_visible()
        expect(self.messages.first).to_be_visible()

    def heading(self, text: str) -> Locator:
        """Give the heading of a view."""
        return self.page.get_by_role("heading", name=text, level=2, exact=True)

    @property
    def messages(self) -> Locator:
        """The messages of the conversation that is open."""
        return self.page.get_by_role("article")

    @property
    def status(self) -> Locator:
        """What the page says in passing."""
        return self.page.locator(".said")

    @property
    def alert(self) -> Locator:
        """What went wrong."""
        return self.page.get_by_role("alert")

    def reply(self, text: str) -> None:
        """Write a reply and send it."""
        self.field("Your reply").fill(text)
        self.button("Send").click()

    def choose(self, text: str, name: str) -> None:
        """Choose somebody to write to."""
        self.page.get_by_role("combobox", name="To").fill(text)
        self.page.get_by_role("option", name=name).click()

    def look_again(self) -> None:
        """Ask for news, as the page does every few seconds by itself."""
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


# Opens the page as somebody, in a browser context of his own; options are those of a context.
Opens = Callable[..., Desk]
