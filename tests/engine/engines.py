"""Types of this folder's fixtures."""

from collections.abc import Awaitable, Callable

from convstore.engine import Engine

MakeEngine = Callable[[], Awaitable[Engine]]
MakeStore = Callable[..., Awaitable[str]]
