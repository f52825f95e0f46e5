"""A random run of what people do, with answers kept on the way, each with the cursor that it reflects."""

import random
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from people import ADMIN, CLERK, IMPORTER, MC, MOBILE, SUPPORT, Answer, Caller, Client

PEOPLE = {"admin": ADMIN, "mobile": MOBILE, "support": SUPPORT, "clerk": CLERK, "importer": IMPORTER}

WHOLE = "fields=:all,messages[:all,sender[:all],attachments[:all]],userMessages[:all]"
# Every kind of answer. Conversations stand for {uid}.
OF_ALL = (
    f"{MC}?{WHOLE}&pageSize=100",
    f"{MC}.xml?fields=:all&pageSize=100",
    f"{MC}?filter=messageType:eq:TICKET&fields=id,read,status,assignee,messageCount&pageSize=100",
    f"{MC}?filter=read:eq:false&fields=id,userMessages::size&pageSize=100",
    f"{MC}?filter=read:eq:true&filter=followUp:eq:true&rootJunction=OR&fields=id,followUp&pageSize=4",
    f"{MC}?order=subject:asc,messageCount:desc&fields=id,subject,lastSender[displayName]&pageSize=3&page=2",
    f"{MC}?cursor=&pageSize=3&fields=id,lastMessage&order=lastMessage:asc",
    f"{MC}?queryString=tab&fields=id,lastUpdated&pageSize=100",
    f"{MC}?queryString=secret&fields=id",
    f"{MC}?queryString=ell&queryOperator=ilike&fields=id&pageSize=100",
    f"{MC}?filter=messages.text:ilike:fine&fields=id,messages::size&paging=false",
    f"{MC}?filter=userMessages.user.id:eq:{CLERK}&fields=id&pageSize=100",
    f"{MC}/counts",
    f"{MC}/counts.xml",
    "/api/me/dashboard",
    "/api/me/dashboard.xml",
)
OF_ONE = (
    f"{MC}/{{uid}}?{WHOLE}",
    f"{MC}/{{uid}}.xml",
    f"{MC}/{{uid}}/messages",
    f"{MC}/{{uid}}/userMessages?fields=:all",
    f"{MC}/{{uid}}/status.xml",
)


class Kept(Struct, frozen=True):
    """What somebody was answered, and the cursor of it; of somebody refused, the one of what he saw just before."""

    who: str
    path: str
    cursor: str
    status: int
    said: Any


def said_by(answer: Answer) -> Any:
    """Give what an answer says, without the addresses of other pages, which name the time that was asked for."""
    if "xml" in answer.headers["Content-Type"]:
        return answer.body
    document = answer.json
    pager = document.get("pager", {}) if isinstance(document, dict) else {}
    for link in ("nextPage", "prevPage"):
        pager.pop(link, None)
    return document


async def ask(caller: Caller, path: str, **given: str) -> Answer:
    """GET, with these parameters besides."""
    more = "&".join(f"{name}={value}" for name, value in given.items())
    return await caller.get(f"{path}{'&' if '?' in path else '?'}{more}" if more else path)


class Run:
    """Somebody does something, again and again, and what people see is kept now and then."""

    def __init__(self, client: Client, seed: int, *, leaving: bool) -> None:
        self.client = client
        self.leaving = leaving
        self.uids: list[str] = []
        self.kept: list[Kept] = []
        self._random = random.Random(seed)

    async def go(self, steps: int, looks: int) -> None:
        """Do so many things, and look so many times, spread over them."""
        for _ in range(3):
            await self._start()
        at = set(self._random.sample(range(steps), looks))
        for step in range(steps):
            await self._do()
            if step in at:
                await self._look()

    def _somebody(self) -> str:
        return self._random.choice(list(PEOPLE))

    def _people(self) -> Sequence[str]:
        return self._random.sample(list(PEOPLE.values()), self._random.randint(1, 3))

    async def _start(self) -> None:
        by = self.client.by(self._somebody())
        if self._random.random() < 0.5:
            self.uids.append(await by.ticket(subject=self._random.choice(["Tablet", "Table", "Bell"])))
        else:
            self.uids.append(await by.send(*self._people(), subject=self._random.choice(["Hey", "Stable", "tab"])))

    async def _do(self) -> None:
        if self._random.random() < 0.12:
            await self._start()
            return
        uid = self._random.choice(self.uids)
        by = self.client.by(self._somebody())
        at = f"{MC}/{uid}"
        other = self._random.choice(list(PEOPLE.values()))
        added = {"users": [{"id": who} for who in self._people()]}
        doing = [
            lambda: by.reply(uid, self._random.choice(["Fine.", "Well done"])),
            lambda: by.reply(uid, "secret", internal=True),
            lambda: by.post(f"{MC}/{self._random.choice(['read', 'unread', 'followup', 'unfollowup'])}", json=[uid]),
            lambda: by.post(f"{MC}/{self._random.choice(['read', 'unread', 'followup', 'unfollowup'])}", json=[uid]),
            lambda: by.post(f"{at}/recipients", json=added),
            lambda: by.post(f"{at}/status?messageConversationStatus={self._random.choice(['OPEN', 'SOLVED'])}"),
            lambda: by.post(f"{at}/priority?messageConversationPriority={self._random.choice(['LOW', 'HIGH'])}"),
            lambda: by.post(f"{at}/assign?userId={other}"),
            lambda: by.delete(f"{at}/assign"),
        ]
        if self.leaving:
            doing.append(lambda: self.client.as_admin.delete(f"{at}/{other}"))
        # Who may not is refused, which is no matter.
        await self._random.choice(doing)()

    async def _look(self) -> None:
        for who in PEOPLE:
            caller = self.client.by(who)
            paths = [*OF_ALL, *(path.format(uid=uid) for uid in self._random.sample(self.uids, 2) for path in OF_ONE)]
            reflected = ""
            for path in paths:
                answer = await ask(caller, path)
                reflected = answer.headers.get("Convstore-Cursor", reflected)
                self.kept.append(Kept(who, path, reflected, answer.status, said_by(answer)))
