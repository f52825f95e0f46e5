"""Who gets in (contract section 1.4)."""

from base64 import b64encode

import pytest
from people import MC, MOBILE, Client

UNAUTHORIZED = {"httpStatus": "Unauthorized", "httpStatusCode": 401, "status": "ERROR", "message": "Unauthorized"}
CHALLENGE = 'Basic realm="DHIS2"'


def basic(credentials: bytes | str) -> dict[str, str]:
    raw = credentials.encode() if isinstance(credentials, str) else credentials
    return {"Authorization": "Basic " + b64encode(raw).decode()}


NOBODY_GETS_IN_WITH = [
    {},
    {"Authorization": ""},
    {"Authorization": "Basic"},
    {"Authorization": "Basic "},
    {"Authorization": "Basic !!!!"},
    {"Authorization": "Basic YWRtaW4"},
    {"Authorization": "Bearer abc"},
    {"Authorization": "ApiToken d2pat_abc"},
    {"Authorization": b64encode(b"admin:district").decode()},
    basic("admin"),
    basic("admin:"),
    basic(":district"),
    basic("admin:wrong"),
    basic("admin:District"),
    basic("nobody:district"),
    basic("ad\0min:district"),
    basic("admin:district\0"),
    basic(b"admin:\xff"),
    basic(b"\xff:district"),
    basic("admin:" + "x" * 5000),
]


async def test_whoever_cannot_say_who_he_is_gets_401_on_every_path(client: Client) -> None:
    for headers in NOBODY_GETS_IN_WITH:
        answer = await client.as_nobody.get("/api/ping", headers=headers)

        assert (answer.status, answer.json) == (401, UNAUTHORIZED), headers
        assert answer.headers["WWW-Authenticate"] == CHALLENGE
    for method, path in (
        ("GET", "/api"),
        ("POST", MC),
        ("GET", "/api/nothing"),
        ("PUT", "/api/ping"),
        ("GET", "/api/26/me"),
    ):
        answer = await client.as_nobody(method, path)

        assert (answer.status, answer.json) == (401, UNAUTHORIZED)


async def test_a_script_is_not_asked_by_a_login_box(client: Client) -> None:
    for headers in ({}, basic("admin:wrong")):
        answer = await client.as_nobody.get("/api/ping", headers={**headers, "X-Requested-With": "XMLHttpRequest"})

        assert answer.json == UNAUTHORIZED
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("accept", ["application/xml", "text/html, application/xml;q=0.9"])
async def test_whoever_accepts_xml_is_told_in_xml(client: Client, accept: str) -> None:
    answer = await client.as_nobody.get("/api/ping", headers={"Accept": accept})

    assert answer.message == (401, "Unauthorized")
    assert answer.xml.get("httpStatus") == "Unauthorized"


async def test_whoever_accepts_neither_is_told_in_json(client: Client) -> None:
    assert (await client.as_nobody.get("/api/resources", headers={"Accept": "text/csv"})).json == UNAUTHORIZED


async def test_names_are_taken_in_any_case_and_so_is_the_scheme(client: Client) -> None:
    for headers in (basic("ADMIN:district"), {"Authorization": "bAsIc " + b64encode(b"admin:district").decode()}):
        assert (await client.as_nobody.get("/api/ping", headers=headers)).body == b"pong"


async def test_a_disabled_account_is_told_so_to_who_knows_its_password(client: Client) -> None:
    right = await client.by("disabled").get("/api/ping")
    wrong = await client.as_nobody.get("/api/ping", headers=basic("disabled:wrong"))

    assert right.message == (401, "Account disabled")
    assert wrong.message == (401, "Unauthorized")


async def test_an_account_is_locked_after_many_wrong_passwords(client: Client) -> None:
    said = [(await client.as_nobody.get("/api/ping", headers=basic("clerk:wrong"))).message for _ in range(20)]

    assert said[0] == (401, "Unauthorized")
    assert said[-1] == (401, "Account locked")
    assert (await client.as_clerk.get("/api/ping")).message == (401, "Account locked")
    assert (await client.as_mobile.get("/api/ping")).status == 200


async def test_nothing_is_done_for_nobody(client: Client) -> None:
    answer = await client.as_nobody.post(MC, json={"subject": "a", "users": [{"id": MOBILE}]})

    assert answer.status == 401
    assert await client.events() == 0


async def test_the_two_open_doors(client: Client) -> None:
    alive = await client.as_nobody.get("/api/health/live")
    front = await client.as_nobody.get("/")

    assert (alive.status, alive.json) == (200, {"status": "alive"})
    assert front.status == 200
    assert f"{client.url}/api" in front.body.decode()
