"""What people wrote is text, whatever it looks like; and the page asks nobody but its own server."""

import json
from urllib.parse import urlsplit

import pytest
from desk import MOBILE, Api, Opens
from playwright.sync_api import expect

MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>bold</b>'
LINK = "javascript:document.title=3 https://elsewhere.example/?a=1&b=<2>"
OVERRIDE = "annex\u202egpj.exe"
ENTITIES = "&lt;i&gt; &amp; &#x3c;"
LONG = "Donaudampfschifffahrt" * 40

HOSTILE = {"markup": MARKUP, "link": LINK, "override": OVERRIDE, "entities": ENTITIES, "long": LONG}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_whatever_somebody_writes_is_shown_as_he_wrote_it(opens: Opens, api: Api, text: str) -> None:
    subject = text[:255]
    uid = api.send("mary", MOBILE, subject=subject, text=text)
    desk = opens("mobile", viewport={"width": 360, "height": 740})

    line = desk.page.locator(f'[data-uid="{uid}"] .subject')
    expect(line).to_be_visible()
    assert subject == line.text_content()
    line.click()
    expect(desk.messages).to_be_visible()

    assert text == desk.messages.locator(".text").text_content()
    assert subject == desk.page.locator("#thread-title").text_content()
    # Nothing in it became an element, and it stays within the page.
    assert 0 == desk.page.locator(".text *, #thread-title *").count()
    assert desk.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.page.title() == f"{subject} \u2013 Messages"


def test_a_name_turns_nothing_around_it(opens: Opens, api: Api) -> None:
    """A mark that turns the direction of writing ends with the name that has it (UAX 9, isolates)."""
    uid = api.send("mary", MOBILE, subject=OVERRIDE)
    desk = opens("mobile", f"#/all/{uid}")
    expect(desk.messages).to_be_visible()

    isolated = desk.page.evaluate(
        """() => [...document.querySelectorAll("h3 bdi, .people bdi, .from bdi, .subject, .text, #thread-title")]
            .map((element) => getComputedStyle(element).unicodeBidi)"""
    )
    assert {"isolate"} == set(isolated) - {"plaintext"}


def test_a_file_name_is_text_too(opens: Opens, api: Api) -> None:
    uid = api.send("mary", MOBILE, subject="A strange file")
    desk = opens("mobile", f"#/all/{uid}")

    desk.page.locator("input[type=file]").set_input_files(
        {"name": "<img src=x onerror=alert(1)>.csv", "mimeType": "text/html", "buffer": b"<script>alert(1)</script>"}
    )
    expect(desk.page.locator(".attach li bdi")).to_have_text("<img src=x onerror=alert(1)>.csv")
    expect(desk.page.locator(".attach li .hint")).to_be_visible()
    desk.reply("See it.")
    expect(desk.messages).to_have_count(2)

    expect(desk.messages.nth(1).locator(".file bdi")).to_have_text("<img src=x onerror=alert(1)>.csv")
    with desk.page.expect_download():
        desk.messages.nth(1).locator(".file").click()
    assert 0 == desk.page.locator("#app img").count()


def test_the_browser_refuses_what_the_page_never_does(opens: Opens) -> None:
    desk = opens("mobile")
    expect(desk.rows.first).to_be_visible()

    found = desk.page.evaluate(
        """async () => {
            const refused = [];
            document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
            const made = document.createElement("script");
            try { made.text = "document.title = 'broken'"; } catch { refused.push("trusted types"); }
            try { document.body.insertAdjacentHTML("beforeend", "<p>"); } catch { refused.push("trusted types"); }
            document.body.append(Object.assign(document.createElement("img"), { src: "https://elsewhere.example/" }));
            await fetch("https://elsewhere.example/").catch(() => undefined);
            await new Promise((done) => setTimeout(done, 50));
            return refused;
        }"""
    )

    assert {"trusted types", "img-src", "connect-src", "require-trusted-types-for"} == set(found)
    assert 2 == found.count("trusted types")
    assert desk.troubles
    desk.troubles.clear()


def test_everything_comes_from_this_server_and_little_of_it(opens: Opens) -> None:
    """The whole page, as a browser first loads it: less than 100 kB on the line."""
    desk = opens("mobile", "")
    desk.page.goto("about:blank")
    session = desk.page.context.new_cdp_session(desk.page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: dict[str, float] = {}
    hosts: set[str] = set()
    addresses: dict[str, str] = {}

    def received(event: dict[str, str]) -> None:
        addresses[event["requestId"]] = event["response"]["url"]  # type: ignore[index]
        hosts.add(urlsplit(addresses[event["requestId"]]).netloc)

    session.on("Network.responseReceived", received)
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    desk.go()
    expect(desk.rows.first).to_be_visible()
    # Its icon, or whatever comes late.
    desk.page.wait_for_load_state("load")

    assert {urlsplit(desk.site).netloc} == hosts
    page = {addresses[request]: size for request, size in sizes.items() if "/api/" not in addresses[request]}
    assert 3 <= len(page)
    assert sum(page.values()) < 100_000, json.dumps(page)


def test_an_unchanged_list_is_not_sent_again(opens: Opens) -> None:
    desk = opens("grace")
    expect(desk.rows.first).to_be_visible()
    with (
        desk.page.expect_response(lambda answer: "/api/messageConversations?" in answer.url) as listed,
        desk.page.expect_response(lambda answer: answer.url.endswith("/counts")) as counted,
    ):
        desk.look_again()

    assert (304, 304) == (listed.value.status, counted.value.status)
