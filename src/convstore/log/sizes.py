"""Estimates of memory, in bytes, for what is bounded by it: the queues and the recent events."""

from typing import Final

from convstore.domain.commands import (
    AddParticipants,
    Command,
    Reply,
    SendMessage,
    SendSystemMessage,
    SendTicket,
    SendValidationResult,
)
from convstore.domain.events import MessagePosted, ParticipantsAdded
from convstore.log.recorded import Recorded

_COMMAND: Final = 400
_RECORDED: Final = 600
_UID: Final = 70


def size_of_command(command: Command) -> int:
    """Say what a command weighs in a queue and in a batch."""
    match command:
        case Reply():
            return _COMMAND + len(command.text)
        case SendMessage() | SendTicket() | SendSystemMessage() | SendValidationResult():
            return _COMMAND + len(command.text or "") + _UID * len(command.recipients)
        case AddParticipants():
            return _COMMAND + _UID * len(command.participants)
        case _:
            return _COMMAND


def size_of_recorded(recorded: Recorded) -> int:
    """Say what a recorded event weighs."""
    match recorded.event:
        case MessagePosted(text=text):
            return _RECORDED + len(text or "")
        case ParticipantsAdded(participants=participants):
            return _RECORDED + _UID * len(participants)
        case _:
            return _RECORDED
