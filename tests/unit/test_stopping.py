"""A server that stops: what it waits for, what it answers, and whom it cuts off."""

import asyncio

import pytest

from tests.unit.one_connection import MOVE, READ, RESERVE, Client, connected, done, request, until

LONG_S = 5.0
SHORT_S = 0.05
HEAD, BODY = request("POST", RESERVE, MOVE).split(b"\r\n\r\n")
HEAD += b"\r\n\r\n"


@pytest.fixture
async def client() -> Client:
    client = await connected()
    client.lifecycle.drain()
    return client


def stopping(client: Client, within_s: float = LONG_S) -> "asyncio.Task[None]":
    """Stop as a worker does, once all requests have arrived."""

    async def stop() -> None:
        await client.server.arrived(within_s)
        client.server.pre_shutdown()
        await client.server.shutdown(LONG_S)

    return asyncio.create_task(stop())


async def test_a_new_connection_s_first_request_is_waited_for(client: Client) -> None:
    stop = stopping(client)
    await asyncio.sleep(0)
    assert not client.wire.closed

    client.connection.data_received(HEAD + BODY)
    await until(lambda: bool(client.events.asked))
    client.events.asked[0][1].set_result(done(3))
    await stop

    assert client.statuses() == [200]
    assert client.wire.closed


@pytest.mark.parametrize("drains_first", [True, False])
async def test_a_body_that_comes_after_its_head_is_waited_for(drains_first: bool) -> None:
    client = await connected(LONG_S)
    if drains_first:
        client.lifecycle.drain()
    client.connection.data_received(HEAD)
    client.lifecycle.drain()
    stop = stopping(client)
    await asyncio.sleep(0)

    client.connection.data_received(BODY)
    await until(lambda: bool(client.events.asked))
    client.events.asked[0][1].set_result(done(3))
    await stop

    assert client.statuses() == [200]


async def test_a_connection_that_has_been_answered_is_not_waited_for() -> None:
    client = await connected()
    client.send("GET", READ)
    client.lifecycle.drain()

    await client.server.arrived(LONG_S)

    assert client.statuses() == [200]


@pytest.mark.parametrize("sent", [b"", HEAD])
async def test_a_client_that_sends_no_more_is_cut_off(client: Client, sent: bytes) -> None:
    if sent:
        client.connection.data_received(sent)
    async with asyncio.timeout(LONG_S / 2):
        await stopping(client, SHORT_S)

    assert client.wire.closed
    assert not client.events.asked


async def test_a_client_that_does_not_read_is_cut_off(client: Client) -> None:
    client.connection.pause_writing()
    client.send("GET", READ)
    async with asyncio.timeout(LONG_S / 2):
        await stopping(client, SHORT_S)

    assert client.wire.aborted


async def test_a_move_that_has_arrived_is_answered_beyond_that_time(client: Client) -> None:
    client.reserve()
    await until(lambda: bool(client.events.asked))
    stop = stopping(client, 0.0)
    await asyncio.sleep(0)
    client.events.asked[0][1].set_result(done(3))
    await stop

    assert client.statuses() == [200]
