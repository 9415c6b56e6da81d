"""One connection: in what order responses leave, what is pending on it, and what ends it."""

import asyncio

import pytest

from tests.unit.one_connection import (
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


async def test_answers_leave_in_the_order_of_their_requests(client: Client) -> None:
    one = request("POST", RESERVE, '{"quantity":-1,"version":"*"}')
    cold = request("GET", "/nowhere")
    client.connection.data_received(one + request("GET", READ) + cold + one + request("GET", READ))
    assert client.wire.written == b""

    client.events.asked[0][1].set_result(done(3))
    await until(lambda: len(client.events.asked) == 2)
    assert client.statuses() == [200, 200, 404]
    client.events.asked[1][1].set_result(done(4))
    await until(lambda: len(client.statuses()) == 5)

    assert client.statuses() == [200, 200, 404, 200, 200]
    assert [body["version"] for _, _, body in client.answers() if "version" in body] == [3, 2, 4, 2]


async def test_after_what_took_the_long_way_the_fast_path_goes_on(client: Client) -> None:
    client.send("GET", "/nowhere")
    await until(lambda: client.statuses() == [404])
    await until(lambda: client.connection.idle)

    client.send("GET", READ)

    assert client.statuses() == [404, 200]


async def test_a_hundred_pipelined_moves_are_carried_out_one_after_the_other(
    client: Client,
) -> None:
    client.connection.data_received(100 * request("POST", RESERVE, '{"quantity":-1,"version":"*"}'))
    for number in range(100):
        await until(lambda: len(client.events.asked) == number + 1)  # noqa: B023 - awaited here
        client.events.asked[number][1].set_result(done(number + 1))
    await until(lambda: len(client.statuses()) == 100)

    assert [body["version"] for _, _, body in client.answers()] == list(range(1, 101))


async def test_a_request_in_pieces_is_answered_as_one(client: Client) -> None:
    raw = request("POST", RESERVE, '{"quantity":-1,"version":"*"}')
    for at in range(len(raw)):
        client.connection.data_received(raw[at : at + 1])
    await until(lambda: len(client.events.asked) == 1)
    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.statuses() == [200])


async def test_a_client_that_hangs_up_takes_its_waiting_move_back(client: Client) -> None:
    client.reserve()
    client.connection.connection_lost(None)

    assert client.events.asked[0][1].cancelled()
    await asyncio.sleep(0)
    assert client.wire.written == b""


async def test_a_client_that_does_not_read_is_not_answered_further(client: Client) -> None:
    client.connection.pause_writing()
    client.connection.data_received(3 * request("GET", READ))
    assert client.wire.written == b""

    client.connection.resume_writing()

    assert client.statuses() == [200, 200, 200]


async def test_a_move_that_is_under_way_is_answered_before_the_connection_ends(
    client: Client,
) -> None:
    client.reserve()
    client.lifecycle.drain()
    client.connection.close()
    ending = asyncio.create_task(client.connection.shutdown(5.0))
    await asyncio.sleep(0)
    assert not client.wire.closed

    client.events.asked[0][1].set_result(done(7))
    await ending

    status, headers, _ = client.answers()[0]
    assert (status, headers["Connection"]) == (200, "close")
    assert client.wire.closed


async def test_a_draining_worker_takes_the_long_way_which_says_goodbye(client: Client) -> None:
    client.lifecycle.drain()
    client.send("GET", READ)
    assert client.wire.written == b""
    await until(lambda: client.wire.closed)

    assert client.answers()[0][1]["Connection"] == "close"


NO_REQUEST = b"this is no request\r\n\r\n"


async def test_what_follows_no_request_is_dropped_until_the_client_ends_the_connection(
    client: Client,
) -> None:
    client.connection.data_received(NO_REQUEST + request("GET", READ))
    await until(lambda: client.wire.ended)
    client.connection.data_received(request("GET", READ))
    assert client.statuses() == [400]
    assert not client.wire.closed

    client.connection.connection_lost(None)
    await until(lambda: tasks() == 1)
    assert client.events.asked == []


async def test_a_client_that_does_not_end_it_is_cut_off() -> None:
    client = await connected(linger_s=0.01)
    client.connection.data_received(NO_REQUEST)
    async with asyncio.timeout(5):
        while not client.wire.closed:
            await asyncio.sleep(0.01)
    assert client.wire.ended
    assert client.statuses() == [400]


async def test_a_connection_that_lingers_holds_up_nobody_who_stops(client: Client) -> None:
    client.connection.data_received(NO_REQUEST)
    await until(lambda: client.wire.ended)

    assert not client.connection.expects_more
    await client.connection.shutdown(5)
    assert client.wire.aborted
