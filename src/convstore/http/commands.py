"""What all commands of the API share: their circumstances, their keys, the words of their refusals, their answers."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from convstore.domain.commands import ConversationCommand
from convstore.domain.conversation import decide, initial
from convstore.domain.uid import Uid, UserId, derive_uid, is_uid, new_uid
from convstore.errors import AccessDenied, ConversationNotFound
from convstore.handle import WAIT, handle, handle_many
from convstore.http.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Problem
from convstore.http.keys import BACKEND, CALLER, HEADERS, REQUEST_ID
from convstore.http.texts import storable
from convstore.log import read
from convstore.log.recorded import Meta
from convstore.log.store import Decided, IdempotencyKey, Outcome

# The most conversations that one request may name (design section 6).
BATCH_LIMIT = 10_000

# An Idempotency-Key: a quoted string (draft-ietf-httpapi-idempotency-key-header), or the same without its quotes.
_KEY = re.compile(r'"(?P<quoted>[ !#-\[\]-~]{1,255})"|(?P<bare>[!#-~]{1,255})')

# Characters of a user agent that an event's circumstances keep; what the message keeps is the domain's rule.
_USER_AGENT_LENGTH = 255


class Wording(Struct, frozen=True):
    """How one endpoint says no (contract section 1.5): each has words of its own, slips included.

    ``missing`` may hold ``{uid}``, for the conversation.
    """

    missing: str
    denied: str
    missing_code: str | None = NOT_FOUND
    denied_code: str | None = FORBIDDEN

    @contextmanager
    def spoken(self) -> Iterator[None]:
        """Turn the refusals that each endpoint says in its own words into these."""
        try:
            yield
        except ConversationNotFound as error:
            text = self.missing.replace("{uid}", error.conversation_id)
            raise Problem(HTTPStatus.NOT_FOUND, text, self.missing_code) from None
        except AccessDenied:
            raise Problem(HTTPStatus.FORBIDDEN, self.denied, self.denied_code) from None


async def carry_out(
    request: web.Request, command: ConversationCommand, wording: Wording, *, on_behalf_of: UserId | None = None
) -> Decided:
    """Carry a command out, once if the request has a key, and say what became of it.

    Raises:
        Problem: the conversation does not exist, or is not the caller's to act on.
        Refused, KeyReused, Busy: as ``handle`` does.
    """
    backend = request.app[BACKEND]
    key = await idempotency_key(request)
    with wording.spoken():
        # What has not the form of a uid was never started: the log need not be asked.
        if not is_uid(command.conversation_id):
            raise ConversationNotFound(command.conversation_id)
        meta = circumstances(request, on_behalf_of=on_behalf_of)
        handled = await handle(backend.store, backend.engine, [command], meta, key, wait=waits(request))
    note(request, [handled.outcome], reflected=handled.reflected)
    return handled.outcome.decided[0]


async def check(request: web.Request, command: ConversationCommand, wording: Wording) -> None:
    """Ask the rules about a command without carrying it out: refusals come in an order (contract section 1.5).

    Raises:
        Problem: the conversation does not exist, or is not the caller's to act on.
        Refused: another rule says no.
    """
    uid = command.conversation_id
    states = await request.app[BACKEND].store.states([uid]) if is_uid(uid) else {}
    with wording.spoken():
        decide(states.get(uid) or initial(uid), command)


async def carry_out_batch(
    request: web.Request,
    uids: Iterable[str],
    command: Callable[[Uid], ConversationCommand],
    wording: Wording,
    *,
    on_behalf_of: UserId | None = None,
) -> tuple[Decided, ...]:
    """Carry a command out on each of these conversations; say what became of those that exist, each once, in order.

    All are checked before anything is appended: one that is not the caller's to act on stops everything.

    Raises:
        Problem: 413, there are too many; 404, none exists; 403, one is not the caller's to act on.
        KeyReused, Busy: as ``handle_many`` does.
    """
    named = list(dict.fromkeys(Uid(uid) for uid in uids if is_uid(uid)))
    if len(named) > BATCH_LIMIT:
        raise Problem(413, f"At most {BATCH_LIMIT} message conversations can be named in one request")
    with wording.spoken():
        try:
            outcomes = await _batch(request, named, command, on_behalf_of)
        except (ConversationNotFound, AccessDenied):
            # Some may have been deleted since they were looked at, or the very same request came through: once more.
            outcomes = await _batch(request, named, command, on_behalf_of)
    decided = {one.conversation_id: one for outcome in outcomes for one in outcome.decided}
    return tuple(decided[uid] for uid in named if uid in decided)


async def _batch(
    request: web.Request,
    named: Sequence[Uid],
    command: Callable[[Uid], ConversationCommand],
    on_behalf_of: UserId | None,
) -> Sequence[Outcome]:
    backend = request.app[BACKEND]
    key = await idempotency_key(request)
    # Partitions that this very request was carried out in before: not to be checked again on what it left behind.
    before = await backend.store.recall(key) if key is not None else {}
    states = await backend.store.states(uid for uid in named if backend.store.partition_of(uid) not in before)
    if not states and not before:
        raise ConversationNotFound("")
    commands = [command(uid) for uid in named if uid in states]
    for each in commands:
        decide(states[each.conversation_id], each)
    if not commands:
        note(request, list(before.values()), reflected=True)
        return list(before.values())
    meta = circumstances(request, on_behalf_of=on_behalf_of)
    handled = await handle_many(backend.store, backend.engine, commands, meta, key, wait=waits(request))
    outcomes = [*before.values(), *handled.outcomes]
    note(request, outcomes, reflected=handled.reflected)
    return outcomes


async def carried_out_before(request: web.Request, uid: Uid) -> bool:
    """Tell whether this very request was carried out already: then what it asked for need not be looked up again.

    Raises:
        KeyReused: its key was used with another request.
    """
    key = await idempotency_key(request)
    if key is None:
        return False
    store = request.app[BACKEND].store
    outcome = (await store.recall(key)).get(store.partition_of(uid))
    if outcome is not None:
        note(request, [outcome], reflected=True)
    return outcome is not None


async def await_reflected(request: web.Request, uid: Uid) -> None:
    """Let the read models catch up with all that has happened so far in a conversation's partition.

    For a command that found everything done, by a request that may not have been answered yet.
    """
    backend = request.app[BACKEND]
    partition = backend.store.partition_of(uid)
    async with backend.pool.acquire() as conn:
        position = (await read.heads(conn))[partition]
    reflected = waits(request) and await backend.engine.wait(partition, position, WAIT)
    note(request, [Outcome(partition, position, (), ())], reflected=reflected)


async def uid_to_start(request: web.Request) -> Uid:
    """Give the uid of a conversation to be started: the same one whenever a request with a key is sent again."""
    key = await idempotency_key(request)
    if key is None:
        return new_uid()
    return derive_uid(request.app[BACKEND].store.secret, key.account, key.key)


async def uid_of_message(request: web.Request) -> Uid:
    """Give the uid of a message to be posted: the same one whenever a request with a key is sent again."""
    key = await idempotency_key(request)
    if key is None:
        return new_uid()
    # Of what is asked, too: another request with this key is refused, and must not be taken for this one till then.
    return derive_uid(request.app[BACKEND].store.secret, key.account, key.key, key.digest.hex())


async def idempotency_key(request: web.Request) -> IdempotencyKey | None:
    """Give the key that the client names this request by; None when it names it by none.

    The same request is: the same method, path, query and body.

    Raises:
        Problem: 400, the header cannot be read.
    """
    name = key_name(request)
    if name is None:
        return None
    url = request.rel_url
    digest = hashlib.sha256()
    for part in (request.method, url.raw_path, url.raw_query_string):
        digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    digest.update(await request.read())
    return IdempotencyKey(request[CALLER].id, name, digest.digest())


def key_name(request: web.Request) -> str | None:
    """Give the key alone, without looking at the body.

    Raises:
        Problem: 400, the header cannot be read.
    """
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    found = _KEY.fullmatch(header.strip())
    if found is None:
        text = "The Idempotency-Key header must be 1 to 255 printable ASCII characters, best in double quotes"
        raise Problem(HTTPStatus.BAD_REQUEST, text, BAD_REQUEST)
    return found["quoted"] or found["bare"]


def circumstances(request: web.Request, *, on_behalf_of: UserId | None = None) -> Meta:
    """Give what is recorded about a request beside its events; ``on_behalf_of`` only when it is not the caller.

    Raises:
        BadText: the user agent cannot be stored.
    """
    caller = request[CALLER].id
    agent = user_agent(request)
    return Meta(
        actor=caller,
        on_behalf_of=on_behalf_of if on_behalf_of != caller else None,
        request_id=request[REQUEST_ID],
        user_agent=None if agent is None else agent[:_USER_AGENT_LENGTH],
    )


def user_agent(request: web.Request) -> str | None:
    """Give the client's name of itself.

    Raises:
        BadText: it cannot be stored.
    """
    agent = request.headers.get("User-Agent")
    return None if agent is None else storable(agent)


def waits(request: web.Request) -> bool:
    """Tell whether the answer waits until the read models show the change: unless the client prefers not (RFC 7240)."""
    preferences = ",".join(request.headers.getall("Prefer", ())).lower().split(",")
    if "respond-async" not in (preference.partition(";")[0].strip() for preference in preferences):
        return True
    request[HEADERS]["Preference-Applied"] = "respond-async"
    return False


def note(request: web.Request, outcomes: Sequence[Outcome], *, reflected: bool) -> None:
    """Tell in the answer's headers which place of the log it reflects, and when lists may not show it yet."""
    backend = request.app[BACKEND]
    # Of the partitions that this did not concern, the answer reflects what lists show.
    positions = [min(reached) for reached in zip(*backend.engine.positions().values(), strict=True)]
    for outcome in outcomes:
        positions[outcome.partition] = max(positions[outcome.partition], outcome.position)
    request[HEADERS]["Convstore-Cursor"] = backend.store.cursor(positions)
    if not reflected:
        request[HEADERS]["Convstore-Reflected"] = "false"
