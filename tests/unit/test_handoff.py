"""Connections that go from one worker to another, over the doors of two in one process.

Rule: the sockets are real; how busy a worker has been is in the test's hand.
"""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.ring import Ring
from routes import handoff as module
from routes.handoff import MOVES_MIN, Affinity, Handoff
from tests.examples import EVENT

LOOK_S = 0.01


class Echo(asyncio.Protocol):
    """Says whose it is, and what it was told."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(self._name + data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True


class Worker:
    """One of two workers: what it gave away, and what it serves."""

    def __init__(self, index: int, folder: Path) -> None:
        self.given = 0
        self.busy = 0.0
        self.serves: list[Echo] = []
        self._index = index
        self._loop = asyncio.get_running_loop()
        self.handoff = Handoff(
            index,
            Ring(2),
            lambda owner: folder / f"{owner}.door",
            self._count,
            lambda: self._loop.time() * self.busy,
        )

    def start(self) -> None:
        self.handoff.start(self.serve)

    def serve(self) -> Echo:
        self.serves.append(Echo(b"%d:" % self._index))
        return self.serves[-1]

    def _count(self) -> None:
        self.given += 1

    async def connection(self) -> "Client":
        """A client's connection to this worker."""
        theirs, ours = socket.socketpair()
        client = Client(theirs)
        client.transport, _ = await self._loop.connect_accepted_socket(self.serve, ours)
        return client


class Client:
    """A client's end, and the worker's transport, which no client knows."""

    transport: asyncio.Transport

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end

    async def say(self, text: bytes) -> bytes:
        """What is answered; nothing where the connection has ended."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._end, text)
        return await loop.sock_recv(self._end, 100)

    def close(self) -> None:
        self._end.close()


@pytest.fixture
async def workers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Worker, Worker]]:
    monkeypatch.setattr(module, "LOOK_S", LOOK_S)
    with tempfile.TemporaryDirectory() as folder:
        pair = (Worker(0, Path(folder)), Worker(1, Path(folder)))
        for worker in pair:
            worker.start()
        yield pair
        for worker in pair:
            await worker.handoff.stop()
            for echo in worker.serves:
                echo.transport.abort()


async def test_a_connection_goes_on_at_the_other_worker(workers: tuple[Worker, Worker]) -> None:
    giver, taker = workers
    client = await giver.connection()
    assert await client.say(b"one") == b"0:one"

    assert giver.handoff.give(1, client.transport)

    assert client.transport.is_closing()
    assert await client.say(b"two") == b"1:two"
    assert (giver.given, taker.given) == (1, 0)
    client.close()


async def test_it_comes_back_as_well(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    client = await one.connection()
    for _ in range(20):
        assert one.handoff.give(1, client.transport)
        assert await client.say(b"x") == b"1:x"
        client.transport = other.serves[-1].transport
        assert other.handoff.give(0, client.transport)
        assert await client.say(b"x") == b"0:x"
        client.transport = one.serves[-1].transport
    client.close()


async def test_what_is_sent_on_the_way_is_read_at_the_other_end(
    workers: tuple[Worker, Worker],
) -> None:
    giver, _ = workers
    client = await giver.connection()
    client.transport.pause_reading()
    saying = asyncio.create_task(client.say(b"early"))
    await asyncio.sleep(0)

    assert giver.handoff.give(1, client.transport)

    assert await saying == b"1:early"
    client.close()


async def test_what_nobody_takes_stays(workers: tuple[Worker, Worker]) -> None:
    giver, taker = workers
    client = await giver.connection()
    await taker.handoff.stop()

    # The socket of a worker that has gone is still there, and nobody behind it.
    assert not giver.handoff.give(1, client.transport)

    assert await client.say(b"one") == b"0:one"
    assert giver.given == 0
    client.close()


async def test_nothing_is_given_where_there_never_was_a_worker(
    workers: tuple[Worker, Worker],
) -> None:
    giver, _ = workers
    client = await giver.connection()

    assert not giver.handoff.give(7, client.transport)

    assert await client.say(b"one") == b"0:one"
    client.close()


async def test_who_stops_serves_what_was_given_before(workers: tuple[Worker, Worker]) -> None:
    giver, taker = workers
    clients = [await giver.connection() for _ in range(3)]
    for client in clients:
        assert giver.handoff.give(1, client.transport)

    await taker.handoff.stop()

    for client in clients:
        assert await client.say(b"x") == b"1:x"
        client.close()
    assert not taker.handoff.give(0, taker.serves[0].transport)


async def test_a_busy_worker_takes_nothing_until_it_has_time(
    workers: tuple[Worker, Worker],
) -> None:
    giver, taker = workers
    client = await giver.connection()
    taker.busy = 0.9
    await until_it_closes(taker)
    assert not giver.handoff.give(1, client.transport)
    assert await client.say(b"x") == b"0:x"

    taker.busy = 0.7
    async with asyncio.timeout(10):
        while not giver.handoff.give(1, client.transport):
            await asyncio.sleep(LOOK_S)

    assert await client.say(b"x") == b"1:x"
    client.close()


async def until_it_closes(worker: Worker) -> None:
    async with asyncio.timeout(10):
        while worker.handoff._door is not None:
            await asyncio.sleep(LOOK_S)


async def test_a_worker_takes_few_at_a_time_and_more_later(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAKEN_MAX", 2)
    giver, taker = workers
    clients = [await giver.connection() for _ in range(4)]
    # Three are on their way before the worker looks at the first: all are taken.
    for client in clients[:3]:
        assert giver.handoff.give(1, client.transport)
    for client in clients[:3]:
        assert await client.say(b"x") == b"1:x"
    assert taker.handoff._door is None

    async with asyncio.timeout(10):
        while not giver.handoff.give(1, clients[3].transport):
            await asyncio.sleep(LOOK_S)

    assert await clients[3].say(b"x") == b"1:x"
    for client in clients:
        client.close()


async def test_a_client_that_left_on_the_way_is_no_trouble(
    workers: tuple[Worker, Worker],
) -> None:
    giver, taker = workers
    client = await giver.connection()
    client.transport.pause_reading()
    client.close()

    assert giver.handoff.give(1, client.transport)

    async with asyncio.timeout(10):
        while not (taker.serves and taker.serves[0].gone):
            await asyncio.sleep(0)


def ids_of(owner: int) -> str:
    """An event's id that the worker `owner` of two has."""
    ring = Ring(2)
    return next(one for one in (f"{EVENT}-{n}" for n in range(100)) if ring.owner(one) == owner)


async def test_moves_of_one_other_worker_s_events_lead_there(
    workers: tuple[Worker, Worker],
) -> None:
    giver, _ = workers
    affinity = Affinity(giver.handoff)
    there, here = ids_of(1), ids_of(0)

    assert [affinity.moved(there) for _ in range(MOVES_MIN)] == [False] * (MOVES_MIN - 1) + [True]
    assert affinity.moved(there)
    # One move of an event that lives here, and it begins anew.
    assert not affinity.moved(here)
    assert [affinity.moved(there) for _ in range(MOVES_MIN)] == [False] * (MOVES_MIN - 1) + [True]
    # Moves of events that live here lead nowhere.
    assert not any(affinity.moved(here) for _ in range(2 * MOVES_MIN))


async def test_who_was_not_taken_asks_again_after_as_many_moves(
    workers: tuple[Worker, Worker],
) -> None:
    giver, taker = workers
    affinity = Affinity(giver.handoff)
    client = await giver.connection()
    there = ids_of(1)
    await taker.handoff.stop()
    while not affinity.moved(there):
        pass

    affinity.leave(client.transport)

    assert not client.transport.is_closing()
    assert [affinity.moved(there) for _ in range(MOVES_MIN)] == [False] * (MOVES_MIN - 1) + [True]
    client.close()
