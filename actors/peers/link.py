"""The way to one other worker: asks its events, and reads them.

Rules:

1. A link says whether a request was sent. What was not sent may go elsewhere; what was sent and not
   answered may have been done.
2. What does not fit a link is not done, but where another try under its key is on its way, that may
   be: the outcome is unknown.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from actors.envelope import Request
from actors.peers.frame_contents import (
    answer_in,
    ask_frame,
    decode_state,
    fault_in,
)
from actors.peers.frame_stream import FrameStream
from actors.peers.frames import (
    AnswerFrame,
    AskFrame,
    FaultFrame,
    Frame,
    ReadFrame,
    StateFrame,
)
from evently.domain.errors import Fault, OutcomeUnknown, Overloaded
from evently.domain.outcomes import Answer
from evently.domain.state import EventState

# Requests on their way to one worker; its own bound on what may wait is the same. Should the link
# break, each goes elsewhere, and so many take a tenth of a second.
PENDING_MAX = 8192
# A worker that refused a connection is not asked again for this long.
RETRY_S = 0.1
# A Unix socket connects at once or never.
CONNECT_S = 0.5
# A command may be in progress after its deadline: a commit and its resolution.
UNDER_WAY_S = 9.0
# A read is one statement at worst; the watchdog kills a worker that is silent for longer.
READ_S = 2.5
# How often overdue answers are given up.
SWEEP_S = 0.5


class LinkDown(Exception):
    """The worker cannot be reached; the request was not sent."""


class LinkLost(Exception):
    """The worker went away, or fell silent, after the request was sent."""


# Called where there is no answer: with a fault, or with None if the worker went away.
Failed: TypeAlias = Callable[[Fault | None], None]
# An event, who asks it, and their key.
_Name: TypeAlias = tuple[str, str, str]


class _Waiting:
    """A future that waits for a frame until `by_s`; `failed` is called if it brings no answer.

    What asks under a key has a name.
    """

    __slots__ = ("by_s", "failed", "future", "name")

    def __init__(
        self,
        future: "asyncio.Future[Any]",
        by_s: float,
        failed: Failed,
        name: _Name | None = None,
    ) -> None:
        self.future = future
        self.by_s = by_s
        self.failed = failed
        self.name = name


class PeerLink:
    """A connection to one worker, made when it is needed and made again when it broke."""

    def __init__(self, path: Path, pending_max: int = PENDING_MAX) -> None:
        self._path = path
        self._pending_max = pending_max
        self._stream: FrameStream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._down_until_s = float("-inf")
        self._next_id = 0
        self._waiting: dict[int, _Waiting] = {}
        # How many of them ask under each key.
        self._names: dict[_Name, int] = {}
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    async def ask(self, event_id: str, request: Request) -> Answer:
        """The event's answer. Raises a domain fault, LinkDown or LinkLost."""
        await self._connected()
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.submit(event_id, request, future, partial(_fail, future))
        return await future

    async def read(self, event_id: str) -> EventState | None:
        """The event's committed state, or None. Raises a domain fault, LinkDown or LinkLost."""
        await self._connected()
        future: asyncio.Future[EventState | None] = self._loop.create_future()
        self.look_up(event_id, future, partial(_fail, future))
        return await future

    @property
    def open(self) -> bool:
        """Whether `submit` and `look_up` may be called."""
        return self._stream is not None and self._stream.open

    def submit(
        self, event_id: str, request: Request, future: "asyncio.Future[Answer]", failed: Failed
    ) -> None:
        """Send a request over the open link; its answer will be in `future`.

        `failed` is called instead where there is none. Raises Overloaded, or OutcomeUnknown where
        another try under its key is on its way.
        """
        name = (event_id, *request.scope) if request.keyed else None
        if len(self._waiting) >= self._pending_max and name in self._names:
            raise OutcomeUnknown(request.key)
        frame = ask_frame(self._new_id(), event_id, request)
        self._send(frame, _Waiting(future, request.deadline_s + UNDER_WAY_S, failed, name))

    def look_up(
        self, event_id: str, future: "asyncio.Future[EventState | None]", failed: Failed
    ) -> None:
        """Ask over the open link for an event's committed state, as `submit` does."""
        frame = ReadFrame(self._new_id(), event_id)
        self._send(frame, _Waiting(future, self._loop.time() + READ_S, failed))

    def close(self) -> None:
        """Give up what is not answered."""
        self._sweeper.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._stream is not None:
            self._stream.close()

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _send(self, frame: AskFrame | ReadFrame, waiting: _Waiting) -> None:
        assert self._stream is not None, "the link is open"
        if len(self._waiting) >= self._pending_max:
            raise Overloaded("too many requests are on their way to another worker")
        self._waiting[frame.id] = waiting
        if waiting.name is not None:
            self._names[waiting.name] = self._names.get(waiting.name, 0) + 1
        self._stream.send(frame)

    def _arrives(self, frame_id: int) -> _Waiting | None:
        """What waits for this frame, and does no more."""
        waiting = self._waiting.pop(frame_id, None)
        if waiting is not None and waiting.name is not None:
            others = self._names.pop(waiting.name) - 1
            if others:
                self._names[waiting.name] = others
        return waiting

    async def _connected(self) -> None:
        if self.open:
            return
        if self._loop.time() < self._down_until_s:
            raise LinkDown
        if self._connecting is None:
            self._connecting = self._loop.create_task(self._connect(), name="peer-connect")
        await asyncio.wait((self._connecting,))
        if not self.open:
            raise LinkDown

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                _, self._stream = await self._loop.create_unix_connection(
                    lambda: FrameStream(self._arrived, self._lost), str(self._path)
                )
        except (OSError, TimeoutError):
            self._down_until_s = self._loop.time() + RETRY_S
        finally:
            self._connecting = None

    def _arrived(self, stream: FrameStream, frame: Frame) -> None:
        if isinstance(frame, AskFrame | ReadFrame):
            raise TypeError("a peer that is asked does not ask back")
        waiting = self._arrives(frame.id)
        if waiting is None or waiting.future.done():
            return
        match frame:
            case AnswerFrame():
                waiting.future.set_result(answer_in(frame))
            case StateFrame():
                waiting.future.set_result(decode_state(frame.state))
            case FaultFrame():
                waiting.failed(fault_in(frame))

    def _lost(self, stream: FrameStream) -> None:
        if self._stream is stream:
            self._stream = None
        lost, self._waiting, self._names = self._waiting, {}, {}
        for waiting in lost.values():
            _give_up(waiting)

    def _sweep(self) -> None:
        """Give up what is overdue: a worker that is paused breaks no connection."""
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        now_s = self._loop.time()
        overdue = [frame_id for frame_id, one in self._waiting.items() if one.by_s < now_s]
        for frame_id in overdue:
            _give_up(self._arrives(frame_id))


def _give_up(waiting: _Waiting | None) -> None:
    if waiting is not None and not waiting.future.done():
        waiting.failed(None)


def _fail(future: "asyncio.Future[Any]", fault: Fault | None) -> None:
    future.set_exception(LinkLost() if fault is None else fault)
