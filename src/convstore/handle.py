"""The one place where a command meets the log."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from convstore.domain.commands import ConversationCommand
from convstore.log.outcome import IdempotencyKey, Outcome
from convstore.log.recorded import Meta
from convstore.log.store import Store

# A command answers after this many seconds, reflected or not: it is durable (design section 5).
WAIT: Final = 1.0


class Reflecting(Protocol):
    """What knows how far the read models are: the engine."""

    async def wait(self, partition: int, position: int, timeout: float) -> bool:  # noqa: ASYNC109 - it answers False
        """Wait until the read models that the API serves have taken in a position; False when that takes too long."""


class Handled(Struct, frozen=True):
    """What became of commands, and whether lists show it already: False when nobody waited, or not long enough."""

    outcome: Outcome
    reflected: bool


class HandledMany(Struct, frozen=True):
    """What became of commands of several partitions: one outcome for each.

    With a key that was used before, an outcome has one ``decided`` per command of that time: another number, maybe.
    """

    outcomes: tuple[Outcome, ...]
    reflected: bool


async def handle(
    store: Store,
    engine: Reflecting,
    commands: Sequence[ConversationCommand],
    meta: Meta,
    key: IdempotencyKey | None = None,
    *,
    wait: bool = True,
) -> Handled:
    """Carry out commands of one partition, together or not at all, then let the read models catch up with them.

    Raises:
        Refused, KeyReused, BadText, Busy: as ``Store.submit`` does.
    """
    outcome = await store.submit(commands, meta, key)
    return Handled(outcome, wait and await engine.wait(outcome.partition, outcome.position, WAIT))


async def handle_many(
    store: Store,
    engine: Reflecting,
    commands: Sequence[ConversationCommand],
    meta: Meta,
    key: IdempotencyKey | None = None,
    *,
    wait: bool = True,
) -> HandledMany:
    """Carry out commands of any conversations: those of one partition together or not at all, each partition alone.

    A caller who wants all or nothing checks first, with ``store.states``: a refusal in one partition takes nothing
    back of what others did. With a key, each partition stores its own part of the answer.

    Raises:
        Refused, KeyReused, BadText, Busy: as ``Store.submit`` does, for the first partition that failed when all ended.
    """
    by_partition: defaultdict[int, list[ConversationCommand]] = defaultdict(list)
    for command in commands:
        by_partition[store.partition_of(command.conversation_id)].append(command)
    handled = await asyncio.gather(
        *(handle(store, engine, here, meta, key, wait=wait) for here in by_partition.values()),
        return_exceptions=True,
    )
    done: list[Handled] = []
    for result in handled:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return HandledMany(
        outcomes=tuple(result.outcome for result in done),
        reflected=all(result.reflected for result in done),
    )
