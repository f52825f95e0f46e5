"""What people may do over HTTP, at random: for tests that look on from outside."""

import random
from collections.abc import Awaitable, Callable, Sequence

from people import ADMIN, CLERK, FEEDBACK, IMPORTER, MC, MOBILE, SUPPORT, Caller, Client

from convstore.domain.uid import Uid

PEOPLE = {"admin": ADMIN, "mobile": MOBILE, "clerk": CLERK, "support": SUPPORT, "importer": IMPORTER}
WORDS = ("tablet", "vaccine", "fridge", "report")


class Doings:
    """Does something at random, drawn from ``dice``; what is refused did not happen."""

    def __init__(self, client: Client, dice: random.Random) -> None:
        self.client = client
        self.dice = dice
        self.uids: list[Uid] = []
        self._kinds: Sequence[Callable[[Caller, Uid], Awaitable[object]]] = (
            *(self._reply,) * 4,
            *(self._mark,) * 4,
            self._start,
            self._set_status,
            self._set_priority,
            self._assign,
            *(self._add,) * 2,
            *(self._leave,) * 2,
            self._delete,
        )

    async def something(self) -> None:
        """Let somebody do something."""
        if len(self.uids) < 3:
            await self._start(self._somebody(), Uid(""))
            return
        # Mostly with one of the latest, so that things happen to the same ones.
        uid = self.uids[-1 - min(int(self.dice.expovariate(0.5)), len(self.uids) - 1)]
        await self.dice.choice(self._kinds)(self._somebody(), uid)

    def _somebody(self) -> Caller:
        return self.client.by(self.dice.choice([*PEOPLE, "admin", "support"]))

    def _some(self) -> list[str]:
        return self.dice.sample(list(PEOPLE.values()), self.dice.randrange(1, 4))

    async def _start(self, by: Caller, _: Uid) -> None:
        subject, text = self.dice.choice(WORDS), self.dice.choice(WORDS)
        ticket = self.dice.random() < 0.5
        self.uids.append(
            await (by.ticket(subject, text) if ticket else by.send(*self._some(), subject=subject, text=text))
        )

    async def _reply(self, by: Caller, uid: Uid) -> None:
        await by.reply(uid, self.dice.choice(WORDS), internal=self.dice.random() < 0.5)

    async def _mark(self, by: Caller, uid: Uid) -> None:
        mark = self.dice.choice(["read", "unread", "followup", "unfollowup"])
        await by.post(f"{MC}/{mark}", json=[uid, *self.dice.sample(self.uids, 1)])

    async def _set_status(self, by: Caller, uid: Uid) -> None:
        value = self.dice.choice(["OPEN", "SOLVED", "INVALID"])
        await by.post(f"{MC}/{uid}/status?messageConversationStatus={value}")

    async def _set_priority(self, by: Caller, uid: Uid) -> None:
        await by.post(f"{MC}/{uid}/priority?messageConversationPriority={self.dice.choice(['LOW', 'HIGH'])}")

    async def _assign(self, by: Caller, uid: Uid) -> None:
        if self.dice.random() < 0.3:
            await by.delete(f"{MC}/{uid}/assign")
        else:
            await by.post(f"{MC}/{uid}/assign?userId={self.dice.choice(list(PEOPLE.values()))}")

    async def _add(self, by: Caller, uid: Uid) -> None:
        document = {"users": [{"id": user} for user in self._some()], "userGroups": [{"id": FEEDBACK}]}
        await by.post(f"{MC}/{uid}/recipients", json=document)

    async def _leave(self, by: Caller, uid: Uid) -> None:
        await by.delete(f"{MC}/{uid}/{self.dice.choice(list(PEOPLE.values()))}")

    async def _delete(self, _: Caller, uid: Uid) -> None:
        if self.dice.random() < 0.5:
            await self.client.as_admin.delete(f"{MC}/{uid}")
            self.uids.remove(uid)


async def asked_of_readers(client: Client) -> list[str]:
    """Give a list that is filled with what readers ask from now on; asyncpg's own questions are left out."""
    seen: list[str] = []
    readers = client.backend.readers
    lent = [await readers.acquire() for _ in range(readers.get_max_size())]
    for conn in lent:
        conn.add_query_logger(lambda record: seen.append(record.query) if "checkpoint" in record.query else None)
    for conn in lent:
        await readers.release(conn)
    return seen
