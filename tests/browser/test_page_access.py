"""By keyboard alone, on a phone, in French, in the dark: and axe-core finds nothing serious in any view."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from desk import MOBILE, Api, Desk, Opens
from playwright.sync_api import Page, expect

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
IN_CI = os.environ.get("CI", "").lower() == "true"

PHONE = {"viewport": {"width": 360, "height": 740}}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def axe() -> str:
    """Give the source of axe-core, which web/ has for its own work."""
    if not AXE.is_file() and IN_CI:
        pytest.fail("there is no axe-core: npm ci in web/ brings it")
    if not AXE.is_file():
        pytest.skip("there is no axe-core: npm ci in web/ brings it")
    return AXE.read_text()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_all_by_keyboard(opens: Opens, api: Api) -> None:
    uid = api.send("kofi", "U1ucMZrJHrc", subject="By hand")
    desk = opens(None)
    page = desk.page
    expect(desk.field("Username")).to_be_focused()
    page.keyboard.type("mary")
    press(page, "Tab")
    page.keyboard.type("district")
    press(page, "Enter")
    expect(desk.heading("Inbox")).to_be_focused()
    expect(desk.row("By hand")).to_be_visible()

    press(page, "j")
    expect(desk.row("By hand")).to_be_focused()
    press(page, "Enter")
    expect(desk.heading("By hand")).to_be_focused()
    expect(desk.messages).to_have_count(1)
    press(page, "f")
    expect(desk.status).to_contain_text("To be followed up")
    press(page, "r")
    expect(desk.field("Your reply")).to_be_focused()
    page.keyboard.type("from junk to file?")
    press(page, "Control+Enter")
    expect(desk.messages).to_have_count(2)
    press(page, "Escape")
    expect(desk.row("By hand")).to_be_focused()

    press(page, "c")
    expect(desk.heading("New message")).to_be_focused()
    desk.page.get_by_role("combobox", name="To").focus()
    page.keyboard.type("mensah")
    expect(page.get_by_role("option", name="Kofi Mensah")).to_have_attribute("aria-selected", "true")
    press(page, "Enter", "Tab")
    expect(desk.field("Subject")).to_be_focused()
    page.keyboard.type("Typed")
    press(page, "Tab")
    page.keyboard.type("All of it.")
    press(page, "Control+Enter")
    expect(desk.heading("Typed")).to_be_focused()
    expect(desk.row("Typed")).to_be_visible()
    press(page, "Escape")
    expect(desk.row("Typed")).to_be_focused()
    press(page, "/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    assert ["How are you?", "from junk to file?"] == api.texts("kofi", uid)


def test_single_keys_are_listed_and_can_be_switched_off(opens: Opens) -> None:
    """WCAG 2.1.4."""
    desk = opens("mary")
    expect(desk.rows.first).to_be_visible()
    press(desk.page, "?")
    dialog = desk.page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_contain_text("Write a new message")
    dialog.get_by_label("Single keys work").uncheck()
    press(desk.page, "Escape")
    expect(dialog).to_have_count(0)

    press(desk.page, "c", "?")
    expect(dialog).to_have_count(0)
    expect(desk.heading("New message")).to_have_count(0)
    desk.page.reload()
    expect(desk.rows.first).to_be_visible()
    press(desk.page, "c")
    expect(desk.heading("New message")).to_have_count(0)


def test_a_form_says_what_it_lacks_and_goes_there(opens: Opens) -> None:
    desk = opens("mary", "#/all/write")
    desk.field("Subject").fill("Half")
    desk.button("Send").click()

    expect(desk.page.get_by_role("combobox", name="To")).to_be_focused()
    expect(desk.page.get_by_role("combobox", name="To")).to_have_accessible_description(
        "Choose whom to write to. A name, a group or a unit; at least two letters."
    )
    expect(desk.field("Message")).to_have_accessible_description("Write something first.")


def test_the_page_speaks_french_and_remembers_it(opens: Opens) -> None:
    desk = opens("mary", locale="fr-FR", timezone_id="Africa/Abidjan")
    expect(desk.heading("Boîte de réception")).to_be_visible()
    assert "fr" == desk.page.evaluate("document.documentElement.lang")
    desk.rows.first.click()
    expect(desk.messages.first).to_be_visible()
    at = desk.messages.first.locator("time")
    # As Intl says it: 23 novembre 2026 à 13:45.
    assert " à " in str(at.get_attribute("title"))
    # Before a question mark is a space at which no line is broken.
    desk.button("Quitter").click()
    expect(desk.page.get_by_role("dialog")).to_have_accessible_name("Quitter cette conversation\u202f?")
    desk.button("Annuler").click()

    desk.button("English").click()
    expect(desk.heading("Inbox")).to_be_visible()
    desk.page.reload()
    expect(desk.heading("Inbox")).to_be_visible()
    assert "en" == desk.page.evaluate("document.documentElement.lang")


def test_on_a_phone_there_is_one_thing_at_a_time(opens: Opens, api: Api) -> None:
    api.send("mary", MOBILE, subject="On the way")
    desk = opens("mobile", **PHONE)
    expect(desk.row("On the way")).to_be_visible()
    desk.row("On the way").click()
    expect(desk.messages).to_be_visible()
    expect(desk.rows.first).not_to_be_visible()
    desk.link("Back to Inbox").click()
    expect(desk.row("On the way")).to_be_focused()
    desk.button("Menu").click()
    desk.folder("Tickets").click()
    expect(desk.heading("Tickets")).to_be_visible()
    expect(desk.folder("Follow up")).not_to_be_visible()


def _signing_in(desk: Desk) -> None:
    desk.button("Sign in").click()
    expect(desk.page.get_by_text("Enter your username.")).to_be_visible()


def _list(desk: Desk) -> None:
    expect(desk.rows.first).to_be_visible()


def _thread(desk: Desk) -> None:
    expect(desk.messages.first).to_be_visible()
    desk.field("Internal: only the help desk sees it").check()


def _write(desk: Desk) -> None:
    desk.choose("rosa", "Rosa Almeida")
    desk.button("Send").click()
    desk.page.get_by_role("combobox", name="To").fill("he")
    expect(desk.page.get_by_role("option").first).to_be_visible()


def _empty(desk: Desk) -> None:
    expect(desk.page.get_by_text("Nothing here yet")).to_be_visible()


def _keys(desk: Desk) -> None:
    expect(desk.rows.first).to_be_visible()
    press(desk.page, "?")
    expect(desk.page.get_by_role("dialog")).to_be_visible()


def _menu(desk: Desk) -> None:
    expect(desk.rows.first).to_be_visible()
    if desk.button("Menu").is_visible():
        desk.button("Menu").click()


def _problem(desk: Desk) -> None:
    expect(desk.alert).to_be_visible()


VIEWS: dict[str, tuple[str | None, str, Callable[[Desk], None]]] = {
    "signing in": (None, "", _signing_in),
    "list": ("support", "#/TICKET", _list),
    "conversation": ("support", "#/TICKET/HeLpDeskT01", _thread),
    "writing": ("support", "#/all/write", _write),
    "empty": ("support", "#/SYSTEM", _empty),
    "keys": ("support", "#/all", _keys),
    "menu": ("support", "#/all", _menu),
    "problem": ("support", "#/all/ZjHHSjyyeJ2", _problem),
}


@pytest.mark.parametrize(
    ("device", "theme"), [(PHONE, "light"), (DESKTOP, "dark")], ids=["light phone", "dark desktop"]
)
def test_axe_finds_nothing_serious(opens: Opens, axe: str, device: dict[str, Any], theme: str) -> None:
    found = []
    desks = {username: opens(username, **device, color_scheme=theme) for username in (None, "support")}
    for view, (username, path, prepare) in VIEWS.items():
        desk = desks[username]
        desk.go(path)
        prepare(desk)
        # Not while something fades.
        desk.page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished.catch(() => 0)))")
        if desk.page.evaluate("typeof axe === 'undefined'"):
            desk.page.evaluate(axe)
        result = desk.page.evaluate("(tags) => axe.run({ runOnly: tags, resultTypes: ['violations'] })", STANDARDS)
        found += [
            (view, each["id"], each["impact"], [node["html"] for node in each["nodes"]])
            for each in result["violations"]
        ]
        assert result["passes"], view
        press(desk.page, "Escape")

    assert [] == found


@pytest.mark.parametrize("path", ["", "#/TICKET/HeLpDeskT01", "#/all/write"])
def test_nothing_is_too_small_to_be_met(opens: Opens, path: str) -> None:
    """Targets are 24 by 24 at least (WCAG 2.5.8), but for links within a line of text, of which there are none."""
    desk = opens("support", path, **PHONE)
    expect(desk.page.locator("main h2:visible").first).to_be_visible()
    expect(desk.page.locator(".bone")).to_have_count(0)

    small = desk.page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, textarea, [role=option]")]
            .filter((element) => element.checkVisibility() && element.tabIndex >= 0 && !element.matches(".skip"))
            // A box to tick is met by its label as well.
            .map((element) => [element.outerHTML, (element.closest("label") ?? element).getBoundingClientRect()])
            .filter(([, box]) => box.width < 24 || box.height < 24)
            .map(([html]) => html)"""
    )
    assert [] == small
