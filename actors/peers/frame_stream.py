"""One end of a connection between two workers.

Rule: all frames of one turn of the loop leave in one write.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from actors.peers.frames import Frame, FrameReader, encode

log = logging.getLogger(__name__)


class FrameStream(asyncio.Protocol):
    """Sends frames, and hands over those that arrive; `lost` is called once at the end."""

    def __init__(
        self,
        arrived: "Callable[[FrameStream, Frame], None]",
        lost: "Callable[[FrameStream], None]",
    ) -> None:
        self._arrived = arrived
        self._lost = lost
        self._reader = FrameReader()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def open(self) -> bool:
        """Whether frames can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, frame: Frame) -> None:
        """Send a frame at the end of this turn of the loop; nowhere, if the stream is lost."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(encode(frame))

    def close(self) -> None:
        """Send what is waiting, then close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand over the frames that are complete."""
        try:
            for frame in self._reader.feed(data):
                self._arrived(self, frame)
        except Exception:
            log.exception("a peer sent what is no frame")
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that nothing more will come."""
        self._transport = None
        self._out.clear()
        self._lost(self)

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()
