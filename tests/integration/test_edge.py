"""The HTTP server by itself, over real sockets: clients who are slow to speak or to read."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from routes.server import response
from routes.server.connection import KEEP_ALIVE_S, EdgeServer
from routes.server.fast_path import FastPath, Respond
from routes.server.response import Response, head_of
from tests.integration.one_dispatcher import Observed

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
KEEP_ALIVE = 0.2
# Far beyond what the time-outs in these tests are, for a machine that is busy.
PATIENCE_S = 20.0
MEGABYTE = b"x" * 1_000_000

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, keep_alive_s: float = KEEP_ALIVE) -> AsyncIterator[int]:
    """The port of a server that answers with `handler`."""
    server = EdgeServer(handler, Observed(), keep_alive_s=keep_alive_s)
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = cast("tuple[str, int]", runner.addresses[0])
        assert host == "127.0.0.1"
        yield port
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(
    port: int, receive_buffer: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that takes in no more than about `receive_buffer` bytes unread."""
    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_S):
        sock = stack.enter_context(socket.socket())
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=receive_buffer or 2**16)
        stack.callback(writer.transport.abort)
        yield reader, writer


def ok(body: bytes) -> Response:
    head = f"{head_of(200, '', '')}Content-Length: {len(body)}\r\n"
    return Response(200, head, body, closes=False)


async def small(_: web.BaseRequest) -> web.StreamResponse:
    return ok(b"{}")


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    return await reader.readexactly(length)


# What a connection has sent when it falls silent.
UNFINISHED = {
    "nothing": b"",
    "a line": b"GET / HTTP/1.1\r\n",
    "half a header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b",
    "all but the last line": GET[:-2],
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED.keys())
async def test_a_head_that_does_not_come_is_waited_for_no_longer_than_keep_alive(
    sent: bytes,
) -> None:
    async with serving(small) as port:
        # Before the server can have begun to wait, which it does once it has accepted.
        started_s = time.monotonic()
        async with connected(port) as (reader, writer):
            writer.write(sent)
            assert await reader.read() == b""
            assert time.monotonic() - started_s >= KEEP_ALIVE


async def test_a_head_that_drips_is_waited_for_no_longer_either() -> None:
    async with serving(small) as port, connected(port) as (reader, writer):
        ended = asyncio.create_task(reader.read())
        writer.write(b"GET / HTTP/1.1\r\nX-A: ")
        while not ended.done():
            writer.write(b"b")
            await asyncio.wait({ended}, timeout=KEEP_ALIVE / 20)
        # A byte that crosses the end is answered with a reset.
        with suppress(ConnectionResetError):
            assert await ended == b""


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED.keys())
async def test_after_an_answer_the_next_head_is_waited_for_as_long(sent: bytes) -> None:
    async with serving(small) as port, connected(port) as (reader, writer):
        writer.write(GET + sent)
        assert await read_answer(reader) == b"{}"
        assert await reader.read() == b""


async def test_a_request_under_way_is_not_cut_off_by_keep_alive() -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(_: web.BaseRequest) -> web.StreamResponse:
        arrived.set()
        await release.wait()
        return ok(b"late")

    async with serving(slow, 0.05) as port, connected(port) as (reader, writer):
        writer.write(GET)
        await arrived.wait()
        # Another connection, opened later, is cut off first: then this one's time is over too.
        async with connected(port) as (other, _):
            assert await other.read() == b""
        release.set()
        assert await read_answer(reader) == b"late"


def test_keep_alive_is_that_of_usual_proxies() -> None:
    assert KEEP_ALIVE_S == 75


async def test_who_reads_no_answers_is_answered_no_further() -> None:
    requests = 40
    served: list[web.BaseRequest] = []

    async def large(request: web.BaseRequest) -> web.StreamResponse:
        served.append(request)
        return ok(MEGABYTE)

    async with serving(large, PATIENCE_S) as port, connected(port, 4096) as (reader, writer):
        writer.write(GET * requests)
        while not served or not served[-1].protocol.writing_paused:
            await asyncio.sleep(0)
        # Were it not for the wait, each of these turns could answer one more.
        for _ in range(100 * requests):
            await asyncio.sleep(0)
        # Whatever the kernel takes in on its way, the service has one answer in its hands.
        transport = served[-1].transport
        assert transport is not None
        assert transport.get_write_buffer_size() <= 2 * len(MEGABYTE)
        assert len(served) < requests
        for _ in range(requests):
            assert await read_answer(reader) == MEGABYTE
        assert len(served) == requests


async def test_who_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "READ_S", 0.2)
    lost = asyncio.Event()

    async def large(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return ok(MEGABYTE * 20)
        finally:
            request.task.add_done_callback(lambda _: lost.set())

    async with serving(large, PATIENCE_S) as port, connected(port, 4096) as (reader, writer):
        writer.write(GET)
        await lost.wait()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await read_answer(reader)


@pytest.mark.parametrize(
    ("asked", "closes"), [(LAST, False), (GET, True)], ids=["by the client", "by the server"]
)
async def test_the_last_answer_is_not_lost_to_what_comes_behind_its_request(
    asked: bytes, closes: bool
) -> None:
    answered, begun = 0, asyncio.Event()

    async def large(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal answered
        answered += 1
        begun.set()
        while not request.protocol._messages:
            await asyncio.sleep(0)
        head = f"{head_of(200, '', '')}Content-Length: {len(MEGABYTE)}\r\n"
        return Response(200, head, MEGABYTE, closes)

    async with serving(large, PATIENCE_S) as port, connected(port, 4096) as (reader, writer):
        writer.write(asked)
        await begun.wait()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        body = b""
        while len(body) < len(MEGABYTE):
            # A connection that was closed is reset by this, and what it had not sent yet is gone.
            writer.write(GET)
            body += await reader.read(4096)
        assert body == MEGABYTE
        assert await reader.read() == b""
    assert answered == 1


class Loud:
    """A fast path whose every answer is large."""

    def take(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        respond: Respond,
        received_s: float | None,
    ) -> SimpleNamespace:
        respond(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n" + MEGABYTE * 20, False)
        return SimpleNamespace(future=None)


async def test_who_never_reads_what_the_fast_path_wrote_is_cut_off_too() -> None:
    server = EdgeServer(small, Observed(), cast("FastPath", Loud()), keep_alive_s=KEEP_ALIVE)
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        reader, writer = await stack.enter_async_context(connected(runner.addresses[0][1], 4096))
        writer.write(GET * 3)
        while not server.connections:
            await asyncio.sleep(0)
        (held,) = server.connections
        transport = held.transport
        assert transport is not None
        while transport.get_write_buffer_size() or not transport.is_closing():
            await asyncio.sleep(KEEP_ALIVE / 10)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await read_answer(reader)


async def test_who_hangs_up_unread_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = asyncio.Event()

    async def large(request: web.BaseRequest) -> web.StreamResponse:
        request.task.add_done_callback(lambda _: ended.set())
        return ok(MEGABYTE * 20)

    async with serving(large, PATIENCE_S) as port:
        async with connected(port, 4096) as (_, writer):
            writer.write(GET)
            await writer.drain()
        await asyncio.wait_for(ended.wait(), PATIENCE_S)
    assert caplog.records == []


async def test_what_is_no_request_is_answered_once_and_counted_and_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    observed = Observed()
    server = EdgeServer(small, observed)
    runner = web.ServerRunner(server, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    for _ in range(50):
        async with connected(runner.addresses[0][1]) as (reader, writer):
            writer.write(b"no request\r\n\r\n" + GET)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert b"HTTP/1.1" not in body
    await runner.cleanup()
    assert observed.statuses == [400] * 50
    assert caplog.records == []
