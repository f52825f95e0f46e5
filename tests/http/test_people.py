"""The neighbours of contract section 1.7: the directory, the caller, the configuration."""

import json

import pytest
from people import (
    ADMIN,
    CLERK,
    DISABLED,
    EMPTY_GROUP,
    FEEDBACK,
    FRIENDS,
    HOSPITAL,
    IMPORTER,
    MC,
    MOBILE,
    SECRET,
    SUPPORT,
    Client,
    MakeClient,
)

NS = "{http://dhis2.org/schema/dxf/2.0}"


class TestUsers:
    async def test_the_manuals_list(self, client: Client) -> None:
        listed = (await client.as_admin.get("/api/24/users")).json
        assert {"page": 1, "total": 6, "pageSize": 50, "pageCount": 1} == listed["pager"]
        assert {"id": MOBILE, "displayName": "Mobile User"} in listed["users"]
        assert ["Carla", "Dora", "Help", "Ida", "John", "Mobile"] == [
            user["displayName"].split()[0] for user in listed["users"]
        ]

    async def test_the_manuals_list_in_xml(self, client: Client) -> None:
        root = (await client.as_admin.get("/api/24/users", headers={"Accept": "application/xml"})).xml
        link = f"{client.url}/api/24/users"
        assert (f"{NS}users", link) == (root.tag, root.get("link"))
        (mobile,) = [user for user in root.findall(f"{NS}user") if user.get("id") == MOBILE]
        assert ("Mobile User", f"{link}/{MOBILE}") == (mobile.get("name"), mobile.get("link"))

    async def test_the_manuals_object(self, client: Client) -> None:
        found = (await client.as_admin.get(f"/api/24/users/{MOBILE}")).json
        assert {
            "id": MOBILE,
            "name": "Mobile User",
            "username": "mobile",
            "firstName": "Mobile",
            "surname": "User",
            "disabled": False,
            "href": f"{client.url}/api/24/users/{MOBILE}",
            "userRoles": [],
            "userGroups": [{"id": FRIENDS}, {"id": SECRET}],
            "organisationUnits": [{"id": HOSPITAL}],
        }.items() <= found.items()
        assert "authorities" not in found
        assert not {"password", "passwordHash", "password_hash"} & found.keys()

    async def test_the_manuals_object_in_xml(self, client: Client) -> None:
        root = (await client.as_admin.get(f"/api/24/users/{MOBILE}.xml")).xml
        assert (f"{NS}user", MOBILE) == (root.tag, root.get("id"))
        assert "mobile" == root.findtext(f"{NS}username")
        assert [HOSPITAL] == [unit.get("id") for unit in root.iterfind(f"{NS}organisationUnits/{NS}organisationUnit")]

    async def test_they_are_for_who_may_view_them(self, client: Client) -> None:
        for path in ("/api/users", f"/api/users/{ADMIN}", "/api/users/NoSuchUser1"):
            answer = await client.as_mobile.get(path)
            assert (403, "You don't have the proper permissions to read objects of this type.") == answer.message
        assert {"id": MOBILE} == (await client.as_mobile.get(f"/api/users/{MOBILE}?fields=id")).json

    async def test_unknown_ones_are_not_found(self, client: Client) -> None:
        answer = await client.as_admin.get("/api/users/NoSuchUser1")
        assert (404, "User with id NoSuchUser1 could not be found.") == answer.message

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ("filter=displayName:token:mob", [MOBILE]),
            ("filter=displayName:token:user%20mob", [MOBILE]),
            ("filter=displayName:token:obile", []),
            (f"filter=userGroups.id:eq:{FRIENDS}", [CLERK, MOBILE]),
            (f"filter=organisationUnits.id:eq:{HOSPITAL}&filter=username:eq:clerk", [CLERK]),
            ("filter=userRoles.name:eq:Superuser", [ADMIN]),
            ("filter=disabled:eq:true", [DISABLED]),
            ("filter=userGroups:gte:2", [MOBILE]),
            ("filter=organisationUnits:empty&filter=userRoles:!empty&order=surname:desc", [ADMIN, IMPORTER]),
            ("query=desk", [SUPPORT]),
            (f"query={SUPPORT}", [SUPPORT]),
            ("filter=identifiable:eq:Help%20Desk", [SUPPORT]),
        ],
    )
    async def test_filters(self, client: Client, asked: str, expected: list[str]) -> None:
        listed = (await client.as_admin.get(f"/api/users?{asked}&pageSize=10")).json
        assert expected == [user["id"] for user in listed["users"]]
        assert len(expected) == listed["pager"]["total"]


class TestGroups:
    async def test_only_those_shared_with_the_caller(self, client: Client) -> None:
        listed = (await client.as_mobile.get("/api/userGroups?fields=id,%20displayName&order=name")).json
        assert [
            {"id": EMPTY_GROUP, "displayName": "Empty"},
            {"id": FEEDBACK, "displayName": "Feedback"},
            {"id": FRIENDS, "displayName": "Friends"},
        ] == listed["userGroups"]
        assert 3 == listed["pager"]["total"]
        assert 4 == (await client.as_admin.get("/api/userGroups")).json["pager"]["total"]

    async def test_one_that_is_not_shared_is_not_found(self, client: Client) -> None:
        answer = await client.as_mobile.get(f"/api/userGroups/{SECRET}")
        assert (404, f"UserGroup with id {SECRET} could not be found.") == answer.message
        assert 200 == (await client.as_admin.get(f"/api/userGroups/{SECRET}")).status

    @pytest.mark.parametrize(
        ("kind", "grantee", "seen"),
        [("user", CLERK, True), ("group", FRIENDS, True), ("group", FEEDBACK, False), ("user", MOBILE, False)],
    )
    async def test_sharing_with_a_person_or_a_group(
        self, client: Client, kind: str, grantee: str, *, seen: bool
    ) -> None:
        await client.backend.pool.execute(
            "INSERT INTO user_group_access VALUES ($1, $2, $3, 'r-------')", SECRET, kind, grantee
        )
        assert (200 if seen else 404) == (await client.as_clerk.get(f"/api/userGroups/{SECRET}")).status

    async def test_the_owner_sees_his(self, client: Client) -> None:
        await client.backend.pool.execute("UPDATE user_group SET owner = $2 WHERE id = $1", SECRET, CLERK)
        assert 200 == (await client.as_clerk.get(f"/api/userGroups/{SECRET}")).status

    async def test_members_are_shown_by_name_only(self, client: Client) -> None:
        found = (await client.as_clerk.get(f"/api/userGroups/{FRIENDS}?fields=name,users[*]")).json
        assert "Friends" == found["name"]
        assert [{"id", "name", "displayName", "username", "firstName", "surname"}] * 2 == [
            set(user) for user in found["users"]
        ]

    async def test_members_of_a_group_that_is_not_shared_are_not_to_be_had_by_a_detour(self, client: Client) -> None:
        found = (await client.as_mobile.get("/api/me?fields=userGroups[id,users[id]]")).json
        assert {"userGroups": [{"id": FRIENDS}, {"id": SECRET}]} == found

    async def test_the_apps_search(self, client: Client) -> None:
        asked = "fields=id,%20displayName&pageSize=10&filter=displayName:token:fri"
        assert [{"id": FRIENDS, "displayName": "Friends"}] == (
            await client.as_mobile.get(f"/api/userGroups?{asked}")
        ).json["userGroups"]


class TestUnits:
    async def test_the_apps_search_finds_units_with_people(self, client: Client) -> None:
        asked = "fields=id,displayName&pageSize=10&filter=displayName:token:{}&filter=users:gte:1"
        listed = await client.as_mobile.get(f"/api/organisationUnits?{asked.format('lag')}")
        assert [{"id": HOSPITAL, "displayName": "Lagoon Hospital"}] == listed.json["organisationUnits"]
        listed = await client.as_mobile.get(f"/api/organisationUnits?{asked.format('empty')}")
        assert [] == listed.json["organisationUnits"]

    async def test_the_tree_can_be_walked_both_ways(self, client: Client) -> None:
        found = (await client.as_mobile.get("/api/organisationUnits/EmptyUnit01?fields=level,parent[name,parent]")).json
        assert {"level": 2, "parent": {"name": "Lagoon Hospital"}} == found
        asked = "fields=children[id,children]&filter=level:eq:1"
        listed = (await client.as_mobile.get(f"/api/organisationUnits?{asked}")).json
        assert [{"children": [{"id": "EmptyUnit01", "children": []}]}] == listed["organisationUnits"]

    async def test_filters_on_the_parent(self, client: Client) -> None:
        asked = "fields=id&filter=parent.name:ilike:LAGOON"
        assert [{"id": "EmptyUnit01"}] == (await client.as_mobile.get(f"/api/organisationUnits?{asked}")).json[
            "organisationUnits"
        ]

    async def test_a_walk_without_end_is_refused(self, client: Client) -> None:
        fields = "children[" * 9 + "id"
        assert 400 == (await client.as_mobile.get(f"/api/organisationUnits?fields={fields}")).status
        path = "parent." * 9 + "id"
        assert 400 == (await client.as_mobile.get(f"/api/organisationUnits?filter={path}:eq:x")).status

    async def test_xml(self, client: Client) -> None:
        root = (await client.as_mobile.get("/api/organisationUnits.xml?fields=id,children")).xml
        (hospital,) = [unit for unit in root if unit.get("id") == HOSPITAL]
        assert ["EmptyUnit01"] == [child.get("id") for child in hospital.iterfind(f"{NS}children/{NS}child")]


class TestMe:
    async def test_what_the_app_asks_on_its_start(self, client: Client) -> None:
        assert {"id": MOBILE} == (await client.as_mobile.get("/api/42/me?fields=id")).json
        found = (await client.as_admin.get("/api/42/me?fields=id,authorities,userGroups[id]")).json
        assert {"id": ADMIN, "authorities": ["ALL"], "userGroups": []} == found
        found = (await client.as_support.get("/api/42/me?fields=authorities,userGroups[id]")).json
        assert {"authorities": [], "userGroups": [{"id": FEEDBACK}]} == found

    async def test_what_the_header_bar_asks(self, client: Client) -> None:
        found = (await client.as_admin.get("/api/42/me?fields=authorities,avatar,email,name,settings")).json
        assert {"authorities", "name", "settings"} == found.keys()
        assert "en" == found["settings"]["keyUiLocale"]

    async def test_the_whole_profile(self, client: Client) -> None:
        found = (await client.as_mobile.get("/api/me")).json
        assert {
            "username": "mobile",
            "firstName": "Mobile",
            "surname": "User",
            "name": "Mobile User",
            "displayName": "Mobile User",
            "authorities": [],
            "programs": [],
            "dataSets": [],
            "organisationUnits": [{"id": HOSPITAL}],
        }.items() <= found.items()
        assert "mobile" == found["userCredentials"]["username"]

    async def test_what_d2_asks_with_a_bracket_missing(self, client: Client) -> None:
        asked = "fields=:all,organisationUnits[id],userGroups[id],userCredentials[:all,!user,userRoles[id]"
        found = (await client.as_admin.get(f"/api/me?{asked}")).json
        assert [{"id": "UroleSuper1"}] == found["userCredentials"]["userRoles"]

    async def test_in_xml(self, client: Client) -> None:
        root = (await client.as_admin.get("/api/me.xml")).xml
        assert (f"{NS}user", ADMIN) == (root.tag, root.get("id"))
        assert "en" == root.findtext(f"{NS}settings/{NS}keyUiLocale")
        assert "ALL" == root.findtext(f"{NS}authorities/{NS}authority")

    async def test_authorities_as_a_list(self, client: Client) -> None:
        assert ["ALL"] == (await client.as_admin.get("/api/me/authorization")).json
        assert [] == (await client.as_mobile.get("/api/me/authorization")).json
        assert True is (await client.as_admin.get("/api/me/authorization/F_USER_VIEW")).json

    async def test_the_badge_counts_what_is_unread_in_all_folders(self, client: Client) -> None:
        await client.as_admin.send(SUPPORT)
        ticket = await client.as_mobile.ticket()
        answer = await client.as_support.get("/api/me/dashboard")
        assert {"unreadMessageConversations": 2, "unreadInterpretations": 0} == answer.json
        assert "no-cache, no-store, max-age=0, must-revalidate" == answer.headers["Cache-Control"]
        await client.as_support.post(f"{MC}/read", json=[ticket])
        root = (await client.as_support.get("/api/26/me/dashboard.xml")).xml
        assert (f"{NS}dashboard", "1", "0") == (
            root.tag,
            root.findtext(f"{NS}unreadMessageConversations"),
            root.findtext(f"{NS}unreadInterpretations"),
        )

    async def test_the_badge_does_not_count_internal_messages_for_who_does_not_see_them(self, client: Client) -> None:
        ticket = await client.as_mobile.ticket()
        await client.as_support.post(f"{MC}/read", json=[ticket])
        await client.as_admin.reply(ticket, internal=True)
        assert 0 == (await client.as_mobile.get("/api/me/dashboard")).json["unreadMessageConversations"]
        assert 1 == (await client.as_support.get("/api/me/dashboard")).json["unreadMessageConversations"]


class TestUserSettings:
    async def test_defaults(self, client: Client) -> None:
        found = (await client.as_mobile.get("/api/42/userSettings")).json
        assert {"keyUiLocale": "en", "keyMessageEmailNotification": False}.items() <= found.items()

    @pytest.mark.parametrize("key", ["keyMessageEmailNotification", "keyMessageSmsNotification"])
    async def test_they_are_set_by_parameter_or_by_body(self, client: Client, key: str) -> None:
        answer = await client.as_mobile.post(f"/api/userSettings/{key}?value=true")
        assert (200, "User setting saved") == answer.message
        assert True is (await client.as_mobile.get("/api/userSettings")).json[key]
        assert False is (await client.as_clerk.get("/api/userSettings")).json[key]
        answer = await client.as_mobile.post(
            f"/api/userSettings/{key}", data="false", headers={"Content-Type": "text/plain"}
        )
        assert (200, "User setting saved") == answer.message
        assert b"false" == (await client.as_mobile.get(f"/api/userSettings/{key}")).body

    async def test_nothing_is_no_value(self, client: Client) -> None:
        answer = await client.as_mobile.post("/api/userSettings/keyMessageEmailNotification")
        assert (409, "You need to specify a new value") == answer.message

    async def test_unknown_and_too_long_ones_are_refused(self, client: Client) -> None:
        assert (409, "Key is not supported: colour") == (
            await client.as_mobile.post("/api/userSettings/colour?value=red")
        ).message
        assert 409 == (await client.as_mobile.post(f"/api/userSettings/keyStyle?value={'x' * 256}")).status

    async def test_a_deleted_one_is_as_it_was_before(self, client: Client) -> None:
        await client.as_mobile.post("/api/userSettings/keyUiLocale?value=fr")
        assert "fr" == (await client.as_mobile.get("/api/me?fields=settings")).json["settings"]["keyUiLocale"]
        assert 204 == (await client.as_mobile.delete("/api/userSettings/keyUiLocale")).status
        assert b"en" == (await client.as_mobile.get("/api/userSettings/keyUiLocale")).body


class TestLookUp:
    async def test_everybody_may_look_for_everybody(self, client: Client) -> None:
        found = (await client.as_mobile.get("/api/42/userLookup?query=ra")).json
        assert {
            "users": [
                {"id": DISABLED, "username": "disabled"}
                | {"firstName": "Dora", "surname": "Disabled", "displayName": "Dora Disabled"},
                {"id": ADMIN, "username": "admin"}
                | {"firstName": "John", "surname": "Traore", "displayName": "John Traore"},
            ]
        } == found

    @pytest.mark.parametrize("query", ["TRAORE", "hn%20tra", "ADMIN", "traore@"])
    async def test_by_name_username_and_address_in_any_case(self, client: Client, query: str) -> None:
        await client.backend.pool.execute("UPDATE account SET email = 'j.traore@example.org' WHERE id = $1", ADMIN)
        found = (await client.as_mobile.get(f"/api/userLookup?query={query}")).json["users"]
        assert [ADMIN] == [user["id"] for user in found]
        assert "email" not in found[0]

    @pytest.mark.parametrize("query", [".*", "%25", "_", "a.min", "%5C", "[a-z]"])
    async def test_nothing_in_a_query_is_a_pattern(self, client: Client, query: str) -> None:
        assert {"users": []} == (await client.as_mobile.get(f"/api/userLookup?query={query}")).json

    async def test_accents_have_cases_too(self, client: Client) -> None:
        await client.backend.pool.execute("UPDATE account SET surname = 'ÉCLAIR' WHERE id = $1", CLERK)
        found = (await client.as_mobile.get("/api/userLookup?query=%C3%A9clair")).json["users"]
        assert [CLERK] == [user["id"] for user in found]

    async def test_at_most_25(self, client: Client) -> None:
        await client.backend.pool.execute(
            "INSERT INTO account (id, username, first_name, surname, uuid)"
            " SELECT 'Many' || lpad(n::text, 7, '0'), 'many' || n, 'Many', lpad(n::text, 3, '0'), gen_random_uuid()"
            " FROM generate_series(1, 30) AS n"
        )
        found = (await client.as_mobile.get("/api/userLookup?query=many")).json["users"]
        assert [f"{n:03}" for n in range(1, 26)] == [user["surname"] for user in found]

    async def test_a_query_is_needed(self, client: Client) -> None:
        answer = await client.as_mobile.get("/api/userLookup")
        assert (400, "Required request parameter 'query' is not present") == answer.message

    async def test_feedback_recipients(self, client: Client) -> None:
        path = "/api/userLookup/feedbackRecipients?query=e"
        assert [SUPPORT] == [user["id"] for user in (await client.as_mobile.get(path)).json["users"]]
        await client.backend.directory.set_feedback_group(None)
        answer = await client.as_mobile.get(path)
        assert (409, "Feedback message recipients user group not defined") == answer.message
        assert "E6200" == answer.json["errorCode"]

    async def test_one_by_uid_uuid_or_username(self, client: Client) -> None:
        uuid = await client.backend.pool.fetchval("SELECT uuid FROM account WHERE id = $1", MOBILE)
        for wanted in (MOBILE, str(uuid), "mobile", "MOBILE"):
            assert MOBILE == (await client.as_clerk.get(f"/api/userLookup/{wanted}")).json["id"]
        answer = await client.as_clerk.get("/api/userLookup/nobody")
        assert (404, "User with id nobody could not be found.") == answer.message

    async def test_in_xml(self, client: Client) -> None:
        root = (await client.as_mobile.get("/api/userLookup.xml?query=traore")).xml
        (user,) = root
        assert (f"{NS}user", ADMIN, "John Traore") == (user.tag, user.get("id"), user.findtext(f"{NS}displayName"))


class TestConfiguration:
    async def test_it_names_the_feedback_group(self, client: Client) -> None:
        found = (await client.as_mobile.get("/api/42/configuration")).json
        assert {"id": FEEDBACK, "name": "Feedback", "displayName": "Feedback"}.items() <= found[
            "feedbackRecipients"
        ].items()
        assert client.backend.store.id == found["systemId"]

    async def test_even_where_it_is_not_shared(self, client: Client) -> None:
        await client.backend.directory.set_feedback_group(SECRET)
        found = (await client.as_clerk.get("/api/configuration")).json
        assert SECRET == found["feedbackRecipients"]["id"]

    async def test_without_one_there_is_an_empty_object(self, client: Client) -> None:
        assert 204 == (await client.as_admin.delete("/api/configuration/feedbackRecipients")).status
        assert {} == (await client.as_mobile.get("/api/configuration")).json["feedbackRecipients"]
        assert {} == (await client.as_mobile.get("/api/configuration/feedbackRecipients")).json

    @pytest.mark.parametrize("body", [FRIENDS, f'"{FRIENDS}"', f" {FRIENDS}\n"])
    async def test_it_can_be_set(self, client: Client, body: str) -> None:
        plain = {"Content-Type": "text/plain"}
        answer = await client.as_admin.post("/api/configuration/feedbackRecipients", data=body, headers=plain)
        assert (204, b"") == (answer.status, answer.body)
        assert FRIENDS == (await client.as_mobile.get("/api/configuration/feedbackRecipients")).json["id"]

    async def test_it_cannot_be_set_to_a_group_that_there_is_not(self, client: Client) -> None:
        answer = await client.as_admin.post("/api/configuration/feedbackRecipients", data="NoSuchGroup")
        assert (404, "UserGroup with id NoSuchGroup could not be found.") == answer.message

    async def test_it_is_for_who_may_set_up_the_system(self, client: Client) -> None:
        refused = (403, "Access is denied, requires one Authority from [F_SYSTEM_SETTING]")
        answer = await client.as_support.post("/api/configuration/feedbackRecipients", data=FRIENDS)
        assert refused == answer.message
        assert refused == (await client.as_support.delete("/api/configuration/feedbackRecipients")).message
        assert "errorCode" not in answer.json

    async def test_in_xml(self, client: Client) -> None:
        root = (await client.as_mobile.get("/api/configuration.xml")).xml
        assert FEEDBACK == root.find(f"{NS}feedbackRecipients").get("id")


async def test_system_settings(client: Client) -> None:
    path = "/api/42/systemSettings/applicationTitle"
    assert {"applicationTitle": "DHIS 2"} == (await client.as_mobile.get(path)).json
    await client.backend.pool.execute("INSERT INTO setting VALUES ('applicationTitle', 'Health Service')")
    assert {"applicationTitle": "Health Service"} == (await client.as_mobile.get(path)).json
    assert ["helpPageLink"] == list((await client.as_mobile.get("/api/42/systemSettings/helpPageLink")).json)
    assert 404 == (await client.as_mobile.get("/api/systemSettings/keyEmailPassword")).status
    assert {"applicationTitle", "helpPageLink"} == (await client.as_mobile.get("/api/systemSettings")).json.keys()


async def test_what_other_clients_ask_on_their_start(client: Client) -> None:
    assert {"modules": []} == (await client.as_nobody.get("/dhis-web-commons/menu/getModules.action")).json
    assert [] == (await client.as_mobile.get("/api/apps")).json
    assert {"attributes": []} == (await client.as_mobile.get("/api/attributes?fields=:all&paging=false")).json


@pytest.mark.parametrize(
    "path",
    ["/api/users", f"/api/users/{MOBILE}", "/api/userGroups", "/api/organisationUnits", "/api/me", "/api/me/dashboard",
     "/api/userLookup?query=a", "/api/configuration", "/api/userSettings", "/api/systemSettings/applicationTitle"],
)  # fmt: skip
async def test_nothing_is_told_to_strangers(client: Client, path: str) -> None:
    assert 401 == (await client.as_nobody.get(path)).status


async def test_links_keep_the_context_path(make_client: MakeClient) -> None:
    client = await make_client(context_path="/demo")
    listed = (await client.as_admin.get("/demo/api/24/users?pageSize=1&fields=href")).json
    assert f"{client.url}/demo/api/24/users?page=2&pageSize=1&fields=href" == listed["pager"]["nextPage"]
    assert listed["users"][0]["href"].startswith(f"{client.url}/demo/api/24/users/")
    assert json.dumps(listed).count("//") == 2
