"""Answers the other workers of this node, for the events that this one owns.

Rule: a request is admitted in the turn of the loop in which it arrives; a peer that goes away
takes nothing back.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from actors.peers.frame_contents import (
    answer_frame,
    encode_state,
    fault_frame,
    request_in,
)
from actors.peers.frame_stream import FrameStream
from actors.peers.frames import (
    AskFrame,
    Frame,
    ReadFrame,
    StateFrame,
)
from actors.registry import Registry
from evently.domain.errors import Fault
from evently.domain.state import EventState

T = TypeVar("T")


class _Reply(asyncio.Future[T]):
    """A future that sends its result, as the frame that `frame` makes of it, as soon as it is set.

    A callback would run one turn of the loop later, and the frame would leave after that, behind
    all requests that this worker's own clients have sent meanwhile.
    """

    def __init__(
        self, stream: FrameStream, frame_id: int, frame: Callable[[int, T], Frame]
    ) -> None:
        super().__init__()
        self._stream = stream
        self._frame_id = frame_id
        self._frame = frame

    def set_result(self, result: T) -> None:
        """Give the answer."""
        super().set_result(result)
        self._stream.send(self._frame(self._frame_id, result))

    def set_exception(self, exception: type | BaseException) -> None:
        """Give a fault instead."""
        super().set_exception(exception)
        fault = self.exception()
        assert fault is not None, "it was set just now"
        self._stream.send(fault_frame(self._frame_id, fault))


class PeerServer:
    """Listens on this worker's Unix socket."""

    def __init__(self, registry: Registry, path: Path) -> None:
        self._registry = registry
        self._path = path
        self._server: asyncio.Server | None = None
        self._streams: set[FrameStream] = set()
        self._reads: set[asyncio.Future[EventState | None]] = set()

    async def start(self) -> None:
        """Listen; a socket that a killed worker left is replaced."""
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._stream, str(self._path))

    async def stop(self) -> None:
        """Refuse new peers, answer what was asked, close.

        The path stays: it may already be the socket of the worker that replaces this one, and a
        socket without a listener refuses as well.
        """
        if self._server is None:
            return
        self._server.close()
        if self._reads:
            await asyncio.gather(*self._reads, return_exceptions=True)
        for stream in list(self._streams):
            stream.close()

    def _stream(self) -> FrameStream:
        stream = FrameStream(self._arrived, self._streams.discard)
        self._streams.add(stream)
        return stream

    def _arrived(self, stream: FrameStream, frame: Frame) -> None:
        if isinstance(frame, AskFrame):
            self._ask(stream, frame)
        elif isinstance(frame, ReadFrame):
            self._read(stream, frame)
        else:
            raise TypeError(f"a peer asks, it does not answer: {type(frame).__name__}")

    def _ask(self, stream: FrameStream, frame: AskFrame) -> None:
        try:
            reply = _Reply(stream, frame.id, answer_frame)
            self._registry.submit(frame.event_id, request_in(frame), reply)
        except Fault as fault:
            stream.send(fault_frame(frame.id, fault))

    def _read(self, stream: FrameStream, frame: ReadFrame) -> None:
        state = self._registry.snapshot(frame.event_id)
        if state is not None:
            stream.send(_state_frame(frame.id, state))
            return
        reply = _Reply(stream, frame.id, _state_frame)
        self._reads.add(reply)
        reply.add_done_callback(self._reads.discard)
        self._registry.read_through(frame.event_id, reply)


def _state_frame(frame_id: int, state: EventState | None) -> StateFrame:
    return StateFrame(frame_id, msgspec.Raw(encode_state(state)))
