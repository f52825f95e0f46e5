"""Waits for a condition that nothing announces."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(holds: Callable[[], Any], *, within: float = 20) -> Any:
    """Ask until the answer is true, and give it; an awaitable is awaited. TimeoutError after ``within`` seconds."""
    async with asyncio.timeout(within):
        while True:
            answer = holds()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(0.01)
