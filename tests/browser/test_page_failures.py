"""Bad links, busy servers and sessions that end: nothing that was written is lost, and nothing is sent twice."""

import re
from collections.abc import Callable

import pytest
from desk import GRACE, MOBILE, PASSWORD, Api, Opens
from playwright.sync_api import Request, Route, expect

LIVE = "**/api/me/events"
REPLIES = re.compile(r"/api/messageConversations/[A-Za-z0-9]{11}\?internal=")


@pytest.fixture
def uid(api: Api) -> str:
    """Give a conversation of two people."""
    return api.send("mary", MOBILE, subject="Bridge")


def test_offline_the_text_is_kept_and_sent_once_later(opens: Opens, api: Api, uid: str) -> None:
    desk = opens("mobile", f"#/all/{uid}")
    expect(desk.messages).to_have_count(1)

    desk.page.context.set_offline(True)
    expect(desk.page.get_by_text("You are offline. What you write is kept.")).to_be_visible()
    desk.reply("It is closed.")
    expect(desk.alert).to_contain_text("There is no connection.")
    expect(desk.field("Your reply")).to_have_value("It is closed.")
    desk.page.context.set_offline(False)
    expect(desk.page.get_by_text("You are offline")).to_have_count(0)
    desk.button("Send again").click()

    expect(desk.messages).to_have_count(2)
    assert ["How are you?", "It is closed."] == api.texts("mary", uid)


def losing(times: int) -> Callable[[Route], None]:
    """Let requests through, and lose so many answers on the way back."""
    left = [times]

    def handle(route: Route) -> None:
        response = route.fetch()
        if left[0] == 0:
            route.fulfill(response=response)
            return
        left[0] -= 1
        route.abort("connectionreset")

    return handle


def test_a_lost_answer_is_asked_for_again_and_the_message_is_there_once(opens: Opens, api: Api, uid: str) -> None:
    desk = opens("mobile", f"#/all/{uid}")
    expect(desk.messages).to_have_count(1)

    desk.page.route(REPLIES, losing(1))
    desk.reply("Once only.")

    expect(desk.messages).to_have_count(2)
    assert ["How are you?", "Once only."] == api.texts("mary", uid)


def test_whoever_gives_up_reloads_and_sends_again_sends_once(opens: Opens, api: Api, uid: str) -> None:
    desk = opens("mobile", f"#/all/{uid}")
    expect(desk.messages).to_have_count(1)
    keys: list[str | None] = []

    def lost(route: Route) -> None:
        keys.append(route.request.header_value("Idempotency-Key"))
        route.fetch()
        # As when the machine goes out of reach amid it: no second attempt by itself.
        desk.page.context.set_offline(True)
        route.abort("internetdisconnected")

    desk.page.route(REPLIES, lost)
    desk.reply("Once, whatever I do.")
    expect(desk.alert).to_contain_text("There is no connection.")
    desk.page.unroute(REPLIES)
    desk.page.context.set_offline(False)
    desk.page.reload()
    expect(desk.field("Your reply")).to_have_value("Once, whatever I do.")
    desk.button("Send").click()

    expect(desk.field("Your reply")).to_have_value("")
    assert ["How are you?", "Once, whatever I do."] == api.texts("mary", uid)
    assert [True] == [key is not None for key in keys]


def test_a_busy_server_is_asked_again(opens: Opens, api: Api, uid: str) -> None:
    desk = opens("mobile", f"#/all/{uid}")
    expect(desk.messages).to_have_count(1)
    refused: list[str] = []

    def busy(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"message": "Too busy"})

    desk.page.route(REPLIES, busy)
    desk.reply("In a moment.")

    expect(desk.messages).to_have_count(2)
    assert ["How are you?", "In a moment."] == api.texts("mary", uid)


def test_a_refusal_is_told_in_the_servers_words(opens: Opens, uid: str) -> None:
    desk = opens("mobile", f"#/all/{uid}")
    expect(desk.messages).to_have_count(1)

    desk.page.route(REPLIES, lambda route: route.fulfill(status=409, json={"message": "The moon is full."}))
    desk.reply("Howl")

    expect(desk.alert).to_have_text("The server refused it: The moon is full. Your text is kept.")
    expect(desk.field("Your reply")).to_have_value("Howl")


@pytest.mark.parametrize("told", [True, False], ids=["told by the stream", "found out when sending"])
def test_a_session_that_ends_elsewhere_asks_to_sign_in_and_keeps_the_draft(
    opens: Opens, api: Api, uid: str, *, told: bool
) -> None:
    desk = opens(None)
    if not told:
        desk.page.route(LIVE, lambda route: route.abort())
    desk.let_in("mobile")
    desk.page.reload()
    desk.go(f"#/all/{uid}")
    expect(desk.messages).to_have_count(1)
    expect(desk.row("Bridge").first).not_to_contain_text("Unread")
    desk.field("Your reply").fill("Where was I?")
    # As another tab of the same browser does it.
    assert 200 == desk.page.request.post(f"{desk.site}api/auth/logout").status

    if not told:
        desk.button("Send").click()
    expect(desk.page.get_by_text("Your session has ended. Sign in again; what you wrote is kept.")).to_be_visible()
    expect(desk.page.get_by_role("heading", name="Messages")).to_be_focused()
    # Who it was need not be said again (WCAG 3.3.7).
    expect(desk.field("Username")).to_have_value("mobile")
    desk.sign_in("mobile", PASSWORD)
    expect(desk.heading("Bridge")).to_be_visible()
    expect(desk.field("Your reply")).to_have_value("Where was I?")
    desk.button("Send").click()

    expect(desk.messages).to_have_count(2)
    assert ["How are you?", "Where was I?"] == api.texts("mary", uid)


def test_one_stream_serves_the_whole_view_and_ends_with_it(opens: Opens, api: Api, uid: str) -> None:
    desk = opens(None)
    streams: list[Request] = []
    desk.page.on("request", lambda request: streams.append(request) if request.url.endswith("/me/events") else None)
    desk.sign_in("mobile")
    expect(desk.row("Bridge").first).to_be_visible()
    unread = api("mobile", "GET", "api/messageConversations/counts")["unread"]

    api.send("mary", MOBILE, subject="By itself")
    expect(desk.row("By itself")).to_be_visible()
    expect(desk.folder("Inbox")).to_contain_text(f"{unread + 1} unread")
    assert desk.page.title().startswith(f"({unread + 1}) ")
    desk.go("#/PRIVATE")
    desk.open("By itself")
    expect(desk.folder("Inbox")).not_to_contain_text(f"{unread + 1} unread")
    assert 1 == len(streams)
    over = "performance.getEntriesByType('resource').some((each) => each.name.endsWith('/me/events'))"
    assert not desk.page.evaluate(over)
    desk.button("Sign out").click()
    expect(desk.field("Username")).to_be_visible()

    desk.page.wait_for_function(over)
    assert 1 == len(streams)


def test_a_stream_that_ends_is_opened_again_where_it_was(opens: Opens, api: Api) -> None:
    desk = opens(None)
    places: list[str | None] = []

    def broken(route: Route) -> None:
        places.append(route.request.headers.get("last-event-id"))
        if len(places) == 1:
            ending = 'retry: 1\n\nevent: end\ndata: {"reason": "The server is stopping."}\n\n'
            route.fulfill(headers={"Content-Type": "text/event-stream"}, body=ending)
        elif len(places) == 2:
            route.fulfill(status=503, body="")
        else:
            route.continue_()

    desk.page.route(LIVE, broken)
    desk.sign_in("grace")
    expect(desk.rows.first).to_be_visible()
    api.send("mary", GRACE, subject="In between")

    expect(desk.row("In between")).to_be_visible()
    assert places[0]
    assert places[0] == places[1]


def test_where_no_stream_gets_through_the_page_asks(opens: Opens, api: Api) -> None:
    desk = opens("grace")
    desk.page.route(LIVE, lambda route: route.fulfill(status=404, json={"message": "Not here"}))
    desk.page.clock.install()
    desk.page.reload()
    expect(desk.rows.first).to_be_visible()
    api.send("mary", GRACE, subject="Asked for")

    desk.page.clock.fast_forward(20_000)

    expect(desk.row("Asked for")).to_be_visible()


def test_a_list_that_cannot_be_had_says_so_and_is_asked_for_again(opens: Opens) -> None:
    desk = opens("mobile")
    expect(desk.rows.first).to_be_visible()
    lists = re.compile(r"/api/messageConversations\?")

    desk.page.route(lists, lambda route: route.fulfill(status=500, body=""))
    desk.go("#/SYSTEM")
    expect(desk.alert).to_contain_text("Something went wrong (error 500).")
    desk.page.unroute(lists)
    desk.button("Try again").click()

    expect(desk.page.get_by_text("Nothing here yet")).to_be_visible()


@pytest.mark.parametrize("uid", ["ZjHHSjyyeX9", "HeLpDeskT02"])
def test_what_is_not_there_or_not_for_one_says_so(opens: Opens, uid: str) -> None:
    desk = opens("mary", f"#/all/{uid}")

    expect(desk.alert).to_contain_text("may not do this" if uid == "HeLpDeskT02" else "not there, or not for you")
