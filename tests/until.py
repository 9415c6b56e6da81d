"""Waits for a fact.

Rule: a test waits until a fact shows and never for a time; how long it may take is a bound.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_S = 0.02


@overload
async def until(fact: Callable[[], Awaitable[T]], within_s: float = ..., what: str = ...) -> T: ...
@overload
async def until(fact: Callable[[], T], within_s: float = ..., what: str = ...) -> T: ...
async def until(fact: Callable[[], Any], within_s: float = 10.0, what: str = "the fact") -> Any:
    """What `fact` returns once it is true; AssertionError where it is not within the time."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = fact()
        shown = await found if inspect.isawaitable(found) else found
        if shown:
            return shown
        if time.monotonic() > deadline_s:
            raise AssertionError(f"{what} did not show within {within_s} s")
        await asyncio.sleep(POLL_S)
