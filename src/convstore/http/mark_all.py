"""Mark everything read that a person has seen: one call, of ours, however many conversations there are.

"Seen" is a place in the log: the cursor that came with the list that the person looked at. Whatever was posted after it
stays unread. The copies are found by the inbox and marked a page at a time, so an inbox of any size takes the same
memory. Nothing is half done by it that could not be done again: a second request goes on where the first one ended.

With an ``Idempotency-Key`` each batch is remembered under a name of its own, which no client can choose, and the last
one under the key itself: where that is known, all was done, and what was marked is counted again from what is
remembered.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct, structs

from convstore.domain import policy
from convstore.domain.commands import MarkRead
from convstore.domain.types import Actor, MessageType
from convstore.domain.uid import Uid, UserId
from convstore.errors import AccessDenied, Busy, ConversationNotFound, CursorAhead
from convstore.handle import WAIT, handle
from convstore.http.commands import circumstances, idempotency_key, note, waits
from convstore.http.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER
from convstore.http.nodes import node_answer
from convstore.http.params import first, member
from convstore.log import read
from convstore.log.outcome import IdempotencyKey, Outcome
from convstore.log.store import Store
from convstore.projections import load

# Copies that are looked up, and marked, together.
_PAGE = 1_000
# Conversations that go away between the two are left out so many times.
_ATTEMPTS = 3
# Ways to say that no conversations are named.
_NOTHING = frozenset({b"", b"[]", b"{}", b"null"})

_inbox = load("inbox").queries


class _Asked(Struct, frozen=True):
    """Whose copies are to be marked, by whom, of which type (None: all), and up to which position of each partition."""

    actor: Actor
    reader: UserId
    message_type: MessageType | None
    positions: Sequence[int]


async def mark_all_read(request: web.Request) -> web.Response:
    """``POST messageConversations/read?all=true[&messageType=][&upTo=][&user=]``: answers how many were marked.

    Without ``upTo`` everything is marked that is there when the request comes in.

    Raises:
        Problem: 400, conversations are named as well, or there is no such type; 404, there is no such person; 403, he
            is another one, and the caller no superuser.
        CursorInvalid, CursorAhead: ``upTo`` is no cursor of this store, or of no place that it has come to.
        Busy: too much is waiting to be written; some may be marked already.
    """
    backend = request.app[BACKEND]
    asked = await _asked(request)
    key = await idempotency_key(request)
    if key is not None and (before := await backend.store.recall(key)):
        note(request, list(before.values()), reflected=True)
        return node_answer(request, "marked", await _remembered(backend.store, key))
    await asyncio.gather(
        *(backend.engine.wait(partition, position, WAIT) for partition, position in enumerate(asked.positions))
    )
    marking = _Marking(request, asked, key)
    batches = _batches(request, asked)
    batch = await anext(batches, None)
    while batch is not None:
        following = await anext(batches, None)
        await marking.mark(batch, last=following is None)
        batch = following
    reflected = waits(request) and all(
        await asyncio.gather(
            *(backend.engine.wait(partition, position, WAIT) for partition, position in marking.reached.items())
        )
    )
    note(request, [Outcome(partition, at, (), ()) for partition, at in marking.reached.items()], reflected=reflected)
    return node_answer(request, "marked", marking.marked if key is None else await _remembered(backend.store, key))


async def _asked(request: web.Request) -> _Asked:
    if (await request.read()).strip() not in _NOTHING:
        text = "Either all=true marks all conversations read, or the body names those to be marked"
        raise Problem(HTTPStatus.BAD_REQUEST, text, BAD_REQUEST)
    backend = request.app[BACKEND]
    actor = request[CALLER].actor()
    reader = UserId(first(request, "user") or actor.id)
    if reader != actor.id and not await backend.directory.exists(reader):
        raise Problem(HTTPStatus.NOT_FOUND, f"No user with uid: {reader}", NOT_FOUND)
    if not policy.may_act_for(actor, reader):
        text = "Not authorized to change read property of this conversation."
        raise Problem(HTTPStatus.FORBIDDEN, text, FORBIDDEN)
    name = first(request, "messageType")
    message_type = member("messageType", name, MessageType) if name else None
    async with backend.pool.acquire() as conn:
        heads = await read.heads(conn)
    cursor = first(request, "upTo")
    positions = backend.store.positions(cursor) if cursor else tuple(heads)
    if any(position > head for position, head in zip(positions, heads, strict=True)):
        raise CursorAhead
    return _Asked(actor, reader, message_type, positions)


async def _page(request: web.Request, asked: _Asked, after: str) -> dict[int, list[Uid]]:
    """Give the next unread copies, by partition, in the view of whoever asks; empty when there are no more."""
    statement = _inbox["unread_copies_all" if policy.sees_internal(asked.actor) else "unread_copies"]
    rows = await request.app[BACKEND].readers.fetch(statement, asked.reader, asked.message_type, after, _PAGE)
    page: defaultdict[int, list[Uid]] = defaultdict(list)
    for row in rows:
        page[row["partition"]].append(Uid(row["conversation_id"]))
    return page


async def _batches(request: web.Request, asked: _Asked) -> AsyncIterator[Sequence[MarkRead]]:
    """Give the commands that mark the unread copies as far as they were seen: of one partition each time, some."""
    after = ""
    while page := await _page(request, asked, after):
        for partition, uids in page.items():
            async with request.app[BACKEND].pool.acquire() as conn:
                seen = await read.versions_at(conn, partition, uids, asked.positions[partition])
            if seen:
                yield [
                    MarkRead(conversation_id=uid, actor=asked.actor, reader=asked.reader, up_to=version)
                    for uid, version in seen.items()
                ]
        after = max(uid for uids in page.values() for uid in uids)


class _Marking:
    """Carries batches out, counts what was marked, and knows the last position of each partition that came of it."""

    def __init__(self, request: web.Request, asked: _Asked, key: IdempotencyKey | None) -> None:
        self.marked = 0
        self.reached: dict[int, int] = {}
        self._request = request
        self._asked = asked
        self._key = key
        self._remembered = 0

    async def mark(self, commands: Sequence[MarkRead], *, last: bool) -> None:
        """Carry a batch out, once however often the request is sent.

        Raises:
            Busy: too much is waiting, or conversations go away faster than they can be left out.
        """
        while True:
            key = self._key if self._key is None or last else _of_batch(self._key, self._remembered)
            try:
                outcome = await self._carried_out(commands, key)
            except Busy as error:
                text = f"{self.marked} conversations were marked, then: {error} Send the request again for the others."
                raise Busy(text, retry_after=error.retry_after) from error
            if outcome is None:
                return
            self.marked += _changed(outcome)
            self.reached[outcome.partition] = outcome.position
            self._remembered += 1
            if not outcome.replayed or last:
                return
            # What is remembered under this name was another batch, of a time before or of the same request beside this.

    async def _carried_out(self, commands: Sequence[MarkRead], key: IdempotencyKey | None) -> Outcome | None:
        backend = self._request.app[BACKEND]
        meta = circumstances(self._request, on_behalf_of=self._asked.reader)
        for _ in range(_ATTEMPTS):
            if not commands:
                return None
            try:
                return (await handle(backend.store, backend.engine, commands, meta, key, wait=False)).outcome
            except (ConversationNotFound, AccessDenied):
                # The inbox had them still: deleted, or left, by now.
                states = await backend.store.states(command.conversation_id for command in commands)
                allowed = {uid for uid, state in states.items() if state.allows(self._asked.actor)}
                commands = [command for command in commands if command.conversation_id in allowed]
        raise Busy


def _of_batch(key: IdempotencyKey, number: int) -> IdempotencyKey:
    return structs.replace(key, key=f"{key.key}\x1f{number}")


async def _remembered(store: Store, key: IdempotencyKey) -> int:
    """Count what was marked by all batches that are remembered of a request, whoever carried them out."""
    marked = sum(map(_changed, (await store.recall(key)).values()))
    number = 0
    while found := await store.recall(_of_batch(key, number)):
        marked += sum(map(_changed, found.values()))
        number += 1
    return marked


def _changed(outcome: Outcome) -> int:
    return sum(one.events > 0 for one in outcome.decided)
