"""Personal access tokens: making, using and revoking them (contract section 1.4)."""

import re
import zlib
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import structlog
from people import MC, MOBILE, Answer, Caller, Client

from browser import Browser
from convstore.directory import Directory, accounts, tokens
from convstore.directory.tokens import Tokens, is_wellformed, new_secret
from convstore.errors import BadCredentials, TokenRefused
from eventually import eventually

TOKENS = "/api/apiToken"


def by(secret: str) -> dict[str, str]:
    return {"Authorization": f"ApiToken {secret}"}


def in_days(days: float) -> int:
    return round((datetime.now(UTC) + timedelta(days=days)).timestamp() * 1000)


async def made(caller: Caller, **wanted: Any) -> tuple[str, str]:
    """Have somebody make a token, and give its uid and its secret."""
    answer = await caller.post(TOKENS, json=wanted)
    assert 201 == answer.status, answer.body
    return answer.json["response"]["uid"], answer.json["response"]["key"]


def test_a_secret_looks_as_dhis2_s_do() -> None:
    secret = new_secret()
    found = re.fullmatch(r"d2pat_([A-Za-z0-9]{32})(\d{10})", secret)

    assert found is not None
    assert zlib.crc32(found[1].encode()) == int(found[2])
    assert secret != new_secret()


@pytest.mark.parametrize("damage", [lambda s: s[:-1], lambda s: s + "0", lambda s: s.upper(), lambda s: s[6:]])
def test_a_mistyped_secret_is_known_as_such(damage: Any) -> None:
    secret = new_secret()
    assert is_wellformed(secret)
    assert not is_wellformed(damage(secret))
    for at in (6, 20, 37, 47):
        other = "a" if secret[at] != "a" else "b"
        assert not is_wellformed(secret[:at] + other + secret[at + 1 :])


async def test_a_token_stands_for_its_account(client: Client) -> None:
    answer = await client.as_mobile.post(TOKENS, json={})
    said = answer.json

    assert (201, "OK", "ApiTokenCreationResponse") == (
        answer.status,
        said["status"],
        said["response"]["responseType"],
    )
    assert f"{client.url}/api/apiToken/{said['response']['uid']}" == answer.headers["Location"]
    assert "no-store" == answer.headers["Cache-Control"]
    me = await client.as_nobody.get("/api/me?fields=id", headers=by(said["response"]["key"]))
    assert {"id": MOBILE} == me.json


async def test_a_token_writes_without_a_page_of_ours(client: Client) -> None:
    _, secret = await made(client.as_mobile)
    document = {"subject": "Hey", "text": "How are you?", "users": [{"id": MOBILE}]}

    assert 201 == (await client.as_nobody.post(MC, json=document, headers=by(secret))).status


async def test_the_scheme_is_taken_in_any_case(client: Client) -> None:
    _, secret = await made(client.as_mobile)

    assert 200 == (await client.as_nobody.get("/api/ping", headers={"Authorization": f"apitoken  {secret}"})).status


async def test_the_secret_is_shown_once_and_kept_nowhere(client: Client) -> None:
    uid, secret = await made(client.as_mobile, name="for the script")
    (row,) = await client.backend.pool.fetch("SELECT * FROM api_token")
    listed = await client.as_mobile.get(TOKENS)
    one = await client.as_mobile.get(f"{TOKENS}/{uid}")

    assert sha256(secret.encode()).digest() == row["token_hash"]
    assert secret not in str(row)
    assert secret.encode() not in listed.body + one.body
    assert [one.json] == listed.json["apiToken"]
    assert (uid, "for the script", ["full"], [], f"…{secret[-4:]}") == tuple(
        one.json[name] for name in ("id", "name", "scopes", "attributes", "hint")
    )


async def test_a_token_lasts_30_days_unless_said(client: Client) -> None:
    await made(client.as_mobile)
    expires = in_days(365)
    uid, _ = await made(client.as_mobile, expire=expires)
    lives = await client.backend.pool.fetch("SELECT expires - created AS life FROM api_token ORDER BY created")

    assert timedelta(days=30) == pytest.approx(lives[0]["life"], abs=timedelta(minutes=5))
    assert expires == (await client.as_mobile.get(f"{TOKENS}/{uid}")).json["expire"]


async def test_a_token_for_reading_changes_nothing(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    _, secret = await made(client.as_mobile, scopes=["read"])
    before = await client.events()

    async def ask(method: str, path: str, **options: Any) -> int:
        return (await client.as_nobody(method, path, headers=by(secret), **options)).status

    assert [200, 200, 200] == [
        await ask("GET", MC),
        await ask("HEAD", MC),
        await ask("GET", f"{MC}/{uid}?markRead=false"),
    ]
    assert [403] * 4 == [
        await ask("GET", f"{MC}/{uid}?markRead=true"),
        await ask("POST", f"{MC}/{uid}", data="Fine."),
        await ask("POST", f"{MC}/read", json=[uid]),
        await ask("DELETE", f"{MC}/{uid}/{MOBILE}"),
    ]
    assert before == await client.events()


async def test_a_token_is_good_for_the_methods_that_it_names(client: Client) -> None:
    uid = await client.as_admin.send(MOBILE)
    allowed = {"type": "MethodAllowedList", "allowedMethods": ["get", "POST"]}
    token, secret = await made(client.as_mobile, attributes=[allowed])
    statuses = {
        method: (await client.as_nobody(method, path, headers=by(secret), data=data)).status
        for method, path, data in (
            ("GET", MC, None),
            ("HEAD", MC, None),
            ("POST", f"{MC}/{uid}", "Fine."),
            ("DELETE", f"{MC}/{uid}/{MOBILE}", None),
        )
    }

    assert {"GET": 200, "HEAD": 200, "POST": 200, "DELETE": 403} == statuses
    shown = (await client.as_mobile.get(f"{TOKENS}/{token}")).json["attributes"]
    assert [{"type": "MethodAllowedList", "allowedMethods": ["GET", "POST"]}] == shown


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"scopes": []}, "must be for something"),
        ({"scopes": ["write"]}, "no scope 'write'"),
        ({"expire": 1}, "in the future"),
        ({"expire": -1}, "in the future"),
        ({"expire": 2**62}, "is no time"),
        ({"expire": in_days(4000)}, "within 3650 days"),
        ({"name": "x" * 256}, "at most 255"),
        ({"attributes": [{"type": "MethodAllowedList", "allowedMethods": []}]}, "must be for something"),
        ({"attributes": [{"type": "MethodAllowedList", "allowedMethods": ["TRACE"]}]}, "No method 'TRACE'"),
        # What would not be enforced must not look as if it were.
        ({"attributes": [{"type": "IpAllowedList", "allowedIps": ["10.0.0.1"]}]}, "'IpAllowedList' are not offered"),
        ({"attributes": [{"type": "RefererAllowedList"}]}, "'RefererAllowedList' are not offered"),
    ],
)
async def test_what_a_token_cannot_be(client: Client, wanted: dict[str, Any], told: str) -> None:
    answer = await client.as_mobile.post(TOKENS, json=wanted)

    assert (409, True) == (answer.status, told in answer.json["message"]), answer.json
    assert 0 == await client.backend.pool.fetchval("SELECT count(*) FROM api_token")


@pytest.mark.parametrize("body", [b"[]", b'{"expire": "soon"}', b'{"name": "a\\u0000"}', b""])
async def test_what_cannot_be_read(client: Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    assert 400 == (await client.as_mobile.post(TOKENS, data=body, headers=headers)).message[0]


async def test_a_token_makes_and_revokes_no_token(client: Client) -> None:
    uid, secret = await made(client.as_mobile)

    assert 403 == (await client.as_nobody.post(TOKENS, json={}, headers=by(secret))).status
    assert 403 == (await client.as_nobody.delete(f"{TOKENS}/{uid}", headers=by(secret))).status
    assert 1 == await client.backend.pool.fetchval("SELECT count(*) FROM api_token")


async def test_a_browser_s_own_page_makes_one(client: Client) -> None:
    browser = Browser(client)
    await browser.log_in("mobile")

    assert 201 == (await browser.post(TOKENS, json={})).status
    assert 403 == (await browser.post(TOKENS, json={}, headers={"Sec-Fetch-Site": "cross-site"})).status


async def test_nobody_meets_another_s_tokens(client: Client) -> None:
    uid, secret = await made(client.as_mobile)

    assert {"apiToken": []} == (await client.as_admin.get(TOKENS)).json
    told = (404, f"ApiToken with id {uid} could not be found.")
    assert told == (await client.as_admin.get(f"{TOKENS}/{uid}")).message
    assert told == (await client.as_admin.delete(f"{TOKENS}/{uid}")).message
    assert 200 == (await client.as_nobody.get("/api/ping", headers=by(secret))).status


async def test_a_revoked_token_opens_nothing_anywhere(client: Client, other_worker: Client) -> None:
    uid, secret = await made(client.as_mobile)
    _, kept = await made(client.as_mobile)
    for worker in (client, other_worker):
        assert 200 == (await worker.as_nobody.get("/api/ping", headers=by(secret))).status

    assert 200 == (await client.as_mobile.delete(f"{TOKENS}/{uid}")).status

    assert (401, "Unauthorized") == (await client.as_nobody.get("/api/ping", headers=by(secret))).message
    await eventually(lambda: _refused(other_worker, secret))
    assert 200 == (await other_worker.as_nobody.get("/api/ping", headers=by(kept))).status
    assert 404 == (await client.as_mobile.delete(f"{TOKENS}/{uid}")).status


async def _refused(client: Client, secret: str) -> bool:
    return (await client.as_nobody.get("/api/ping", headers=by(secret))).status == 401


async def test_the_process_that_revokes_a_token_knows_it_at_once(client: Client) -> None:
    # It believes that it hears of everything, and hears of nothing.
    here = Tokens(client.backend.pool, lambda: True)
    token, secret = await here.create(MOBILE)
    assert token.id == getattr(await here.find(secret), "id", None)
    await here.revoke([token.id])

    assert await here.find(secret) is None


async def test_an_expired_token_opens_nothing_and_goes_when_the_next_is_made(client: Client) -> None:
    uid, secret = await made(client.as_mobile)
    await client.backend.pool.execute("UPDATE api_token SET expires = now()")

    with pytest.raises(BadCredentials):
        await Directory(client.backend.pool).by_token(secret)
    other, _ = await made(client.as_mobile)
    listed = (await client.as_mobile.get(TOKENS)).json["apiToken"]
    assert ([other], uid != other) == ([token["id"] for token in listed], True)


async def test_a_remembered_token_expires_all_the_same(client: Client) -> None:
    now = 0.0
    directory = Directory(client.backend.pool, clock=lambda: now)
    await directory.start()
    try:
        _, secret = await made(client.as_mobile)
        await client.backend.pool.execute("UPDATE api_token SET expires = now() + interval '30 seconds'")
        await directory.by_token(secret)
        await client.backend.pool.execute("UPDATE api_token SET expires = now()")
        now = 29.0
        await directory.by_token(secret)
        now = 30.0
        with pytest.raises(BadCredentials):
            await directory.by_token(secret)
    finally:
        await directory.stop()


async def test_a_closed_account_s_tokens_sleep_and_a_deleted_one_s_go(client: Client) -> None:
    pool = client.backend.pool
    _, secret = await made(client.as_mobile)

    async def message() -> Answer:
        return await client.as_nobody.get("/api/ping", headers=by(secret))

    async def said(text: str) -> bool:
        answer = await message()
        return answer.status == 401 and answer.json["message"] == text

    await accounts.set_disabled(pool, "mobile", disabled=True)
    await eventually(lambda: said("Account disabled"))
    await accounts.set_disabled(pool, "mobile", disabled=False)
    await eventually(lambda: _accepted(client, secret))
    await pool.execute("DELETE FROM account WHERE id = $1", MOBILE)
    await accounts.set_password(pool, "clerk", "whatever-else")
    await eventually(lambda: said("Unauthorized"))
    assert 0 == await pool.fetchval("SELECT count(*) FROM api_token")


async def _accepted(client: Client, secret: str) -> bool:
    return (await client.as_nobody.get("/api/ping", headers=by(secret))).status == 200


async def test_another_password_leaves_tokens_alone(client: Client) -> None:
    _, secret = await made(client.as_mobile)
    await accounts.set_password(client.backend.pool, "mobile", "another-one")

    assert MOBILE == (await Directory(client.backend.pool).by_token(secret))[0].id


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "x",
        "d2pat_",
        pytest.param(new_secret(), id="of-nobody"),
        pytest.param("d2pat_" + "\u00e9" * 42, id="not-ascii"),
        pytest.param("a" * 5000, id="long"),
    ],
)
async def test_a_token_that_there_is_not_opens_nothing(client: Client, secret: str) -> None:
    answer = await client.as_nobody.get("/api/ping", headers=by(secret))

    assert (401, "Unauthorized") == answer.message


async def test_the_log_tells_which_token_it_was(client: Client) -> None:
    uid, secret = await made(client.as_mobile)
    with structlog.testing.capture_logs() as lines:
        await client.as_nobody.get("/api/ping", headers=by(secret))

    assert [(MOBILE, f"token {uid}")] == [(line["user"], line["by"]) for line in lines]
    assert secret not in repr(lines)


async def test_use_is_noted_once_an_hour(client: Client) -> None:
    pool = client.backend.pool
    uid, secret = await made(client.as_mobile)
    assert (await client.as_mobile.get(f"{TOKENS}/{uid}")).json["lastUsed"] is None
    await Directory(pool).by_token(secret)
    noted = await pool.fetchrow("SELECT last_used, xmin FROM api_token")
    await Directory(pool).by_token(secret)

    assert noted == await pool.fetchrow("SELECT last_used, xmin FROM api_token")
    assert noted is not None
    assert noted["last_used"] is not None


async def test_an_account_has_so_many_tokens_and_no_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST", 2)
    made_here = Tokens(client.backend.pool)
    for _ in range(2):
        await made_here.create(MOBILE)

    with pytest.raises(TokenRefused, match="at most 2"):
        await made_here.create(MOBILE)


async def test_tokens_are_told_in_json_only(client: Client) -> None:
    assert 406 == (await client.as_mobile.get(f"{TOKENS}.xml")).status
    assert {"apiTokens": []} == (await client.as_mobile.get("/api/26/apiTokens.json")).json
