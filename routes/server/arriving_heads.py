"""Bounds the heads of requests that are still arriving.

aiohttp bounds each line of a head and the number of lines, which together make a megabyte, and
keeps what it has parsed until the head is complete.

Rule: no head is longer than HEAD_BYTES_MAX, and those that are arriving at a worker have no more
than ARRIVING_BYTES_MAX together. A head that comes in one piece, as nearly all do, is not counted.
"""

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from evently.domain.errors import Overloaded
from routes.contract.errors import ApiError, Code, failed

# Four lines as long as aiohttp allows; nginx takes as many for a large head by default.
HEAD_BYTES_MAX = 32 * 1024
# 256 heads at their bound. Parsed, they take about three times as much.
ARRIVING_BYTES_MAX = 8 * 1024 * 1024

_END = b"\r\n\r\n"


class ArrivingHeads:
    """Counts the bytes of the heads that are arriving at one server."""

    def __init__(self, bytes_max: int = ARRIVING_BYTES_MAX) -> None:
        self.bytes = 0
        self._bytes_max = bytes_max

    @property
    def full(self) -> bool:
        """Whether they are more than the server has room for."""
        return self.bytes > self._bytes_max


class ArrivingHead:
    """The head that is arriving on one connection, if one is."""

    __slots__ = ("_all", "_body", "bytes")

    def __init__(self, all_heads: ArrivingHeads) -> None:
        self._all = all_heads
        self.bytes = 0
        # The last request's body, while it arrives.
        self._body: StreamReader | None = None

    def grew(self, size: int) -> ApiError | None:
        """So many bytes came and completed no head; the error if they are too many."""
        if self._body is not None:
            if self._body.is_eof():
                self._body = None
            return None
        self._count(self.bytes + size)
        if self.bytes > HEAD_BYTES_MAX:
            return too_long()
        return too_many() if self._all.full else None

    def completed(self, body: StreamReader, data: bytes) -> bool:
        """Heads in `data` are complete, the last one of `body`; whether they are to be measured."""
        self._body = None if body.is_eof() else body
        before = self.bytes
        if before:
            self._count(0)
        if before + len(data) <= HEAD_BYTES_MAX:
            return False
        if self._body is None:
            # What follows the last request is the beginning of the next one.
            self._count(max(0, len(data) - data.rfind(_END) - len(_END) - body.total_bytes))
        return True

    def forget(self) -> None:
        """The connection is gone."""
        self._count(0)

    def _count(self, size: int) -> None:
        self._all.bytes += size - self.bytes
        self.bytes = size


def is_too_long(message: object) -> bool:
    """Whether a complete head is longer than HEAD_BYTES_MAX."""
    if not isinstance(message, RawRequestMessage):
        return False
    lines = sum(len(name) + len(text) + 4 for name, text in message.raw_headers)
    return len(message.method) + len(message.path) + lines > HEAD_BYTES_MAX


def too_long() -> ApiError:
    """431 (RFC 6585, section 5)."""
    message = f"The request's line and headers are over {HEAD_BYTES_MAX // 1024} KiB together"
    return ApiError(Code.VALIDATION_ERROR, message, status=431)


def too_many() -> ApiError:
    """503: other clients send heads that do not end."""
    return failed(Overloaded("too many requests are arriving in pieces"), reads=False)
