"""The PyPI package dhis2-client: pages by the pager, raises what is refused."""

import sys

from dhis2_client import DHIS2Client
from dhis2_client.errors import DHIS2HTTPError

server = sys.argv[1]
mobile = DHIS2Client(server, username="mobile", password="district")
admin = DHIS2Client(server, username="admin", password="district")

assert mobile.get_system_info()["version"].startswith("2.")
me = mobile.get_current_user(fields="id,userGroups[id],settings")
assert me["id"] == "PhzytPW3g2J", me
assert isinstance(me["settings"], dict), me

one_by_one = mobile.fetch_all("/api/messageConversations", params={"fields": "id,subject,messageType"}, page_size=2)
at_once = mobile.get("/api/messageConversations", params={"paging": "false", "fields": "id"})["messageConversations"]
assert [found["id"] for found in one_by_one] == [found["id"] for found in at_once], one_by_one
assert {"id", "subject", "messageType"} == set(one_by_one[0]), one_by_one[0]

subject = "From dhis2-client"
sent = admin.post("/api/messageConversations", json={"subject": subject, "text": "Hello.", "users": [{"id": me["id"]}]})
assert sent["httpStatusCode"] == 201, sent
[found] = mobile.fetch_all("/api/messageConversations", params={"filter": f"subject:eq:{subject}", "fields": "id,read"})
assert found["read"] is False, found
uid = found["id"]
mobile.post(f"/api/messageConversations/{uid}", json={"text": "any"})
assert mobile.post("/api/messageConversations/read", json=[uid]) == {"markedRead": [uid]}
assert mobile.post("/api/messageConversations/followup", json=[uid]) == {"markedFollowup": [uid]}
whole = mobile.get(f"/api/messageConversations/{uid}", params={"fields": "*,messages[*],userMessages[*]"})
assert (whole["read"], whole["followUp"], whole["messageCount"], len(whole["messages"])) == (True, True, 2, 2), whole
assert mobile.delete(f"/api/messageConversations/{uid}/{me['id']}") == {"removed": [me["id"]]}

[user] = admin.get_users(fields="id,username", filter="username:eq:support")
assert user == {"id": "zWu3VHOAJAz", "username": "support"}, user
[unit] = mobile.get_organisation_units(fields="id,displayName", filter="displayName:token:lagoon")
assert unit["id"] == "DiszpKrYNg8", unit

try:
    mobile.get(f"/api/messageConversations/{uid}")
except DHIS2HTTPError as error:
    refused = error.status_code
else:
    refused = None
assert refused == 403, refused
