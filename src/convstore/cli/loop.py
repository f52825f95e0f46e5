"""The event loop that commands run on."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not made for Windows

    return uvloop.new_event_loop


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end on a fresh loop (uvloop where there is one)."""
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(work)
