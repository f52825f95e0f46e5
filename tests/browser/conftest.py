"""A server with the demo on a store of its own, and for each module of tests a headless Chromium in front of it.

Where there is no Chromium these tests are skipped; in CI that is a failure.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from desk import Api, Desk, Opens
from playwright.sync_api import Browser, Error, expect, sync_playwright

from served import serving

IN_CI = os.environ.get("CI", "").lower() == "true"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
# Milliseconds that anything may take to appear on a busy machine.
_PATIENCE = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as slow."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of a Chromium."""
    found = os.environ.get("CONVSTORE_TEST_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None and IN_CI:
        pytest.fail("there is no Chromium, and in CI the page is tested")
    if found is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    return found


async def _execute(server: str, statement: str) -> None:
    conn = await asyncpg.connect(server)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


@pytest.fixture(scope="session")
def site(
    chromium: str, server: str, templates: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Give the address of a server with the demo."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {templates(1)}"))
    dsn = urlsplit(server)._replace(path=f"/{name}").geturl()
    try:
        with serving(tmp_path_factory.mktemp("site"), "--demo", "--dsn", dsn) as served:
            yield f"http://{served.address}/"
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def api(site: str) -> Api:
    """Give calls to the same server, by name and password."""
    return Api(site)


@pytest.fixture(scope="module")
def browser(chromium: str, site: str) -> Iterator[Browser]:
    """Give the browser; it is gone before the next module's loops begin."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=_PATIENCE)
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sessions(site: str) -> dict[str, list[Any]]:
    """Give the cookies of sessions that are there already: signing in costs a password's slow hash each time."""
    return {}


@pytest.fixture
def opens(browser: Browser, site: str, sessions: dict[str, list[Any]]) -> Iterator[Opens]:
    """Give a function that opens the page as somebody, signed in, or as nobody; ``fresh``: in a session of his own.

    Whatever the browser's console calls an error is one: a broken script, and what the policy forbids.
    """
    contexts = []
    troubles: list[str] = []

    def open_as(username: str | None, path: str = "", *, fresh: bool = False, **options: Any) -> Desk:
        context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}} | options)
        context.set_default_timeout(_PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        # A refused request is in the console too; the page itself tells of those.
        page.on(
            "console",
            lambda said: (
                troubles.append(said.text)
                if said.type == "error" and not said.text.startswith("Failed to load resource")
                else None
            ),
        )
        desk = Desk(page, site, troubles)
        if username in sessions and not fresh:
            context.add_cookies(sessions[username])
        elif username is not None:
            desk.let_in(username)
            if not fresh:
                sessions[username] = context.cookies()
        desk.go(path)
        return desk

    yield open_as
    for context in contexts:
        try:
            context.close()
        except Error as error:
            troubles.append(str(error))
    assert [] == troubles
