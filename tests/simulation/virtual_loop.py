"""An event loop whose time passes only when nobody has anything to do.

Rule: two runs of the same program take the same steps in the same order; nothing here reads a
clock, opens a file or waits.
"""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

# Whoever waits for this long in made-up time waits for something that never comes.
END_S = 3600.0


class NothingLeftToDo(RuntimeError):
    """Everybody waits, and nothing will ever happen."""


class _NoFiles(selectors.BaseSelector):
    """A selector without files: to wait is to let time pass."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingLeftToDo
        if timeout > 0:
            self._loop.pass_time(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise NotImplementedError

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines; `time` starts at 0 and jumps to whatever comes next."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._selector = _NoFiles(self)
        self._clock_resolution = 1e-9
        self.complaints: list[str] = []
        self.set_exception_handler(self._complain)

    def time(self) -> float:
        """Seconds of made-up time since the loop was made."""
        return self._now_s

    def pass_time(self, seconds: float) -> None:
        """Let time pass. Raises NothingLeftToDo at the end of time."""
        self._now_s += seconds
        if self._now_s > END_S:
            raise NothingLeftToDo

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        """Nobody else's thread waits to be woken."""

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context['message']}: {context.get('exception')!r}")


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` to its end in made-up time; what nobody waited for is an error."""
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(_await(main))
    finally:
        # What hangs may do so again when it is cancelled.
        try:
            _cancel_all(loop)
        finally:
            loop.close()
    if loop.complaints:
        raise AssertionError("; ".join(loop.complaints))
    return result


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Let a test that is a coroutine run on a loop of its own, whose time is made up."""

    @functools.wraps(test)
    def wrapped(*given: Any, **named: Any) -> None:
        run(lambda: test(*given, **named))

    return wrapped


async def _await(main: Callable[[], Awaitable[T]]) -> T:
    return await main()


def _cancel_all(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
