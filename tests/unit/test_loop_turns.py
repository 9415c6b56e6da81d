"""What arrives at once is read in several turns of the loop, so that other things have theirs."""

import asyncio
import logging
import time

import pytest

from evently.domain.errors import OutcomeUnknown, Overloaded
from routes.contract.deadline import WAIT_MS
from routes.server.admission import REFUSAL_LOG_S
from routes.server.connection import Connection
from routes.server.loop_turns import LoopTurns
from tests.unit.one_connection import MOVE, READ, RESERVE, Client, Wire, done, request, until

MAX = 4


async def test_so_many_are_read_in_a_turn_and_the_others_in_their_order() -> None:
    turns, read, others = LoopTurns(MAX), [], []

    def received(piece: bytes) -> None:
        if turns.take(1):
            read.append(piece)
        else:
            turns.put_off(read.append, piece)

    pieces = [bytes([n]) for n in range(3 * MAX)]
    for piece in pieces:
        received(piece)
    assert read == pieces[:MAX]
    assert turns.waiting == 2 * MAX

    for n in range(1, 3):
        others.append(asyncio.get_running_loop().call_soon(lambda: None))
        await asyncio.sleep(0)
        assert read == pieces[: (n + 1) * MAX]
    assert turns.waiting == 0


async def test_what_comes_later_is_not_read_before_what_waits() -> None:
    turns = LoopTurns(MAX)
    assert [turns.take(1) for _ in range(MAX + 1)] == [True] * MAX + [False]
    late: list[bytes] = []
    for piece in (b"1", b"2", b"3", b"4", b"5"):
        turns.put_off(late.append, piece)

    await asyncio.sleep(0)
    # There is room for none in this turn, and one still waits.
    assert late == [b"1", b"2", b"3", b"4"]
    assert not turns.take(1)
    await asyncio.sleep(0)
    assert late[-1] == b"5"
    assert turns.take(1)


@pytest.mark.parametrize(("size", "read"), [(7, False), (8, True)])
async def test_no_more_bytes_wait_than_may(size: int, read: bool) -> None:
    turns = LoopTurns(2, waiting_bytes_max=10)
    assert [turns.take(100) for _ in range(2)] == [True, True]
    late: list[bytes] = []
    turns.put_off(late.append, b"123")

    assert turns.take(size) is read
    # What was read does not count any more.
    await until(lambda: turns.waiting == 0)
    assert [turns.take(size) for size in (1, 1, 10)] == [True, False, False]
    assert turns.take(11)


async def test_with_few_a_turn_is_asked_for_by_every_second_read() -> None:
    turns = LoopTurns(2)
    for _ in range(10):
        assert turns.take(1)
        await asyncio.sleep(0)


def _raise(piece: bytes) -> None:
    raise ValueError(piece)


async def test_a_piece_that_cannot_be_read_holds_up_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns = LoopTurns(2)
    read: list[bytes] = []
    while turns.take(1):
        pass
    turns.put_off(_raise, b"bad")
    turns.put_off(read.append, b"good")

    await until(lambda: turns.waiting == 0)

    assert read == [b"good"]
    assert "could not be read" in caplog.text


class Crowd:
    """Clients of one server that reads two pieces in a turn, one connection each."""

    def __init__(self, size: int) -> None:
        self.first = Client(reads_max=2)
        self.wires = [self.first.wire]
        for _ in range(size - 1):
            wire = Wire()
            wire.protocol = self.first.server()
            wire.protocol.connection_made(wire)
            self.wires.append(wire)

    def send(self) -> None:
        """A reserve from each of them, at once."""
        for wire in self.wires:
            assert wire.protocol is not None
            wire.protocol.data_received(request("POST", RESERVE, MOVE))

    @property
    def asked(self) -> int:
        """Moves that have reached their event."""
        return len(self.first.events.asked)


async def crowd(size: int) -> Crowd:
    found = Crowd(size)
    await until(lambda: found.first.connection.idle)
    return found


async def test_connections_whose_request_waits_are_not_read_from() -> None:
    clients = await crowd(5)
    clients.send()
    assert clients.asked == 2
    assert [wire.paused for wire in clients.wires] == [False, False, True, True, True]

    await asyncio.sleep(0)
    assert clients.asked == 4
    await until(lambda: clients.asked == 5)

    assert not any(wire.paused for wire in clients.wires)


async def test_a_request_that_waits_is_as_old_as_when_it_came() -> None:
    clients = await crowd(5)
    clients.send()
    sent_s = time.monotonic()
    # As if each turn took long.
    time.sleep(0.05)  # noqa: ASYNC251 - it is the loop that is held up
    await until(lambda: clients.asked == 5)

    deadlines_s = [asked.deadline_s for asked, _ in clients.first.events.asked]
    assert max(deadlines_s) <= sent_s + WAIT_MS / 1000


async def test_a_connection_that_is_paused_for_another_reason_stays_so() -> None:
    clients = await crowd(3)
    last = clients.wires[2]
    assert isinstance(last.protocol, Connection)
    for wire in clients.wires:
        assert wire.protocol is not None
        wire.protocol.data_received(request("GET", READ))
    # As by a body that nobody reads.
    last.protocol._reading_paused = True

    await until(lambda: last.written.startswith(b"HTTP/1.1 200"))
    assert last.paused

    last.protocol.resume_reading(resume_parser=False)
    assert not last.paused


async def test_nothing_is_read_of_a_client_that_has_hung_up_meanwhile() -> None:
    clients = await crowd(5)
    clients.send()
    gone, closing = clients.wires[2:4]
    assert gone.protocol is not None
    gone.protocol.connection_lost(None)
    closing.close()

    await until(lambda: clients.first.server.turns.waiting == 0)

    assert clients.asked == 3


async def test_a_server_that_stops_waits_until_all_is_read() -> None:
    clients = await crowd(5)
    clients.send()

    await clients.first.server.arrived(10.0)

    assert clients.asked == 5


async def test_a_body_that_waits_for_its_turn_is_not_a_late_one() -> None:
    clients = await crowd(4)
    last = clients.wires[3]
    assert last.protocol is not None
    head, _, body = request("POST", RESERVE, MOVE).partition(b"\r\n\r\n")
    last.protocol.data_received(head + b"\r\n\r\n")
    for wire in clients.wires[:3]:
        assert wire.protocol is not None
        wire.protocol.data_received(request("POST", RESERVE, MOVE))
    last.protocol.data_received(body)
    assert last.paused
    assert isinstance(last.protocol, Connection)
    last.protocol._body_is_late()
    assert last.protocol.awaits_body

    await until(lambda: clients.asked == 4)


async def test_what_aiohttp_reads_on_by_itself_needs_no_turn_and_keeps_its_order() -> None:
    clients = await crowd(3)
    clients.send()
    last = clients.wires[2]
    assert last.protocol is not None
    assert last.paused
    last.protocol.data_received(b"")
    last.protocol.data_received(request("GET", READ))
    assert clients.first.server.turns.waiting == 3

    await until(lambda: clients.asked == 3)
    clients.first.events.asked[2][1].set_result(done(3))
    await until(lambda: last.written.count(b"HTTP/1.1 200") == 2)


async def test_a_flood_of_refusals_is_no_flood_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    client = (await crowd(1)).first
    client.events.fault = Overloaded("full")
    caplog.set_level(logging.INFO, "evently.access")

    for n in range(1, 21):
        client.reserve()
        await until(lambda n=n: len(client.statuses()) == n)  # type: ignore[misc]
    told = len(caplog.records)
    assert client.statuses() == [503] * 20
    assert 1 <= told < 20

    client.events.fault = OutcomeUnknown("k")
    client.reserve()
    await until(lambda: len(client.statuses()) == 21)
    assert len(caplog.records) == told + 1

    client.events.fault = Overloaded("full")
    await asyncio.sleep(2 * REFUSAL_LOG_S)
    client.reserve()
    await until(lambda: len(client.statuses()) == 22)
    assert len(caplog.records) == told + 2
