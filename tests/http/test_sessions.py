"""Sessions: logging in by cookie, what a cookie is good for, and what ends it (contract sections 1.4 and 9.1)."""

import json
from hashlib import sha256
from pathlib import Path

import bcrypt
import pytest
from people import CLERK, MC, MOBILE, PASSWORD, Answer, Client, MakeClient

from browser import LOGIN, Browser
from convstore.directory import Directory, accounts, sessions
from convstore.directory.importing import import_files
from convstore.errors import BadCredentials
from eventually import eventually

FORM = "/dhis-web-commons-security/login.action"
LOGOUT_LINK = "/dhis-web-commons-security/logout.action"
NAME = "convstore_session"
ELSEWHERE = "https://elsewhere.example"


@pytest.fixture
def browser(client: Client) -> Browser:
    """Give a browser in front of a server with default settings."""
    return Browser(client)


@pytest.fixture
async def mobile(browser: Browser) -> Browser:
    """Give a browser that the mobile user has logged in with."""
    assert 200 == (await browser.log_in("mobile")).status
    return browser


def at(browser: Browser, client: Client) -> Browser:
    """Give the same browser, in front of another server."""
    same = Browser(client)
    same.cookies = browser.cookies
    return same


async def started(client: Client) -> str:
    """Have the administrator write to the mobile user, and give the conversation."""
    return await client.as_admin.send(MOBILE)


# Logging in.


async def test_logging_in_gives_a_session(browser: Browser) -> None:
    answer = await browser.log_in("mobile")

    assert (200, {"loginStatus": "SUCCESS", "redirectUrl": "/"}) == (answer.status, answer.json)
    assert "no-store" == answer.headers["Cache-Control"]
    assert "mobile" == await browser.who()


async def test_the_cookie_is_no_script_s_business_and_stays_here(mobile: Browser) -> None:
    cookie = mobile.cookie

    assert NAME == cookie.key
    assert (True, "Lax", "/") == (cookie["httponly"], cookie["samesite"], cookie["path"])
    assert ("", "", "", "") == (cookie["secure"], cookie["domain"], cookie["max-age"], cookie["expires"])
    assert len(cookie.value) >= 43


@pytest.mark.parametrize(
    ("context_path", "name", "path"), [("", f"__Host-{NAME}", "/"), ("/demo", f"__Secure-{NAME}", "/demo")]
)
async def test_by_https_the_browser_guards_the_cookie(
    make_client: MakeClient, context_path: str, name: str, path: str
) -> None:
    client = await make_client(trusted_proxies=("127.0.0.1",), context_path=context_path)
    browser = Browser(client, X_Forwarded_Proto="https")
    answer = await browser.post(context_path + LOGIN, json={"username": "mobile", "password": PASSWORD})

    assert f"{context_path}/" == answer.json["redirectUrl"]
    cookie = browser.cookie
    assert (name, path, True) == (cookie.key, cookie["path"], cookie["secure"])
    assert 200 == (await browser.get(f"{context_path}/api/me")).status
    # Whoever can set cookies by plain http (a neighbour on the network) cannot slip one in.
    weaker = {"Cookie": f"{NAME}={cookie.value}", "X-Forwarded-Proto": "https"}
    assert 401 == (await client.as_nobody.get(f"{context_path}/api/me", headers=weaker)).status


async def test_a_client_that_is_no_proxy_does_not_say_what_is_secure(client: Client) -> None:
    browser = Browser(client, X_Forwarded_Proto="https")
    await browser.log_in("mobile")

    assert NAME == browser.cookie.key


async def test_the_database_holds_nothing_to_log_in_with(client: Client, mobile: Browser) -> None:
    rows = await client.backend.pool.fetch("SELECT * FROM session")

    assert [sha256(mobile.cookie.value.encode()).digest()] == [row["token_hash"] for row in rows]
    assert mobile.cookie.value not in str(rows)


@pytest.mark.parametrize(
    ("username", "password", "told"),
    [
        ("mobile", "wrong", "Unauthorized"),
        ("nobody", PASSWORD, "Unauthorized"),
        ("mobile", "", "Unauthorized"),
        ("disabled", PASSWORD, "Account disabled"),
    ],
)
async def test_whoever_is_not_let_in_is_told_why(browser: Browser, username: str, password: str, told: str) -> None:
    answer = await browser.log_in(username, password)

    assert (401, told) == answer.message
    assert {} == browser.cookies
    assert "WWW-Authenticate" not in answer.headers


async def test_guessing_is_slowed_down(client: Client, browser: Browser) -> None:
    said = [(await browser.log_in("clerk", f"wrong{number}")).message for number in range(8)]

    assert (401, "Unauthorized") == said[0]
    assert (401, "Account locked") == said[-1]
    assert (401, "Account locked") == (await browser.log_in("clerk")).message
    assert 200 == (await browser.log_in("mobile")).status


async def test_a_session_outlives_the_lock_of_its_account(client: Client, mobile: Browser) -> None:
    guesser = Browser(client)
    for number in range(8):
        await guesser.log_in("mobile", f"wrong{number}")

    assert "mobile" == await mobile.who()


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"username": "mobile"}', "application/json", 400),
        (b'{"username": 1, "password": "district"}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b"username=mobile&password=district", "application/x-www-form-urlencoded", 415),
        (b'{"username": "mob\\u0000ile", "password": "district"}', "application/json", 400),
    ],
)
async def test_a_login_that_cannot_be_read(browser: Browser, body: bytes, content_type: str, status: int) -> None:
    answer = await browser.post(LOGIN, data=body, headers={"Content-Type": content_type})

    assert status == answer.status
    assert answer.json["message"]


async def test_logging_in_again_ends_the_former_session(client: Client, mobile: Browser) -> None:
    former = Browser(client)
    former.cookies = dict(mobile.cookies)
    await mobile.log_in("clerk")

    assert "clerk" == await mobile.who()
    assert await former.who() is None


async def test_the_login_page_is_told_what_it_needs(client: Client) -> None:
    said = (await client.as_nobody.get("/api/loginConfig")).json

    assert ("DHIS 2", []) == (said["applicationTitle"], said["oidcProviders"])


# The ways of older clients.


async def test_a_form_logs_in_too(client: Client, browser: Browser) -> None:
    answer = await browser.post(FORM, data={"j_username": "mobile", "j_password": PASSWORD})

    assert (302, f"{client.url}/") == (answer.status, answer.headers["Location"])
    assert "mobile" == await browser.who()


@pytest.mark.parametrize(
    ("data", "content_type", "told"),
    [
        ("j_username=mobile&j_password=wrong", "application/x-www-form-urlencoded", (401, "Unauthorized")),
        ("j_username=mobile", "application/x-www-form-urlencoded", (401, "Unauthorized")),
        ("", "application/x-www-form-urlencoded", (401, "Unauthorized")),
        (
            "&".join(f"j_username=mobile{n}" for n in range(99)),
            "application/x-www-form-urlencoded",
            (401, "Unauthorized"),
        ),
        ("j_username=mobile", "text/plain", (415, "Content-Type 'text/plain' is not supported")),
    ],
)
async def test_a_form_that_logs_nobody_in(
    browser: Browser, data: str, content_type: str, told: tuple[int, str]
) -> None:
    answer = await browser.post(FORM, data=data, headers={"Content-Type": content_type})

    assert told == answer.message
    assert {} == browser.cookies


# What a cookie is good for.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "HERE"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": ELSEWHERE}, 200),  # a proxy that does not say its name
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "HERE"}, 403),
        ({"Origin": ELSEWHERE}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Referer": "HERE/"}, 403),
        ({"X-Requested-With": "XMLHttpRequest"}, 403),
    ],
)
async def test_only_a_page_of_this_server_changes_anything(
    client: Client, mobile: Browser, headers: dict[str, str], status: int
) -> None:
    uid = await started(client)
    sent = {"Sec-Fetch-Site": None} | {name: value.replace("HERE", client.url) for name, value in headers.items()}
    before = await client.events()

    reply = await mobile.post(f"{MC}/{uid}", data="Fine.", headers={**sent, "Content-Type": "text/plain"})
    assert status == reply.status
    assert (status == 200) == (await client.events() > before)

    reading = await mobile.get(f"{MC}/{uid}?markRead=TRUE", headers=sent)
    assert status == reading.status
    assert 200 == (await mobile.get(f"{MC}/{uid}?markRead=false", headers=sent)).status


async def test_a_refused_change_says_so_in_the_client_s_format(client: Client, mobile: Browser) -> None:
    uid = await started(client)
    headers = {"Sec-Fetch-Site": "cross-site", "Accept": "application/xml"}
    answer = await mobile.post(f"{MC}/{uid}", data="Fine.", headers=headers)

    assert 403 == answer.message[0]
    assert "E1006" == answer.xml.get("errorCode")


async def test_a_password_in_each_request_needs_no_page(client: Client) -> None:
    uid = await started(client)

    assert 200 == (await client.as_mobile.reply(uid)).status


async def test_an_empty_authorization_leaves_it_to_the_cookie(client: Client, mobile: Browser) -> None:
    for empty in ("", " "):
        assert 200 == (await mobile.get("/api/ping", headers={"Authorization": empty})).status


@pytest.mark.parametrize("authorization", ["Basic eDp5", "Bearer abc", "ApiToken d2pat_abc", "x"])
async def test_any_other_authorization_decides_alone(mobile: Browser, authorization: str) -> None:
    assert 401 == (await mobile.get("/api/ping", headers={"Authorization": authorization})).status


async def test_a_cookie_of_no_session_opens_nothing(client: Client) -> None:
    for value in ("", "x", "x" * 43, "\u00e9"):
        answer = await client.as_nobody.get("/api/ping", headers={"Cookie": f"{NAME}={value}"})
        assert (401, "Unauthorized") == answer.message


# What ends a session.


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/auth/logout"), ("GET", LOGOUT_LINK), ("POST", LOGOUT_LINK)]
)
async def test_logging_out_ends_it_everywhere(
    client: Client, mobile: Browser, other_worker: Client, method: str, path: str
) -> None:
    elsewhere = at(mobile, other_worker)
    elsewhere.cookies = dict(mobile.cookies)
    assert "mobile" == await elsewhere.who()
    still = Browser(client)
    await still.log_in("mobile")
    kept = dict(mobile.cookies)

    answer = await mobile(method, path)

    assert answer.status == (200 if path.startswith("/api") else 302)
    assert {} == mobile.cookies
    mobile.cookies = kept
    assert await mobile.who() is None
    await eventually(lambda: _gone(elsewhere))
    assert "mobile" == await still.who()


async def _gone(browser: Browser) -> bool:
    return await browser.who() is None


async def test_logging_out_without_a_session_is_no_error(browser: Browser) -> None:
    assert 200 == (await browser.post("/api/auth/logout")).status
    assert 302 == (await browser.get(LOGOUT_LINK)).status


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": None, "Origin": ELSEWHERE}])
async def test_another_server_s_page_logs_nobody_in_or_out(mobile: Browser, headers: dict[str, str]) -> None:
    kept = dict(mobile.cookies)
    answers: list[Answer] = [
        await mobile.post(LOGIN, json={"username": "clerk", "password": PASSWORD}, headers=headers),
        await mobile.post(FORM, data={"j_username": "clerk", "j_password": PASSWORD}, headers=headers),
        await mobile.post("/api/auth/logout", headers=headers),
        await mobile.get(LOGOUT_LINK, headers=headers),
    ]

    assert [403] * 4 == [answer.status for answer in answers]
    assert kept == mobile.cookies
    assert "mobile" == await mobile.who()


async def test_a_script_that_says_nothing_of_pages_may_log_in(browser: Browser) -> None:
    login = {"username": "mobile", "password": PASSWORD}

    assert 200 == (await browser.post(LOGIN, json=login, headers={"Sec-Fetch-Site": None})).status


async def test_another_password_ends_all_sessions_of_the_account(
    client: Client, mobile: Browser, other_worker: Client
) -> None:
    elsewhere = at(mobile, other_worker)
    clerk = Browser(client)
    await clerk.log_in("clerk")
    assert "mobile" == await elsewhere.who()

    await accounts.set_password(client.backend.pool, "mobile", "another-one")

    for browser in (mobile, elsewhere):
        await eventually(lambda browser=browser: _gone(browser))
    assert "clerk" == await clerk.who()
    assert [CLERK] == [row["user_id"] for row in await client.backend.pool.fetch("SELECT user_id FROM session")]


async def test_a_hash_that_was_changed_by_hand_voids_the_session(client: Client, mobile: Browser) -> None:
    await client.backend.pool.execute("UPDATE account SET password_hash = 'x' WHERE id = $1", MOBILE)
    fresh = Directory(client.backend.pool)

    with pytest.raises(BadCredentials):
        await fresh.by_session(mobile.cookie.value)


@pytest.mark.parametrize("change", ["password", "disabled", "deleted"])
async def test_an_import_ends_the_sessions_of_whom_it_changes(
    client: Client, mobile: Browser, metadata: Path, tmp_path: Path, change: str
) -> None:
    clerk = Browser(client)
    await clerk.log_in("clerk")
    directory = json.loads(metadata.read_text())
    (user,) = (each for each in directory["users"] if each["username"] == "mobile")
    if change == "password":
        user["password"] = bcrypt.hashpw(b"another-one", bcrypt.gensalt(4)).decode()
    elif change == "disabled":
        user["disabled"] = True
    else:
        directory["users"].remove(user)
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(directory))

    await import_files(client.backend.pool, [changed], delete_missing=True)

    await eventually(lambda: _gone(mobile))
    assert "clerk" == await clerk.who()


async def test_a_session_does_not_come_back_with_its_account(client: Client, mobile: Browser) -> None:
    pool = client.backend.pool
    await accounts.set_disabled(pool, "mobile", disabled=True)
    await eventually(lambda: _gone(mobile))
    await accounts.set_disabled(pool, "mobile", disabled=False)

    assert 200 == (await Browser(client).log_in("mobile")).status
    assert await mobile.who() is None


async def test_a_hash_made_anew_of_the_same_password_ends_nothing(client: Client, mobile: Browser) -> None:
    # As after a login whose turn to hash did not come: the account still has the other system's hash.
    imported = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    pool = client.backend.pool
    await pool.execute("UPDATE account SET password_hash = $2 WHERE id = $1", MOBILE, imported)
    await pool.execute("UPDATE session SET credential = sha256(convert_to($1, 'UTF8'))", imported)
    fresh = Directory(pool)
    await fresh.authenticate("mobile", PASSWORD)

    assert imported != await pool.fetchval("SELECT password_hash FROM account WHERE id = $1", MOBILE)
    assert MOBILE == (await fresh.by_session(mobile.cookie.value)).id


async def test_a_password_that_is_no_longer_the_one_opens_no_session(client: Client) -> None:
    pool = client.backend.pool
    former = await pool.fetchval("SELECT password_hash FROM account WHERE id = $1", MOBILE)
    await accounts.set_password(pool, "mobile", "another-one")

    assert await sessions.Sessions(pool, lambda: True).open(MOBILE, former, idle=60) is None
    assert 0 == await pool.fetchval("SELECT count(*) FROM session")


async def test_a_session_ends_when_it_is_not_used(client: Client, mobile: Browser) -> None:
    pool = client.backend.pool
    assert 60 == await pool.fetchval("SELECT extract(epoch FROM expires - created) / 60 FROM session")
    await pool.execute("UPDATE session SET expires = now()")
    fresh = Directory(pool)

    with pytest.raises(BadCredentials):
        await fresh.by_session(mobile.cookie.value)


async def test_a_session_lasts_while_it_is_used(client: Client, mobile: Browser) -> None:
    pool = client.backend.pool
    await pool.execute(
        "UPDATE session SET last_seen = now() - interval '6 minutes', expires = now() + interval '54 minutes'"
    )
    await Directory(pool).by_session(mobile.cookie.value)

    row = await pool.fetchrow("SELECT expires - last_seen = idle AS whole, last_seen > created AS seen FROM session")
    assert (True, True) == tuple(row or ())


async def test_use_is_not_written_down_each_time(client: Client, mobile: Browser) -> None:
    pool = client.backend.pool
    before = await pool.fetchval("SELECT xmin FROM session")
    await Directory(pool).by_session(mobile.cookie.value)

    assert before == await pool.fetchval("SELECT xmin FROM session")


async def test_no_session_lasts_longer_than_30_days(client: Client, mobile: Browser) -> None:
    pool = client.backend.pool
    await pool.execute(
        "UPDATE session SET created = now() - interval '29 days 23 hours', last_seen = now() - interval '1 day'"
    )
    await Directory(pool).by_session(mobile.cookie.value)

    assert await pool.fetchval("SELECT expires = created + interval '30 days' FROM session")


async def test_what_is_remembered_ends_with_the_session(client: Client, mobile: Browser) -> None:
    now = 0.0
    directory = Directory(client.backend.pool, clock=lambda: now)
    await directory.start()
    try:
        await client.backend.pool.execute("UPDATE session SET expires = now() + interval '30 seconds'")
        await directory.by_session(mobile.cookie.value)
        await client.backend.pool.execute("UPDATE session SET expires = now()")
        now = 29.0
        assert MOBILE == (await directory.by_session(mobile.cookie.value)).id
        now = 30.0
        with pytest.raises(BadCredentials):
            await directory.by_session(mobile.cookie.value)
    finally:
        await directory.stop()


async def test_a_process_that_does_not_hear_of_changes_asks_each_time(client: Client, mobile: Browser) -> None:
    deaf = Directory(client.backend.pool)
    assert MOBILE == (await deaf.by_session(mobile.cookie.value)).id
    await mobile.post("/api/auth/logout", headers={})
    token = (await client.backend.directory.log_in("mobile", PASSWORD, idle=60))[1]
    await deaf.by_session(token)
    await client.backend.directory.log_out(token)

    with pytest.raises(BadCredentials):
        await deaf.by_session(token)


async def test_an_account_has_so_many_sessions_and_no_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 2)
    directory = client.backend.directory
    tokens = [(await directory.log_in("mobile", PASSWORD, idle=60))[1] for _ in range(3)]
    await directory.log_in("clerk", PASSWORD, idle=60)
    fresh = Directory(client.backend.pool)

    with pytest.raises(BadCredentials):
        await fresh.by_session(tokens[0])
    assert [MOBILE] * 2 == [(await fresh.by_session(token)).id for token in tokens[1:]]


async def test_expired_sessions_are_swept_out(client: Client, mobile: Browser) -> None:
    await client.backend.pool.execute("UPDATE session SET expires = now() - interval '1 second'")
    await client.backend.directory.log_in("clerk", PASSWORD, idle=60)

    assert [CLERK] == [row["user_id"] for row in await client.backend.pool.fetch("SELECT user_id FROM session")]


async def test_two_workers_know_the_same_sessions(mobile: Browser, other_worker: Client) -> None:
    assert "mobile" == await at(mobile, other_worker).who()


async def test_the_process_that_ends_a_session_knows_it_at_once(client: Client, mobile: Browser) -> None:
    # It believes that it hears of everything, and hears of nothing.
    here = sessions.Sessions(client.backend.pool, lambda: True)
    assert MOBILE == await here.find(mobile.cookie.value)
    await here.close(mobile.cookie.value)

    assert await here.find(mobile.cookie.value) is None
