"""The way to one other worker: asks its events, and reads them.

Rule: a link says whether a request was sent. What was not sent may go elsewhere; what was sent
and not answered may have been done.
"""

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any

from actors.envelope import Request
from evently.domain.errors import Overloaded
from evently.domain.outcomes import Answer
from evently.domain.state import EventState
from routes.frame_stream import FrameStream
from routes.frames import (
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

# Requests on their way to one worker; its own bound on what may wait is the same.
PENDING_MAX = 8192
# A worker that refused a connection is not asked again for this long.
RETRY_S = 0.1
# A Unix socket connects at once or never.
CONNECT_S = 0.5
# After its deadline a command may be under way: a commit and its resolution.
UNDER_WAY_S = 9.0
# A read is one statement at worst; the watchdog kills a worker that is silent for longer.
READ_S = 2.5
# How often overdue answers are given up.
SWEEP_S = 0.5
# Events whose last state is kept decoded, beside its bytes.
DECODED_MAX = 1024


class LinkDown(Exception):
    """The worker cannot be reached; the request was not sent."""


class LinkLost(Exception):
    """The worker went away, or fell silent, after the request was sent."""


Waiting = tuple["asyncio.Future[Any]", float]


class PeerLink:
    """A connection to one worker, made when it is needed and made again when it broke."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: FrameStream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._down_until_s = float("-inf")
        self._next_id = 0
        self._waiting: dict[int, Waiting] = {}
        self._decoded: OrderedDict[str, tuple[bytes, EventState | None]] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    async def ask(self, event_id: str, request: Request) -> Answer:
        """The event's answer. Raises a domain fault, LinkDown or LinkLost."""
        stream = await self._connected()
        frame = ask_frame(self._new_id(), event_id, request)
        answer: Answer = await self._send(stream, frame, request.deadline_s + UNDER_WAY_S)
        return answer

    async def read(self, event_id: str) -> EventState | None:
        """The event's committed state, or None. Raises a domain fault, LinkDown or LinkLost."""
        stream = self._stream
        if stream is None or not stream.open:
            stream = await self._connected()
        frame = ReadFrame(self._new_id(), event_id)
        raw: bytes = await self._send(stream, frame, self._loop.time() + READ_S)
        return self._decode(event_id, raw)

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

    async def _send(self, stream: FrameStream, frame: AskFrame | ReadFrame, by_s: float) -> Any:
        if len(self._waiting) >= PENDING_MAX:
            raise Overloaded("too many requests are on their way to another worker")
        future = self._loop.create_future()
        self._waiting[frame.id] = (future, by_s)
        stream.send(frame)
        return await future

    async def _connected(self) -> FrameStream:
        stream = self._stream
        if stream is not None and stream.open:
            return stream
        if self._loop.time() < self._down_until_s:
            raise LinkDown
        if self._connecting is None:
            self._connecting = self._loop.create_task(self._connect(), name="peer-connect")
        await asyncio.wait((self._connecting,))
        if self._stream is None or not self._stream.open:
            raise LinkDown
        return self._stream

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
        if waiting is None or waiting[0].done():
            return
        future = waiting[0]
        match frame:
            case AnswerFrame():
                future.set_result(answer_in(frame))
            case StateFrame():
                future.set_result(bytes(frame.state))
            case FaultFrame():
                future.set_exception(fault_in(frame))

    def _lost(self, stream: FrameStream) -> None:
        if self._stream is stream:
            self._stream = None
        waiting, self._waiting = self._waiting, {}
        for future, _ in waiting.values():
            if not future.done():
                future.set_exception(LinkLost())

    def _sweep(self) -> None:
        """Give up what is overdue: a worker that is paused breaks no connection."""
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        now_s = self._loop.time()
        overdue = [frame_id for frame_id, (_, by_s) in self._waiting.items() if by_s < now_s]
        for frame_id in overdue:
            future, _ = self._waiting.pop(frame_id)
            if not future.done():
                future.set_exception(LinkLost())

    def _decode(self, event_id: str, raw: bytes) -> EventState | None:
        known = self._decoded.get(event_id)
        if known is not None and known[0] == raw:
            return known[1]
        state = decode_state(raw)
        self._decoded[event_id] = (raw, state)
        if len(self._decoded) > DECODED_MAX:
            self._decoded.popitem(last=False)
        return state
