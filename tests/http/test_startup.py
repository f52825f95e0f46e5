"""What DHIS2's clients ask when they start, call by call, as they ask it (clients.md, "Start-up" and "Header bar").

The exact addresses, blanks after commas and brackets across parameters included; from a browser that has logged in by
cookie, as the official app runs.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from people import ADMIN, FEEDBACK, MOBILE, PASSWORD, Client, MakeClient

from browser import OUR_OWN, Browser

APP = "/dhis-web-messaging"
# What @dhis2/app-runtime sends with every call.
BY_THE_APP = {**OUR_OWN, "Accept": "application/json", "X-Requested-With": "XMLHttpRequest"}
LISTED = (
    "id,displayName,subject,messageType,lastSender%5Bid%2C%20displayName%5D,assignee%5Bid%2C%20displayName%5D,status,"
    "priority,lastUpdated,read,lastMessage,followUp"
)
TYPES = ("PRIVATE", "VALIDATION_RESULT", "TICKET", "SYSTEM")


@pytest.fixture
async def client(make_client: MakeClient, tmp_path: Path) -> Client:
    """Give a client of a server that serves the app, too."""
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "manifest.webapp").write_text('{"name": "Messages", "icons": {"48": "icon.png"}}')
    return await make_client(static=(f"{APP}={tmp_path}",))


class App:
    """The app in a browser."""

    def __init__(self, client: Client) -> None:
        self.browser = Browser(client)

    async def get(self, path: str, status: int = 200) -> Any:
        """Ask as the app does, and give what JSON it got."""
        answer = await self.browser.get(path, headers=BY_THE_APP)
        assert status == answer.status, (path, answer.body)
        return answer.json


@pytest.fixture
async def app(client: Client) -> App:
    """Give the app as the mobile user starts it, who has a message and a ticket."""
    await client.as_admin.send(MOBILE)
    await client.as_mobile.ticket()
    app = App(client)
    await app.browser.log_in("mobile")
    return app


async def test_without_a_session_the_app_shows_its_login_box_and_logs_in(client: Client) -> None:
    app = App(client)
    assert 200 == (await app.browser.get(f"{APP}/")).status
    refused = await app.browser.get("/api/system/info", headers=BY_THE_APP)
    # No box of the browser's own.
    assert (401, None) == (refused.status, refused.headers.get("WWW-Authenticate"))
    assert "applicationTitle" in await app.get("/api/loginConfig")

    wrong = await app.browser.log_in("mobile", "wrong")
    assert (401, "Unauthorized") == (wrong.status, wrong.json["message"])
    right = await app.browser.post(
        "/api/auth/login", json={"username": "mobile", "password": PASSWORD}, headers=BY_THE_APP
    )

    assert "SUCCESS" == right.json["loginStatus"]
    assert "version" in await app.get("/api/system/info")


async def test_the_calls_that_the_app_starts_with(app: App) -> None:
    major, minor, _ = (await app.get("/api/system/info"))["version"].split(".")
    assert ("2", "42") == (major, minor)
    settings = await app.get("/api/42/userSettings")
    assert isinstance(settings["keyUiLocale"], str)
    assert {"id": MOBILE} == await app.get("/api/42/me?fields=id")
    me = await app.get("/api/42/me?fields=id,authorities,userGroups%5Bid%5D")
    assert (MOBILE, True, True) == (
        me["id"],
        isinstance(me["authorities"], list),
        all(g["id"] for g in me["userGroups"]),
    )
    assert FEEDBACK == (await app.get("/api/42/configuration"))["feedbackRecipients"]["id"]
    assert 23 == len((await app.get("/api/42/system/info"))["serverDate"])


@pytest.mark.parametrize("message_type", TYPES)
async def test_the_lists_and_counts_of_the_sidebar(app: App, message_type: str) -> None:
    expected = {"PRIVATE": (1, 1), "TICKET": (1, 0)}.get(message_type, (0, 0))
    base = "/api/42/messageConversations"
    found = await app.get(
        f"{base}?filter=messageType%3Aeq%3A{message_type}&pageSize=35&page=1&fields={LISTED}&order=lastMessage%3Adesc"
    )
    unread = await app.get(
        f"{base}?fields=read&filter=read%3Aeq%3Afalse&filter=messageType%3Aeq%3A{message_type}&pageSize=1"
    )

    assert expected == (found["pager"]["total"], unread["pager"]["total"])
    assert expected[0] == len(found["messageConversations"])
    for one in found["messageConversations"]:
        assert message_type == one["messageType"]
        assert {"id", "subject", "read", "followUp", "lastMessage", "status", "priority"} <= one.keys()
        assert one["lastSender"]["displayName"]


async def test_opening_a_conversation(app: App) -> None:
    listed = await app.get("/api/42/messageConversations?filter=messageType%3Aeq%3APRIVATE&fields=id")
    uid = listed["messageConversations"][0]["id"]
    fields = (
        "fields=*,assignee%5Bid%2C%20displayName%5D,messages%5B*%2Csender%5Bid%2CdisplayName%5D,"
        "attachments%5Bid%2C%20name%2C%20contentLength%5D%5D,userMessages%5Buser%5Bid%2C%20displayName%5D%5D"
    )
    found = await app.get(f"/api/42/messageConversations/{uid}?{fields}")

    assert {ADMIN, MOBILE} == {copy["user"]["id"] for copy in found["userMessages"]}
    assert [("How are you?", False, "John Traore", [])] == [
        (each["text"], each["internal"], each["sender"]["displayName"], each["attachments"])
        for each in found["messages"]
    ]
    read = await app.browser.post("/api/42/messageConversations/read", json=[uid], headers=BY_THE_APP)
    assert {"markedRead": [uid]} == read.json


async def test_the_calls_of_the_header_bar(app: App) -> None:
    assert "DHIS 2" == (await app.get("/api/42/systemSettings/applicationTitle"))["applicationTitle"]
    assert (await app.get("/api/42/systemSettings/helpPageLink"))["helpPageLink"].startswith("https://")
    me = await app.get("/api/42/me?fields=authorities,avatar,email,name,settings")
    assert ("Mobile User", True) == (me["name"], isinstance(me["authorities"], list))
    assert isinstance(me["settings"]["keyUiLocale"], str)
    (module,) = (await app.get("/dhis-web-commons/menu/getModules.action"))["modules"]
    assert {"name", "displayName", "defaultAction", "icon"} <= module.keys()
    assert 1 == (await app.get("/api/42/me/dashboard"))["unreadMessageConversations"]
    await app.get("/api/42/staticContent/logo_banner", status=404)
    ping = await app.browser.get("/api/ping", headers=BY_THE_APP)
    assert (200, b"pong") == (ping.status, ping.body)


async def test_the_link_to_log_out(app: App) -> None:
    answer = await app.browser.get("/dhis-web-commons-security/logout.action")

    assert (302, {}) == (answer.status, app.browser.cookies)


async def test_what_the_library_d2_starts_with(app: App) -> None:
    wanted = "apiEndpoint,name,displayName,authorities,singular,plural,shareable,metadata,klass,identifiableObject"
    schema = await app.get(f"/api/schemas/messageConversation?fields={wanted},translatable,properties%5Bhref,name%5D")
    assert {"schemas": [schema]} == await app.get("/api/schemas.json")
    assert ("messageConversation", "messageConversations") == (schema["singular"], schema["plural"])
    assert set(wanted.split(",")) <= schema.keys()
    listed = await app.browser.get(
        schema["apiEndpoint"].partition("/api")[1] + schema["apiEndpoint"].partition("/api")[2]
    )
    assert "messageConversations" in listed.json

    attributes = quote(":all,optionSet[:all,options[:all]]", safe=",")
    assert [] == (await app.get(f"/api/attributes?fields={attributes}&paging=false"))["attributes"]
    assert MOBILE == (await app.get("/api/me?fields=%3Aall%2CorganisationUnits%5Bid%5D%2CuserGroups%5Bid"))["id"]
    assert isinstance(await app.get("/api/me/authorization"), list)
    assert "keyUiLocale" in await app.get("/api/userSettings")
    assert [] == await app.get("/api/apps")


async def test_a_schema_describes_what_a_conversation_has(app: App) -> None:
    schema = await app.get("/api/schemas/messageConversation")
    described = {each.get("collectionName", each["name"]): each for each in schema["properties"]}
    (listed,) = (await app.get("/api/messageConversations?fields=%3Aall&filter=messageType%3Aeq%3APRIVATE"))[
        "messageConversations"
    ]

    assert listed.keys() <= described.keys()
    assert ("CONSTANT", ["NONE", "OPEN", "PENDING", "INVALID", "SOLVED"]) == (
        described["status"]["propertyType"],
        described["status"]["constants"],
    )
    assert ("COLLECTION", "message", True) == tuple(
        described["messages"][name] for name in ("propertyType", "name", "collection")
    )
    assert ("REFERENCE", "DATE", "BOOLEAN", "INTEGER", "URL") == tuple(
        described[name]["propertyType"] for name in ("lastSender", "lastMessage", "read", "messageCount", "href")
    )


async def test_a_schema_that_there_is_not(app: App) -> None:
    answer = await app.browser.get("/api/schemas/dataElement")

    assert (404, "Type dataElement does not exist.") == answer.message
    assert 406 == (await app.browser.get("/api/schemas.xml")).status
