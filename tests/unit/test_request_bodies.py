"""Bodies on one connection: which are waited for, how long one may be, and what is cached."""

import pytest

from routes.api import ENDPOINTS
from routes.contract.bodies import SeatMove, SeatReturn
from routes.contract.hold_bodies import Confirmation, NewHold
from routes.server.read_json import BODY_BYTES_MAX, CACHED_BODY_BYTES_MAX, cached_body
from tests.unit.one_connection import (
    KEY,
    MOVE,
    READ,
    RESERVE,
    Client,
    connected,
    done,
    request,
    tasks,
    until,
)


@pytest.fixture
async def client() -> Client:
    return await connected()


async def test_a_body_that_comes_right_behind_its_head_takes_no_task(client: Client) -> None:
    before = tasks()
    head, _, body = request("POST", RESERVE, '{"quantity":-1,"version":"*"}').partition(b"\r\n\r\n")
    client.connection.data_received(head + b"\r\n\r\n")
    client.connection.data_received(body[:5])
    assert client.events.asked == []
    client.connection.data_received(body[5:] + request("GET", READ))

    assert tasks() == before
    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.statuses() == [200, 200])


async def test_a_body_that_is_late_goes_the_long_way() -> None:
    client = await connected(body_grace_s=0.0)
    before = tasks()
    head, _, body = request("POST", RESERVE, '{"quantity":-1,"version":"*"}').partition(b"\r\n\r\n")
    client.connection.data_received(head + b"\r\n\r\n")
    await until(lambda: tasks() > before)
    client.connection.data_received(body)
    await until(lambda: len(client.events.asked) == 1)
    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.statuses() == [200])


@pytest.mark.parametrize(
    ("header", "status"), [("Content-Length: 70000", 413), ("Expect: 100-continue", 100)]
)
async def test_a_body_that_is_not_to_be_waited_for_is_told_so_at_once(
    client: Client, header: str, status: int
) -> None:
    lines = [f"POST {RESERVE} HTTP/1.1", "Host: test", f"X-API-Key: {KEY}", header]
    lines += ["Content-Type: application/json"]
    lines += [] if "Length" in header else ["Content-Length: 29"]
    client.connection.data_received("\r\n".join([*lines, "", ""]).encode())
    assert not client.connection.awaits_body
    await until(lambda: client.wire.written.startswith(f"HTTP/1.1 {status}".encode()))


async def test_a_client_that_goes_before_its_body_leaves_nothing_behind(client: Client) -> None:
    head, _, _ = request("POST", RESERVE, '{"quantity":-1,"version":"*"}').partition(b"\r\n\r\n")
    client.connection.data_received(head + b"\r\n\r\n")
    assert client.connection.awaits_body
    client.connection.connection_lost(None)
    assert not client.connection.awaits_body


async def test_the_longest_body_is_taken_and_one_byte_more_is_not(client: Client) -> None:
    client.send("POST", RESERVE, MOVE.ljust(BODY_BYTES_MAX))
    assert len(client.events.asked) == 1
    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.statuses() == [200])

    client.send("POST", RESERVE, MOVE.ljust(BODY_BYTES_MAX + 1))

    assert client.statuses() == [200, 413]
    assert client.wire.closed


@pytest.mark.parametrize(("length", "waits"), [(BODY_BYTES_MAX, True), (BODY_BYTES_MAX + 1, False)])
async def test_only_a_body_that_would_be_taken_is_waited_for(
    client: Client, length: int, waits: bool
) -> None:
    head, _, _ = request("POST", RESERVE, MOVE.ljust(length)).partition(b"\r\n\r\n")
    client.connection.data_received(head + b"\r\n\r\n")

    assert client.connection.awaits_body is waits
    client.connection.connection_lost(None)


async def test_only_short_bodies_that_are_valid_are_cached(client: Client) -> None:
    cached_body.cache_clear()
    for body in (MOVE.ljust(CACHED_BODY_BYTES_MAX), MOVE.ljust(CACHED_BODY_BYTES_MAX + 1), "{"):
        client.send("POST", RESERVE, body)
        for _, future in client.events.asked:
            if not future.done():
                future.set_result(done(7))
        await until(lambda: client.connection.idle)

    assert client.statuses() == [200, 200, 400]
    assert cached_body.cache_info().currsize == 1


def test_only_bodies_about_seats_are_cached_for_others_may_hold_a_secret() -> None:
    bodies = {endpoint.body for endpoint in ENDPOINTS if endpoint.body is not None}

    assert {body for body in bodies if body.cacheable} == {
        SeatMove,
        SeatReturn,
        NewHold,
        Confirmation,
    }
