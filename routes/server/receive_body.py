"""Receives the bytes of a request's body, within bounds of size and time.

Rule: no body takes more memory or time than BODY_BYTES_MAX and BODY_READ_S allow.
"""

import asyncio

from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from routes.contract.errors import ApiError, Code
from routes.server.read_json import BODY_BYTES_MAX, too_large

# A client on a bad mobile line sends 64 KiB in less; one that drips on purpose is cut off here.
BODY_READ_S = 5.0

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def received_body(payload: StreamReader) -> bytes:
    """The bytes of a body that has been received whole.

    The stream's own `read_nowait` asks aiohttp to resume reading, which it never paused: that
    costs half as much again as parsing the request.
    """
    if payload is EMPTY_PAYLOAD:
        # It is no stream and has no buffer.
        return b""
    return b"".join(payload._buffer)  # noqa: SLF001 - see above


async def receive_body(request: web.BaseRequest) -> bytes:
    """The whole body. Raises ApiError 408 or 413."""
    content = request.content
    if content.is_eof():
        return content.read_nowait()
    _invite(request)
    try:
        async with asyncio.timeout(BODY_READ_S):
            return await _read_bounded(request)
    except TimeoutError as error:
        message = f"The body did not arrive within {BODY_READ_S:.0f} seconds"
        headers = {"Connection": "close"}
        raise ApiError(Code.REQUEST_TIMEOUT, message, headers=headers) from error


async def _read_bounded(request: web.BaseRequest) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise too_large()
    return bytes(body)


def _invite(request: web.BaseRequest) -> None:
    """Send `100 Continue` to a client that waits for it (RFC 9110, section 10.1.1)."""
    expected = request.headers.get("Expect", "").lower() == "100-continue"
    if expected and request.version == HttpVersion11 and request.transport is not None:
        request.transport.write(_CONTINUE)
