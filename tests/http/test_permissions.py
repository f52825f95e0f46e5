"""Who may do what: every endpoint, for every kind of caller, in JSON and XML (contract sections 4 and 9.1).

The table has a row for every route, so that a new one cannot be forgotten. Who is refused leaves nothing in the log.
"""

import io
import json
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from people import (
    ADMIN,
    CLERK,
    FEEDBACK,
    IMPORTER,
    MC,
    MOBILE,
    SUPPORT,
    Answer,
    Caller,
    Client,
    add_accounts,
)

from convstore.domain.commands import RemoveParticipant, Reply, SendMessage, SendTicket
from convstore.domain.types import Actor, MessageType
from convstore.domain.uid import Uid, UserId, new_uid
from convstore.handle import handle
from convstore.http.routes import API
from convstore.log.recorded import Meta

ACCEPT = {"json": "application/json", "xml": "application/xml"}


class Kind(StrEnum):
    """Kinds of callers; the value is the account that plays it."""

    ANONYMOUS = "anonymous"
    STRANGER = "stranger"
    REMOVED = "removed"  # was a participant
    PARTICIPANT = "mobile"  # began it
    OTHER = "clerk"  # a participant as well, on whose behalf everybody tries to act
    MANAGER = "support"  # of tickets; has no copy of this one
    SUPERUSER = "admin"  # has no copy either
    DELETER = "importer"  # a participant who may delete, and see what became of mails
    OUTSIDER = "outsider"  # may do both, but is no participant
    ROBOT = "robot"  # may send in a system's name, and have events pushed


PARTICIPANTS = {Kind.PARTICIPANT, Kind.OTHER, Kind.DELETER}

# Says which status a kind of caller gets of an endpoint that answers ``ok`` to whoever may.
Rule = Callable[[Kind, MessageType, int], int]


def anybody(kind: Kind, _type: MessageType, ok: int) -> int:
    return 401 if kind is Kind.ANONYMOUS else ok


def only(*kinds: Kind) -> Rule:
    return lambda kind, _type, ok: 401 if kind is Kind.ANONYMOUS else ok if kind in kinds else 403


def with_access(kind: Kind, message_type: MessageType, ok: int) -> int:
    allowed = {*PARTICIPANTS, Kind.SUPERUSER, *({Kind.MANAGER} if message_type is MessageType.TICKET else ())}
    return only(*allowed)(kind, message_type, ok)


def with_access_or_removed(kind: Kind, message_type: MessageType, ok: int) -> int:
    return ok if kind is Kind.REMOVED else with_access(kind, message_type, ok)


def internally(kind: Kind, message_type: MessageType, ok: int) -> int:
    managers = only(Kind.SUPERUSER, Kind.MANAGER)(kind, message_type, ok)
    return managers if managers != ok else with_access(kind, message_type, ok)


superusers = only(Kind.SUPERUSER)
pushers = only(Kind.SUPERUSER, Kind.ROBOT)
for_the_other = only(Kind.SUPERUSER, Kind.OTHER)
deleters = only(Kind.SUPERUSER, Kind.DELETER)
systems = only(Kind.SUPERUSER, Kind.ROBOT)


class Row(Struct, frozen=True):
    """One endpoint, what to send there, and who may. ``{uid}`` and ``{me}`` stand for the conversation and the caller.

    ``fill`` has the values of other placeholders of the route; ``json_only``: it is not given in XML.
    """

    method: str
    route: str
    rule: Rule
    ok: int = 200
    query: str = ""
    body: Any = None
    text: str | None = None
    fill: dict[str, str] = {}
    json_only: bool = False
    file: bool = False

    @property
    def name(self) -> str:
        filled = self.route
        for name, value in self.fill.items():
            filled = filled.replace(f"{{{name}}}", value)
        return f"{self.method} {filled}{self.query}"

    def expected(self, kind: Kind, message_type: MessageType, accept: str) -> int:
        status = self.rule(kind, message_type, self.ok)
        return 406 if self.json_only and accept == "xml" and status == self.ok else status

    async def ask(self, caller: Caller, me: UserId, uid: Uid, accept: str) -> Answer:
        def filled(template: str) -> str:
            return template.replace("{uid}", uid).replace("{me}", me)

        options: dict[str, Any] = {"headers": {"Accept": accept}}
        if self.text is not None:
            options |= {"data": filled(self.text), "headers": {"Accept": accept, "Content-Type": "text/plain"}}
        elif self.file:
            options["data"] = {"file": io.BytesIO(b"a file")}
        elif self.body is not None:
            options["json"] = json.loads(filled(json.dumps(self.body)))
        path = filled(self.name.partition(" ")[2])
        return await caller(self.method, f"/api/{path}", **options)


C = "messageConversations"
THIS = ["{uid}"]
TO_MOBILE = {"subject": "a", "text": "b", "users": [{"id": MOBILE}]}
NO_FILE = {"messageUid": "AAAAAAAAAAA", "fileUid": "AAAAAAAAAAA"}
STATUS, PRIORITY = "?messageConversationStatus=PENDING", "?messageConversationPriority=LOW"
ROWS = (
    # Reading.
    Row("GET", C, anybody),
    Row("GET", f"{C}/counts", anybody),
    Row("GET", f"{C}/changes", anybody),
    Row("GET", "me/events", anybody, query="?closeAfter=0"),
    # What happened. Everybody has his own inbox.
    Row("GET", f"{C}/events", anybody, json_only=True),
    Row("GET", f"{C}/events.json", anybody),
    Row("GET", f"{C}/events.ndjson", anybody),
    Row("GET", f"{C}/events.json", superusers, query="?types=message-posted,inbox-viewed"),
    Row("GET", f"{C}/events/stream", anybody, query="?closeAfter=0"),
    Row("GET", f"{C}/events/stream", superusers, query="?closeAfter=0&types=history-viewed"),
    Row("GET", f"{C}/{{uid}}/history", with_access),
    Row("GET", f"{C}/{{uid}}/explanation", with_access_or_removed),
    Row("GET", f"{C}/{{uid}}/explanation", with_access, query="?at=2026-01-01"),
    Row("GET", f"{C}/{{uid}}/explanation", for_the_other, query=f"?user={CLERK}"),
    Row("GET", f"{C}/{{uid}}", with_access),
    Row("GET", f"{C}/{{uid}}", with_access, query="?markRead=true"),
    Row("GET", f"{C}/{{uid}}", with_access, query="?fields=messages[*],userMessages[*]"),
    *(
        Row("GET", f"{C}/{{uid}}/{{userUid}}", with_access, fill={"userUid": name})
        for name in ("messages", "userMessages", "subject", "lastSender", "lastMessage", "messageCount", "read")
    ),
    Row("GET", f"{C}/{{uid}}/{{userUid}}", with_access, 404, fill={"userUid": "none"}),
    # Subscriptions: nobody learns of another's; superusers have all.
    Row("GET", "subscriptions", anybody),
    Row("POST", "subscriptions", anybody, 400, body={"name": "No Such Name"}),
    Row("POST", "subscriptions", superusers, 400, body={"name": "No Such Name", "types": ["inbox-viewed"]}),
    *(
        Row(method, f"subscriptions/{{name}}{path}", anybody, 404, fill={"name": "none"}, body=body)
        for method, path, body in (
            ("GET", "", None),
            ("DELETE", "", None),
            ("POST", "/events", {"consumer": "a"}),
            ("POST", "/acknowledge", {"consumer": "a", "acks": []}),
            ("POST", "/reject", {"consumer": "a", "ack": "0.0.d0", "reason": "b"}),
            ("POST", "/leave", {"consumer": "a"}),
            ("POST", "/reset", {"after": "latest"}),
            ("GET", "/deadLetters", None),
            ("POST", "/deadLetters/redeliver", {}),
            ("POST", "/deadLetters/discard", {}),
            ("GET", "/webhook", None),
            ("DELETE", "/webhook", None),
            ("POST", "/webhook/pause", None),
            ("DELETE", "/webhook/secrets", None),
        )
    ),
    # Whoever has the server call others needs an authority for it.
    *(
        Row(method, f"subscriptions/{{name}}/webhook{path}", pushers, 404, fill={"name": "none"}, body=body)
        for method, path, body in (
            ("PUT", "", {"url": "https://example.org/"}),
            ("POST", "/test", None),
            ("POST", "/resume", None),
            ("POST", "/secrets", None),
        )
    ),
    # Sending.
    Row("POST", C, anybody, 201, body=TO_MOBILE),
    Row("POST", f"{C}/feedback", anybody, 201, query="?subject=a", text="b"),
    Row("POST", f"{C}/system", systems, 201, body=TO_MOBILE),
    Row("POST", f"{C}/validation", systems, 201, body=TO_MOBILE),
    Row("POST", f"{C}/{{uid}}", with_access, text="a"),
    Row("POST", f"{C}/{{uid}}", internally, query="?internal=true", text="a"),
    Row("POST", f"{C}/{{uid}}/recipients", with_access, 204, body={"users": [{"id": ADMIN}]}),
    # The conversation's own.
    Row("POST", f"{C}/{{uid}}/status", with_access, query=STATUS),
    Row("POST", f"{C}/{{uid}}/priority", with_access, query=PRIORITY),
    Row("POST", f"{C}/{{uid}}/assign", with_access, query=f"?userId={SUPPORT}"),
    Row("DELETE", f"{C}/{{uid}}/assign", with_access),
    Row("POST", f"{C}/status", with_access, query=STATUS, body=THIS),
    Row("POST", f"{C}/priority", with_access, query=PRIORITY, body=THIS),
    Row("POST", f"{C}/assign", with_access, query=f"?userId={SUPPORT}", body=THIS),
    Row("POST", f"{C}/unassign", with_access, body=THIS),
    Row("DELETE", f"{C}/{{uid}}", deleters),
    # One's own copy, and the other's.
    Row("POST", f"{C}/read", anybody, query="?all=true"),
    Row("POST", f"{C}/read", for_the_other, query=f"?all=true&user={CLERK}"),
    *(
        row
        for mark in ("read", "unread", "followup", "unfollowup")
        for row in (
            Row("POST", f"{C}/{mark}", with_access, body=THIS),
            Row("POST", f"{C}/{mark}", with_access, query="?user={me}", body=THIS),
            Row("POST", f"{C}/{mark}", for_the_other, query=f"?user={CLERK}", body=THIS),
        )
    ),
    *(
        row
        for mark in ("read", "unread")
        for row in (
            Row("POST", f"{C}/{{uid}}/{mark}", with_access),
            Row("POST", f"{C}/{{uid}}/{mark}", for_the_other, query=f"?userUid={CLERK}"),
        )
    ),
    Row("DELETE", f"{C}/{{uid}}/{{userUid}}", with_access, fill={"userUid": "{me}"}),
    Row("DELETE", f"{C}/{{uid}}/{{userUid}}", for_the_other, fill={"userUid": CLERK}),
    Row("DELETE", C, with_access, query="?mc={uid}"),
    Row("DELETE", C, for_the_other, query=f"?mc={{uid}}&user={CLERK}"),
    # What nobody may.
    *(
        Row(method, route, anybody, 405, body={})
        for method in ("PUT", "PATCH")
        for route in (C, f"{C}/{{uid}}", f"{C}/{{uid}}/messages")
    ),
    Row("POST", f"{C}/{{uid}}/messages", anybody, 405, body={}),
    Row("GET", f"{C}/gist", anybody, 404),
    Row("GET", f"{C}/{{uid}}/messages/x", anybody, 404),
    # Files: of a message, and before there is one. Which message holds which file comes after who may ask.
    Row("GET", f"{C}/{{uid}}/{{messageUid}}/attachments/{{fileUid}}", with_access, 404, fill=NO_FILE),
    Row("POST", "fileResources", anybody, 202, query="?domain=MESSAGE_ATTACHMENT", file=True),
    Row("POST", f"{C}/attachments", anybody, 202, file=True),
    Row("GET", "fileResources/{id}", anybody, 404, fill={"id": "AAAAAAAAAAA"}),
    # The neighbours.
    *(
        Row("GET", route, anybody)
        for route in (
            *("resources", "system/info", "system/id", "configuration", "configuration/feedbackRecipients"),
            *("systemSettings", "attributes", "apps", "ping"),
            *("me", "me/dashboard", "me/authorization", "userSettings", "userGroups", "organisationUnits"),
        )
    ),
    Row("GET", "", anybody, 302),
    *(Row("GET", route, anybody) for route in ("openapi.json", "asyncapi.json", "docs")),
    Row("GET", "docs/{file}", anybody, fill={"file": "start.js"}),
    Row("GET", "systemSettings/{key}", anybody, fill={"key": "applicationTitle"}),
    Row("GET", "schemas", anybody, json_only=True),
    Row("GET", "schemas/{name}", anybody, fill={"name": "messageConversation"}, json_only=True),
    Row("GET", "me/authorization/{authority}", anybody, fill={"authority": "ALL"}),
    Row("GET", "userSettings/{key}", anybody, fill={"key": "keyUiLocale"}),
    Row("POST", "userSettings/{key}", anybody, fill={"key": "keyUiLocale"}, query="?value=fr"),
    Row("DELETE", "userSettings/{key}", anybody, 204, fill={"key": "keyUiLocale"}),
    Row("GET", "userGroups/{id}", anybody, fill={"id": FEEDBACK}),
    Row("GET", "organisationUnits/{id}", anybody, fill={"id": "DiszpKrYNg8"}),
    Row("GET", "userLookup", anybody, query="?query=mo"),
    Row("GET", "userLookup/feedbackRecipients", anybody, query="?query=he"),
    Row("GET", "userLookup/{id}", anybody, fill={"id": MOBILE}),
    Row("GET", "messageConversations/{uid}/deliveries", deleters),
    Row("GET", "users", superusers),
    Row("GET", "users/{id}", anybody, fill={"id": "{me}"}),
    Row("GET", "users/{id}", only(Kind.SUPERUSER, Kind.OTHER), fill={"id": CLERK}),
    Row("POST", "configuration/feedbackRecipients", superusers, 204, text=FEEDBACK),
    Row("GET", "health", superusers),
    Row("GET", "metrics", superusers),
    *(
        row
        for path in ("apiToken", "apiTokens")
        for row in (
            Row("POST", path, anybody, 201, body={"type": "PERSONAL_ACCESS_TOKEN_V2", "attributes": []}),
            Row("GET", path, anybody, json_only=True),
            Row("GET", f"{path}/{{tokenUid}}", anybody, 404, fill={"tokenUid": "AAAAAAAAAAA"}, json_only=True),
            Row("DELETE", f"{path}/{{tokenUid}}", anybody, 404, fill={"tokenUid": "AAAAAAAAAAA"}),
        )
    ),
    # Last: from here on there are no ticket managers but superusers.
    Row("DELETE", "configuration/feedbackRecipients", superusers, 204),
)


class Stage:
    """A server, everybody's account, and a conversation of one type that stands as it was told, for each request."""

    def __init__(self, client: Client, uids: dict[str, UserId], message_type: MessageType) -> None:
        self.client = client
        self.uids = {
            Kind.PARTICIPANT: MOBILE,
            Kind.OTHER: CLERK,
            Kind.MANAGER: SUPPORT,
            Kind.SUPERUSER: ADMIN,
            Kind.DELETER: IMPORTER,
            Kind.ANONYMOUS: MOBILE,
            **{Kind(username): uid for username, uid in uids.items()},
        }
        self.message_type = message_type

    def by(self, kind: Kind) -> Caller:
        return self.client.by(None if kind is Kind.ANONYMOUS else kind.value)

    async def conversation(self) -> Uid:
        """Start one: three participants, one who was removed, a message for everybody and an internal one."""
        uid, removed = new_uid(), self.uids[Kind.REMOVED]
        start = SendTicket if self.message_type is MessageType.TICKET else SendMessage
        superuser = Actor(id=ADMIN, superuser=True, ticket_manager=True)
        commands = [
            start(
                conversation_id=uid,
                actor=Actor(id=MOBILE),
                message_id=new_uid(),
                subject="Tablet",
                text="It does not start.",
                recipients=(CLERK, IMPORTER, removed),
            ),
            RemoveParticipant(conversation_id=uid, actor=Actor(id=removed), participant=removed),
            Reply(
                conversation_id=uid,
                actor=superuser,
                message_id=new_uid(),
                text="Is it insured?",
                internal=True,
                ticket_managers=frozenset({ADMIN, SUPPORT}),
            ),
        ]
        backend = self.client.backend
        assert (await handle(backend.store, backend.engine, commands, Meta(actor=MOBILE))).reflected
        return uid


@pytest.fixture(params=[MessageType.PRIVATE, MessageType.TICKET])
async def stage(client: Client, tmp_path: Path, password_hash: str, request: pytest.FixtureRequest) -> Stage:
    delete, send = ["F_METADATA_IMPORT", "F_DELIVERIES"], ["F_SEND_SYSTEM_MESSAGE", "F_WEBHOOKS"]
    uids = await add_accounts(client, tmp_path, password_hash, stranger=[], removed=[], outsider=delete, robot=send)
    return Stage(client, uids, request.param)


@pytest.mark.slow
@pytest.mark.parametrize("accept", ACCEPT)
async def test_everybody_may_what_the_contract_says_and_no_more(stage: Stage, accept: str) -> None:
    wrong = []
    uid = await stage.conversation()
    before = await stage.client.events()
    for row in ROWS:
        for kind in Kind:
            answer = await row.ask(stage.by(kind), stage.uids[kind], uid, ACCEPT[accept])

            expected = row.expected(kind, stage.message_type, accept)
            if expected != answer.status:
                wrong.append(f"{kind.name} {row.name}: {answer.status}, not {expected}")
            if answer.status in (401, 403):
                assert answer.status == answer.message[0]
                assert ACCEPT[accept] == answer.headers["Content-Type"].partition(";")[0], row.name
            if await stage.client.events() != before:
                if answer.status >= 400:
                    wrong.append(f"{kind.name} {row.name}: {answer.status}, and something happened")
                uid = await stage.conversation()
                before = await stage.client.events()
    assert not wrong, "\n".join(wrong)


def test_every_route_has_a_row() -> None:
    rows = Counter((row.method, row.route) for row in ROWS)

    assert [] == [route.path for route in API if not route.public and not rows[route.method, route.path]]


@pytest.mark.parametrize("accept", ACCEPT)
async def test_lists_hold_ones_own_and_for_ticket_managers_all_tickets(stage: Stage, accept: str) -> None:
    """Whatever is asked for: neither filters nor searches make a list of anything else."""
    uid = await stage.conversation()
    own = {*PARTICIPANTS}
    managers = {Kind.MANAGER, Kind.SUPERUSER} if stage.message_type is MessageType.TICKET else set()
    found = {
        "": own,
        "?paging=false": own,
        f"?filter=id:eq:{uid}": own,
        f"?filter=id:eq:{uid}&filter=subject:like:Tab&rootJunction=OR": own,
        "?filter=messageType:eq:TICKET&filter=subject:like:Tab&rootJunction=OR": own,
        f"?filter=messageType:in:[{stage.message_type}]": own,
        f"?filter=userMessages.user.id:eq:{CLERK}": own,
        f"?filter=user.id:eq:{MOBILE}": own,
        "?queryString=start": own,
        "?queryString=mobile": own,
        f"?query={uid}": own,
        "?query=tablet": own,
        "?filter=assignee:null&order=lastMessage:asc": own,
        f"?filter=messageType:eq:{stage.message_type}": own | managers,
        f"?filter=messageType:eq:{stage.message_type}&queryString=start": own | managers,
        f"?filter=messageType:eq:{stage.message_type}&filter=id:eq:{uid}": own | managers,
        # Unread ones are one's own, so that lists and badges agree.
        f"?filter=messageType:eq:{stage.message_type}&filter=read:eq:false": own - {Kind.PARTICIPANT},
    }
    for query, expected in found.items():
        finders = set()
        for kind in Kind:
            answer = await stage.by(kind).get(f"{MC}{query}", headers={"Accept": ACCEPT[accept]})
            if kind is not Kind.ANONYMOUS:
                assert 200 == answer.status, query
            if uid.encode() in answer.body.replace(b"query=" + uid.encode(), b""):
                finders.add(kind)
        assert expected == finders, query
