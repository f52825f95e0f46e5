"""The words of subjects and messages, each with who may see it. Answers which conversations a search finds."""

from collections.abc import Iterator, Sequence

from convstore.domain.events import ConversationDeleted, ConversationStarted, MessagePosted
from convstore.log.recorded import Recorded
from convstore.projections import Change
from convstore.words import cut

NAME = "search"
VERSION = 1
TABLES = ("search_v1",)


def fold(batch: Sequence[Recorded]) -> Iterator[Change]:
    """Say which texts a run of events adds, and whose conversations it takes away: nothing returns from deletion."""
    deleted = {recorded.stream for recorded in batch if isinstance(recorded.event, ConversationDeleted)}
    if deleted:
        yield Change("delete_texts", (sorted(deleted),))
    texts = []
    for recorded in batch:
        if recorded.stream in deleted:
            continue
        match recorded.event:
            case MessagePosted(sender=sender, internal=internal, text=text):
                texts.append((recorded.stream, recorded.version, internal, sender, " ".join(cut(text or ""))))
            case ConversationStarted(subject=subject):
                texts.append((recorded.stream, recorded.version, False, None, " ".join(cut(subject))))
            case _:
                pass
    if texts:
        yield Change("add_texts", tuple(map(list, zip(*texts, strict=True))))
