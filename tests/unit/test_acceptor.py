"""How the connections of a listening socket are accepted, on the loop that the workers run on."""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from unittest.mock import patch

import pytest
import uvloop

from routes.server.acceptor import ACCEPTED_MAX, Acceptor

WAIT_S = 10.0


class Greeter(asyncio.Protocol):
    """Greets whoever connects, and hangs up."""

    def __init__(self, begun: list[int], turns: list[None]) -> None:
        self._begun, self._turns = begun, turns

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._begun.append(len(self._turns))
        client = cast("asyncio.WriteTransport", transport)
        client.write(b"hello")
        client.close()


class Door:
    """A listening socket, its acceptor, and in which turn of the loop each connection began."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.turns: list[None] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._address = self._listener.getsockname()
        self.acceptor = Acceptor(
            self._listener, lambda: Greeter(self.begun, self.turns), pause_s=0.01
        )

    def connect(self) -> socket.socket:
        """A client that has connected, as far as the kernel is concerned."""
        client = socket.create_connection(self._address, WAIT_S)
        client.setblocking(False)
        return client

    async def count_turns(self) -> None:
        """Count the turns of the loop."""
        while True:
            self.turns.append(None)
            await asyncio.sleep(0)

    async def all_begun(self, connections: int) -> None:
        """Wait until so many connections have begun."""
        async with asyncio.timeout(WAIT_S):
            while len(self.begun) < connections:
                await asyncio.sleep(0)


async def heard(client: socket.socket) -> bytes:
    """All that a client gets until its connection ends."""
    loop, got = asyncio.get_running_loop(), b""
    async with asyncio.timeout(WAIT_S):
        while more := await loop.sock_recv(client, 100):
            got += more
    client.close()
    return got


def test_a_crowd_that_connects_at_once_is_accepted_in_a_few_turns() -> None:
    async def play() -> None:
        door = Door()
        crowd = [door.connect() for _ in range(500)]
        counting = asyncio.create_task(door.count_turns())
        door.acceptor.start()

        await door.all_begun(len(crowd))

        assert door.begun[-1] <= 2 * len(crowd) / ACCEPTED_MAX + 4
        # Those who are connected have their turns, too.
        assert door.begun[0] < door.begun[-1]
        assert {await heard(client) for client in crowd} == {b"hello"}
        counting.cancel()
        await door.acceptor.stop()

    uvloop.run(play())


def test_those_who_had_connected_when_it_stops_are_served() -> None:
    async def play() -> None:
        door = Door()
        crowd = [door.connect() for _ in range(2 * ACCEPTED_MAX + 1)]
        door.acceptor.start()

        await door.acceptor.stop()

        assert {await heard(client) for client in crowd} == {b"hello"}
        with pytest.raises(ConnectionRefusedError):
            door.connect()

    uvloop.run(play())


def test_a_client_that_is_gone_does_no_harm() -> None:
    async def play() -> None:
        door = Door()
        gone, staying = door.connect(), door.connect()
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.close()
        door.acceptor.start()

        assert await heard(staying) == b"hello"
        await door.acceptor.stop()

    uvloop.run(play())


def test_without_another_file_the_others_wait(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        door = Door()
        client = door.connect()
        with no_more_files():
            door.acceptor.start()
            async with asyncio.timeout(WAIT_S):
                while "no connection is accepted" not in caplog.text:
                    await asyncio.sleep(0.01)
            assert not door.begun

        assert await heard(client) == b"hello"
        await door.acceptor.stop()

    uvloop.run(play())


def test_whatever_the_last_accept_meets_it_stops(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        door = Door()
        with door.connect(), no_more_files():
            await door.acceptor.stop()
            # Nothing begins again once the pause is over.
            await asyncio.sleep(0.05)

    with caplog.at_level("ERROR", "asyncio"):
        uvloop.run(play())
    assert [record.name for record in caplog.records] == ["routes.server.acceptor"]


def test_an_error_of_one_connection_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        door = Door()
        client = door.connect()
        with patch.object(door.acceptor, "_listener", Refusing(door.acceptor._listener)):
            assert not door.acceptor._accept(1)
        door.acceptor.start()

        assert await heard(client) == b"hello"
        await door.acceptor.stop()

    uvloop.run(play())
    assert "was not accepted" in caplog.text


class Refusing:
    """A listening socket whose next connection has an error."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    def accept(self) -> None:
        raise PermissionError(errno.EPERM, "a firewall does not let it in")


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no file more than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The limit is on the number of a file, and the lowest free one is what the next file gets.
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
