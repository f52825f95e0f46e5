"""The way in: contract sections 1.1, 1.3 and 1.7."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from people import MC, MOBILE, Client, MakeClient

from convstore.domain.uid import is_uid
from convstore.errors import ConfigError

NS = "{http://dhis2.org/schema/dxf/2.0}"


@pytest.mark.parametrize(("path", "target"), [("/api", "/api/resources"), ("/api/26/", "/api/26/resources")])
async def test_the_entry_leads_to_the_resources(client: Client, path: str, target: str) -> None:
    answer = await client.as_admin.get(path)

    assert (answer.status, answer.headers["Location"]) == (302, client.url + target)


async def test_the_resources_have_links_to_follow(client: Client) -> None:
    listed = (await client.as_admin.get("/api/24/resources")).json["resources"]

    assert {
        "displayName": "Message Conversations",
        "singular": "messageConversation",
        "plural": "messageConversations",
        "href": f"{client.url}/api/24/messageConversations",
    } in listed
    assert {"users", "userGroups", "organisationUnits"} < {resource["plural"] for resource in listed}


async def test_the_resources_in_xml(client: Client) -> None:
    answer = await client.as_admin.get("/api/resources", headers={"Accept": "application/xml"})

    assert answer.xml.tag == NS + "metadata"
    assert f"{client.url}/api/messageConversations" in [each.text for each in answer.xml.iter(NS + "href")]


async def test_the_system_says_its_version_and_its_clock(client: Client) -> None:
    info = (await client.as_mobile.get("/api/system/info")).json

    assert info["version"] == "2.42.0"
    assert info["contextPath"] == info["instanceBaseUrl"] == client.url
    assert {"calendar", "dateFormat", "systemName", "serverTimeZoneId", "revision"} < set(info)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", info["serverDate"])
    said = datetime.fromisoformat(info["serverDate"]).replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - said) < timedelta(minutes=5)
    in_xml = (await client.as_mobile.get("/api/42/system/info.xml")).xml
    assert in_xml.findtext(NS + "version") == "2.42.0"


@pytest.mark.parametrize(("query", "number"), [("", 1), ("?limit=3", 3), ("?limit=0", 1), ("?limit=20000", 10_000)])
async def test_uids_are_made_for_clients(client: Client, query: str, number: int) -> None:
    codes = (await client.as_mobile.get(f"/api/system/id{query}")).json["codes"]

    assert len(set(codes)) == number
    assert all(map(is_uid, codes))


async def test_uids_in_xml_and_a_limit_that_is_none(client: Client) -> None:
    assert len((await client.as_mobile.get("/api/system/id.xml?limit=2")).xml.findall(NS + "code")) == 2
    for value in ("abc", "1.5", "1_0", "99999999999"):
        answer = await client.as_mobile.get(f"/api/system/id?limit={value}")

        assert answer.message == (400, f"Value '{value}' is not valid for parameter limit. It should be of type int")


async def test_ping(client: Client) -> None:
    answer = await client.as_mobile.get("/api/ping", headers={"Accept": "text/plain"})

    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"pong", "text/plain; charset=utf-8")


async def test_a_context_path_stands_in_paths_and_links(make_client: MakeClient) -> None:
    client = await make_client(context_path="/demo")

    answer = await client.as_admin.post(
        "/demo/api/26/messageConversations", json={"subject": "a", "users": [{"id": MOBILE}]}
    )

    assert answer.headers["Location"] == f"{client.url}/demo/api/26/messageConversations/{answer.uid}"
    assert (await client.as_admin.post(MC)).status == 404
    assert (await client.as_nobody.get("/demo/")).status == 200
    assert (await client.as_nobody.get("/demo/api/ping")).status == 401


FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "messages.example.org"}


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        (FORWARDED, "https://messages.example.org"),
        ({**FORWARDED, "X-Forwarded-Port": "443"}, "https://messages.example.org"),
        ({**FORWARDED, "X-Forwarded-Port": "8443"}, "https://messages.example.org:8443"),
        ({"X-Forwarded-Host": "a.example.org:80, b.example.org"}, "http://a.example.org"),
        ({"X-Forwarded-Host": "[2001:db8::1]", "X-Forwarded-Port": "81"}, "http://[2001:db8::1]:81"),
        ({"X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "a"}, "http://a"),
    ],
)
async def test_a_trusted_proxy_says_where_the_client_came_to(
    make_client: MakeClient, headers: dict[str, str], base: str
) -> None:
    client = await make_client(trusted_proxies=("10.0.0.0/8", "127.0.0.1"))

    assert (await client.as_admin.get("/api", headers=headers)).headers["Location"] == f"{base}/api/resources"


async def test_nobody_else_does(make_client: MakeClient) -> None:
    for proxies in ((), ("10.0.0.0/8", "::1")):
        client = await make_client(trusted_proxies=proxies)

        answer = await client.as_admin.get("/api", headers={**FORWARDED, "X-Forwarded-Port": "8443"})

        assert answer.headers["Location"] == f"{client.url}/api/resources"


async def test_a_proxy_that_is_no_address_is_refused_at_the_start(make_client: MakeClient) -> None:
    with pytest.raises(ConfigError, match="trusted-proxies"):
        await make_client(trusted_proxies=("proxy.example.org",))


async def test_the_host_header_names_this_server_else(client: Client) -> None:
    answer = await client.as_admin.get("/api", headers={"Host": "example.org:80"})

    assert answer.headers["Location"] == "http://example.org/api/resources"
