"""Connections that go from one worker to another, over the doors of two in one process.

Rule: the sockets are real; how busy a worker has been is in the test's hand.
"""

import asyncio
import itertools
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.peers.ring import Ring
from routes.server import handoff as module
from routes.server.handoff import GUEST_ANSWERS, MOVES_MIN, Affinity, Handoff
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
        self.homes: list[int | None] = []
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

    def serve(self, home: int | None) -> Echo:
        self.serves.append(Echo(b"%d:" % self._index))
        self.homes.append(home)
        return self.serves[-1]

    def _count(self) -> None:
        self.given += 1

    async def connection(self) -> "Client":
        """A client's connection to this worker."""
        theirs, ours = socket.socketpair()
        client = Client(theirs)
        client.transport, _ = await self._loop.connect_accepted_socket(
            lambda: self.serve(None), ours
        )
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

    assert giver.handoff.give(1, client.transport, None)

    assert client.transport.is_closing()
    assert await client.say(b"two") == b"1:two"
    assert (giver.given, taker.given) == (1, 0)
    client.close()


async def test_it_comes_back_as_well(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    client = await one.connection()
    for _ in range(20):
        assert one.handoff.give(1, client.transport, None)
        assert await client.say(b"x") == b"1:x"
        assert other.homes[-1] == 0
        client.transport = other.serves[-1].transport
        assert other.handoff.give(0, client.transport, 0)
        assert await client.say(b"x") == b"0:x"
        assert one.homes[-1] is None
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

    assert giver.handoff.give(1, client.transport, None)

    assert await saying == b"1:early"
    client.close()


async def test_what_nobody_takes_stays(workers: tuple[Worker, Worker]) -> None:
    giver, taker = workers
    client = await giver.connection()
    await taker.handoff.stop()

    # The socket of a worker that has gone is still there, and nobody behind it.
    assert not giver.handoff.give(1, client.transport, None)

    assert await client.say(b"one") == b"0:one"
    assert giver.given == 0
    client.close()


async def test_nothing_is_given_where_there_never_was_a_worker(
    workers: tuple[Worker, Worker],
) -> None:
    giver, _ = workers
    client = await giver.connection()

    assert not giver.handoff.give(7, client.transport, None)

    assert await client.say(b"one") == b"0:one"
    client.close()


async def test_who_stops_serves_what_was_given_before(workers: tuple[Worker, Worker]) -> None:
    giver, taker = workers
    clients = [await giver.connection() for _ in range(3)]
    for client in clients:
        assert giver.handoff.give(1, client.transport, None)

    await taker.handoff.stop()

    for client in clients:
        assert await client.say(b"x") == b"1:x"
        client.close()
    assert not taker.handoff.give(0, taker.serves[0].transport, None)


async def test_a_busy_worker_takes_nothing_until_it_has_time(
    workers: tuple[Worker, Worker],
) -> None:
    giver, taker = workers
    client = await giver.connection()
    taker.busy = 0.95
    await until_it_closes(taker)
    assert not giver.handoff.give(1, client.transport, None)
    assert await client.say(b"x") == b"0:x"

    taker.busy = 0.85
    async with asyncio.timeout(10):
        while not giver.handoff.give(1, client.transport, None):
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
        assert giver.handoff.give(1, client.transport, None)
    for client in clients[:3]:
        assert await client.say(b"x") == b"1:x"
    assert taker.handoff._door is None

    async with asyncio.timeout(10):
        while not giver.handoff.give(1, clients[3].transport, None):
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

    assert giver.handoff.give(1, client.transport, None)

    async with asyncio.timeout(10):
        while not (taker.serves and taker.serves[0].gone):
            await asyncio.sleep(0)


def event_of(owner: int) -> str:
    """An event's id that the worker `owner` of two has."""
    ring = Ring(2)
    return next(one for one in (f"{EVENT}-{n}" for n in range(100)) if ring.owner(one) == owner)


HERE, THERE = event_of(0), event_of(1)
# The first answer after which to leave is this one.
ROW = [False] * (MOVES_MIN - 1) + [True]
LOOKED_AT = [False] * (GUEST_ANSWERS - 1)


async def test_moves_of_one_other_worker_s_events_lead_there(
    workers: tuple[Worker, Worker],
) -> None:
    affinity = Affinity(workers[0].handoff)

    assert [affinity.answered(THERE) for _ in range(MOVES_MIN)] == ROW
    assert affinity.answered(THERE)
    # One move of an event that lives here, and it begins anew.
    assert not affinity.answered(HERE)
    assert [affinity.answered(THERE) for _ in range(MOVES_MIN)] == ROW
    # Moves of events that live here lead nowhere, and reads neither.
    assert not any(affinity.answered(HERE) for _ in range(2 * MOVES_MIN))
    assert not any(affinity.answered(None) for _ in range(2 * GUEST_ANSWERS))


async def test_reads_between_the_moves_do_not_count(workers: tuple[Worker, Worker]) -> None:
    affinity = Affinity(workers[0].handoff)

    found = [affinity.answered(moved) for _ in range(MOVES_MIN) for moved in (THERE, None, None)]

    assert found == [False] * (3 * MOVES_MIN - 3) + [True, False, False]


async def test_who_was_not_taken_asks_again_after_as_many_moves(
    workers: tuple[Worker, Worker],
) -> None:
    giver, taker = workers
    affinity = Affinity(giver.handoff)
    client = await giver.connection()
    await taker.handoff.stop()
    while not affinity.answered(THERE):
        pass

    affinity.leave(client.transport)

    assert not client.transport.is_closing()
    assert [affinity.answered(THERE) for _ in range(MOVES_MIN)] == ROW
    client.close()


# What a guest of worker 0, that came to worker 1 at first, is answered in turn, and whether it
# then goes back.
GUESTS = {
    "moves events that live here": ([HERE], False),
    "moves them, and reads": ([HERE, None, None, None], False),
    "moves another now and then": ([HERE, HERE, HERE, THERE], False),
    "moves all events alike": ([HERE, THERE], True),
    "reads": ([None], True),
    "moves another a little too often": ([HERE, HERE, HERE, THERE, HERE, HERE, THERE], True),
    "moves just enough": ([HERE, *[None] * 7], False),
    "moves a little too seldom": ([HERE, *[None] * 9], True),
}


@pytest.mark.parametrize(("answers", "leaves"), GUESTS.values(), ids=GUESTS.keys())
async def test_a_guest_goes_home_when_it_has_no_business_here(
    workers: tuple[Worker, Worker], answers: list[str | None], leaves: bool
) -> None:
    host, home = workers
    affinity = Affinity(host.handoff, 1)
    client = await host.connection()
    asked = itertools.cycle(answers)
    for _ in range(3):
        found = [affinity.answered(next(asked)) for _ in range(GUEST_ANSWERS)]
        assert found == [*LOOKED_AT, leaves]
    if leaves:
        affinity.leave(client.transport)
        assert await client.say(b"x") == b"1:x"
        assert home.homes == [None]
    client.close()


async def test_a_guest_that_is_not_taken_back_is_looked_at_again(
    workers: tuple[Worker, Worker],
) -> None:
    host, home = workers
    affinity = Affinity(host.handoff, 1)
    client = await host.connection()
    await home.handoff.stop()
    for _ in range(2):
        assert [affinity.answered(None) for _ in range(GUEST_ANSWERS)] == [*LOOKED_AT, True]
        affinity.leave(client.transport)
        assert not client.transport.is_closing()
    client.close()


async def test_a_door_that_cannot_be_opened_is_tried_again(
    workers: tuple[Worker, Worker], tmp_path: Path
) -> None:
    giver, _ = workers
    client = await giver.connection()
    folder = tmp_path / "run"
    late = Worker(1, folder)
    giver.handoff._path_of = late.handoff._path_of
    late.start()
    assert not giver.handoff.give(1, client.transport, None)

    folder.mkdir()
    async with asyncio.timeout(10):
        while not giver.handoff.give(1, client.transport, None):
            await asyncio.sleep(LOOK_S)

    assert await client.say(b"x") == b"1:x"
    assert len(late.serves) == 1
    await late.handoff.stop()
    late.serves[0].transport.abort()
    client.close()
