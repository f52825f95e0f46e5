"""The PyPI package dhis2.py: every GET with the suffix .json, dictionaries only in bodies, pages with totals."""

import sys

from dhis2 import Api, RequestException

server = sys.argv[1]
mobile = Api(server, "mobile", "district")
admin = Api(server, "admin", "district", api_version=42, user_agent="dhis2.py")

# Who is there.
assert mobile.version.startswith("2."), mobile.version
assert 30 < mobile.version_int < 100, mobile.version_int
assert isinstance(mobile.revision, str)
assert mobile.get("me", params={"fields": "id,username"}).json() == {"id": "PhzytPW3g2J", "username": "mobile"}

# Lists, page by page and merged.
listed = mobile.get("messageConversations", params={"fields": "id,subject,read", "totalPages": True}).json()
pages = list(mobile.get_paged("messageConversations", params={"fields": "id", "totalPages": True}, page_size=2))
merged = mobile.get_paged("messageConversations", params={"fields": "id"}, page_size=2, merge=True)
total = listed["pager"]["total"]
assert len(pages) == pages[0]["pager"]["pageCount"] == -(-total // 2), pages
assert [each["id"] for each in merged["messageConversations"]] == [
    each["id"] for each in listed["messageConversations"]
], merged
unread = mobile.get(
    "messageConversations", params=[("filter", "read:eq:false"), ("filter", "messageType:eq:PRIVATE"), ("fields", "id")]
).json()
assert unread["pager"]["total"] == len(unread["messageConversations"]) > 0, unread
in_xml = mobile.get("messageConversations/ZjHHSjyyeJ2", file_type="xml").text
assert "<subject>Mortality data reporting</subject>" in in_xml, in_xml

# Sends, replies, reads.
sent = admin.post(
    "messageConversations", json={"subject": "From dhis2.py", "text": "Hello.", "users": [{"id": "PhzytPW3g2J"}]}
)
assert sent.status_code == 201, sent.status_code
uid = sent.headers["Location"].rpartition("/")[2]
assert sent.headers["Location"] == f"{server}/api/42/messageConversations/{uid}", sent.headers
replied = mobile.post(f"messageConversations/{uid}", json={"text": "kept as it stands"})
assert replied.json()["message"] == "Message conversation created"
seen = admin.get(
    f"messageConversations/{uid}", params={"fields": "messageCount,read,messages[text,sender[name]]"}
).json()
assert seen == {
    "messageCount": 2,
    "read": False,
    "messages": [
        {"text": "Hello.", "sender": {"name": "John Traore"}},
        {"text": '{"text": "kept as it stands"}', "sender": {"name": "Mobile User"}},
    ],
}, seen

# Marks: all that this client can post is a dictionary.
assert admin.post(f"messageConversations/{uid}/read", json={}).json() == {"markedRead": [uid]}
assert admin.post(f"messageConversations/{uid}/unread", json={}).json() == {"markedUnread": [uid]}
status = admin.post(
    f"messageConversations/{uid}/status", json={}, params={"messageConversationStatus": "SOLVED"}
).json()
assert status == {"SOLVED": [uid]}, status
added = admin.post(f"messageConversations/{uid}/recipients", json={"users": [{"id": "zWu3VHOAJAz"}]})
assert (added.status_code, added.text) == (204, ""), added.text
removed = mobile.delete("messageConversations", params=[("mc", uid), ("mc", "AAAAAAAAAAA")]).json()
assert removed == {"removed": [uid]}, removed

# What is refused says why.
try:
    mobile.get(f"messageConversations/{uid}")
except RequestException as error:
    refused = (error.code, "Not authorized to access this conversation." in error.description)
else:
    refused = None
assert refused == (403, True), refused
