"""The way to one other worker: asks its events, and reads them.

Rule: a link says whether a request was sent. What was not sent may go elsewhere; what was sent
and not answered may have been done.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from actors.envelope import Request
from actors.peers.frame_stream import FrameStream
from actors.peers.frames import (
    AnswerFrame,
    AskFrame,
    FaultFrame,
    Frame,
    ReadFrame,
    StateFrame,
    answer_in,
    ask_frame,
    decode_state,
    fault_in,
)
from evently.domain.errors import Overloaded
from evently.domain.outcomes import Answer
from evently.domain.state import EventState

# Requests on their way to one worker; its own bound on what may wait is the same.
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


Lost: TypeAlias = Callable[[], None]


class _Waiting:
    """A future that waits for a frame until `by_s`; `lost` is called if none comes."""

    __slots__ = ("by_s", "future", "lost")

    def __init__(self, future: "asyncio.Future[Any]", by_s: float, lost: Lost) -> None:
        self.future = future
        self.by_s = by_s
        self.lost = lost


class PeerLink:
    """A connection to one worker, made when it is needed and made again when it broke."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: FrameStream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._down_until_s = float("-inf")
        self._next_id = 0
        self._waiting: dict[int, _Waiting] = {}
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    async def ask(self, event_id: str, request: Request) -> Answer:
        """The event's answer. Raises a domain fault, LinkDown or LinkLost."""
        await self._connected()
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.submit(event_id, request, future, lambda: _lose(future))
        return await future

    async def read(self, event_id: str) -> EventState | None:
        """The event's committed state, or None. Raises a domain fault, LinkDown or LinkLost."""
        await self._connected()
        future: asyncio.Future[EventState | None] = self._loop.create_future()
        self.look_up(event_id, future, lambda: _lose(future))
        return await future

    @property
    def open(self) -> bool:
        """Whether `submit` and `look_up` may be called."""
        return self._stream is not None and self._stream.open

    def submit(
        self, event_id: str, request: Request, future: "asyncio.Future[Answer]", lost: Lost
    ) -> None:
        """Send a request over the open link; its answer, or a domain fault, will be in `future`.

        `lost` is called instead when the worker goes away. Raises Overloaded.
        """
        frame = ask_frame(self._new_id(), event_id, request)
        self._send(frame, _Waiting(future, request.deadline_s + UNDER_WAY_S, lost))

    def look_up(
        self, event_id: str, future: "asyncio.Future[EventState | None]", lost: Lost
    ) -> None:
        """Ask over the open link for an event's committed state, as `submit` does."""
        frame = ReadFrame(self._new_id(), event_id)
        self._send(frame, _Waiting(future, self._loop.time() + READ_S, lost))

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
        if len(self._waiting) >= PENDING_MAX:
            raise Overloaded("too many requests are on their way to another worker")
        self._waiting[frame.id] = waiting
        self._stream.send(frame)

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
        waiting = self._waiting.pop(frame.id, None)
        if waiting is None or waiting.future.done():
            return
        match frame:
            case AnswerFrame():
                waiting.future.set_result(answer_in(frame))
            case StateFrame():
                waiting.future.set_result(decode_state(frame.state))
            case FaultFrame():
                waiting.future.set_exception(fault_in(frame))

    def _lost(self, stream: FrameStream) -> None:
        if self._stream is stream:
            self._stream = None
        lost, self._waiting = self._waiting, {}
        for waiting in lost.values():
            _give_up(waiting)

    def _sweep(self) -> None:
        """Give up what is overdue: a worker that is paused breaks no connection."""
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        now_s = self._loop.time()
        overdue = [frame_id for frame_id, one in self._waiting.items() if one.by_s < now_s]
        for frame_id in overdue:
            _give_up(self._waiting.pop(frame_id))


def _give_up(waiting: _Waiting) -> None:
    if not waiting.future.done():
        waiting.lost()


def _lose(future: "asyncio.Future[Any]") -> None:
    future.set_exception(LinkLost())
