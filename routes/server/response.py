"""What a response is made of, and how it is written: as one piece of bytes, if it is short.

Theory of operation: `admission` makes a response `Ready`, and `as_bytes` turns it into what goes
over the wire. The fast path writes these bytes itself. For the dispatcher they are wrapped in a
`Response`, which does the three things that aiohttp's server asks of one (`prepare`, `write_eof`,
`keep_alive`) and nothing else: every body here is whole, so the other features of
aiohttp's own class (charsets, compression, cookies, ranges, chunks, a header map that is copied and
checked twice) would be work for nothing: 4 us against 15 us for a response.

Rule: writing waits for the client. A client that sends requests and reads no responses gets no
further response until it has read.
"""

import asyncio
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

# The largest file of the documentation takes this long at 25 kB/s. A client that is slower, or
# reads nothing at all, would hold its connection and what is buffered for it.
READ_S = 60.0
# A body this long is written apart from its head, for one piece of both would be a copy of it. As
# it is, a file of the documentation or a cached list is in memory once, however many clients ask
# for it and do not read.
SHARED_BYTES_MIN = 16 * 1024
# Status, content type and cache control of all endpoints and errors make fewer than 100 heads.
HEADS_MAX = 256

JSON, NO_STORE = "application/json", "no-store"

# RFC 9110, sections 15.3.5 and 15.4.5: neither has a body, nor a length.
BODILESS = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})

# A response: its status, its head up to the Date, its body, and whether it is the connection's
# last. A tuple, because building an object costs 0.3 us of a read's 8.
Ready: TypeAlias = tuple[int, str, bytes, bool]


@lru_cache(HEADS_MAX)
def head_of(status: int, content_type: str, cache_control: str) -> str:
    """How a response begins: its status line, and the headers that it shares with others.

    An empty `content_type` or `cache_control` leaves that header out.
    """
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    if cache_control:
        lines.append(f"Cache-Control: {cache_control}")
    lines += ["X-Content-Type-Options: nosniff", "Server: evently", ""]
    return "\r\n".join(lines)


class Response(web.StreamResponse):
    """A response that is ready to be written, as aiohttp's server wants one."""

    def __init__(self, status: int, head: str, body: bytes, closes: bool) -> None:
        # Not super().__init__(): see the theory of operation.
        self._ours = status
        self._head = head
        self._content = body
        self._closes = closes
        self._stays = False

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._ours

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open after this response."""
        return self._stays

    async def prepare(self, request: web.BaseRequest) -> "AbstractStreamWriter | None":
        """Write the response; there is nothing to prepare."""
        self._stays = request.keep_alive and not self._closes
        head = self._head
        if not request.keep_alive and not self._closes:
            head += "Connection: close\r\n"
        elif self._stays and request.version.minor == 0:
            head += "Connection: keep-alive\r\n"
        transport = request.transport
        if transport is not None:
            body = b"" if request.method == "HEAD" else self._content
            if len(body) < SHARED_BYTES_MIN:
                transport.write(as_bytes(head, body))
            else:
                transport.write(as_bytes(head, b""))
                transport.write(body)
            if request.protocol.writing_paused:
                await _until_read(request, transport)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


def as_bytes(head: str, body: bytes) -> bytes:
    """A response as it goes over the wire, with the Date."""
    return f"{head}{_date_line()}".encode("latin-1") + body


async def _until_read(request: web.BaseRequest, transport: asyncio.Transport) -> None:
    """Wait until the client has read most of what was written; cut off one that does not."""
    try:
        async with asyncio.timeout(READ_S):
            await request.writer.drain()
    except TimeoutError:
        transport.abort()


_date = (0, "")


def _date_line() -> str:
    """RFC 9110's Date with the empty line after the head; made once a second."""
    global _date  # noqa: PLW0603 - a cache of one value
    now = int(time.time())
    if _date[0] != now:
        _date = (now, f"Date: {formatdate(now, usegmt=True)}\r\n\r\n")
    return _date[1]
