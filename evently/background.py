"""Runs work beside the service for as long as a block lasts.

Rule: when the block ends, the work is cancelled and waited for; what it raised then is nobody's.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def in_background(**work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run each in a task of its name, in which `_` reads `-`."""
    tasks = [asyncio.create_task(each, name=name.replace("_", "-")) for name, each in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
