"""given(what happened).when(what is asked).then(what happens): a rule, told without a database."""

from functools import reduce

import pytest

from convstore.domain.commands import ConversationCommand
from convstore.domain.conversation import Conversation, decide, evolve, initial
from convstore.domain.events import ConversationEvent
from convstore.errors import Refused
from words import CONVERSATION, Told, history


def folded(*told: Told) -> Conversation:
    """Give the state after this history."""
    return reduce(evolve, history(*told), initial(CONVERSATION))


class When:
    """A command, asked of a conversation with a history."""

    def __init__(self, state: Conversation, command: ConversationCommand) -> None:
        self.state = state
        self.command = command

    def decided(self) -> list[ConversationEvent]:
        """Give what happens, for a test that looks at parts of it."""
        return decide(self.state, self.command)

    def then(self, *told: Told) -> None:
        """Check that exactly this happens, in this order."""
        assert history(*told, after=self.state.version) == self.decided()

    def then_nothing(self) -> None:
        """Check that it is allowed, and that there is nothing to do."""
        assert not self.decided()

    def then_refused(self, refusal: type[Refused]) -> None:
        """Check that this rule says no, and not another."""
        with pytest.raises(Refused) as refused:
            self.decided()
        assert refusal is refused.type


class Given:
    """A conversation with a history."""

    def __init__(self, *told: Told) -> None:
        self.state = folded(*told)

    def when(self, command: ConversationCommand) -> When:
        """Ask something of it."""
        return When(self.state, command)


def given(*told: Told) -> Given:
    """Begin with these events, each a builder of ``words``; with none, the conversation was never started."""
    return Given(*told)
