"""What tests and fixtures of the client share."""

from collections.abc import Callable

from convstore.client import Client, Retries

# Short, for nothing here is far away.
RETRIES = Retries(within=30, first_pause=0.02, longest_pause=0.2)

Dial = Callable[..., Client]
