"""``/api/docs`` in a browser: shows all that the document has, by this server alone, under a strict policy."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from convstore.http.routes import API, OUTSIDE


@pytest.fixture
def page(browser: Browser, site: str) -> Page:
    context = browser.new_context(
        base_url=site, http_credentials={"username": "mobile", "password": "district", "origin": site.rstrip("/")}
    )
    context.set_default_timeout(60_000)
    return context.new_page()


@pytest.mark.parametrize("base", ["api", "api/42"])
def test_it_shows_everything_fetches_nothing_from_elsewhere_and_tries_only_reading(
    page: Page, site: str, base: str
) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    page.goto(f"{base}/docs")
    expect(page.locator(".opblock")).to_have_count(len((*API, *OUTSIDE)), timeout=60_000)
    page.get_by_role("button", name="A page of the caller's conversations").first.click()

    expect(page.get_by_text("How many objects a page has")).to_be_visible(timeout=60_000)
    assert {urlsplit(site).netloc} == {urlsplit(url).netloc for url in asked if not url.startswith("data:")}
    assert f"{site}{base}/openapi.json" in asked
    # What the policy forbids is told here.
    assert [] == said

    # Only reading can be tried from it.
    expect(page.locator(".opblock-get .try-out__btn")).to_have_count(1, timeout=20_000)
    post = page.locator(".opblock-post").first
    post.locator(".opblock-summary-control").click()
    expect(post.locator(".opblock-body")).to_be_visible(timeout=20_000)
    expect(page.locator(".opblock-post .try-out__btn")).to_have_count(0)
